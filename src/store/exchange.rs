//! Corrections under names that are the same in every workspace, and those of others that have no effect here.
//!
//! A correction's key is a hash of its sentence, its time, its author and what it did (an undo: the key it takes back). Keys of
//! `corrections` are computed when asked for. Two tables appear with the first merge and change nothing for a program that
//! does not know them: `held` keeps corrections of others that contradict what stands, `settled` the adjudicators' marks.

use super::corrections::{Raw, check_target};
use super::error::Failure;
use super::names::Translation;
use super::reader::idx_of;
use super::wire::{edit_from_json, edit_to_json};
use super::{Reader, Store, StoreError};
use crate::domain::annotation::Change;
use crate::domain::{
    Correction, CorrectionKey, Edit, Record, RelationSchema, RunId, SentenceId, SharedChange,
};
use rusqlite::{Connection, OptionalExtension, params};
use sha2::{Digest, Sha256};
use std::collections::HashMap;

const TABLES: &str = "
CREATE TABLE IF NOT EXISTS held (
    key BLOB NOT NULL UNIQUE,        -- CorrectionKey, 16 bytes
    copy INTEGER NOT NULL,
    arrived INTEGER NOT NULL,        -- the last seq when it came
    at_ms INTEGER NOT NULL, who TEXT NOT NULL, sentence INTEGER NOT NULL, seen INTEGER,
    edit TEXT, undoes BLOB,          -- as in corrections; undoes is a key
    settles TEXT NOT NULL            -- keys, by spaces
);
CREATE INDEX IF NOT EXISTS held_by_sentence ON held (sentence);
CREATE TABLE IF NOT EXISTS settled (seq INTEGER PRIMARY KEY, keys TEXT NOT NULL);
CREATE TRIGGER IF NOT EXISTS held_is_never_changed BEFORE UPDATE ON held
    BEGIN SELECT RAISE(ABORT, 'corrections are append-only'); END;
CREATE TRIGGER IF NOT EXISTS held_is_never_removed BEFORE DELETE ON held
    BEGIN SELECT RAISE(ABORT, 'corrections are append-only'); END;
";

/// A correction on its way into a workspace, where it has no seq yet.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Incoming {
    pub record: Record,
    /// Keep it without effect.
    pub hold: bool,
    /// For an undo: what it takes back, where that was in the history before this merge.
    pub target: Option<u64>,
}

/// The key of a correction of which `copy` equal ones came before.
pub fn correction_key(
    sentence: SentenceId,
    at_ms: i64,
    by: &str,
    change: &SharedChange,
    copy: u32,
    schema: &RelationSchema,
) -> CorrectionKey {
    let first = match change {
        SharedChange::Edit(edit) => first_key(sentence, at_ms, by, Ok(&edit_to_json(edit, schema))),
        SharedChange::Undo(target) => first_key(sentence, at_ms, by, Err(*target)),
    };
    nth_key(first, copy)
}

/// `change`: an edit's JSON, or the key that an undo takes back.
fn first_key(
    sentence: SentenceId,
    at_ms: i64,
    by: &str,
    change: Result<&str, CorrectionKey>,
) -> CorrectionKey {
    let mut hash = Sha256::new();
    hash.update(b"correction\0");
    hash.update(sentence.0.to_be_bytes());
    hash.update(at_ms.to_be_bytes());
    hash.update((by.len() as u64).to_be_bytes());
    hash.update(by.as_bytes());
    match change {
        Ok(edit) => {
            hash.update(b"e");
            hash.update(edit.as_bytes());
        }
        Err(target) => {
            hash.update(b"u");
            hash.update(target.0.to_be_bytes());
        }
    }
    first_sixteen(hash)
}

fn nth_key(first: CorrectionKey, copy: u32) -> CorrectionKey {
    if copy == 0 {
        return first;
    }
    let mut hash = Sha256::new();
    hash.update(b"again\0");
    hash.update(first.0.to_be_bytes());
    hash.update(copy.to_be_bytes());
    first_sixteen(hash)
}

fn first_sixteen(hash: Sha256) -> CorrectionKey {
    let bytes = hash.finalize();
    CorrectionKey(
        bytes
            .iter()
            .take(16)
            .fold(0, |n, b| n << 8 | u128::from(*b)),
    )
}

impl Store {
    /// Appends what came from another workspace, all or nothing; what has effect here is one step to undo. Returns that.
    /// Keys must be new to this workspace; ids are those of `schema`.
    pub fn merge(
        &mut self,
        incoming: &[Incoming],
        schema: &RelationSchema,
    ) -> Result<Vec<Correction>, StoreError> {
        self.write_corrections("merging corrections", |transaction| {
            transaction.execute_batch(TABLES)?;
            merge(transaction, incoming, schema)
        })
    }
}

