//! The workspace's proximity graph: who stands beside whom, and LINE vectors of it, in one file.
//!
//! Every sentence counts, labelled or not, but for the splits that are left out: test sentences always, dev sentences where
//! figures on dev are to be clean. A sentence's entities are those that stand; where it has none, those that the current
//! run predicted.

use super::knowledge::Knowledge;
use super::pass::each_view;
use super::stored_rule;
use super::view::Viewed;
use crate::domain::{Sentence, Split};
use crate::export::{Overwrite, write_atomically};
use crate::model::files::short_hash;
use crate::model::mutual::line::Objectives;
pub use crate::model::mutual::line::{LineConfig, LineProgress};
use crate::model::mutual::{CoOccurrence, EntityVectors, Vertex, embed, vectors};
pub use crate::model::mutual::{EdgeWeight, GraphConfig};
use crate::store::Reader;
use anyhow::{Context, Result, bail};
use serde::Serialize;
use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::time::Instant;

/// How a graph is made.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct GraphOptions {
    pub graph: GraphConfig,
    pub line: LineConfig,
    /// Leave dev sentences out of the count, as test sentences always are.
    pub leave_out_dev: bool,
}

/// What the caller hears; `Break` stops.
#[derive(Clone, Copy, Debug)]
pub enum GraphProgress {
    /// Sentences read, of all.
    Counting(u64, u64),
    Learning(LineProgress),
}

pub type Hear<'a> = &'a mut dyn FnMut(GraphProgress) -> ControlFlow<()>;

/// What went into a graph and how well LINE learned it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct GraphReport {
    /// Sentences counted, and those of splits that were left out.
    pub sentences: u64,
    pub left_out: u64,
    /// Of the counted ones: entities are predicted ones.
    pub by_prediction: u64,
    /// More entities than are looked at in one sentence.
    pub cut: u64,
    /// Entities seen, and those of them with an edge.
    pub entities: usize,
    pub vertices: usize,
    /// Pairs seen, and those of them that make an edge.
    pub pairs: usize,
    pub edges: usize,
    /// Edges drawn for each order.
    pub samples: u64,
    pub objectives: Objectives,
    pub counting_seconds: f64,
    pub learning_seconds: f64,
}

/// Counts the workspace's sentences and learns vectors; `None` when stopped.
pub fn learn_graph(
    reader: &Reader,
    options: &GraphOptions,
    hear: Hear,
) -> Result<Option<(EntityVectors, GraphReport)>> {
    match count(reader, options.leave_out_dev, 0, hear)? {
        Some(counted) => counted.learn(options, hear),
        None => Ok(None),
    }
}

/// Who stands beside whom in a workspace's sentences.
pub struct Counted {
    pub pairs: CoOccurrence,
    left_out: u64,
    by_prediction: u64,
    seconds: f64,
}

impl Counted {
    /// Vectors of everything that was counted; `None` when stopped.
    pub fn learn(
        &self,
        options: &GraphOptions,
        hear: Hear,
    ) -> Result<Option<(EntityVectors, GraphReport)>> {
        let started = Instant::now();
        let graph = self.pairs.weigh(&options.graph)?;
        let learned = embed(&graph, &options.line, &mut |progress| {
            hear(GraphProgress::Learning(progress))
        })?;
        let Some(learned) = learned else {
            return Ok(None);
        };
        let report = GraphReport {
            sentences: self.pairs.sentences,
            left_out: self.left_out,
            by_prediction: self.by_prediction,
            cut: self.pairs.cut,
            entities: self.pairs.n_entities(),
            vertices: graph.vertices.len(),
            pairs: self.pairs.n_pairs(),
            edges: graph.edges.len(),
            samples: learned.samples,
            objectives: learned.objectives,
            counting_seconds: self.seconds,
            learning_seconds: started.elapsed().as_secs_f64(),
        };
        let mut about = options.about()?;
        about.insert("sentences".to_owned(), report.sentences.to_string());
        about.insert("edges".to_owned(), report.edges.to_string());
        let vectors = EntityVectors::new(graph.vertices, learned.values, about)?;
        Ok(Some((vectors, report)))
    }
}

const DEV_AND_TEST: &str = "dev, test";

impl GraphOptions {
    /// As a file of vectors tells them.
    fn about(&self) -> Result<BTreeMap<String, String>> {
        let left_out = if self.leave_out_dev {
            DEV_AND_TEST
        } else {
            "test"
        };
        Ok(BTreeMap::from([
            ("graph".to_owned(), serde_json::to_string(&self.graph)?),
            ("line".to_owned(), serde_json::to_string(&self.line)?),
            ("left_out".to_owned(), left_out.to_owned()),
        ]))
    }

    /// What a file of vectors was made with.
    pub fn of(vectors: &EntityVectors) -> Result<Self> {
        let told = |key: &str| vectors.about.get(key).map_or("", String::as_str);
        let read =
            "the graph file does not tell its settings; make it again with `redress graph build`";
        Ok(Self {
            graph: serde_json::from_str(told("graph")).context(read)?,
            line: serde_json::from_str(told("line")).context(read)?,
            leave_out_dev: told("left_out") == DEV_AND_TEST,
        })
    }
}

