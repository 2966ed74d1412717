//! ComplEx: a knowledge base as complex vectors (Trouillon et al. 2016; the variant of Xu & Barbosa 2019, "HRERE").
//!
//! ```text
//! phi(h, r, t) = Re<e_h, w_r, conj(e_t)> = sum_k  h_re r_re t_re + h_im r_re t_im + h_re r_im t_im - h_im r_im t_re
//! ```
//!
//! With `entity_tanh` every entity part x is read as tanh(x), relations are not (released HRERE code). The order of the
//! arguments matters: score(h, r, t) = score(t, r, h) only where the imaginary part of w_r is zero.
//!
//! Two ways to learn: [`one_vs_all`] (softmax over all entities; the default) and [`pretrain`] (negative sampling, as the
//! HRERE authors did; it gathers and updates only the rows a step touches). [`tensor`] is the same score as a candle
//! expression for the joint model, [`link`] asks and measures link prediction, [`saved`] keeps tables in files. Nothing else
//! here reads a file or knows an entity's name: facts are row numbers.

pub mod gradient;
pub mod link;
pub mod one_vs_all;
pub mod pretrain;
mod questions;
pub mod saved;
pub mod tensor;

#[cfg(test)]
mod tests;

use crate::model::params::rng_for;
use questions::Asked;
use rand::Rng;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;

/// One fact: rows of head, relation and tail.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Fact {
    pub head: u32,
    pub relation: u32,
    pub tail: u32,
}

/// How a table row starts.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum TableInit {
    /// Uniform 0..1 (the HRERE authors' pre-training). All scores start large and positive: only with `entity_tanh`.
    Uniform01,
    Normal {
        std: f32,
    },
}

impl TableInit {
    pub(crate) fn draw(self, n: usize, rng: &mut ChaCha8Rng) -> Vec<f32> {
        match self {
            TableInit::Uniform01 => (0..n).map(|_| rng.random::<f32>()).collect(),
            TableInit::Normal { std } => (0..n).map(|_| std * gaussian(rng)).collect(),
        }
    }
}

/// Box-Muller, one value of the pair.
fn gaussian(rng: &mut ChaCha8Rng) -> f32 {
    let (u, v): (f64, f64) = (1.0 - rng.random::<f64>(), rng.random());
    ((-2.0 * u.ln()).sqrt() * (std::f64::consts::TAU * v).cos()) as f32
}

/// Whether entity parts pass through tanh before they are scored.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EntityForm {
    /// The stored value (plain ComplEx).
    Plain,
    /// tanh of the stored value (released HRERE).
    Tanh,
}

impl EntityForm {
    pub(crate) fn value(self, x: f32) -> f32 {
        match self {
            EntityForm::Plain => x,
            EntityForm::Tanh => x.tanh(),
        }
    }
    /// Derivative of [`EntityForm::value`], given the value.
    pub(crate) fn slope(self, value: f32) -> f32 {
        match self {
            EntityForm::Plain => 1.0,
            EntityForm::Tanh => 1.0 - value * value,
        }
    }
}

/// Settings of pre-training. The defaults are those of HRERE's pre-training code, except that the tables start from
/// N(0, 0.1) (see [`TableInit::Uniform01`]).
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ComplexConfig {
    /// Width of each of the two parts.
    pub dim: usize,
    pub entity: EntityForm,
    pub init: TableInit,
    /// Weight of the six batch mean-squares.
    pub lambda: f32,
    /// Triples per positive with head or tail (probability 1/2 each) replaced by a uniform draw, unfiltered.
    pub entity_negatives: usize,
    /// Triples per positive with the relation replaced by a uniform draw, unfiltered.
    pub relation_negatives: usize,
    /// Adam's rate.
    pub rate: f32,
    /// Each of the four gradient tensors is scaled down to this norm.
    pub clip: f32,
    /// Positives per step, drawn with replacement; never more than there are facts.
    pub batch: usize,
    pub steps: usize,
    pub seed: u64,
}

impl Default for ComplexConfig {
    fn default() -> Self {
        Self {
            dim: 50,
            entity: EntityForm::Tanh,
            init: TableInit::Normal { std: 0.1 },
            lambda: 0.031,
            entity_negatives: 1,
            relation_negatives: 1,
            rate: 0.0013,
            clip: 1.0,
            batch: 5000,
            steps: 60_000,
            seed: 1,
        }
    }
}

#[derive(Debug, thiserror::Error)]
pub enum ComplexError {
    #[error("{what} is {found}; expected {expected}")]
    Config {
        what: &'static str,
        found: String,
        expected: &'static str,
    },
    #[error(
        "fact {index} is (head {head}, relation {relation}, tail {tail}); expected heads and tails below \
         {n_entities} and relations below {n_relations}"
    )]
    FactOutOfRange {
        index: usize,
        head: u32,
        relation: u32,
        tail: u32,
        n_entities: usize,
        n_relations: usize,
    },
    #[error("there are no facts to learn from; expected at least one head, relation, tail")]
    NoFacts,
    #[error(
        "the loss is {loss} at step {step}; expected a finite number (try a smaller rate or start)"
    )]
    Diverged { step: usize, loss: f32 },
    #[error("table {table} has {found} values; expected {expected} ({rows} rows x {dim})")]
    Table {
        table: &'static str,
        found: usize,
        expected: usize,
        rows: usize,
        dim: usize,
    },
}

