//! The index on disk: opened if it is whole and ours, made anew if not, kept in memory if there is no place for it.

use super::doc::Doc;
use super::fields::{ANALYZER, Fields, LAYOUT, analyzer};
use super::{IndexError, Searcher};
use crate::domain::RelationSchema;
use serde::{Deserialize, Serialize};
use std::path::Path;
use tantivy::directory::{Directory, INDEX_WRITER_LOCK, MmapDirectory};
use tantivy::query::AllQuery;
use tantivy::{IndexReader, IndexSettings, IndexWriter, ReloadPolicy, Term};

/// Memory for documents on their way to disk, all threads together.
const HEAP_BYTES: usize = 64 << 20;
/// Checksums of a larger index are not verified on opening: that would take longer than a person waits.
const VERIFY_BYTES: u64 = 128 << 20;

/// What the index was made from: the store's revision.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Stamp {
    /// Sentences, gold labels, predictions, current run. Equal or not, nothing else.
    pub content: String,
    /// The last correction.
    pub corrections: u64,
}

/// How the index stands to the store.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Freshness {
    Current,
    /// Only sentences corrected after this correction are out of date: [`Index::update`] them and commit.
    Behind {
        since: u64,
    },
    /// To be made anew: [`Index::start_over`], [`Index::add`] everything, commit.
    Stale,
}

/// What a commit carries.
#[derive(Serialize, Deserialize)]
struct Payload {
    layout: u32,
    #[serde(flatten)]
    stamp: Stamp,
}

/// The index and its writer, for one thread. Searches go through [`Index::searcher`], in any thread.
pub struct Index {
    tantivy: tantivy::Index,
    fields: Fields,
    reader: IndexReader,
    writer: Option<IndexWriter>,
    stamp: Option<Stamp>,
    in_memory: Option<String>,
}

impl Index {
    /// Opens the index in `dir` (a cache directory; made if missing). A damaged or older index is emptied. Where
    /// nothing can be written, or another process is writing a damaged one, the index lives in memory instead.
    pub fn open(dir: &Path) -> Result<Self, IndexError> {
        if let Some(index) = Self::open_whole(dir) {
            return Ok(index);
        }
        match Self::make_anew(dir) {
            Ok(index) => Ok(index),
            Err(reason) => Self::in_memory(reason),
        }
    }

    /// An index that is gone when the program ends; `reason` says why.
    pub fn in_memory(reason: impl Into<String>) -> Result<Self, IndexError> {
        let (schema, _) = Fields::build();
        let tantivy = tantivy::Index::create_in_ram(schema);
        Ok(Self {
            in_memory: Some(reason.into()),
            ..Self::with_reader(tantivy)?
        })
    }

    /// Why the index is not kept, if it is not.
    pub fn why_in_memory(&self) -> Option<&str> {
        self.in_memory.as_deref()
    }

    fn open_whole(dir: &Path) -> Option<Self> {
        if !dir.join("meta.json").is_file() {
            return None;
        }
        let tantivy = tantivy::Index::open_in_dir(dir).ok()?;
        let (schema, _) = Fields::build();
        let payload = tantivy.load_metas().ok()?.payload?;
        let payload: Payload = serde_json::from_str(&payload).ok()?;
        if tantivy.schema() != schema || payload.layout != LAYOUT {
            return None;
        }
        if bytes_in(dir) <= VERIFY_BYTES && !tantivy.validate_checksum().ok()?.is_empty() {
            return None;
        }
        let mut index = Self::with_reader(tantivy).ok()?;
        index.stamp = Some(payload.stamp);
        Some(index)
    }

    fn make_anew(dir: &Path) -> Result<Self, String> {
        let words = |e: &dyn std::fmt::Display| format!("{}: {e}", dir.display());
        std::fs::create_dir_all(dir).map_err(|e| words(&e))?;
        let directory = MmapDirectory::open(dir).map_err(|e| words(&e))?;
        // Never under another process's hands: what looks damaged may be half-way through its commit.
        let lock = directory
            .acquire_lock(&INDEX_WRITER_LOCK)
            .map_err(|e| words(&e))?;
        for entry in std::fs::read_dir(dir).map_err(|e| words(&e))?.flatten() {
            if is_index_file(&entry.file_name().to_string_lossy()) {
                std::fs::remove_file(entry.path()).map_err(|e| words(&e))?;
            }
        }
        let (schema, _) = Fields::build();
        let tantivy = tantivy::Index::create(directory, schema, IndexSettings::default())
            .map_err(|e| words(&e))?;
        drop(lock);
        Self::with_reader(tantivy).map_err(|e| words(&e))
    }

