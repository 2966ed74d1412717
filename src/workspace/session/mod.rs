//! A workspace at work for a screen: six lanes that answer [`Request`]s with [`Reply`]s.
//!
//! Disk owns the writer: edits in order, each acknowledged after its commit, never cancelled. Query reads: only the latest
//! question of a kind is answered. Open reads one sentence: it never waits for a list that is still ranked. Explain reads too,
//! and asks the models: a sentence never waits for the evidence of the one before it. Study reads the whole corpus for the errors view. Compute owns long work: loading, prediction, fine-tuning. No lane waits for a slower one.

mod bulk;
mod compute;
mod curators;
mod disk;
mod query;
mod questions;
mod repair;
mod study;
#[cfg(test)]
mod tests;

use super::Workspace;
use super::asking::Queues;
use super::messages::{JobKind, Reply, Request, Ticket, WorkspaceInfo};
use super::models::{ModelChoice, Models};
use crate::domain::DecisionRule;
use crate::index::Searcher;
use crate::jobs::{Cancel, Lane, lower, spawn_background, spawn_latest, spawn_ordered};
use crate::store::Reader;
use anyhow::Result;
use candle_core::Device;
use crossbeam_channel::{Receiver, Sender, unbounded};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

/// A small workspace that its model has not seen is predicted without being asked.
const PREDICT_UNASKED: u32 = 2000;

pub struct SessionOptions {
    pub author: String,
    pub model: ModelChoice,
    pub device: Device,
}

/// The question of a kind that is wanted: work for an older one looks here and stops.
#[derive(Default)]
struct Latest(AtomicU64);

impl Latest {
    fn want(&self, ticket: Ticket) {
        self.0.store(ticket, Ordering::Relaxed);
    }
    fn is(&self, ticket: Ticket) -> bool {
        self.0.load(Ordering::Relaxed) == ticket
    }
}

/// What all lanes look at.
struct Shared {
    model: RwLock<Option<Arc<Models>>>,
    rule: RwLock<DecisionRule>,
    choice: RwLock<ModelChoice>,
    /// A line about the model when there is none.
    model_note: RwLock<String>,
    searcher: Searcher,
    queues: Queues,
    dir: PathBuf,
    author: String,
    device: Device,
    cancel_predict: Cancel,
    cancel_train: Cancel,
    /// Ticket of the error analysis that is wanted; others stop.
    studied: Latest,
    cancel_folds: Cancel,
    cancel_repair: Cancel,
    sliced: Latest,
    compared: Latest,
    /// The list that is wanted; rankings for another stop.
    listed: Latest,
    /// The index lacks an edit.
    stale: AtomicBool,
    replies: Sender<Reply>,
}

fn read<T: Clone>(lock: &RwLock<T>) -> T {
    lock.read().unwrap_or_else(PoisonError::into_inner).clone()
}
fn write<T>(lock: &RwLock<T>, value: T) {
    *lock.write().unwrap_or_else(PoisonError::into_inner) = value;
}

impl Shared {
    /// A screen that has gone needs no answer.
    fn reply(&self, reply: Reply) {
        let _ = self.replies.send(reply);
    }
    fn failed(&self, what: impl std::fmt::Display) {
        tracing::error!("{what}");
        self.reply(Reply::Failed {
            what: what.to_string(),
        });
    }

    fn info(&self, reader: &Reader) -> Result<Arc<WorkspaceInfo>> {
        let schema = reader.schema()?;
        let model = read(&self.model);
        let (facts, entities) = reader.kb_counts()?;
        let model_relations = match &model {
            Some(m) => m
                .sentence
                .config
                .labels
                .iter()
                .filter_map(|l| schema.relation(l))
                .collect(),
            None => Vec::new(),
        };
        let model_thresholds = match &model {
            Some(m) => m.sentence.rule(&schema).own,
            None => Vec::new(),
        };
        let name = match &model {
            Some(m) => format!("{} · {:.6}", m.systems(), m.sentence.run.to_string()),
            None => read(&self.model_note),
        };
        Ok(Arc::new(WorkspaceInfo {
            path: self.dir.clone(),
            n_sentences: reader.sentence_count()? as usize,
            model: name,
            run: model.map(|m| m.sentence.run),
            kb: if facts > 0 {
                format!("{facts} facts · {entities} entities")
            } else {
                String::new()
            },
            rule: read(&self.rule),
            model_thresholds,
            model_relations,
            n_corrections: reader.standing_edits()?,
            schema,
        }))
    }
}

