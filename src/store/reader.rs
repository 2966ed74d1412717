//! A read-only view of a workspace. Any number of them, in any thread or process, beside the one writer.

use super::database::{Database, Use, open_for_reading};
use super::error::Failure;
use super::layout::FILE_NAME;
use super::names::Names;
use super::{StoreError, bytes::Malformed};
use crate::domain::{SentenceId, SentenceIdx};
use rusqlite::{Connection, OptionalExtension};
use std::cell::RefCell;
use std::path::Path;

/// Reads what is committed; each call sees the newest state. Send it to another thread, or open one there.
pub struct Reader {
    pub(super) database: Database,
    names: RefCell<Names>,
}

/// Result of looking at every page of the file.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Check {
    Sound,
    /// SQLite's findings, at most 20.
    Damaged(Vec<String>),
}

impl Reader {
    /// Opens the workspace in `dir` for reading. Takes no lock and never writes to the database file.
    pub fn open(dir: &Path) -> Result<Self, StoreError> {
        let database = open_for_reading(&dir.join(FILE_NAME))?;
        Ok(Self {
            database,
            names: RefCell::default(),
        })
    }

    pub(super) fn connect(path: &Path) -> Result<Self, StoreError> {
        Ok(Self {
            database: Database::connect(path, Use::Read)?,
            names: RefCell::default(),
        })
    }

    /// One more reader of the same workspace, for another thread.
    pub fn reader(&self) -> Result<Self, StoreError> {
        Self::connect(&self.database.path)
    }

    /// Reads the whole file: seconds on a large one. For `redress doctor`.
    pub fn check(&self) -> Result<Check, StoreError> {
        self.database.run("checking the file", |connection| {
            let mut statement = connection.prepare("PRAGMA integrity_check(20)")?;
            let findings = statement
                .query_map([], |row| row.get(0))?
                .collect::<rusqlite::Result<Vec<String>>>()?;
            Ok(if findings == ["ok"] {
                Check::Sound
            } else {
                Check::Damaged(findings)
            })
        })
    }

    /// A value kept under a name of the caller's: the current model's path, thresholds.
    pub fn setting(&self, key: &str) -> Result<Option<String>, StoreError> {
        self.database.run("reading a setting", |connection| {
            let mut find = connection.prepare_cached("SELECT value FROM meta WHERE key = ?1")?;
            Ok(find
                .query_row([setting_key(key)], |row| row.get(0))
                .optional()?)
        })
    }

    /// Sentences in the workspace; their `SentenceIdx` run from 0 to one less.
    pub fn sentence_count(&self) -> Result<u32, StoreError> {
        self.database
            .run("counting sentences", |c| Ok(meta(c, "sentences")?))
    }

    pub fn idx_of(&self, id: SentenceId) -> Result<SentenceIdx, StoreError> {
        self.database.run("finding a sentence", |c| idx_of(c, id))
    }

    pub fn id_of(&self, idx: SentenceIdx) -> Result<Option<SentenceId>, StoreError> {
        self.database.run("finding a sentence", |connection| {
            let mut find = connection.prepare_cached("SELECT id FROM sentences WHERE idx = ?1")?;
            Ok(find
                .query_row([idx.0], |row| Ok(SentenceId(row.get::<_, i64>(0)? as u64)))
                .optional()?)
        })
    }

    /// Decodes with the file's names; reads them again once when something refers to a newer name.
    pub(super) fn with_names<T>(
        &self,
        connection: &Connection,
        decode: impl Fn(&Names) -> Result<T, Malformed>,
    ) -> Result<T, Failure> {
        if let Ok(value) = decode(&self.names.borrow()) {
            return Ok(value);
        }
        let names = Names::load(connection)?;
        let value = decode(&names).map_err(|what| Failure::Store(self.database.damaged(what)))?;
        *self.names.borrow_mut() = names;
        Ok(value)
    }
}

pub(super) fn setting_key(key: &str) -> String {
    format!("setting {key}")
}

/// A number of the program's own that every workspace has.
pub(super) fn meta<T: rusqlite::types::FromSql>(
    connection: &Connection,
    key: &str,
) -> rusqlite::Result<T> {
    connection
        .prepare_cached("SELECT value FROM meta WHERE key = ?1")?
        .query_one([key], |row| row.get(0))
}

pub(super) fn idx_of(connection: &Connection, id: SentenceId) -> Result<SentenceIdx, Failure> {
    let mut find = connection.prepare_cached("SELECT idx FROM sentences WHERE id = ?1")?;
    find.query_row([id.0 as i64], |row| row.get(0))
        .optional()?
        .map(SentenceIdx)
        .ok_or(Failure::Store(StoreError::UnknownSentence(id)))
}