    fn with_reader(tantivy: tantivy::Index) -> Result<Self, IndexError> {
        tantivy.tokenizers().register(ANALYZER, analyzer());
        let reader = tantivy
            .reader_builder()
            .reload_policy(ReloadPolicy::Manual)
            .try_into()?;
        Ok(Self {
            tantivy,
            fields: Fields::build().1,
            reader,
            writer: None,
            stamp: None,
            in_memory: None,
        })
    }

    /// For searches; sees every later commit of this `Index`.
    pub fn searcher(&self) -> Searcher {
        Searcher {
            reader: self.reader.clone(),
            fields: self.fields,
        }
    }

    /// How the index stands to a store at `now`.
    pub fn freshness(&self, now: &Stamp) -> Freshness {
        match &self.stamp {
            Some(stamp) if stamp == now => Freshness::Current,
            Some(stamp) if stamp.content == now.content && stamp.corrections < now.corrections => {
                Freshness::Behind {
                    since: stamp.corrections,
                }
            }
            _ => Freshness::Stale,
        }
    }

    /// Empties the index with the next commit; searches see the old state until then.
    pub fn start_over(&mut self) -> Result<(), IndexError> {
        self.writer()?.delete_query(Box::new(AllQuery))?;
        Ok(())
    }

    /// Adds sentences that are not in the index. Seen by searches after the next commit.
    pub fn add(&mut self, docs: &[Doc], schema: &RelationSchema) -> Result<(), IndexError> {
        let fields = self.fields;
        let writer = self.writer()?;
        for doc in docs {
            writer.add_document(fields.document(doc, schema))?;
        }
        Ok(())
    }

    /// Replaces sentences, or adds them. Seen by searches after the next commit.
    pub fn update(&mut self, docs: &[Doc], schema: &RelationSchema) -> Result<(), IndexError> {
        let fields = self.fields;
        let writer = self.writer()?;
        for doc in docs {
            writer.delete_term(Term::from_field_u64(fields.id, doc.id.0));
            writer.add_document(fields.document(doc, schema))?;
        }
        Ok(())
    }

    /// Makes all changes since the last commit visible and durable, as the state `stamp` of the store. Tens of
    /// milliseconds on a disk: not for the thread that draws.
    pub fn commit(&mut self, stamp: &Stamp) -> Result<(), IndexError> {
        let payload = serde_json::to_string(&Payload {
            layout: LAYOUT,
            stamp: stamp.clone(),
        })
        .map_err(|e| IndexError::Broken(e.to_string()))?;
        let writer = self.writer()?;
        let mut commit = writer.prepare_commit()?;
        commit.set_payload(&payload);
        commit.commit()?;
        self.reader.reload()?;
        self.stamp = Some(stamp.clone());
        Ok(())
    }

    /// Forgets all changes since the last commit.
    pub fn roll_back(&mut self) -> Result<(), IndexError> {
        if let Some(writer) = &mut self.writer {
            writer.rollback()?;
        }
        Ok(())
    }

    /// Made at the first write, so that a process that only searches takes no lock.
    fn writer(&mut self) -> Result<&mut IndexWriter, IndexError> {
        let writer = match self.writer.take() {
            Some(writer) => writer,
            None => {
                let threads = std::thread::available_parallelism().map_or(1, |n| n.get().min(2));
                self.tantivy.writer_with_num_threads(threads, HEAP_BYTES)?
            }
        };
        Ok(self.writer.insert(writer))
    }
}

fn bytes_in(dir: &Path) -> u64 {
    let entries = std::fs::read_dir(dir).into_iter().flatten().flatten();
    entries
        .filter_map(|entry| entry.metadata().ok())
        .map(|metadata| metadata.len())
        .sum()
}

/// A file that Tantivy made: segments are named by 32 hexadecimal digits.
fn is_index_file(name: &str) -> bool {
    matches!(name, "meta.json" | ".managed.json")
        || name.split('.').next().is_some_and(|stem| {
            stem.len() == 32 && stem.bytes().all(|byte| byte.is_ascii_hexdigit())
        })
}
