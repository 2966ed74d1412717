//! The program without a screen. The command line and the terminal interface call only this.
//!
//! A [`Workspace`] is a directory: `workspace.db` (the truth) and `index/` (a cache of it). It reads corpora and knowledge
//! bases, labels, predicts, applies edits, evaluates, exports and trains. [`session`] runs one for a screen, on threads;
//! [`messages`] is what the two say to each other.

pub mod about;
pub mod agreement;
pub mod asking;
pub mod bags;
pub mod compare;
pub mod convert;
pub mod demo;
pub mod duplicates;
pub mod evaluate;
pub mod evaluating;
pub mod exchange;
pub mod explanation;
pub mod exporting;
pub mod filter;
pub mod finetune;
pub mod graph;
pub mod import;
pub mod kb_training;
pub mod knowledge;
pub mod messages;
pub mod models;
pub mod mutual;
pub mod noise;
pub mod pass;
pub mod patterns;
pub mod predicting;
pub mod relation_rules;
pub mod report;
mod rules;
pub mod runs;
pub mod searching;
pub mod session;
pub mod slices;
pub mod study;
pub mod training;
pub mod tuning;
pub mod view;

pub use crate::domain::Split;
pub use crate::jobs::Cancel;
pub use rules::{rules_of_run, stored_rule, stored_rules};

use crate::domain::{
    Annotation, Correction, DecisionRule, DecisionRules, RelationSchema, RunId, Sentence,
    SentenceId, SentenceIdx, Triple,
};
use crate::index::{Between, Doc, DocTriple, Freshness, Index, Query, State, asks_for, strength};
pub use crate::store::Reader;
use crate::store::{Incoming, NewCorrection, Stamp, Store};
use anyhow::{Context, Result};
use messages::{Detail, ReviewState, TripleRow};
use noise::pairs::entity_key;
use pass::Pages;
use std::path::{Path, PathBuf};
use view::Viewed;

/// Sentences handled at a time by passes over the whole corpus.
pub const PAGE: usize = 1000;

/// More changed sentences than this and making the index anew is faster.
const REINDEX_MOST: usize = 4000;

/// Called with (done, total) by long passes; returns `false` to stop.
pub type Tell<'a> = &'a mut dyn FnMut(u64, u64) -> bool;

/// The one writer of a workspace directory.
pub struct Workspace {
    dir: PathBuf,
    store: Store,
    index: Index,
    schema: RelationSchema,
    rules: DecisionRules,
}

/// Milliseconds since the Unix epoch.
pub fn now_ms() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.map_or(0, |d| d.as_millis() as i64)
}

/// An error and its causes, each said once: many of ours name their cause themselves.
pub fn in_words(error: &anyhow::Error) -> String {
    let mut text = error.to_string();
    for cause in error.chain().skip(1).map(ToString::to_string) {
        if !text.contains(&cause) {
            text.push_str(": ");
            text.push_str(&cause);
        }
    }
    text
}

impl Workspace {
    /// Opens the workspace in `dir` as its only writer.
    pub fn open(dir: &Path) -> Result<Self> {
        Self::with(dir, Store::open(dir)?)
    }

    /// Opens the workspace in `dir`, or makes one there.
    pub fn open_or_create(dir: &Path) -> Result<Self> {
        if dir.join(DATABASE).exists() {
            Self::open(dir)
        } else {
            Self::with(dir, Store::create(dir)?)
        }
    }

    fn with(dir: &Path, store: Store) -> Result<Self> {
        let schema = store.read().schema()?;
        let index = Index::open(&dir.join("index"))?;
        let rules = stored_rules(store.read())?;
        Ok(Self {
            dir: dir.to_owned(),
            store,
            index,
            schema,
            rules,
        })
    }

    pub fn dir(&self) -> &Path {
        &self.dir
    }
    pub fn read(&self) -> &Reader {
        self.store.read()
    }
    pub fn schema(&self) -> &RelationSchema {
        &self.schema
    }
    /// The decision rule of the current model; nothing given.
    pub fn rule(&self) -> DecisionRule {
        self.rules.predicted.clone()
    }

