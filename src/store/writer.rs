//! The one writer of a workspace.

use super::database::{self, Database, Use, inspect};
use super::history::History;
use super::layout::FILE_NAME;
use super::lock::Lock;
use super::reader::{meta, setting_key};
use super::{Reader, StoreError};
use crate::domain::{RelationSchema, RunId};
use rusqlite::{Connection, params};
use std::path::Path;

/// Holds the workspace's lock. Use it from one thread; other threads read through [`Store::reader`].
pub struct Store {
    pub(super) reader: Reader,
    pub(super) bulk: Database,
    pub(super) edits: Database,
    pub(super) history: History,
    /// An edit's flush failed: see [`StoreError::Poisoned`].
    pub(super) poisoned: bool,
    pub(super) session: i64,
    _lock: Lock,
}

/// State of everything that the search index shows. An index made at the same `content` and at most `corrections`
/// lacks only the sentences of [`Reader::corrected_since`]; at another `content` it must be made anew.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Stamp {
    /// Differs between workspaces and between any two states of sentences, gold labels, predictions, current run.
    pub content: String,
    /// The last correction's `seq`, 0 for none.
    pub corrections: u64,
}

impl Store {
    /// Makes an empty workspace in `dir`; the directory may exist, a workspace in it may not.
    pub fn create(dir: &Path) -> Result<Self, StoreError> {
        let (path, lock) = database::create(dir)?;
        Self::connect(&path, lock)
    }

    /// Opens the workspace in `dir` as its only writer.
    pub fn open(dir: &Path) -> Result<Self, StoreError> {
        let path = dir.join(FILE_NAME);
        inspect(&path)?;
        let lock = Lock::take(dir)?;
        Self::connect(&path, lock)
    }

    fn connect(path: &Path, lock: Lock) -> Result<Self, StoreError> {
        let bulk = Database::connect(path, Use::Bulk)?;
        let session = bulk.run("opening it for writing", |connection| {
            Ok(connection.query_one("SELECT random()", [], |row| row.get(0))?)
        })?;
        let edits = Database::connect(path, Use::Edits)?;
        let reader = Reader::connect(path)?;
        let history = History::load(&reader)?;
        Ok(Self {
            reader,
            bulk,
            edits,
            history,
            poisoned: false,
            session,
            _lock: lock,
        })
    }

    /// What this workspace holds.
    pub fn read(&self) -> &Reader {
        &self.reader
    }

    /// A reader for another thread.
    pub fn reader(&self) -> Result<Reader, StoreError> {
        self.reader.reader()
    }

    /// Adds the names of `schema` that are new here, and overwrites what is known of its relations.
    pub fn save_schema(&mut self, schema: &RelationSchema) -> Result<(), StoreError> {
        self.bulk
            .transaction("saving the relation names", |transaction| {
                super::names::save(transaction, schema)
            })
    }

    /// Keeps a value under a name of the caller's.
    pub fn set_setting(&mut self, key: &str, value: &str) -> Result<(), StoreError> {
        self.bulk.transaction("saving a setting", |transaction| {
            set_meta(transaction, &setting_key(key), value)?;
            Ok(())
        })
    }

    /// Makes everything written so far safe against a power cut, and the log short. Call after an import or a
    /// prediction run.
    pub fn flush(&mut self) -> Result<(), StoreError> {
        self.edits.run("flushing to the disk", |connection| {
            connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(()))?;
            Ok(())
        })
    }

    /// For tests of a full disk: no more than `pages` pages in the file from now on.
    #[cfg(test)]
    pub(super) fn limit_pages(&mut self, pages: u32) {
        for database in [&self.bulk, &self.edits] {
            let limit = format!("PRAGMA max_page_count = {pages}");
            database
                .connection
                .query_row(&limit, [], |_| Ok(()))
                .unwrap();
        }
    }
}

impl Reader {
    pub fn stamp(&self) -> Result<Stamp, StoreError> {
        self.database.run("reading the revision", |connection| {
            let number = |key| meta::<i64>(connection, key);
            let last: i64 = connection.query_one(
                "SELECT coalesce(max(seq), 0) FROM corrections",
                [],
                |row| row.get(0),
            )?;
            Ok(Stamp {
                content: format!(
                    "{:016x}-{:016x}-{}",
                    number("workspace")?,
                    number("session")?,
                    number("revision")?
                ),
                corrections: last as u64,
            })
        })
    }

    /// The run whose predictions screens show.
    pub fn current_run(&self) -> Result<Option<RunId>, StoreError> {
        self.database.run("reading the current run", |connection| {
            let mut find =
                connection.prepare_cached("SELECT value FROM meta WHERE key = 'current_run'")?;
            let mut rows = find.query_map([], |row| row.get::<_, i64>(0))?;
            Ok(rows.next().transpose()?.map(|id| RunId(id as u64)))
        })
    }
}

pub(super) fn set_meta(
    connection: &Connection,
    key: &str,
    value: impl rusqlite::ToSql,
) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "INSERT INTO meta VALUES (?1, ?2) ON CONFLICT (key) DO UPDATE SET value = excluded.value",
        )?
        .execute(params![key, value])?;
    Ok(())
}

/// Part of every transaction that changes what the index shows, corrections excepted. A power cut may take back
/// unflushed changes together with their revision; the random `session` beside it keeps a later state from looking
/// like the one that was lost.
pub(super) fn bump(connection: &Connection, session: i64) -> rusqlite::Result<()> {
    connection
        .prepare_cached("UPDATE meta SET value = value + 1 WHERE key = 'revision'")?
        .execute([])?;
    set_meta(connection, "session", session)
}
