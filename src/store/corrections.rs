//! Corrections: appended, flushed, never changed.

use super::error::Failure;
use super::names::{Names, Translation};
use super::reader::idx_of;
use super::wire::{edit_from_json, edit_to_json};
use super::{Reader, Store, StoreError};
use crate::domain::annotation::Change;
use crate::domain::{Correction, RelationSchema, RunId, SentenceId};
use rusqlite::{Connection, OptionalExtension, Row, params};

/// A correction before it has its place in the history.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NewCorrection {
    /// Milliseconds since the Unix epoch.
    pub at_ms: i64,
    pub by: String,
    pub sentence: SentenceId,
    /// The model run that was on screen.
    pub seen: Option<RunId>,
    pub change: Change,
}

pub(super) const COLUMNS: &str = "seq, at_ms, who, sentence, seen, edit, undoes, batch";

impl Store {
    /// Appends corrections and returns them numbered, after they are flushed to the disk; on an error none of them is
    /// in the workspace. What is appended by one call is one step to undo: several corrections get a batch of their
    /// own. Ids are those of `schema`; an undo must name a correction of the same sentence.
    pub fn append(
        &mut self,
        corrections: &[NewCorrection],
        schema: &RelationSchema,
    ) -> Result<Vec<Correction>, StoreError> {
        self.write_corrections("saving corrections", |transaction| {
            append(transaction, corrections, schema)
        })
    }

    /// One transaction, which is one step of the history. After an error that leaves unknown what is on the disk, nothing more is written.
    pub(super) fn write_corrections(
        &mut self,
        what: &'static str,
        write: impl FnOnce(&Connection) -> Result<Vec<Correction>, Failure>,
    ) -> Result<Vec<Correction>, StoreError> {
        if self.poisoned {
            return Err(StoreError::Poisoned(self.edits.path.to_path_buf()));
        }
        let written = self
            .edits
            .transaction(what, |transaction| write(transaction));
        match written {
            Ok(corrections) => {
                self.history.extend(corrections.iter().map(|c| {
                    let undoes = match c.change {
                        Change::Undo(target) => Some(target),
                        Change::Edit(_) => None,
                    };
                    (c.seq, undoes, c.batch)
                }));
                Ok(corrections)
            }
            Err(error) => {
                self.poisoned = error.leaves_disk_unknown();
                Err(error)
            }
        }
    }
}

fn append(
    connection: &Connection,
    corrections: &[NewCorrection],
    schema: &RelationSchema,
) -> Result<Vec<Correction>, Failure> {
    // A relation or type that a curator has just made up must be known before an edit names it.
    Translation::intern(connection, schema)?;
    let last: i64 = connection
        .prepare_cached("SELECT coalesce(max(seq), 0) FROM corrections")?
        .query_one([], |row| row.get(0))?;
    let first = last as u64 + 1;
    let batch = (corrections.len() > 1).then_some(first);
    let mut done = Vec::with_capacity(corrections.len());
    for (seq, new) in (first..).zip(corrections) {
        idx_of(connection, new.sentence)?;
        if let Change::Undo(target) = new.change {
            check_target(connection, target, new.sentence)?;
        }
        let correction = Correction {
            seq,
            at_ms: new.at_ms,
            by: new.by.clone(),
            sentence: new.sentence,
            seen: new.seen,
            change: new.change.clone(),
            batch,
        };
        insert(connection, &correction, schema)?;
        done.push(correction);
    }
    Ok(done)
}

pub(super) fn insert(
    connection: &Connection,
    correction: &Correction,
    schema: &RelationSchema,
) -> Result<(), Failure> {
    let (edit, undoes) = match &correction.change {
        Change::Edit(edit) => (Some(edit_to_json(edit, schema)), None),
        Change::Undo(target) => (None, Some(*target as i64)),
    };
    connection
        .prepare_cached("INSERT INTO corrections VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)")?
        .execute(params![
            correction.seq as i64,
            correction.at_ms,
            correction.by,
            correction.sentence.0 as i64,
            correction.seen.map(|run| run.0 as i64),
            edit,
            undoes,
            correction.batch.map(|b| b as i64)
        ])?;
    Ok(())
}

/// A fold sees the corrections of one sentence: an undo from another one would never take effect.
pub(super) fn check_target(
    connection: &Connection,
    target: u64,
    sentence: SentenceId,
) -> Result<(), Failure> {
    let owner: Option<i64> = connection
        .prepare_cached("SELECT sentence FROM corrections WHERE seq = ?1")?
        .query_row([target as i64], |row| row.get(0))
        .optional()?;
    if owner == Some(sentence.0 as i64) {
        Ok(())
    } else {
        Err(StoreError::UnknownCorrection(target).into())
    }
}

impl Reader {
    /// The corrections of one sentence, in order: what the fold wants.
    pub fn corrections(&self, id: SentenceId) -> Result<Vec<Correction>, StoreError> {
        let sql = format!("SELECT {COLUMNS} FROM corrections WHERE sentence = ?1 ORDER BY seq");
        self.database.run("reading corrections", |connection| {
            let mut select = connection.prepare_cached(&sql)?;
            let raw = select
                .query_map([id.0 as i64], Raw::of)?
                .collect::<rusqlite::Result<Vec<_>>>()?;
            raw.into_iter()
                .map(|raw| self.with_names(connection, |names| raw.decode(names)))
                .collect()
        })
    }