/// The part of `parts` that a training sentence belongs to, so that graphs can leave it out with its part; `None` for a sentence that
/// nothing is learned from. The same text is always in the same part.
pub fn part_of(sentence: &Sentence, parts: usize) -> Option<usize> {
    if parts == 0 || sentence.split != Split::Train {
        return None;
    }
    let words = sentence.words().map(str::as_bytes);
    Some((short_hash(words) % parts as u64) as usize)
}

/// Counts the workspace's sentences, those of train in `parts` parts; `None` when stopped.
pub fn count(
    reader: &Reader,
    leave_out_dev: bool,
    parts: usize,
    hear: Hear,
) -> Result<Option<Counted>> {
    let started = Instant::now();
    let rule = stored_rule(reader)?;
    let knowledge = Knowledge::load(reader)?;
    let mut counted = Counted {
        pairs: CoOccurrence::in_parts(parts),
        left_out: 0,
        by_prediction: 0,
        seconds: 0.0,
    };
    let mut tell = |done, total| hear(GraphProgress::Counting(done, total)).is_continue();
    let whole = each_view(reader, &rule, &mut tell, |_, viewed| {
        match viewed.sentence.split {
            Split::Test => counted.left_out += 1,
            Split::Dev if leave_out_dev => counted.left_out += 1,
            _ => {
                let (entities, predicted) = entities(viewed, knowledge.as_ref());
                counted.by_prediction += u64::from(predicted);
                let part = part_of(&viewed.sentence, parts);
                counted.pairs.add(&entities, part);
            }
        }
        Ok(())
    })?;
    counted.seconds = started.elapsed().as_secs_f64();
    Ok(whole.then_some(counted))
}

/// Entities of a sentence, and whether they are predicted ones.
fn entities(viewed: &Viewed, knowledge: Option<&Knowledge>) -> (Vec<Vertex>, bool) {
    let standing = viewed.annotation.entities.iter();
    let found: Vec<Vertex> = standing
        .map(|e| Vertex::of(e.link.as_deref(), viewed.sentence.surface(e.span)))
        .collect();
    if !found.is_empty() {
        return (found, false);
    }
    let predicted = viewed.prediction.iter().flat_map(|p| &p.entities);
    let found: Vec<Vertex> = predicted
        .map(|e| {
            let surface = viewed.sentence.surface(e.span);
            let link = knowledge.and_then(|k| {
                let link = k.linker.link(surface)?;
                Some(k.kb.id(link.entity).clone())
            });
            Vertex::of(link.as_deref(), surface)
        })
        .collect();
    let any = !found.is_empty();
    (found, any)
}

/// Where a workspace's graph lies unless told otherwise.
pub fn graph_file(workspace: &Path) -> PathBuf {
    workspace.join(vectors::FILE)
}

/// Reads a file that `redress graph build` wrote.
pub fn read_graph(file: &Path) -> Result<EntityVectors> {
    let bytes = std::fs::read(file).with_context(|| {
        format!(
            "{}: cannot read; make it with `redress graph build`",
            file.display()
        )
    })?;
    Ok(EntityVectors::read(&bytes, &file.display().to_string())?)
}

/// Makes the graph of the workspace in `dir` and writes it whole or not at all: to `out` if that is not taken (or `force`), else
/// over the workspace's own. `None` when stopped.
pub fn build_graph(
    dir: &Path,
    options: &GraphOptions,
    out: Option<&Path>,
    force: bool,
    hear: Hear,
) -> Result<Option<(PathBuf, GraphReport)>> {
    let reader = Reader::open(dir)?;
    let file = out.map_or_else(|| graph_file(dir), Path::to_owned);
    let overwrite = if out.is_none() || force {
        Overwrite::Replace
    } else if file.exists() {
        bail!(
            "{}: there is a file already; --force replaces it",
            file.display()
        );
    } else {
        Overwrite::Refuse
    };
    let Some((vectors, report)) = learn_graph(&reader, options, hear)? else {
        return Ok(None);
    };
    write_atomically(&file, overwrite, |out| vectors.write(out))?;
    Ok(Some((file, report)))
}

/// Entities near one, and pairs of it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Neighbours {
    pub entity: String,
    /// Name and cosine (mean of both orders), best first.
    pub near: Vec<(String, f32)>,
}

/// The `n` entities nearest to `name`, which may also be an id of the knowledge base.
pub fn neighbours(vectors: &EntityVectors, name: &str, n: usize) -> Result<Neighbours> {
    let Some(row) = vectors.find(Some(name), name) else {
        bail!(
            "{name:?} has no graph vector: no counted sentence names it beside another entity often enough"
        );
    };
    let near = vectors.nearest(row, n).into_iter();
    Ok(Neighbours {
        entity: vectors.name(row).to_owned(),
        near: near
            .map(|n| (vectors.name(n.row).to_owned(), n.cosine))
            .collect(),
    })
}
