//! Questions to ComplEx tables as vectors: (head, relation, ?) and (?, relation, tail) against all entities.
//!
//! With e the known entity and w the relation's row for that side, phi is a plain product of the unknown entity's
//! [re | im] with
//!
//! ```text
//! tail asked:  q_re = e_re w_re - e_im w_im     q_im = e_im w_re + e_re w_im
//! head asked:  q_re = e_re w_re + e_im w_im     q_im = e_im w_re - e_re w_im
//! ```
//!
//! so many questions at once are one matrix product.

use super::{ComplexTables, Fact};
use std::collections::BTreeMap;

/// Which end of a fact is asked for.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Asked {
    Tail,
    Head,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct Question {
    pub asked: Asked,
    pub relation: u32,
    /// The entity at the other end.
    pub known: u32,
}

/// The two questions of each fact; facts that share one are put together. Ordered, answers ascending and distinct.
pub(super) fn questions(facts: &[Fact]) -> Vec<(Question, Vec<u32>)> {
    let mut all: BTreeMap<Question, Vec<u32>> = BTreeMap::new();
    for fact in facts {
        let mut add = |asked, known, answer| {
            let question = Question {
                asked,
                relation: fact.relation,
                known,
            };
            all.entry(question).or_default().push(answer);
        };
        add(Asked::Tail, fact.head, fact.tail);
        add(Asked::Head, fact.tail, fact.head);
    }
    for answers in all.values_mut() {
        answers.sort_unstable();
        answers.dedup();
    }
    all.into_iter().collect()
}

impl Asked {
    /// Sign of the terms with the imaginary part of w.
    fn sign(self) -> f32 {
        match self {
            Asked::Tail => 1.0,
            Asked::Head => -1.0,
        }
    }

    /// The question's vector; all rows are [re | im].
    pub(super) fn vector(self, entity: &[f32], relation: &[f32], out: &mut [f32]) {
        let (e_re, e_im) = halves(entity);
        let (w_re, w_im) = halves(relation);
        let (q_re, q_im) = halves_mut(out);
        let (dim, sign) = (q_re.len(), self.sign());
        for k in 0..dim {
            q_re[k] = e_re[k] * w_re[k] - sign * e_im[k] * w_im[k];
            q_im[k] = e_im[k] * w_re[k] + sign * e_re[k] * w_im[k];
        }
    }

    /// Adds d / d entity, given the slope of the question's vector.
    pub(super) fn add_entity_slope(self, slope: &[f32], relation: &[f32], out: &mut [f32]) {
        let (s_re, s_im) = halves(slope);
        let (w_re, w_im) = halves(relation);
        let (d_re, d_im) = halves_mut(out);
        let (dim, sign) = (d_re.len(), self.sign());
        for k in 0..dim {
            d_re[k] += s_re[k] * w_re[k] + sign * s_im[k] * w_im[k];
            d_im[k] += s_im[k] * w_re[k] - sign * s_re[k] * w_im[k];
        }
    }

    /// Adds d / d relation.
    pub(super) fn add_relation_slope(self, slope: &[f32], entity: &[f32], out: &mut [f32]) {
        let (s_re, s_im) = halves(slope);
        let (e_re, e_im) = halves(entity);
        let (d_re, d_im) = halves_mut(out);
        let (dim, sign) = (d_re.len(), self.sign());
        for k in 0..dim {
            d_re[k] += s_re[k] * e_re[k] + s_im[k] * e_im[k];
            d_im[k] += sign * (s_im[k] * e_re[k] - s_re[k] * e_im[k]);
        }
    }
}

fn halves(row: &[f32]) -> (&[f32], &[f32]) {
    row.split_at(row.len() / 2)
}
fn halves_mut(row: &mut [f32]) -> (&mut [f32], &mut [f32]) {
    let middle = row.len() / 2;
    row.split_at_mut(middle)
}

/// Rows [re | im] of the width 2 dim.
pub(super) fn joined(re: &[f32], im: &[f32], dim: usize, read: impl Fn(f32) -> f32) -> Vec<f32> {
    let mut out = Vec::with_capacity(re.len() + im.len());
    for (re, im) in re.chunks_exact(dim).zip(im.chunks_exact(dim)) {
        out.extend(re.iter().chain(im).map(|&x| read(x)));
    }
    out
}

/// The two tables of [`joined`] rows.
pub(super) fn parted(rows: &[f32], dim: usize) -> (Vec<f32>, Vec<f32>) {
    let (mut re, mut im) = (Vec::new(), Vec::new());
    for row in rows.chunks_exact(2 * dim) {
        re.extend_from_slice(&row[..dim]);
        im.extend_from_slice(&row[dim..]);
    }
    (re, im)
}

/// Tables as the questions read them.
pub(super) struct JoinedTables {
    /// 2 dim.
    pub width: usize,
    /// [n_entities, width]
    pub entities: Vec<f32>,
    tails: Vec<f32>,
    /// Empty: `tails` serve both sides.
    heads: Vec<f32>,
}

impl JoinedTables {
    pub(super) fn new(tables: &ComplexTables) -> Self {
        let dim = tables.dim;
        let same = |x| x;
        Self {
            width: 2 * dim,
            entities: joined(&tables.ent_re, &tables.ent_im, dim, |x| {
                tables.entity.value(x)
            }),
            tails: joined(&tables.rel_re, &tables.rel_im, dim, same),
            heads: joined(&tables.head_re, &tables.head_im, dim, same),
        }
    }

    pub(super) fn vector(&self, question: Question, out: &mut [f32]) {
        let relations = match question.asked {
            Asked::Head if !self.heads.is_empty() => &self.heads,
            _ => &self.tails,
        };
        let row = |at: u32| at as usize * self.width..(at as usize + 1) * self.width;
        let entity = &self.entities[row(question.known)];
        let relation = &relations[row(question.relation)];
        question.asked.vector(entity, relation, out);
    }
}