/// The tables, row-major: `ent_*` is [n_entities, dim], `rel_*` and `head_*` are [n_relations, dim].
#[derive(Clone, PartialEq, Debug)]
pub struct ComplexTables {
    pub n_entities: usize,
    pub n_relations: usize,
    pub dim: usize,
    pub entity: EntityForm,
    pub ent_re: Vec<f32>,
    pub ent_im: Vec<f32>,
    pub rel_re: Vec<f32>,
    pub rel_im: Vec<f32>,
    /// Rows for (?, relation, tail) where training gave each relation two (see [`one_vs_all`]); else empty, and `rel_*`
    /// serve both sides. Scores of a pair are then the mean of the two sides'.
    pub head_re: Vec<f32>,
    pub head_im: Vec<f32>,
}

/// A pair's product h * conj(t), whose real part meets r_re and whose negated imaginary part meets r_im.
struct PairProduct {
    with_re: Vec<f32>,
    with_im: Vec<f32>,
}

impl ComplexTables {
    /// Fresh rows; each table depends on the seed and its own name only.
    pub fn init(
        n_entities: usize,
        n_relations: usize,
        dim: usize,
        entity: EntityForm,
        init: TableInit,
        seed: u64,
    ) -> Self {
        let draw = |name: &str, rows: usize| init.draw(rows * dim, &mut rng_for(seed, name));
        Self {
            n_entities,
            n_relations,
            dim,
            entity,
            ent_re: draw("kb.ent_re", n_entities),
            ent_im: draw("kb.ent_im", n_entities),
            rel_re: draw("kb.rel_re", n_relations),
            rel_im: draw("kb.rel_im", n_relations),
            head_re: Vec::new(),
            head_im: Vec::new(),
        }
    }

    /// Tables whose lengths do not fit their shape (a damaged checkpoint) are refused by name.
    pub fn check(&self) -> Result<(), ComplexError> {
        let tables = [
            ("ent_re", &self.ent_re, self.n_entities),
            ("ent_im", &self.ent_im, self.n_entities),
            ("rel_re", &self.rel_re, self.n_relations),
            ("rel_im", &self.rel_im, self.n_relations),
            ("head_re", &self.head_re, self.n_head_rows()),
            ("head_im", &self.head_im, self.n_head_rows()),
        ];
        for (table, values, rows) in tables {
            let expected = rows * self.dim;
            if values.len() != expected {
                return Err(ComplexError::Table {
                    table,
                    found: values.len(),
                    expected,
                    rows,
                    dim: self.dim,
                });
            }
        }
        Ok(())
    }

    fn n_head_rows(&self) -> usize {
        if self.head_re.is_empty() && self.head_im.is_empty() {
            0
        } else {
            self.n_relations
        }
    }

    /// Relation rows (re, im) that score a pair: the mean of both sides'.
    pub fn pair_relations(&self) -> (Cow<'_, [f32]>, Cow<'_, [f32]>) {
        let mean = |tails: &'_ [f32], heads: &'_ [f32]| -> Vec<f32> {
            tails
                .iter()
                .zip(heads)
                .map(|(w, u)| 0.5 * (w + u))
                .collect()
        };
        if self.head_re.is_empty() {
            return (Cow::Borrowed(&self.rel_re), Cow::Borrowed(&self.rel_im));
        }
        (
            Cow::Owned(mean(&self.rel_re, &self.head_re)),
            Cow::Owned(mean(&self.rel_im, &self.head_im)),
        )
    }

    /// Rows for the joint model: `entities` in the given order, and one relation row per class. A class without a
    /// relation in these tables (`None`: NA always), an entity that is out of range, and a relation that is, are drawn
    /// by `init` (released HRERE: uniform 0..1).
    pub fn restrict(
        &self,
        entities: &[u32],
        classes: &[Option<u32>],
        init: TableInit,
        seed: u64,
    ) -> Self {
        let gather = |table: &[f32], name: &str, rows: &mut dyn Iterator<Item = Option<usize>>| {
            let mut rng = rng_for(seed, name);
            let mut out = Vec::new();
            for row in rows {
                let known = row.and_then(|row| table.get(row * self.dim..(row + 1) * self.dim));
                match known {
                    Some(values) => out.extend_from_slice(values),
                    None => out.extend(init.draw(self.dim, &mut rng)),
                }
            }
            out
        };
        let entity_rows = || entities.iter().map(|&e| Some(e as usize));
        let class_rows = || classes.iter().map(|c| c.map(|r| r as usize));
        let (rel_re, rel_im) = self.pair_relations();
        Self {
            n_entities: entities.len(),
            n_relations: classes.len(),
            dim: self.dim,
            entity: self.entity,
            ent_re: gather(&self.ent_re, "restrict.ent_re", &mut entity_rows()),
            ent_im: gather(&self.ent_im, "restrict.ent_im", &mut entity_rows()),
            rel_re: gather(&rel_re, "restrict.rel_re", &mut class_rows()),
            rel_im: gather(&rel_im, "restrict.rel_im", &mut class_rows()),
            head_re: Vec::new(),
            head_im: Vec::new(),
        }
    }