    /// Brings the index up to date with the store. Cheap when it is.
    pub fn refresh_index(&mut self, tell: Tell) -> Result<()> {
        let stamp = self.read().stamp()?;
        match self.index.freshness(&index_stamp(&stamp)) {
            Freshness::Current => return Ok(()),
            Freshness::Behind { since } => {
                let changed = self.read().corrected_since(since)?;
                self.reindex(&changed)?;
            }
            Freshness::Stale => {
                self.index.start_over()?;
                if !self.rebuild(tell)? {
                    return Ok(());
                }
            }
        }
        // Summaries were written meanwhile, but they are not part of the stamp.
        self.index.commit(&index_stamp(&stamp))?;
        Ok(())
    }

    /// Every sentence into the index and the list summaries; `false` when stopped.
    fn rebuild(&mut self, tell: Tell) -> Result<bool> {
        let total = u64::from(self.read().sentence_count()?);
        let mut pages = Pages::start();
        let mut done = 0;
        while tell(done, total) {
            let Some(page) = pages.next(self.store.read(), &self.rules.predicted)? else {
                return Ok(true);
            };
            let docs: Vec<Doc> = page
                .iter()
                .map(|(idx, v)| doc(*idx, v, &self.schema, &self.rules.predicted))
                .collect();
            let run = self.read().current_run()?;
            let summaries: Vec<_> = page
                .iter()
                .map(|(_, v)| (v.sentence.id, v.summary(run)))
                .collect();
            self.index.add(&docs, &self.schema)?;
            self.store.put_summaries(&summaries)?;
            done += page.len() as u64;
        }
        Ok(false)
    }

    /// Some sentences into the index and the list summaries; the caller commits.
    fn reindex(&mut self, ids: &[SentenceId]) -> Result<()> {
        let run = self.read().current_run()?;
        for chunk in ids.chunks(PAGE) {
            let mut docs = Vec::new();
            let mut summaries = Vec::new();
            for id in chunk {
                let viewed = viewed(self.read(), &self.rules.predicted, run, *id)?;
                docs.push(doc(
                    self.read().idx_of(*id)?,
                    &viewed,
                    &self.schema,
                    &self.rules.predicted,
                ));
                summaries.push((*id, viewed.summary(run)));
            }
            self.store.put_summaries(&summaries)?;
            self.index.update(&docs, &self.schema)?;
        }
        Ok(())
    }

    /// Writes the lists' numbers of some sentences anew.
    fn put_summaries(&mut self, ids: &[SentenceId]) -> Result<()> {
        let run = self.read().current_run()?;
        for chunk in ids.chunks(PAGE) {
            let summaries = chunk.iter().map(|id| {
                Ok((
                    *id,
                    viewed(self.read(), &self.rules.predicted, run, *id)?.summary(run),
                ))
            });
            let summaries: Vec<_> = summaries.collect::<Result<_>>()?;
            self.store.put_summaries(&summaries)?;
        }
        Ok(())
    }

    /// Makes index changes visible, as the state the store is in now.
    fn commit_index(&mut self) -> Result<()> {
        let stamp = self.read().stamp()?;
        Ok(self.index.commit(&index_stamp(&stamp))?)
    }

    /// Appends edits as one step to undo; returns when they are on disk.
    pub fn append(&mut self, corrections: &[NewCorrection]) -> Result<Vec<Correction>> {
        Ok(self.store.append(corrections, &self.schema)?)
    }

    /// Appends what came from another workspace, as one step to undo; `schema` may hold names that came with it.
    pub fn merge(&mut self, incoming: &[Incoming], schema: RelationSchema) -> Result<()> {
        self.store.merge(incoming, &schema)?;
        self.schema = schema;
        Ok(())
    }

    /// Remembers a model directory as this workspace's own; empty goes back to the embedded one.
    pub fn set_model(&mut self, dir: &str) -> Result<()> {
        Ok(self.store.set_setting("model", dir)?)
    }
    pub fn model_setting(&self) -> Result<Option<String>> {
        Ok(self.read().setting("model")?)
    }
}

const DATABASE: &str = "workspace.db";

/// A file that appears whole or not at all; never a workspace's own.
pub fn write_whole(path: &Path, force: bool, bytes: &[u8]) -> Result<()> {
    exporting::refuse_own_files(path)?;
    let replace = crate::export::Overwrite::forced(force);
    crate::export::write_atomically(path, replace, |out| out.write_all(bytes))?;
    Ok(())
}

/// A workspace to look at beside whoever writes it.
pub fn read_only(dir: &Path) -> Result<Reader> {
    Ok(Reader::open(dir)?)
}

