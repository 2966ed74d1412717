//! LINE: vectors of the vertices of a weighted graph (Tang et al. 2015; step by step as in the released code, golden
//! `line_graph`).
//!
//! ```text
//! first order    O1 = - sum over edges of w log sigmoid(u_i . u_j)
//! second order   O2 = - sum over directed edges of w log softmax_j(c_j . u_i)
//! one sample     edge i -> j drawn by weight: log sigmoid(u_i . c_j) + sum over negatives n of log sigmoid(-u_i . c_n)
//! ```
//!
//! The first order uses the vertex table as its context table. Negatives are drawn by degree^0.75 and may be the target
//! itself. In one sample each target moves at once, the source at the end. The rate falls linearly to 1e-4 of its start.
//! The two orders are trained apart, normalised vertex by vertex and set side by side.

use super::MutualError;
use super::graph::ProximityGraph;
use super::shards::{OrderRun, default_shards};
use serde::{Deserialize, Serialize};
use std::ops::ControlFlow;

/// Parts of a run after which the caller is heard and the shards change partners.
const EPISODES: u32 = 50;
/// The released code's tables of the sigmoid end here.
const SATURATES: f32 = 6.0;
/// Products of two vectors that the exact second-order objective may cost; above, it is not reported.
const MAX_EXACT: usize = 50_000_000;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Order {
    First,
    Second,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LineConfig {
    /// Width of each order's vectors; an entity's vector is twice as wide.
    pub dim: usize,
    pub negatives: usize,
    pub rate: f32,
    /// Edges drawn for each order; `None`: 200 for each edge and at least a million.
    pub samples: Option<u64>,
    /// Parts of the vertices that are trained side by side; 1, or an even number. `None`: one for each thousand vertices,
    /// at most 8. It belongs to the settings and not to the machine, so that bits do not depend on cores.
    pub shards: Option<usize>,
    pub seed: u64,
}

impl Default for LineConfig {
    fn default() -> Self {
        Self {
            dim: 100,
            negatives: 5,
            rate: 0.025,
            samples: None,
            shards: None,
            seed: 1,
        }
    }
}

impl LineConfig {
    /// Refuses settings that cannot be run, by name.
    pub fn check(&self) -> Result<(), MutualError> {
        let refuse = |what, found: String, expected| {
            Err(MutualError::Config {
                what,
                found,
                expected,
            })
        };
        if self.dim == 0 {
            return refuse("line.dim", "0".to_owned(), "at least 1");
        }
        if !(self.rate.is_finite() && self.rate > 0.0) {
            return refuse("line.rate", self.rate.to_string(), "a number above 0");
        }
        match self.shards {
            Some(n) if n == 0 || (n > 1 && n % 2 == 1) || n > 256 => refuse(
                "line.shards",
                n.to_string(),
                "1 or an even number up to 256",
            ),
            _ => Ok(()),
        }
    }

    /// Edges drawn for each order.
    pub fn samples_for(&self, graph: &ProximityGraph) -> u64 {
        let usual = (200 * graph.edges.len() as u64).max(1_000_000);
        self.samples.unwrap_or(usual)
    }
}

/// After each fiftieth of the samples.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LineProgress {
    pub done: u32,
    pub total: u32,
    /// Mean negative-sampling loss of first and second order over this part.
    pub loss: [f32; 2],
}

/// Vectors of a graph's vertices.
#[derive(Clone, Debug, PartialEq)]
pub struct LineVectors {
    /// Of one vertex: twice [`LineConfig::dim`].
    pub width: usize,
    /// [vertices, width]: the normalised first order, then the normalised second.
    pub values: Vec<f32>,
    pub objectives: Objectives,
    pub samples: u64,
}

/// Objectives before and after training, per unit of edge weight.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Objectives {
    pub first: [f64; 2],
    /// `None` where the exact sum would cost too much.
    pub second: Option<[f64; 2]>,
}

/// Trains both orders side by side. `observe` hears of the progress; `Break` stops, and `None` is returned. The same graph,
/// settings and seed give the same bits at any number of threads.
pub fn embed(
    graph: &ProximityGraph,
    config: &LineConfig,
    observe: &mut dyn FnMut(LineProgress) -> ControlFlow<()>,
) -> Result<Option<LineVectors>, MutualError> {
    config.check()?;
    if graph.edges.is_empty() {
        return Err(MutualError::NoEdges);
    }
    let shards = config.shards.unwrap_or_else(|| default_shards(graph));
    let samples = config.samples_for(graph);
    let mut first = OrderRun::new(graph, config, Order::First, shards);
    let mut second = OrderRun::new(graph, config, Order::Second, shards);
    let objectives = |first: &OrderRun, second: &OrderRun| {
        let (u1, _) = first.tables();
        let (u2, c2) = second.tables();
        let exact = 2 * graph.edges.len() * graph.vertices.len().max(1) <= MAX_EXACT;
        (
            first_order(graph, &u1, config.dim),
            exact.then(|| second_order(graph, &u2, &c2, config.dim)),
        )
    };
    let before = objectives(&first, &second);
    for episode in 0..EPISODES {
        let part = |of: &mut OrderRun| of.episode(config, samples, episode, EPISODES);
        let loss = rayon::join(|| part(&mut first), || part(&mut second));
        let progress = LineProgress {
            done: episode + 1,
            total: EPISODES,
            loss: [loss.0, loss.1],
        };
        if observe(progress).is_break() {
            return Ok(None);
        }
    }
    let after = objectives(&first, &second);
    Ok(Some(LineVectors {
        width: 2 * config.dim,
        values: side_by_side(&first.tables().0, &second.tables().0, config.dim),
        objectives: Objectives {
            first: [before.0, after.0],
            second: before.1.zip(after.1).map(|(b, a)| [b, a]),
        },
        samples,
    }))
}

