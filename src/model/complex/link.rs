//! Link prediction with ComplEx tables: queries for the program, filtered ranks for the report.
//!
//! "Filtered" means: when a fact's tail (or head) is ranked among all entities, the other entities that make a *known*
//! fact with the same head (tail) and relation are passed over. Known facts are what the caller gathered in
//! [`KnownFacts`], usually train + dev + test. The row of NA is no relation: queries leave it out.

use super::questions::{Asked, JoinedTables, Question, questions};
use super::{ComplexTables, Fact, softmax};
use crate::model::ops::{above_and_equal, candidate_scores};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use std::collections::{HashMap, HashSet};

/// Facts to leave out of answers, indexed both ways.
#[derive(Clone, Debug, Default)]
pub struct KnownFacts {
    tails: HashMap<(u32, u32), HashSet<u32>>,
    heads: HashMap<(u32, u32), HashSet<u32>>,
}

impl FromIterator<Fact> for KnownFacts {
    fn from_iter<I: IntoIterator<Item = Fact>>(facts: I) -> Self {
        let mut known = Self::default();
        for fact in facts {
            let by_head = known.tails.entry((fact.head, fact.relation)).or_default();
            by_head.insert(fact.tail);
            let by_tail = known.heads.entry((fact.relation, fact.tail)).or_default();
            by_tail.insert(fact.head);
        }
        known
    }
}

impl KnownFacts {
    /// Known answers to a question.
    fn answers(&self, question: Question) -> impl Iterator<Item = u32> + '_ {
        let set = match question.asked {
            Asked::Tail => self.tails.get(&(question.known, question.relation)),
            Asked::Head => self.heads.get(&(question.relation, question.known)),
        };
        set.into_iter().flatten().copied()
    }

    pub fn contains(&self, fact: Fact) -> bool {
        self.tails
            .get(&(fact.head, fact.relation))
            .is_some_and(|tails| tails.contains(&fact.tail))
    }
}

/// One answer to a query: a row and its score phi.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Answer {
    pub row: u32,
    pub score: f32,
    /// Softmax over the answers that were not left out.
    pub probability: f32,
}

/// The `k` best tails of (head, relation, ?) that are not known.
pub fn predict_tails(
    tables: &ComplexTables,
    head: u32,
    relation: u32,
    known: &KnownFacts,
    k: usize,
) -> Vec<Answer> {
    top(&tables.scores_of_tails(head, relation), k, |tail| {
        known.contains(Fact {
            head,
            relation,
            tail,
        })
    })
}

/// The `k` best heads of (?, relation, tail) that are not known.
pub fn predict_heads(
    tables: &ComplexTables,
    relation: u32,
    tail: u32,
    known: &KnownFacts,
    k: usize,
) -> Vec<Answer> {
    top(&tables.scores_of_heads(relation, tail), k, |head| {
        known.contains(Fact {
            head,
            relation,
            tail,
        })
    })
}

/// The `k` best relations of (head, ?, tail) that are not known; `na` is the row of NA where the tables have one.
pub fn predict_relations(
    tables: &ComplexTables,
    head: u32,
    tail: u32,
    na: Option<u32>,
    known: &KnownFacts,
    k: usize,
) -> Vec<Answer> {
    top(&tables.scores_of_relations(head, tail), k, |relation| {
        na == Some(relation)
            || known.contains(Fact {
                head,
                relation,
                tail,
            })
    })
}

/// Best first; equal scores in row order.
fn top(scores: &[f32], k: usize, left_out: impl Fn(u32) -> bool) -> Vec<Answer> {
    let (rows, kept): (Vec<u32>, Vec<f32>) = (0u32..)
        .zip(scores.iter().copied())
        .filter(|&(row, score)| !score.is_nan() && !left_out(row))
        .unzip();
    let mut answers: Vec<Answer> = rows
        .into_iter()
        .zip(&kept)
        .zip(softmax(&kept))
        .map(|((row, &score), probability)| Answer {
            row,
            score,
            probability,
        })
        .collect();
    let order = |a: &Answer, b: &Answer| b.score.total_cmp(&a.score).then(a.row.cmp(&b.row));
    if k < answers.len() {
        answers.select_nth_unstable_by(k, order);
        answers.truncate(k);
    }
    answers.sort_unstable_by(order);
    answers
}

/// Filtered link-prediction quality: each test fact is asked for its tail and for its head.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct LinkQuality {
    /// Two for each test fact.
    pub n_queries: usize,
    /// Mean reciprocal rank.
    pub mrr: f64,
    pub hits_at_1: f64,
    pub hits_at_3: f64,
    pub hits_at_10: f64,
    pub mean_rank: f64,
}

/// Questions that are scored by one matrix product.
const TOGETHER: usize = 64;

/// Ranks of `test` (distinct facts) against all entities, filtered by `known`. Rank = 1 + entities scored higher + half of
/// those scored equal; a score that is not a number ranks last. Facts whose rows do not exist are not counted.
pub fn filtered_quality(tables: &ComplexTables, test: &[Fact], known: &KnownFacts) -> LinkQuality {
    let exists = |f: &&Fact| {
        (f.head as usize) < tables.n_entities
            && (f.tail as usize) < tables.n_entities
            && (f.relation as usize) < tables.n_relations
    };
    let test: Vec<Fact> = test.iter().filter(exists).copied().collect();
    let asked = questions(&test);
    let joined = JoinedTables::new(tables);
    let ranks: Vec<f64> = asked
        .par_chunks(TOGETHER)
        .flat_map_iter(|part| {
            let mut vectors = vec![0.0; part.len() * joined.width];
            for (out, (question, _)) in vectors.chunks_exact_mut(joined.width).zip(part) {
                joined.vector(*question, out);
            }
            let mut scores = vec![0.0; part.len() * tables.n_entities];
            candidate_scores(&vectors, &joined.entities, joined.width, &mut scores);
            let rows = scores.chunks_exact(tables.n_entities).zip(part);
            let ranks = rows.flat_map(|(scores, (question, answers))| {
                answers
                    .iter()
                    .map(|&answer| rank(scores, answer, known.answers(*question)))
            });
            ranks.collect::<Vec<f64>>()
        })
        .collect();
    if ranks.is_empty() {
        return LinkQuality::default();
    }
    let n = ranks.len() as f64;
    let share = |limit: f64| ranks.iter().filter(|&&r| r <= limit).count() as f64 / n;
    LinkQuality {
        n_queries: ranks.len(),
        mrr: ranks.iter().map(|r| 1.0 / r).sum::<f64>() / n,
        hits_at_1: share(1.0),
        hits_at_3: share(3.0),
        hits_at_10: share(10.0),
        mean_rank: ranks.iter().sum::<f64>() / n,
    }
}

/// Counts all entities, then takes back the known answers.
fn rank(scores: &[f32], answer: u32, known: impl Iterator<Item = u32>) -> f64 {
    let own = scores[answer as usize];
    if own.is_nan() {
        return scores.len() as f64;
    }
    let (mut higher, mut equal) = above_and_equal(scores, own);
    equal -= 1; // the answer itself
    for other in known.filter(|&other| other != answer) {
        match scores.get(other as usize) {
            Some(&score) if score > own => higher -= 1,
            Some(&score) if score == own => equal -= 1,
            _ => {}
        }
    }
    1.0 + f64::from(higher) + f64::from(equal) / 2.0
}