fn index_stamp(stamp: &Stamp) -> crate::index::Stamp {
    crate::index::Stamp {
        content: stamp.content.clone(),
        corrections: stamp.corrections,
    }
}

/// One sentence with corrections and the prediction of `run`.
pub fn viewed(
    reader: &Reader,
    rule: &DecisionRule,
    run: Option<RunId>,
    id: SentenceId,
) -> Result<Viewed> {
    let sentence = reader.sentence(id)?;
    let corrections = reader.corrections(id)?;
    let prediction = run
        .map(|run| reader.prediction(run, id))
        .transpose()?
        .flatten();
    Ok(Viewed::new(sentence, &corrections, prediction, rule))
}

/// What the index knows of a sentence.
fn doc(idx: SentenceIdx, viewed: &Viewed, schema: &RelationSchema, rule: &DecisionRule) -> Doc {
    let sentence = &viewed.sentence;
    let state = match viewed.state() {
        ReviewState::Todo => State::Todo,
        ReviewState::Started => State::Started,
        ReviewState::Done => State::Done,
    };
    let rows = viewed.rows(rule);
    let triples = rows
        .iter()
        .filter(|r| r.triple.relation.index() < schema.n_relations())
        .map(|row| doc_triple(&viewed.annotation, sentence, row));
    Doc {
        idx,
        id: sentence.id,
        split: sentence.split,
        file: sentence.file.to_string(),
        text: sentence.text.clone(),
        n_tokens: sentence.tokens.len(),
        distance: study::distance(&viewed.annotation),
        overlap: study::overlap(&viewed.annotation),
        linked: study::linked(&viewed.annotation),
        types: viewed
            .annotation
            .entities
            .iter()
            .filter_map(|e| e.kind)
            .collect(),
        predicted: viewed.prediction.is_some(),
        triples: triples.collect(),
        state,
        note: viewed.annotation.note.clone(),
    }
}

fn doc_triple(annotation: &Annotation, sentence: &Sentence, row: &TripleRow) -> DocTriple {
    let entity = |span| entity_key(annotation, sentence, span);
    DocTriple {
        head_entity: entity(row.triple.head),
        tail_entity: entity(row.triple.tail),
        relation: row.triple.relation,
        head: sentence.surface(row.triple.head).to_owned(),
        tail: sentence.surface(row.triple.tail).to_owned(),
        between: Between::of(sentence, row.triple.head, row.triple.tail),
        gold: row.stands,
        predicted: row.predicted,
        score: row.score,
        outcome: row.outcome,
        confused: row.confused,
        verdict: row.verdict,
        tags: row.tags.clone(),
    }
}

/// The triples that a query is about, in the order of the rows; none when it asks after sentences only.
fn hits(query: &Query, detail: &Detail, schema: &RelationSchema) -> Vec<Triple> {
    let predicted = detail.prediction.is_some();
    let known = |r: &&TripleRow| r.triple.relation.index() < schema.n_relations();
    let strengths: Vec<(usize, Triple)> = detail
        .rows
        .iter()
        .filter(known)
        .map(|row| {
            let triple = doc_triple(&detail.annotation, &detail.sentence, row);
            (strength(query, &triple, predicted, schema), row.triple)
        })
        .collect();
    let most = strengths.iter().map(|(n, _)| *n).max().unwrap_or(0);
    strengths
        .into_iter()
        .filter(|(n, _)| *n > 0 && *n == most)
        .map(|(_, triple)| triple)
        .collect()
}

/// The triples of a row that a bulk edit by this query means.
fn asked_for<'a>(
    query: &'a Query,
    detail: &'a Detail,
    schema: &'a RelationSchema,
) -> impl Iterator<Item = &'a TripleRow> {
    let predicted = detail.prediction.is_some();
    detail
        .rows
        .iter()
        .filter(|r| r.triple.relation.index() < schema.n_relations())
        .filter(move |row| {
            let triple = doc_triple(&detail.annotation, &detail.sentence, row);
            asks_for(query, &triple, predicted, schema)
        })
}

/// A corpus format by name, for the command line.
pub fn format_named(name: &str) -> Result<crate::corpus::Format> {
    crate::corpus::Format::from_name(name).with_context(|| {
        let known: Vec<&str> = crate::corpus::Format::ALL
            .iter()
            .map(|f| f.name())
            .collect();
        format!(
            "unknown corpus format `{name}`; there are {}",
            known.join(", ")
        )
    })
}