    pub fn correction(&self, seq: u64) -> Result<Correction, StoreError> {
        let sql = format!("SELECT {COLUMNS} FROM corrections WHERE seq = ?1");
        self.database.run("reading a correction", |connection| {
            let raw = connection
                .prepare_cached(&sql)?
                .query_row([seq as i64], Raw::of)
                .optional()?
                .ok_or(StoreError::UnknownCorrection(seq))?;
            self.with_names(connection, |names| raw.decode(names))
        })
    }

    /// The history after `seq` (0 for all), oldest first, at most `limit`.
    pub fn corrections_after(&self, seq: u64, limit: usize) -> Result<Vec<Correction>, StoreError> {
        let sql = format!("SELECT {COLUMNS} FROM corrections WHERE seq > ?1 ORDER BY seq LIMIT ?2");
        self.database.run("reading the history", |connection| {
            let mut select = connection.prepare_cached(&sql)?;
            let raw = select
                .query_map(params![seq as i64, limit as i64], Raw::of)?
                .collect::<rusqlite::Result<Vec<_>>>()?;
            raw.into_iter()
                .map(|raw| self.with_names(connection, |names| raw.decode(names)))
                .collect()
        })
    }

    /// The whole history, oldest first, read in pieces.
    pub fn all_corrections(&self) -> impl Iterator<Item = Result<Correction, StoreError>> + '_ {
        let (mut last, mut page) = (0, Vec::new().into_iter());
        let mut ended = false;
        std::iter::from_fn(move || {
            if let Some(correction) = page.next() {
                let correction: Correction = correction;
                last = correction.seq;
                return Some(Ok(correction));
            }
            if ended {
                return None;
            }
            match self.corrections_after(last, 1024) {
                Ok(next) => {
                    page = next.into_iter();
                    let correction = page.next()?;
                    last = correction.seq;
                    Some(Ok(correction))
                }
                Err(error) => {
                    ended = true;
                    Some(Err(error))
                }
            }
        })
    }

    /// Corrections in the workspace, undos included.
    pub fn correction_count(&self) -> Result<u64, StoreError> {
        self.database.run("counting corrections", |connection| {
            let n: i64 =
                connection.query_one("SELECT count(*) FROM corrections", [], |row| row.get(0))?;
            Ok(n as u64)
        })
    }

    /// Edits that stand: those that are undone, and the undos, do not count.
    pub fn standing_edits(&self) -> Result<u64, StoreError> {
        self.database.run("counting edits", |connection| {
            // An undo of an undo brings an edit back.
            let n: i64 = connection.query_one(
                "SELECT coalesce(sum(CASE WHEN c.undoes IS NULL THEN 1 WHEN t.undoes IS NULL THEN -1 ELSE 1 END), 0) \
                 FROM corrections c LEFT JOIN corrections t ON t.seq = c.undoes",
                [],
                |row| row.get(0),
            )?;
            Ok(n.max(0) as u64)
        })
    }

    /// Sentences with a correction after `seq`, each once, by id. With 0: every sentence that was ever corrected.
    pub fn corrected_since(&self, seq: u64) -> Result<Vec<SentenceId>, StoreError> {
        self.database
            .run("listing corrected sentences", |connection| {
                let mut select = connection
                    .prepare_cached("SELECT DISTINCT sentence FROM corrections WHERE seq > ?1")?;
                let mut ids = select
                    .query_map([seq as i64], |row| {
                        Ok(SentenceId(row.get::<_, i64>(0)? as u64))
                    })?
                    .collect::<rusqlite::Result<Vec<_>>>()?;
                ids.sort_unstable();
                Ok(ids)
            })
    }
}

/// A row of `corrections`, its edit not yet decoded.
pub(super) struct Raw {
    pub seq: i64,
    pub at_ms: i64,
    pub by: String,
    sentence: i64,
    pub seen: Option<i64>,
    pub edit: Option<String>,
    pub undoes: Option<i64>,
    batch: Option<i64>,
}

impl Raw {
    pub fn of(row: &Row) -> rusqlite::Result<Self> {
        Ok(Self {
            seq: row.get(0)?,
            at_ms: row.get(1)?,
            by: row.get(2)?,
            sentence: row.get(3)?,
            seen: row.get(4)?,
            edit: row.get(5)?,
            undoes: row.get(6)?,
            batch: row.get(7)?,
        })
    }

    fn decode(&self, names: &Names) -> Result<Correction, &'static str> {
        let change = match (&self.edit, self.undoes) {
            (Some(json), _) => Change::Edit(edit_from_json(json, names)?),
            (None, Some(target)) => Change::Undo(target as u64),
            (None, None) => return Err("a correction is neither an edit nor an undo"),
        };
        Ok(Correction {
            seq: self.seq as u64,
            at_ms: self.at_ms,
            by: self.by.clone(),
            sentence: SentenceId(self.sentence as u64),
            seen: self.seen.map(|run| RunId(run as u64)),
            change,
            batch: self.batch.map(|b| b as u64),
        })
    }
}
