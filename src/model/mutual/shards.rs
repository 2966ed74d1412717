//! One order of LINE over shards of the vertices: many threads, one result.
//!
//! Vertices are dealt into shards. A task owns the rows of two shards and draws the edges between them; tasks of one round
//! share no shard, so they run side by side and no row has two writers. Negatives come from the target's shard. With one
//! shard this is the released algorithm; with more, a sample's negatives are a random part of all vertices, another in
//! each task. Every task has its own generator, so the result depends on the settings alone.

use super::alias::Alias;
use super::graph::ProximityGraph;
use super::line::{LineConfig, Order, pull, softplus};
use crate::model::params::rng_for;
use rand::Rng;
use rand::seq::SliceRandom;
use rayon::prelude::*;

/// Vertices of a shard at least, unless told otherwise: a small shard has few negatives to offer.
const SHARD_VERTICES: usize = 1000;
const MAX_SHARDS: usize = 8;
/// One sample in so many is measured for the report.
const MEASURED: u64 = 16;
/// Share of the starting rate at which it stops falling.
const LEAST_RATE: f32 = 1e-4;

pub(super) fn default_shards(graph: &ProximityGraph) -> usize {
    match graph.vertices.len() / SHARD_VERTICES {
        0 | 1 => 1,
        n => n.min(MAX_SHARDS) & !1,
    }
}

/// A directed edge inside a task: which of its two tables, which row.
#[derive(Clone, Copy, Debug)]
pub(super) struct Directed {
    pub source: (u8, u32),
    pub target: (u8, u32),
}

struct Task {
    left: usize,
    right: usize,
    edges: Vec<Directed>,
    alias: Alias,
    /// Of all edges' weight.
    share: f64,
}

/// Tables and schedule of one order.
pub(super) struct OrderRun {
    order: Order,
    dim: usize,
    /// Shard and row of each vertex.
    place: Vec<(usize, u32)>,
    /// One table a shard.
    vertices: Vec<Vec<f32>>,
    /// Empty for the first order.
    contexts: Vec<Vec<f32>>,
    noise: Vec<Alias>,
    rounds: Vec<Vec<Task>>,
}

impl OrderRun {
    /// Vertices start uniform in ±0.5/dim, contexts at 0.
    pub fn new(graph: &ProximityGraph, config: &LineConfig, order: Order, shards: usize) -> Self {
        let dim = config.dim;
        let n = graph.vertices.len();
        let mut dealt: Vec<u32> = (0..n as u32).collect();
        dealt.shuffle(&mut rng_for(config.seed, "line.shards"));
        let mut place = vec![(0, 0); n];
        for (i, vertex) in dealt.iter().enumerate() {
            place[*vertex as usize] = (i % shards, (i / shards) as u32);
        }
        let sizes: Vec<usize> = (0..shards).map(|s| (n + shards - 1 - s) / shards).collect();
        let mut noise: Vec<Vec<f64>> = sizes.iter().map(|n| vec![0.0; *n]).collect();
        for (degree, (shard, row)) in graph.degrees().iter().zip(&place) {
            noise[*shard][*row as usize] = degree.powf(0.75);
        }
        let name = match order {
            Order::First => "line.first",
            Order::Second => "line.second",
        };
        let mut rng = rng_for(config.seed, name);
        let bound = 0.5 / dim as f32;
        // Drawn in the order of the vertices, so that the start does not depend on the shards.
        let mut vertices: Vec<Vec<f32>> = sizes.iter().map(|n| vec![0.0; n * dim]).collect();
        for (shard, row) in &place {
            let row = &mut vertices[*shard][*row as usize * dim..][..dim];
            row.iter_mut()
                .for_each(|x| *x = rng.random_range(-bound..bound));
        }
        let contexts = match order {
            Order::First => Vec::new(),
            Order::Second => sizes.iter().map(|n| vec![0.0; n * dim]).collect(),
        };
        Self {
            rounds: rounds(graph, order, &place, shards),
            order,
            dim,
            place,
            vertices,
            contexts,
            noise: noise.iter().map(|w| Alias::new(w)).collect(),
        }
    }

    /// Vertex and context table in the order of the vertices.
    pub fn tables(&self) -> (Vec<f32>, Vec<f32>) {
        let whole = |parts: &[Vec<f32>]| -> Vec<f32> {
            let rows = self.place.iter().filter_map(|(shard, row)| {
                parts
                    .get(*shard)
                    .map(|p| &p[*row as usize * self.dim..][..self.dim])
            });
            rows.flatten().copied().collect()
        };
        (whole(&self.vertices), whole(&self.contexts))
    }

