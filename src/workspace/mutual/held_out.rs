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
use crate::model::mutual::{EntityFacts, EntityVectors, VectorRows, embed};
use crate::workspace::graph::{Counted, GraphOptions, GraphProgress, Hear, part_of};
use anyhow::Result;
use std::collections::BTreeMap;

/// Vectors of one set of entities in several graphs: the whole one and, for each part of the training sentences, one without it.
pub struct HeldOut {
    /// [1 + parts, entities, width], the whole graph's first.
    table: VectorRows,
    n_entities: usize,
    /// For each part, by the whole graph's rows: it has an edge there too.
    known: Vec<Vec<bool>>,
    /// For each part, the mean cosine between an entity's vectors in its graph and in the whole one.
    pub agreement: Vec<f64>,
}

impl HeldOut {
    /// No parts: every sentence is asked with the whole graph.
    pub fn none(whole: &EntityVectors) -> Self {
        Self {
            table: whole.table().clone(),
            n_entities: whole.n_entities(),
            known: Vec::new(),
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
        let mut held_out = Self::none(whole);
        let width = whole.table().width();
        let mut values = whole.table().values().to_vec();
        for part in 0..counted.pairs.n_parts() {
            let graph = counted.pairs.weigh_without(part, &options.graph)?;
            let mut own = vec![0.0; held_out.n_entities * width];
            let mut known = vec![false; held_out.n_entities];
            // A small corpus may have all its edges in one part.
            if !graph.edges.is_empty() {
                let learned = embed(&graph, &options.line, &mut |progress| {
                    hear(GraphProgress::Learning(progress))
                })?;
                let Some(learned) = learned else {
                    return Ok(None);
                };
                let rows = graph.vertices.iter().zip(learned.values.chunks(width));
                for ((vertex, vector), _) in rows.zip(graph.joined()).filter(|(_, joined)| *joined)
                {
                    // A file of an earlier state of the workspace may lack some.
                    if let Some(row) = whole.row(vertex) {
                        own[row as usize * width..][..width].copy_from_slice(vector);
                        known[row as usize] = true;
                    }
                }
            }
            let (onto, block) = (whole.table().values(), width / 2);
            let agreement = align(&mut own, onto, width, block, &known);
            held_out.agreement.push(agreement.unwrap_or(0.0));
            held_out.known.push(known);
            values.append(&mut own);
        }
        held_out.table = VectorRows::new(values, width);
        Ok(Some(held_out))
    }

    pub fn table(&self) -> &VectorRows {
        &self.table
    }
    pub fn part_of(&self, sentence: &Sentence) -> Option<usize> {
        part_of(sentence, self.known.len())
    }

    /// What is known of entities in sentences of each part, after what the whole graph knows of them: [1 + parts, entities]. Rows are of
    /// [`HeldOut::table`].
    pub fn facts(&self, whole: Vec<EntityFacts>) -> Vec<EntityFacts> {
        let mut all = whole;
        let n = all.len();
        for (part, known) in self.known.iter().enumerate() {
            for entity in 0..n {
                let row = all[entity].row.filter(|row| known[*row as usize]);
                all.push(EntityFacts {
                    row: row.map(|row| ((part + 1) * self.n_entities) as u32 + row),
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
