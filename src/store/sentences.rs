//! Sentences and their gold labels: bulk in, page by page out. A corpus need not fit in memory.

use super::error::Failure;
use super::names::{Names, Translation, file_number};
use super::reader::{idx_of, meta};
use super::sentence_bytes::{decode, decode_text, encode};
use super::writer::{bump, set_meta};
use super::{Reader, Store, StoreError};
use crate::domain::{Entity, GoldTriple, RelationSchema, Sentence, SentenceId, SentenceIdx, Split};
use rusqlite::{Connection, OptionalExtension, Row, Transaction, params};
use std::collections::HashMap;

/// A page ends early when it holds this many bytes of sentences: a 10,000-token sentence is rare, a page of them fatal.
const PAGE_BYTES: usize = 4 << 20;

/// What became of a batch of sentences. The three add up to it.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Added {
    pub added: usize,
    /// In the workspace already, same id and text; left as they were.
    pub known: usize,
    /// Another text under an id that is taken; not added. The caller must say so.
    pub conflicts: Vec<SentenceId>,
}

/// New entities and gold labels of one sentence, as the labeller finds them.
#[derive(Clone, PartialEq, Debug)]
pub struct NewGold {
    pub sentence: SentenceId,
    pub entities: Vec<Entity>,
    pub gold: Vec<GoldTriple>,
}

/// An input file that was imported completely.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct InputFile {
    /// Hash of its content.
    pub hash: Vec<u8>,
    pub name: String,
    pub sentences: u64,
    /// Milliseconds since the Unix epoch.
    pub at_ms: i64,
}

#[derive(Clone, PartialEq, Debug, Default)]
pub struct Page {
    pub sentences: Vec<(SentenceIdx, Sentence)>,
    /// Where the next page starts; `None` after the last.
    pub next: Option<SentenceIdx>,
}

impl Store {
    /// Adds sentences whose id is new, in order, in one transaction; ids in `sentences` are those of `schema`.
    /// Thousands at a time are fast. A sentence that breaks [`Sentence::check`] is an error and nothing is added.
    pub fn add_sentences<'a>(
        &mut self,
        sentences: impl IntoIterator<Item = &'a Sentence>,
        schema: &RelationSchema,
    ) -> Result<Added, StoreError> {
        let session = self.session;
        self.bulk.transaction("adding sentences", |transaction| {
            let numbers = Translation::intern(transaction, schema)?;
            let mut files = HashMap::new();
            let mut next: u32 = meta(transaction, "sentences")?;
            let mut added = Added::default();
            for sentence in sentences {
                checked(sentence)?;
                if let Some(text) = text_of(transaction, sentence.id)? {
                    if text == sentence.text {
                        added.known += 1;
                    } else {
                        added.conflicts.push(sentence.id);
                    }
                    continue;
                }
                let file = match files.get(&sentence.file) {
                    Some(number) => *number,
                    None => {
                        let number = file_number(transaction, &sentence.file)?;
                        files.insert(sentence.file.clone(), number);
                        number
                    }
                };
                transaction
                    .prepare_cached("INSERT INTO sentences VALUES (?1, ?2, ?3, ?4)")?
                    .execute(params![
                        next,
                        sentence.id.0 as i64,
                        split_number(sentence.split),
                        encode(sentence, file, &numbers)
                    ])?;
                next = next.checked_add(1).ok_or(StoreError::TooManySentences)?;
                added.added += 1;
            }
            if added.added > 0 {
                set_meta(transaction, "sentences", next)?;
                bump(transaction, session)?;
            }
            Ok(added)
        })
    }

    /// Replaces entities and gold labels, all or none. Corrections stay; those that no longer fit are skipped by the fold.
    pub fn set_gold(
        &mut self,
        changes: &[NewGold],
        schema: &RelationSchema,
    ) -> Result<(), StoreError> {
        let (session, reader) = (self.session, &self.reader);
        self.bulk
            .transaction("replacing gold labels", |transaction| {
                let numbers = Translation::intern(transaction, schema)?;
                let names = Names::load(transaction)?;
                for change in changes {
                    let stored = find(transaction, change.sentence)?
                        .ok_or(StoreError::UnknownSentence(change.sentence))?;
                    let mut sentence =
                        decode(change.sentence, stored.split, &stored.payload, &names)
                            .map_err(|what| reader.database.damaged(what))?;
                    sentence.entities.clone_from(&change.entities);
                    sentence.gold.clone_from(&change.gold);
                    checked(&sentence)?;
                    let file = file_number(transaction, &sentence.file)?;
                    transaction
                        .prepare_cached("UPDATE sentences SET payload = ?2 WHERE idx = ?1")?
                        .execute(params![stored.idx, encode(&sentence, file, &numbers)])?;
                }
                bump(transaction, session)?;
                Ok(())
            })
    }

    /// Remembers that all of a file is in the workspace.
    pub fn remember_input(&mut self, input: &InputFile) -> Result<(), StoreError> {
        self.bulk
            .transaction("noting an input file", |transaction| {
                transaction.execute(
                    "INSERT INTO inputs VALUES (?1, ?2, ?3, ?4) ON CONFLICT (hash) DO NOTHING",
                    params![input.hash, input.name, input.sentences as i64, input.at_ms],
                )?;
                Ok(())
            })
    }
}

