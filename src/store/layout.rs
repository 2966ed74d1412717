//! The tables of `workspace.db`, and the marks by which a file is known to be one.
//!
//! Ids of relations, entity types and files are local to the file and never reused. Sentence ids and run ids are
//! 64-bit hashes, kept as SQLite's signed integers bit for bit.

/// Raised with every change of the tables that an older program could not read.
pub const SCHEMA_VERSION: i64 = 1;

/// `PRAGMA application_id`: "rdrs".
pub(super) const APPLICATION_ID: i64 = 0x7264_7273;

/// Name of the database inside a workspace directory.
pub(super) const FILE_NAME: &str = "workspace.db";

/// 8 KiB pages: four or five sentences a page, little waste.
pub(super) const PAGE_SIZE: i64 = 8192;

pub(super) const TABLES: &str = "
CREATE TABLE meta (key TEXT PRIMARY KEY, value) WITHOUT ROWID;

CREATE TABLE relations (
    id INTEGER PRIMARY KEY,          -- dense from 0: RelationId of the open workspace
    name TEXT NOT NULL UNIQUE,
    info TEXT NOT NULL               -- JSON: head_types, tail_types, symmetric, inverse, by name
);
CREATE TABLE entity_types (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);
CREATE TABLE files (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);

-- Input files that were imported completely, by content.
CREATE TABLE inputs (
    hash BLOB PRIMARY KEY, name TEXT NOT NULL, sentences INTEGER NOT NULL, at_ms INTEGER NOT NULL
) WITHOUT ROWID;

CREATE TABLE sentences (
    idx INTEGER PRIMARY KEY,         -- dense from 0: SentenceIdx
    id INTEGER NOT NULL UNIQUE,      -- SentenceId
    split INTEGER NOT NULL,          -- 0 train, 1 dev, 2 test
    payload BLOB NOT NULL            -- sentence_bytes.rs
);
CREATE INDEX sentences_by_split ON sentences (split, idx, id);

CREATE TABLE runs (
    key INTEGER PRIMARY KEY, id INTEGER NOT NULL UNIQUE, model TEXT NOT NULL, at_ms INTEGER NOT NULL
);
CREATE TABLE predictions (
    run INTEGER NOT NULL, idx INTEGER NOT NULL, payload BLOB NOT NULL, PRIMARY KEY (run, idx)
) WITHOUT ROWID;

-- What a list row shows of a sentence; derived, so it may be written again at any time.
CREATE TABLE summaries (
    idx INTEGER PRIMARY KEY, run INTEGER, gold INTEGER NOT NULL, predicted INTEGER NOT NULL,
    disagreements INTEGER NOT NULL, touched INTEGER NOT NULL, done INTEGER NOT NULL
);

CREATE TABLE corrections (
    seq INTEGER PRIMARY KEY,
    at_ms INTEGER NOT NULL,
    who TEXT NOT NULL,
    sentence INTEGER NOT NULL,       -- SentenceId
    seen INTEGER,                    -- RunId
    edit TEXT,                       -- JSON, relations and types by name (wire.rs)
    undoes INTEGER,                  -- seq
    batch INTEGER,
    CHECK ((edit IS NULL) <> (undoes IS NULL))
);
CREATE INDEX corrections_by_sentence ON corrections (sentence, seq);
CREATE TRIGGER corrections_are_never_changed BEFORE UPDATE ON corrections
    BEGIN SELECT RAISE(ABORT, 'corrections are append-only'); END;
CREATE TRIGGER corrections_are_never_removed BEFORE DELETE ON corrections
    BEGIN SELECT RAISE(ABORT, 'corrections are append-only'); END;

CREATE TABLE kb_entities (key INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, name TEXT);
CREATE TABLE kb_aliases (entity INTEGER NOT NULL, alias TEXT NOT NULL, PRIMARY KEY (entity, alias)) WITHOUT ROWID;
CREATE TABLE kb_relations (key INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);
CREATE TABLE kb_facts (
    head INTEGER NOT NULL, relation INTEGER NOT NULL, tail INTEGER NOT NULL, PRIMARY KEY (head, relation, tail)
) WITHOUT ROWID;
";
