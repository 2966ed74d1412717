//! Every candidate of a workspace with all that is known of it: one pass over the sentences.

use super::folds::OutOfFolds;
use super::pairs::{Pair, pairs};
use crate::analysis::noise::{Case, Kind, OutOfFold};
use crate::domain::{
    DecisionRule, RelationId, RelationSchema, SentenceId, SentenceIdx, Triple, Verdict,
};
use crate::store::Reader;
use crate::workspace::pass::each_view;
use crate::workspace::view::Viewed;
use crate::workspace::{Tell, stored_rule};
use anyhow::Result;
use std::collections::HashMap;

/// Candidates held at once. Where pairs times relations are more, a pair brings its likeliest relations only.
const MAX_CASES: usize = 2_000_000;

/// A candidate that nobody has judged.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Candidate {
    pub idx: SentenceIdx,
    pub id: SentenceId,
    pub triple: Triple,
}

/// A candidate with its case, and the curators' answer if there is one.
pub type FoundCase = (Candidate, Case, Option<bool>);

/// A pair with what the whole corpus must be known for.
struct Seen {
    idx: SentenceIdx,
    id: SentenceId,
    pair: Pair,
    key: usize,
    length: u32,
    /// Scores of the workspace's model for the pair's relations.
    model: HashMap<RelationId, f32>,
}

/// All of a kind.
pub struct Found {
    pub candidates: Vec<FoundCase>,
}

impl Found {
    /// In document order; `folds` are those of the workspace. `None` when `tell` stopped it.
    pub fn collect(
        reader: &Reader,
        kind: Kind,
        schema: &RelationSchema,
        folds: Option<&OutOfFolds>,
        tell: Tell,
    ) -> Result<Option<Self>> {
        let rule = stored_rule(reader)?;
        let (mut seen, mut keys): (Vec<Seen>, HashMap<(String, String), usize>) =
            Default::default();
        let mut frequency: Vec<u32> = Vec::new();
        let read = each_view(reader, &rule, tell, |idx, viewed| {
            for pair in pairs(&viewed.annotation) {
                let names = (viewed.entity_key(pair.head), viewed.entity_key(pair.tail));
                let n = keys.len();
                let key = *keys.entry(names).or_insert(n);
                frequency.resize(keys.len(), 0);
                frequency[key] += 1;
                if kind == Kind::Wrong && pair.gold.is_empty() {
                    continue;
                }
                seen.push(Seen {
                    idx,
                    id: viewed.sentence.id,
                    model: model_scores(viewed, &pair, &rule),
                    pair,
                    key,
                    length: viewed.sentence.tokens.len() as u32,
                });
            }
            Ok(())
        })?;
        if !read {
            return Ok(None);
        }
        let used = used_relations(&seen);
        let together = Together::count(&seen);
        let each = (MAX_CASES / seen.len().max(1)).max(1);
        let columns = folds.map(|f| columns(f, schema));
        let mut candidates = Vec::new();
        for s in &seen {
            let key = (s.id, s.pair.head, s.pair.tail);
            let answers = folds.and_then(|f| f.of(&key));
            let text = folds.and_then(|f| f.text(&key));
            let out_of_fold = |relation: RelationId| {
                let (folds, columns) = (folds?, columns.as_ref()?);
                let ([p, alone], column) = (answers?, *columns.get(&relation)?);
                let others = (0..p.len()).filter(|c| *c != column);
                Some(OutOfFold {
                    p: p[column].to_f32(),
                    prior: *folds.priors().get(column)?,
                    best_other: others.map(|c| p[c].to_f32()).fold(0.0, f32::max),
                    alone: alone[column].to_f32(),
                })
            };
            let mut of_pair: Vec<FoundCase> = asked_relations(kind, &s.pair, &used)
                .into_iter()
                .filter_map(|relation| {
                    let answer = answer(kind, &s.pair, relation)?;
                    let (candidate, mut case) =
                        s.case(relation, out_of_fold(relation), frequency[s.key]);
                    case.implied = together.implied(&case);
                    case.text.clone_from(&text);
                    Some((candidate, case, answer))
                })
                .collect();
            if of_pair.len() > each {
                let likely = |c: &FoundCase| c.1.out_of_fold.map_or(0.0, |f| f.p);
                of_pair.sort_by(|a, b| likely(b).total_cmp(&likely(a)));
                of_pair.truncate(each);
            }
            candidates.extend(of_pair);
        }
        Ok(Some(Self { candidates }))
    }
}