    /// (re, im) of an entity as the score reads them; `None` when there is no such row.
    pub(crate) fn entity(&self, row: u32) -> Option<(Vec<f32>, Vec<f32>)> {
        let part = |table: &[f32]| -> Option<Vec<f32>> {
            let at = row as usize * self.dim;
            Some(
                table
                    .get(at..at + self.dim)?
                    .iter()
                    .map(|&x| self.entity.value(x))
                    .collect(),
            )
        };
        Some((part(&self.ent_re)?, part(&self.ent_im)?))
    }

    fn pair(&self, head: u32, tail: u32) -> Option<PairProduct> {
        let ((h_re, h_im), (t_re, t_im)) = (self.entity(head)?, self.entity(tail)?);
        let zip = |f: fn(f32, f32, f32, f32) -> f32| -> Vec<f32> {
            (0..self.dim)
                .map(|k| f(h_re[k], h_im[k], t_re[k], t_im[k]))
                .collect()
        };
        Some(PairProduct {
            with_re: zip(|hr, hi, tr, ti| hr * tr + hi * ti),
            with_im: zip(|hr, hi, tr, ti| hr * ti - hi * tr),
        })
    }

    /// phi(h, r, t) of a pair; `None` when a row does not exist.
    pub fn score(&self, head: u32, relation: u32, tail: u32) -> Option<f32> {
        self.scores_of_relations(head, tail)
            .get(relation as usize)
            .copied()
    }

    /// phi(h, r, t) for every relation row r; empty when an entity row does not exist.
    pub fn scores_of_relations(&self, head: u32, tail: u32) -> Vec<f32> {
        let Some(pair) = self.pair(head, tail) else {
            return Vec::new();
        };
        let (re, im) = self.pair_relations();
        let rows = re.chunks_exact(self.dim.max(1));
        rows.zip(im.chunks_exact(self.dim.max(1)))
            .map(|(re, im)| dot(&pair.with_re, re) + dot(&pair.with_im, im))
            .collect()
    }

    /// phi(h, r, t) for every entity row t; empty when a row does not exist.
    pub fn scores_of_tails(&self, head: u32, relation: u32) -> Vec<f32> {
        self.scores_of_entities(Asked::Tail, head, relation)
    }

    /// phi(h, r, t) for every entity row h; empty when a row does not exist.
    pub fn scores_of_heads(&self, relation: u32, tail: u32) -> Vec<f32> {
        self.scores_of_entities(Asked::Head, tail, relation)
    }

    fn scores_of_entities(&self, asked: Asked, known: u32, relation: u32) -> Vec<f32> {
        let (re, im) = match asked {
            Asked::Head if !self.head_re.is_empty() => (&self.head_re, &self.head_im),
            _ => (&self.rel_re, &self.rel_im),
        };
        let at = relation as usize * self.dim..(relation as usize + 1) * self.dim;
        let (Some((e_re, e_im)), Some(r_re), Some(r_im)) =
            (self.entity(known), re.get(at.clone()), im.get(at))
        else {
            return Vec::new();
        };
        let mut query = vec![0.0; 2 * self.dim];
        asked.vector(&[e_re, e_im].concat(), &[r_re, r_im].concat(), &mut query);
        let (q_re, q_im) = query.split_at(self.dim);
        let against = |row: &[f32], query: &[f32]| -> f32 {
            let pairs = row.iter().zip(query);
            pairs.map(|(&x, q)| self.entity.value(x) * q).sum()
        };
        let rows = self.ent_re.chunks_exact(self.dim.max(1));
        rows.zip(self.ent_im.chunks_exact(self.dim.max(1)))
            .map(|(re, im)| against(re, q_re) + against(im, q_im))
            .collect()
    }

    /// p_G: softmax of [`Self::scores_of_relations`].
    pub fn relation_probabilities(&self, head: u32, tail: u32) -> Vec<f32> {
        softmax(&self.scores_of_relations(head, tail))
    }
}

fn dot(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(x, y)| x * y).sum()
}

/// Softmax of a row, in double precision inside; empty for an empty row.
pub fn softmax(scores: &[f32]) -> Vec<f32> {
    let top = scores.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let raised: Vec<f64> = scores.iter().map(|&s| f64::from(s - top).exp()).collect();
    let total: f64 = raised.iter().sum();
    raised.iter().map(|e| (e / total) as f32).collect()
}