    /// The `episode`-th of `episodes` equal parts of `samples`; the mean loss of its samples.
    pub fn episode(
        &mut self,
        config: &LineConfig,
        samples: u64,
        episode: u32,
        episodes: u32,
    ) -> f32 {
        let (mut loss, mut measured) = (0.0, 0);
        for round in 0..self.rounds.len() {
            let tables = self.take(round);
            let of_round = &self.rounds[round];
            let done: Vec<(Tables, f64, u64)> = of_round
                .par_iter()
                .enumerate()
                .zip(tables)
                .map(|((i, task), mut tables)| {
                    let name = format!("{:?} {episode} {round} {i}", self.order);
                    let up_to = |e: u32| {
                        (samples as f64 * task.share * f64::from(e) / f64::from(episodes)) as u64
                    };
                    let part = Part {
                        samples: up_to(episode + 1) - up_to(episode),
                        start: episode as f32 / episodes as f32,
                        end: (episode + 1) as f32 / episodes as f32,
                    };
                    let mut rng = rng_for(config.seed, &name);
                    let noise = [&self.noise[task.left], &self.noise[task.right]];
                    let loss = task.run(&mut tables, noise, config, part, &mut rng);
                    (tables, loss, part.samples.div_ceil(MEASURED))
                })
                .collect();
            let mut back = Vec::with_capacity(done.len());
            for (tables, of_task, n) in done {
                loss += of_task;
                measured += n;
                back.push(tables);
            }
            self.put_back(round, back);
        }
        (loss / measured.max(1) as f64) as f32
    }

    /// The tables that the tasks of a round own while it runs.
    fn take(&mut self, round: usize) -> Vec<Tables> {
        let mut out = Vec::with_capacity(self.rounds[round].len());
        for task in &self.rounds[round] {
            let left = std::mem::take(&mut self.vertices[task.left]);
            let right = match self.order {
                Order::Second => std::mem::take(&mut self.contexts[task.right]),
                // The diagonal of the first order has one table for both ends.
                Order::First => std::mem::take(&mut self.vertices[task.right]),
            };
            out.push([left, right]);
        }
        out
    }

    fn put_back(&mut self, round: usize, tables: Vec<Tables>) {
        for (task, [left, right]) in self.rounds[round].iter().zip(tables) {
            match self.order {
                Order::Second => self.contexts[task.right] = right,
                Order::First if task.left == task.right => {}
                Order::First => self.vertices[task.right] = right,
            }
            self.vertices[task.left] = left;
        }
    }
}

type Tables = [Vec<f32>; 2];

/// Samples of one task in one episode, and the progress of the whole run at its edges.
#[derive(Clone, Copy)]
struct Part {
    samples: u64,
    start: f32,
    end: f32,
}

impl Task {
    /// Draws and learns; the sum of the measured samples' losses.
    fn run(
        &self,
        tables: &mut Tables,
        noise: [&Alias; 2],
        config: &LineConfig,
        part: Part,
        rng: &mut impl Rng,
    ) -> f64 {
        if self.alias.is_empty() {
            return 0.0;
        }
        let mut scratch = Scratch::new(config.dim);
        let mut negatives = vec![0; config.negatives];
        let mut loss = 0.0;
        for sample in 0..part.samples {
            let passed = sample as f32 / part.samples as f32;
            let progress = part.start + (part.end - part.start) * passed;
            let rate = config.rate * (1.0 - progress).max(LEAST_RATE);
            let edge = self.edges[self.alias.draw(rng) as usize];
            let noise = noise[edge.target.0 as usize];
            negatives.iter_mut().for_each(|n| *n = noise.draw(rng));
            step(tables, edge, &negatives, rate, &mut scratch);
            if sample % MEASURED == 0 {
                let of = scratch.products.iter().enumerate();
                let signed = of.map(|(k, x)| f64::from(if k == 0 { -x } else { *x }));
                loss += signed.map(softplus).sum::<f64>();
            }
        }
        loss
    }
}

/// Working memory of [`step`].
pub(super) struct Scratch {
    source: Vec<f32>,
    owed: Vec<f32>,
    /// Source times target, then source times each negative, as they were met.
    products: Vec<f32>,
}