/// The lanes of one open workspace. Dropping it finishes what Disk has queued.
pub struct Session {
    shared: Arc<Shared>,
    query: Lane<Request>,
    open: Lane<Request>,
    explain: Lane<Request>,
    study: Lane<Request>,
    compute: Arc<Lane<compute::Work>>,
    disk: Arc<Lane<disk::Work>>,
    ticker: Option<std::thread::JoinHandle<()>>,
    stop: Arc<AtomicBool>,
}

impl Session {
    /// Starts the lanes; the receiver hears [`Reply::Opened`] first.
    pub fn start(workspace: Workspace, options: SessionOptions) -> Result<(Self, Receiver<Reply>)> {
        let (replies, receiver) = unbounded();
        let reader = workspace.read().reader()?;
        let shared = Arc::new(Shared {
            model: RwLock::new(None),
            rule: RwLock::new(workspace.rule()),
            choice: RwLock::new(options.model),
            model_note: RwLock::new("loading the model…".to_owned()),
            searcher: workspace.index.searcher(),
            queues: Queues::default(),
            dir: workspace.dir.clone(),
            author: options.author,
            device: options.device,
            cancel_predict: Cancel::new(),
            cancel_train: Cancel::new(),
            studied: Latest::default(),
            cancel_folds: Cancel::new(),
            cancel_repair: Cancel::new(),
            sliced: Latest::default(),
            compared: Latest::default(),
            listed: Latest::default(),
            stale: AtomicBool::new(false),
            replies,
        });
        shared.reply(Reply::Opened(shared.info(&reader)?));
        let (compute_reader, query_reader) = (reader.reader()?, reader.reader()?);
        let mut disk = disk::Disk::new(workspace, Arc::clone(&shared));
        let disk = Arc::new(spawn_ordered("disk", move |work| disk.handle(work))?);
        let mut compute =
            compute::Compute::new(compute_reader, Arc::clone(&shared), Arc::clone(&disk));
        // Whoever predicts leaves the processor to whoever answers a key. A pool that is there already stays as it is.
        let _ = rayon::ThreadPoolBuilder::new()
            .start_handler(|_| lower())
            .build_global();
        let compute = Arc::new(spawn_background("compute", move |work| {
            compute.handle(work)
        })?);
        let query = reading_lane("query", query_reader, &shared)?;
        let mut study = study::Study::new(reader.reader()?, Arc::clone(&shared));
        let study = spawn_latest("study", std::mem::discriminant, move |r| study.handle(r))?;
        let open = reading_lane("open", reader.reader()?, &shared)?;
        let explain = reading_lane("explain", reader, &shared)?;
        disk.send(disk::Work::RefreshIndex);
        compute.send(compute::Work::LoadModel);
        let stop = Arc::new(AtomicBool::new(false));
        let ticker = ticker(&shared, &disk, &stop)?;
        Ok((
            Self {
                shared,
                query,
                open,
                explain,
                study,
                compute,
                disk,
                ticker: Some(ticker),
                stop,
            },
            receiver,
        ))
    }

