//! What the graph says of a training pair without the sentences that the pair is learned from.
//!
//! An edge stands between a training pair because of the very sentence that has the label, and between a new pair there is none: a
//! model that learns with the whole graph trusts it too much (docs/results.md). So training sentences are dealt into parts, each part
//! is learned from with the vectors of a graph of everything else, and new pairs are asked with the whole graph's. Each such graph's
//! vectors are turned onto the whole graph's, since LINE finds every figure in a position of its own (cross-fitting, as for nuisance
//! functions: Chernozhukov et al. 2018).

use crate::domain::Sentence;
use crate::model::hrere::Bag;
use crate::model::mutual::align::align;
use crate::model::mutual::{EntityFacts, EntityVectors, ProximityGraph, VectorRows, embed};
use crate::workspace::graph::{Counted, GraphOptions, GraphProgress, Hear, LineConfig, part_of};
use anyhow::Result;
use std::collections::BTreeMap;

/// Vectors of entities in several graphs: the whole one and, for each part of the training sentences, one without it.
pub struct HeldOut {
    /// The whole graph's, then those that each part's sentences need.
    table: VectorRows,
    /// For each part, by the whole graph's rows: where the table has the entity as a sentence of that part may know it. `None` too where it has
    /// no edge without the part.
    rows: Vec<Vec<Option<u32>>>,
    /// For each part, the mean cosine between an entity's vectors in its graph and in the whole one.
    pub agreement: Vec<f64>,
}

impl HeldOut {
    /// No parts: every sentence is asked with the whole graph.
    pub fn none(whole: &EntityVectors) -> Self {
        Self {
            table: whole.table().clone(),
            rows: Vec::new(),
            agreement: Vec::new(),
        }
    }

    /// Learns a graph without each part of `counted`; `None` when stopped.
    pub fn learn(
        counted: &Counted,
        options: &GraphOptions,
        whole: &EntityVectors,
        hear: Hear,
    ) -> Result<Option<Self>> {
        let width = whole.table().width();
        let mut values = whole.table().values().to_vec();
        let (mut all_rows, mut agreement) = (Vec::new(), Vec::new());
        let graphs = counted.pairs.weigh_without_parts(&options.graph)?;
        for (part, graph) in graphs.enumerate() {
            let Some(without) = Without::learn(&graph, &options.line, whole, hear)? else {
                return Ok(None);
            };
            let mut rows = vec![None; whole.n_entities()];
            for row in counted.pairs.of_part(part).filter_map(|v| whole.row(v)) {
                let from = row as usize;
                if without.joined[from] {
                    rows[from] = Some((values.len() / width) as u32);
                    values.extend(&without.values[from * width..][..width]);
                }
            }
            all_rows.push(rows);
            agreement.push(without.agreement);
        }
        Ok(Some(Self {
            table: VectorRows::new(values, width),
            rows: all_rows,
            agreement,
        }))
    }

    pub fn table(&self) -> &VectorRows {
        &self.table
    }
    pub fn part_of(&self, sentence: &Sentence) -> Option<usize> {
        part_of(sentence, self.rows.len())
    }

    /// What is known of entities in sentences of each part, after what the whole graph knows of them: [1 + parts, entities]. Rows are of
    /// [`HeldOut::table`].
    pub fn facts(&self, whole: Vec<EntityFacts>) -> Vec<EntityFacts> {
        let mut all = whole;
        let n = all.len();
        for rows in &self.rows {
            for entity in 0..n {
                all.push(EntityFacts {
                    row: all[entity].row.and_then(|row| rows[row as usize]),
                    types: all[entity].types.clone(),
                });
            }
        }
        all
    }

    /// Each bag as one for every part that has mentions of it, its entities numbered as in [`HeldOut::facts`]; `part` is a mention's,
    /// `n` how many entities there are.
    pub fn split(&self, bags: &[Bag], n: usize, part: impl Fn(usize) -> Option<usize>) -> Vec<Bag> {
        let mut split = Vec::new();
        for bag in bags {
            let mut of_part: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
            for mention in &bag.mentions {
                let place = part(*mention).map_or(0, |p| p + 1);
                of_part.entry(place).or_default().push(*mention);
            }
            split.extend(of_part.into_iter().map(|(place, mentions)| Bag {
                relation: bag.relation,
                head: bag.head + (place * n) as u32,
                tail: bag.tail + (place * n) as u32,
                mentions,
            }));
        }
        split
    }
}

/// The graph without one part, in the whole graph's rows and turned onto it.
struct Without {
    /// [entities, width]
    values: Vec<f32>,
    /// Entities that have an edge there.
    joined: Vec<bool>,
    agreement: f64,
}

impl Without {
    fn learn(
        graph: &ProximityGraph,
        line: &LineConfig,
        whole: &EntityVectors,
        hear: Hear,
    ) -> Result<Option<Self>> {
        let (n, width) = (whole.n_entities(), whole.table().width());
        let (mut values, mut joined) = (vec![0.0; n * width], vec![false; n]);
        // A small corpus may have all its edges in one part.
        if !graph.edges.is_empty() {
            let learned = embed(graph, line, &mut |progress| {
                hear(GraphProgress::Learning(progress))
            })?;
            let Some(learned) = learned else {
                return Ok(None);
            };
            let rows = graph.vertices.iter().zip(learned.values.chunks(width));
            for ((vertex, vector), _) in rows.zip(graph.joined()).filter(|(_, joined)| *joined) {
                // A file of an earlier state of the workspace may lack some.
                if let Some(row) = whole.row(vertex) {
                    values[row as usize * width..][..width].copy_from_slice(vector);
                    joined[row as usize] = true;
                }
            }
        }
        let (onto, block) = (whole.table().values(), width / 2);
        let agreement = align(&mut values, onto, width, block, &joined);
        Ok(Some(Self {
            values,
            joined,
            agreement: agreement.unwrap_or(0.0),
        }))
    }
}