/// Rows of both tables, each divided by its length, side by side; a row of zeros stays zero.
fn side_by_side(first: &[f32], second: &[f32], dim: usize) -> Vec<f32> {
    let mut out = Vec::with_capacity(first.len() + second.len());
    for rows in first.chunks(dim).zip(second.chunks(dim)) {
        for row in [rows.0, rows.1] {
            let length = row.iter().map(|x| x * x).sum::<f32>().sqrt();
            let scale = if length > 0.0 { 1.0 / length } else { 0.0 };
            out.extend(row.iter().map(|x| x * scale));
        }
    }
    out
}

/// Partial sums of a product, so that the compiler may use wide registers.
const LANES: usize = 8;

pub(super) fn dot(a: &[f32], b: &[f32]) -> f32 {
    let mut lanes = [0f32; LANES];
    let (a, b) = (a.chunks_exact(LANES), b.chunks_exact(LANES));
    let rest: f32 = a
        .remainder()
        .iter()
        .zip(b.remainder())
        .map(|(a, b)| a * b)
        .sum();
    for (a, b) in a.zip(b) {
        for (lane, (a, b)) in lanes.iter_mut().zip(a.iter().zip(b)) {
            *lane += a * b;
        }
    }
    lanes.iter().sum::<f32>() + rest
}

fn sigmoid(x: f32) -> f32 {
    if x > SATURATES {
        1.0
    } else if x < -SATURATES {
        0.0
    } else {
        1.0 / (1.0 + (-x).exp())
    }
}

/// One target of a sample: moves `target` by rate (label - sigmoid(u . target)) u, adds what the source is owed to `owed`,
/// and returns u . target.
pub(super) fn pull(u: &[f32], target: &mut [f32], label: f32, rate: f32, owed: &mut [f32]) -> f32 {
    let x = dot(u, target);
    let g = (label - sigmoid(x)) * rate;
    for ((t, o), u) in target.iter_mut().zip(owed).zip(u) {
        *o += g * *t;
        *t += g * u;
    }
    x
}

/// ln(1 + e^x), without overflow.
pub(super) fn softplus(x: f64) -> f64 {
    x.max(0.0) + (-x.abs()).exp().ln_1p()
}

fn product(a: &[f32], b: &[f32]) -> f64 {
    a.iter()
        .zip(b)
        .map(|(a, b)| f64::from(*a) * f64::from(*b))
        .sum()
}

/// O1, divided by the sum of the weights. `u` [vertices, dim].
pub fn first_order(graph: &ProximityGraph, u: &[f32], dim: usize) -> f64 {
    let row = |v: u32| &u[v as usize * dim..][..dim];
    let (mut sum, mut weights) = (0.0, 0.0);
    for edge in &graph.edges {
        let weight = f64::from(edge.weight);
        sum += weight * softplus(-product(row(edge.a), row(edge.b)));
        weights += weight;
    }
    sum / weights
}

/// O2, divided by the sum of the weights over both directions. `u` and `c` [vertices, dim].
pub fn second_order(graph: &ProximityGraph, u: &[f32], c: &[f32], dim: usize) -> f64 {
    let mut by_source: Vec<Vec<(u32, f64)>> = vec![Vec::new(); graph.vertices.len()];
    for edge in &graph.edges {
        let weight = f64::from(edge.weight);
        by_source[edge.a as usize].push((edge.b, weight));
        by_source[edge.b as usize].push((edge.a, weight));
    }
    let (mut sum, mut weights) = (0.0, 0.0);
    for (u, targets) in u.chunks(dim).zip(by_source) {
        let scores: Vec<f64> = c.chunks(dim).map(|c| product(u, c)).collect();
        let top = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let total = top + scores.iter().map(|s| (s - top).exp()).sum::<f64>().ln();
        for (target, weight) in targets {
            sum += weight * (total - scores[target as usize]);
            weights += weight;
        }
    }
    sum / weights
}

#[cfg(test)]
#[path = "line_tests.rs"]
mod tests;