impl Seen {
    fn case(
        &self,
        relation: RelationId,
        out_of_fold: Option<OutOfFold>,
        pair_frequency: u32,
    ) -> (Candidate, Case) {
        let (head, tail) = (self.pair.head, self.pair.tail);
        let others = self.pair.gold.iter().copied().filter(|r| *r != relation);
        let candidate = Candidate {
            idx: self.idx,
            id: self.id,
            triple: Triple {
                head,
                relation,
                tail,
            },
        };
        let case = Case {
            relation,
            others: others.collect(),
            implied: 0.0,
            out_of_fold,
            text: None,
            model: self.model.get(&relation).copied(),
            gap: tail
                .start()
                .saturating_sub(head.end())
                .max(head.start().saturating_sub(tail.end())) as u32,
            pair_frequency,
            head_first: head.start() <= tail.start(),
            length: self.length,
        };
        (candidate, case)
    }
}

/// How often the corpus gives a pair two relations.
struct Together {
    single: HashMap<RelationId, f32>,
    /// (a relation, another that the pair has too)
    both: HashMap<(RelationId, RelationId), f32>,
}

impl Together {
    fn count(seen: &[Seen]) -> Self {
        let (mut single, mut both) = (HashMap::new(), HashMap::new());
        for gold in seen.iter().map(|s| &s.pair.gold) {
            for a in gold {
                *single.entry(*a).or_default() += 1.0;
                for b in gold.iter().filter(|b| *b != a) {
                    *both.entry((*a, *b)).or_default() += 1.0;
                }
            }
        }
        Self { single, both }
    }

    /// The largest share of pairs with one of the case's other labels that have its relation too.
    fn implied(&self, case: &Case) -> f32 {
        let share = |other: &RelationId| {
            let both = self.both.get(&(*other, case.relation))?;
            Some(both / self.single.get(other)?)
        };
        case.others.iter().filter_map(share).fold(0.0, f32::max)
    }
}

fn model_scores(viewed: &Viewed, pair: &Pair, rule: &DecisionRule) -> HashMap<RelationId, f32> {
    let scored = viewed.prediction.iter().flat_map(|p| &p.triples);
    scored
        .filter(|t| (t.triple.head, t.triple.tail) == (pair.head, pair.tail))
        .filter_map(|t| Some((t.triple.relation, rule.score(&t.scores)?)))
        .collect()
}

/// Relations that the corpus gives to any pair.
fn used_relations(seen: &[Seen]) -> Vec<RelationId> {
    let used: std::collections::BTreeSet<RelationId> = seen
        .iter()
        .flat_map(|s| s.pair.gold.iter().copied())
        .collect();
    used.into_iter().collect()
}

fn asked_relations(kind: Kind, pair: &Pair, used: &[RelationId]) -> Vec<RelationId> {
    match kind {
        Kind::Wrong => pair.gold.clone(),
        Kind::Missing => used
            .iter()
            .copied()
            .filter(|r| !pair.gold.contains(r))
            .collect(),
    }
}

/// Outer `None`: no candidate, somebody is unsure. Inner `None`: nobody has judged.
fn answer(kind: Kind, pair: &Pair, relation: RelationId) -> Option<Option<bool>> {
    match pair.verdicts.get(&relation) {
        None => Some(None),
        Some(Verdict::Unsure) => None,
        Some(verdict) => Some(Some((*verdict == Verdict::Reject) == (kind == Kind::Wrong))),
    }
}

fn columns(folds: &OutOfFolds, schema: &RelationSchema) -> HashMap<RelationId, usize> {
    let names = folds.relations().iter().enumerate();
    names
        .filter_map(|(column, name)| Some((schema.relation(name)?, column)))
        .collect()
}