impl Reader {
    pub fn sentence(&self, id: SentenceId) -> Result<Sentence, StoreError> {
        self.database.run("reading a sentence", |connection| {
            let stored = find(connection, id)?.ok_or(StoreError::UnknownSentence(id))?;
            self.with_names(connection, |names| {
                decode(id, stored.split, &stored.payload, names)
            })
        })
    }

    /// Up to `limit` sentences in corpus order, from `from` on; fewer when they are long.
    pub fn page(&self, from: SentenceIdx, limit: usize) -> Result<Page, StoreError> {
        self.database.run("reading sentences", |connection| {
            let mut select = connection.prepare_cached(
                "SELECT idx, split, payload, id FROM sentences WHERE idx >= ?1 ORDER BY idx LIMIT ?2",
            )?;
            let mut rows = select.query(params![from.0, limit as i64])?;
            let (mut page, mut bytes) = (Page::default(), 0);
            while let Some(row) = rows.next()? {
                let stored = Stored::of(row)?;
                let id = SentenceId(row.get::<_, i64>(3)? as u64);
                bytes += stored.payload.len();
                let sentence = self.with_names(connection, |names| {
                    decode(id, stored.split, &stored.payload, names)
                })?;
                page.sentences.push((SentenceIdx(stored.idx), sentence));
                if page.sentences.len() == limit || bytes >= PAGE_BYTES {
                    page.next = stored.idx.checked_add(1).map(SentenceIdx);
                    break;
                }
            }
            Ok(page)
        })
    }

    /// Every sentence in corpus order, `limit` at a time.
    pub fn pages(&self, limit: usize) -> impl Iterator<Item = Result<Page, StoreError>> + '_ {
        let mut from = Some(SentenceIdx(0));
        std::iter::from_fn(move || {
            let page = self.page(from?, limit);
            from = page.as_ref().ok().and_then(|p| p.next);
            match &page {
                Ok(p) if p.sentences.is_empty() => None,
                _ => Some(page),
            }
        })
    }

    /// Ids of one split, or of all sentences, in corpus order.
    pub fn ids(&self, split: Option<Split>) -> Result<Vec<(SentenceIdx, SentenceId)>, StoreError> {
        self.database.run("listing sentences", |connection| {
            let splits = match &split {
                Some(split) => std::slice::from_ref(split),
                None => &Split::ALL,
            };
            let mut ids = Vec::new();
            for split in splits {
                let mut select = connection.prepare_cached(
                    "SELECT idx, id FROM sentences WHERE split = ?1 ORDER BY idx",
                )?;
                let rows = select.query_map([split_number(*split)], |row| {
                    Ok((
                        SentenceIdx(row.get(0)?),
                        SentenceId(row.get::<_, i64>(1)? as u64),
                    ))
                })?;
                for row in rows {
                    ids.push(row?);
                }
            }
            ids.sort_unstable();
            Ok(ids)
        })
    }

    /// The file with this content, if it was imported completely.
    pub fn input(&self, hash: &[u8]) -> Result<Option<InputFile>, StoreError> {
        self.database
            .run("looking for an input file", |connection| {
                Ok(connection
                    .query_row(
                        "SELECT hash, name, sentences, at_ms FROM inputs WHERE hash = ?1",
                        [hash],
                        |row| {
                            Ok(InputFile {
                                hash: row.get(0)?,
                                name: row.get(1)?,
                                sentences: row.get::<_, i64>(2)? as u64,
                                at_ms: row.get(3)?,
                            })
                        },
                    )
                    .optional()?)
            })
    }
}

/// A row of `sentences`, not yet decoded.
struct Stored {
    idx: u32,
    split: Split,
    payload: Vec<u8>,
}

impl Stored {
    /// Columns 0 to 2: idx, split, payload.
    fn of(row: &Row) -> rusqlite::Result<Self> {
        let split = row.get(1)?;
        Ok(Self {
            idx: row.get(0)?,
            split: split_of(split).ok_or(rusqlite::Error::IntegralValueOutOfRange(1, split))?,
            payload: row.get(2)?,
        })
    }
}

fn find(connection: &Connection, id: SentenceId) -> rusqlite::Result<Option<Stored>> {
    connection
        .prepare_cached("SELECT idx, split, payload FROM sentences WHERE id = ?1")?
        .query_row([id.0 as i64], Stored::of)
        .optional()
}

fn text_of(transaction: &Transaction, id: SentenceId) -> Result<Option<String>, Failure> {
    match idx_of(transaction, id) {
        Err(Failure::Store(StoreError::UnknownSentence(_))) => Ok(None),
        Err(other) => Err(other),
        Ok(idx) => {
            let payload: Vec<u8> = transaction
                .prepare_cached("SELECT payload FROM sentences WHERE idx = ?1")?
                .query_one([idx.0], |row| row.get(0))?;
            // Damage shows as a conflict here, and as damage when the sentence is read.
            Ok(Some(decode_text(&payload).unwrap_or_default()))
        }
    }
}

fn checked(sentence: &Sentence) -> Result<(), Failure> {
    sentence.check().map_err(|what| {
        Failure::Store(StoreError::BadSentence {
            id: sentence.id,
            file: sentence.file.to_string(),
            line: sentence.line,
            what,
        })
    })
}

fn split_number(split: Split) -> i64 {
    match split {
        Split::Train => 0,
        Split::Dev => 1,
        Split::Test => 2,
    }
}
fn split_of(number: i64) -> Option<Split> {
    Split::ALL
        .into_iter()
        .find(|split| split_number(*split) == number)
}