fn merge(
    connection: &Connection,
    incoming: &[Incoming],
    schema: &RelationSchema,
) -> Result<Vec<Correction>, Failure> {
    Translation::intern(connection, schema)?;
    let mut last: i64 = connection
        .prepare_cached("SELECT coalesce(max(seq), 0) FROM corrections")?
        .query_one([], |row| row.get(0))?;
    let appends = incoming.iter().filter(|i| !i.hold).count();
    let batch = (appends > 1).then_some(last + 1);
    let mut here: HashMap<CorrectionKey, u64> = HashMap::new();
    let mut appended = Vec::with_capacity(appends);
    for one in incoming {
        let new = &one.record;
        idx_of(connection, new.sentence)?;
        if one.hold {
            hold(connection, new, last, schema)?;
            continue;
        }
        last += 1;
        let change = match &new.change {
            SharedChange::Edit(edit) => Change::Edit(edit.clone()),
            SharedChange::Undo(key) => {
                let target = here.get(key).copied().or(one.target);
                let target = target.ok_or(StoreError::UnknownCorrection(0))?;
                check_target(connection, target, new.sentence)?;
                Change::Undo(target)
            }
        };
        let correction = Correction {
            seq: last as u64,
            at_ms: new.at_ms,
            by: new.by.clone(),
            sentence: new.sentence,
            seen: new.seen,
            change,
            batch: batch.map(|b| b as u64),
        };
        super::corrections::insert(connection, &correction, schema)?;
        here.insert(new.key, correction.seq);
        if !new.settles.is_empty() {
            connection
                .prepare_cached("INSERT INTO settled VALUES (?1, ?2)")?
                .execute(params![last, joined(&new.settles)])?;
        }
        appended.push(correction);
    }
    Ok(appended)
}

fn hold(
    connection: &Connection,
    new: &Record,
    arrived: i64,
    schema: &RelationSchema,
) -> Result<(), Failure> {
    let (edit, undoes) = match &new.change {
        SharedChange::Edit(edit) => (Some(edit_to_json(edit, schema)), None),
        SharedChange::Undo(key) => (None, Some(key.0.to_be_bytes())),
    };
    connection
        .prepare_cached("INSERT INTO held VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)")?
        .execute(params![
            new.key.0.to_be_bytes(),
            new.copy,
            arrived,
            new.at_ms,
            new.by,
            new.sentence.0 as i64,
            new.seen.map(|run| run.0 as i64),
            edit,
            undoes,
            joined(&new.settles)
        ])?;
    Ok(())
}

fn joined(keys: &[CorrectionKey]) -> String {
    let keys: Vec<String> = keys.iter().map(ToString::to_string).collect();
    keys.join(" ")
}

fn split(keys: &str) -> Result<Vec<CorrectionKey>, &'static str> {
    keys.split_whitespace()
        .map(|k| k.parse().map_err(|_| "an adjudication names no correction"))
        .collect()
}

/// A row of either table.
struct Row {
    order: (i64, i64),
    seq: Option<u64>,
    key: Option<CorrectionKey>,
    copy: u32,
    at_ms: i64,
    by: String,
    seen: Option<i64>,
    edit: Option<String>,
    undoes_seq: Option<u64>,
    undoes_key: Option<CorrectionKey>,
    settles: String,
}

fn key_of(bytes: [u8; 16]) -> CorrectionKey {
    CorrectionKey(u128::from_be_bytes(bytes))
}

impl Row {
    fn of_correction(raw: Raw, settles: String) -> Self {
        Self {
            order: (raw.seq, 0),
            seq: Some(raw.seq as u64),
            key: None,
            copy: 0,
            at_ms: raw.at_ms,
            by: raw.by,
            seen: raw.seen,
            edit: raw.edit,
            undoes_seq: raw.undoes.map(|u| u as u64),
            undoes_key: None,
            settles,
        }
    }

    fn of_held(row: &rusqlite::Row) -> rusqlite::Result<Self> {
        Ok(Self {
            order: (row.get("arrived")?, row.get("rowid")?),
            seq: None,
            key: Some(key_of(row.get("key")?)),
            copy: row.get("copy")?,
            at_ms: row.get("at_ms")?,
            by: row.get("who")?,
            seen: row.get("seen")?,
            edit: row.get("edit")?,
            undoes_seq: None,
            undoes_key: row.get::<_, Option<[u8; 16]>>("undoes")?.map(key_of),
            settles: row.get("settles")?,
        })
    }
}

impl Reader {
    /// Whether anything was ever merged into this workspace, or adjudicated.
    pub fn has_merged(&self) -> Result<bool, StoreError> {
        self.database.run("reading the history", has_tables)
    }

    /// Sentences with a correction, held ones included, by id.
    pub fn recorded_sentences(&self) -> Result<Vec<SentenceId>, StoreError> {
        let mut ids = self.corrected_since(0)?;
        ids.extend(self.held_sentences()?);
        ids.sort_unstable();
        ids.dedup();
        Ok(ids)
    }