    /// Hands a request to its lane; returns at once.
    pub fn send(&self, request: Request) {
        let alive = match request {
            Request::Search { list, .. } => {
                self.shared.listed.want(list);
                self.query.send(request)
            }
            Request::Open { .. } => self.open.send(request),
            Request::Disputes { .. }
            | Request::PlanVerdict { .. }
            | Request::PlanDuplicates { .. } => self.query.send(request),
            Request::Explain { .. } => self.explain.send(request),
            Request::Study { ticket } => {
                self.shared.studied.want(ticket);
                self.study.send(request)
            }
            Request::Slices { ticket } => {
                self.shared.sliced.want(ticket);
                self.study.send(request)
            }
            Request::Compare { ticket, .. } => {
                self.shared.compared.want(ticket);
                self.study.send(request)
            }
            Request::KeepSlice { slice } => self.disk.send(disk::Work::KeepSlice(slice)),
            Request::DropSlice { name } => self.disk.send(disk::Work::DropSlice(name)),
            Request::SetThreshold {
                relation,
                threshold,
            } => self
                .disk
                .send(disk::Work::SetThreshold(relation, threshold)),
            Request::Edit { id, edit } => self.disk.send(disk::Work::Edit { id, edit }),
            Request::Settle {
                id,
                triple,
                verdict,
            } => self.disk.send(disk::Work::Settle {
                id,
                triple,
                verdict,
            }),
            Request::EditAll { edits } => self.disk.send(disk::Work::EditAll(edits)),
            Request::Undo => self.disk.send(disk::Work::Undo),
            Request::Redo => self.disk.send(disk::Work::Redo),
            Request::Export { .. } => self.disk.send(disk::Work::Export(request)),
            Request::Predict { ids } => {
                self.shared.cancel_predict.reset();
                self.compute.send(compute::Work::Predict { ids })
            }
            Request::Duplicates => {
                self.shared.cancel_repair.reset();
                self.compute.send(compute::Work::Duplicates)
            }
            Request::Rules => {
                self.shared.cancel_repair.reset();
                self.compute.send(compute::Work::Rules)
            }
            Request::DecideRule { rule, keep } => {
                self.disk.send(disk::Work::DecideRule { rule, keep })
            }
            Request::Folds => {
                self.shared.cancel_folds.reset();
                self.compute.send(compute::Work::Folds)
            }
            Request::FineTune => {
                self.shared.cancel_train.reset();
                self.compute.send(compute::Work::FineTune)
            }
            Request::DecideModel { accept } => self.compute.send(compute::Work::Decide { accept }),
            Request::Cancel { job } => {
                match job {
                    JobKind::Predict | JobKind::Index => self.shared.cancel_predict.cancel(),
                    JobKind::FineTune => self.shared.cancel_train.cancel(),
                    JobKind::Folds => self.shared.cancel_folds.cancel(),
                    JobKind::Duplicates | JobKind::Rules => self.shared.cancel_repair.cancel(),
                    JobKind::Export => {}
                }
                true
            }
        };
        if !alive {
            self.shared.failed("a worker of this program has died (see the log); edits shown as saved are on disk; restart redress");
        }
    }
}

/// A lane of questions of which the latest of each kind counts.
fn reading_lane(
    name: &str,
    reader: Reader,
    shared: &Arc<Shared>,
) -> std::io::Result<Lane<Request>> {
    let mut query = query::Query::new(reader, Arc::clone(shared));
    spawn_latest(
        name,
        |r: &Request| std::mem::discriminant(r),
        move |r| query.handle(r),
    )
}

/// Brings the index up to date shortly after edits, off the edits' own path: a commit takes longer than a key press may.
fn ticker(
    shared: &Arc<Shared>,
    disk: &Arc<Lane<disk::Work>>,
    stop: &Arc<AtomicBool>,
) -> std::io::Result<std::thread::JoinHandle<()>> {
    let (shared, disk, stop) = (Arc::clone(shared), Arc::clone(disk), Arc::clone(stop));
    std::thread::Builder::new()
        .name("ticker".to_owned())
        .spawn(move || {
            while !stop.load(Ordering::Relaxed) {
                std::thread::sleep(Duration::from_millis(250));
                if shared.stale.swap(false, Ordering::Relaxed) {
                    disk.send(disk::Work::IndexEdits);
                }
            }
        })
}

impl Drop for Session {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        self.shared.cancel_predict.cancel();
        self.shared.cancel_train.cancel();
        self.shared.studied.want(u64::MAX);
        self.shared.cancel_folds.cancel();
        self.shared.cancel_repair.cancel();
        self.shared.sliced.want(u64::MAX);
        self.shared.compared.want(u64::MAX);
        self.shared.listed.want(u64::MAX);
        if let Some(ticker) = self.ticker.take() {
            let _ = ticker.join();
        }
    }
}