impl Scratch {
    pub fn new(dim: usize) -> Self {
        Self {
            source: vec![0.0; dim],
            owed: vec![0.0; dim],
            products: Vec::new(),
        }
    }
}

/// One sample (golden `sgd_order1`, `sgd_order2`): the target and each negative move at once, the source at the end. A negative
/// that is the source itself meets the source as it was at the start.
pub(super) fn step(
    tables: &mut Tables,
    edge: Directed,
    negatives: &[u32],
    rate: f32,
    scratch: &mut Scratch,
) {
    let dim = scratch.source.len();
    let (from, to) = (edge.source.0 as usize, edge.target.0 as usize);
    let source = edge.source.1 as usize * dim;
    scratch
        .source
        .copy_from_slice(&tables[from][source..source + dim]);
    scratch.owed.fill(0.0);
    scratch.products.clear();
    let targets = std::iter::once((edge.target.1, 1.0));
    for (row, label) in targets.chain(negatives.iter().map(|n| (*n, 0.0))) {
        let target = &mut tables[to][row as usize * dim..][..dim];
        let x = pull(&scratch.source, target, label, rate, &mut scratch.owed);
        scratch.products.push(x);
    }
    let row = &mut tables[from][source..source + dim];
    row.iter_mut()
        .zip(&scratch.owed)
        .for_each(|(x, owed)| *x += owed);
}

/// The tasks, round by round. First order: the shards alone, then every pair of shards once (circle method). Second order:
/// every shard of vertices with every shard of contexts.
fn rounds(
    graph: &ProximityGraph,
    order: Order,
    place: &[(usize, u32)],
    shards: usize,
) -> Vec<Vec<Task>> {
    let plan: Vec<Vec<(usize, usize)>> = match order {
        Order::Second => (0..shards)
            .map(|k| (0..shards).map(|a| (a, (a + k) % shards)).collect())
            .collect(),
        Order::First => {
            let alone = (0..shards).map(|a| (a, a)).collect();
            let pairs = (0..shards.saturating_sub(1)).map(|k| circle(shards, k));
            std::iter::once(alone).chain(pairs).collect()
        }
    };
    // Each task's edges, by its (left, right).
    let mut edges: Vec<(Vec<Directed>, Vec<f64>)> = vec![Default::default(); shards * shards];
    let mut total = 0.0;
    for edge in &graph.edges {
        for (source, target) in [(edge.a, edge.b), (edge.b, edge.a)] {
            let ((s, s_row), (t, t_row)) = (place[source as usize], place[target as usize]);
            let (left, right, sides) = match order {
                Order::Second => (s, t, (0, 1)),
                Order::First if s == t => (s, t, (0, 0)),
                Order::First if s < t => (s, t, (0, 1)),
                Order::First => (t, s, (1, 0)),
            };
            let (of_task, weights) = &mut edges[left * shards + right];
            of_task.push(Directed {
                source: (sides.0, s_row),
                target: (sides.1, t_row),
            });
            weights.push(f64::from(edge.weight));
            total += f64::from(edge.weight);
        }
    }
    let mut task = |(left, right): (usize, usize)| {
        let (edges, weights) = std::mem::take(&mut edges[left * shards + right]);
        Task {
            left,
            right,
            edges,
            alias: Alias::new(&weights),
            share: weights.iter().sum::<f64>() / total,
        }
    };
    plan.into_iter()
        .map(|round| round.into_iter().map(&mut task).collect())
        .collect()
}

/// Round `k` of a tournament of `n` (even): every shard meets another, each pair once over n - 1 rounds; smaller first.
fn circle(n: usize, k: usize) -> Vec<(usize, usize)> {
    let seat = |i: usize| if i == 0 { 0 } else { 1 + (i - 1 + k) % (n - 1) };
    (0..n / 2)
        .map(|i| (seat(i), seat(n - 1 - i)))
        .map(|(a, b)| (a.min(b), a.max(b)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn in_each_round_a_shard_plays_once_and_all_pairs_meet() {
        for n in [2, 4, 8] {
            let mut met = BTreeSet::new();
            for k in 0..n - 1 {
                let round = circle(n, k);
                let players: BTreeSet<usize> = round.iter().flat_map(|(a, b)| [*a, *b]).collect();
                assert_eq!(players.len(), n, "round {k} of {n}");
                assert!(round.iter().all(|pair| met.insert(*pair)));
            }
            assert_eq!(met.len(), n * (n - 1) / 2);
        }
    }
}