    /// Sentences with a correction that is held.
    pub fn held_sentences(&self) -> Result<Vec<SentenceId>, StoreError> {
        self.database.run("listing held corrections", |connection| {
            if !has_tables(connection)? {
                return Ok(Vec::new());
            }
            let mut select = connection.prepare_cached("SELECT DISTINCT sentence FROM held")?;
            let ids = select.query_map([], |row| Ok(SentenceId(row.get::<_, i64>(0)? as u64)))?;
            Ok(ids.collect::<rusqlite::Result<_>>()?)
        })
    }

    /// Who has corrected each sentence, held corrections included.
    pub fn authors_of_sentences(&self) -> Result<HashMap<SentenceId, Vec<String>>, StoreError> {
        self.database.run("listing the curators", |connection| {
            let held = match has_tables(connection)? {
                true => "UNION SELECT sentence, who FROM held",
                false => "",
            };
            let sql =
                format!("SELECT sentence, who FROM corrections {held} ORDER BY sentence, who");
            let mut select = connection.prepare(&sql)?;
            let mut authors: HashMap<SentenceId, Vec<String>> = HashMap::new();
            let mut rows = select.query([])?;
            while let Some(row) = rows.next()? {
                let of = authors.entry(SentenceId(row.get::<_, i64>(0)? as u64));
                let (of, who) = (of.or_default(), row.get::<_, String>(1)?);
                if of.last() != Some(&who) {
                    of.push(who);
                }
            }
            Ok(authors)
        })
    }

    /// Sentences that more than one curator has corrected, by id.
    pub fn sentences_of_several(&self) -> Result<Vec<SentenceId>, StoreError> {
        let authors = self.authors_of_sentences()?.into_iter();
        let mut ids: Vec<SentenceId> = authors
            .filter(|(_, who)| who.len() > 1)
            .map(|(id, _)| id)
            .collect();
        ids.sort_unstable();
        Ok(ids)
    }

    /// All that was ever done to a sentence, held corrections included, in the order in which it came here.
    pub fn records(&self, id: SentenceId) -> Result<Vec<Record>, StoreError> {
        self.database.run("reading corrections", |connection| {
            let rows = rows(connection, id)?;
            let mut copies: HashMap<CorrectionKey, u32> = HashMap::new();
            let mut keys: HashMap<u64, CorrectionKey> = HashMap::new();
            let mut records = Vec::with_capacity(rows.len());
            for row in rows {
                let undoes = match row.undoes_seq {
                    Some(seq) => keys.get(&seq).copied(),
                    None => row.undoes_key,
                };
                let change = match (&row.edit, undoes) {
                    (Some(json), _) => Ok(json.as_str()),
                    (None, Some(key)) => Err(key),
                    (None, None) => {
                        let what = "an undo takes back no correction of its sentence";
                        return Err(self.database.damaged(what).into());
                    }
                };
                let first = first_key(id, row.at_ms, &row.by, change);
                let n = copies.entry(first).or_default();
                let copy = if row.key.is_some() { row.copy } else { *n };
                *n += 1;
                let key = row.key.unwrap_or_else(|| nth_key(first, copy));
                keys.extend(row.seq.map(|seq| (seq, key)));
                let change = match change {
                    Ok(json) => SharedChange::Edit(self.edit(connection, json)?),
                    Err(target) => SharedChange::Undo(target),
                };
                let damaged = |what| Failure::from(self.database.damaged(what));
                records.push(Record {
                    key,
                    copy,
                    seq: row.seq,
                    at_ms: row.at_ms,
                    by: row.by,
                    sentence: id,
                    seen: row.seen.map(|run| RunId(run as u64)),
                    change,
                    settles: split(&row.settles).map_err(damaged)?,
                });
            }
            Ok(records)
        })
    }

    fn edit(&self, connection: &Connection, json: &str) -> Result<Edit, Failure> {
        self.with_names(connection, |names| edit_from_json(json, names))
    }
}

fn has_tables(connection: &Connection) -> Result<bool, Failure> {
    let found: Option<i64> = connection
        .prepare_cached("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'settled'")?
        .query_row([], |row| row.get(0))
        .optional()?;
    Ok(found.is_some())
}

fn rows(connection: &Connection, id: SentenceId) -> Result<Vec<Row>, Failure> {
    let merged = has_tables(connection)?;
    let settles = match merged {
        true => "coalesce((SELECT keys FROM settled s WHERE s.seq = c.seq), '')",
        false => "''",
    };
    let columns = super::corrections::COLUMNS;
    let sql =
        format!("SELECT {columns}, {settles} FROM corrections c WHERE sentence = ?1 ORDER BY seq");
    let mut select = connection.prepare_cached(&sql)?;
    let mut rows = select
        .query_map([id.0 as i64], |row| {
            Ok(Row::of_correction(Raw::of(row)?, row.get(8)?))
        })?
        .collect::<rusqlite::Result<Vec<_>>>()?;
    if merged {
        let mut select =
            connection.prepare_cached("SELECT rowid, * FROM held WHERE sentence = ?1")?;
        let held = select.query_map([id.0 as i64], Row::of_held)?;
        rows.extend(held.collect::<rusqlite::Result<Vec<_>>>()?);
        rows.sort_by_key(|row| row.order);
    }
    Ok(rows)
}
