//! Every candidate of a workspace with all that is known of it: one pass over the sentences.

use super::counts::{DuplicateCounts, PairTypes, Together, TypeCounts};
use super::folds::OutOfFolds;
use super::pairs::{Pair, pairs};
use crate::analysis::noise::{Case, Kind, OutOfFold};
use crate::domain::{
    EntityTypeId, RelationId, RelationSchema, Scores, SentenceId, SentenceIdx, TokenSpan, Triple,
    Verdict,
};
use crate::store::Reader;
use crate::workspace::duplicates::Duplicates;
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
    types: PairTypes,
    /// What the workspace's model says of the pair's relations.
    model: Vec<(RelationId, Scores)>,
}

/// What is known beside the sentences, as far as it was made.
#[derive(Clone, Copy)]
pub struct Beside<'a> {
    pub folds: Option<&'a OutOfFolds>,
    pub duplicates: Option<&'a Duplicates>,
}

/// All of a kind.
pub struct Found {
    pub candidates: Vec<FoundCase>,
}

impl Found {
    /// In document order. `None` when `tell` stopped it.
    pub fn collect(
        reader: &Reader,
        kind: Kind,
        schema: &RelationSchema,
        beside: Beside,
        tell: Tell,
    ) -> Result<Option<Self>> {
        let rule = stored_rule(reader)?;
        let folds = beside.folds;
        let (mut together, mut types) = (Together::default(), TypeCounts::default());
        let mut alike = DuplicateCounts::new(beside.duplicates);
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
                let types_of_pair = [pair.head, pair.tail].map(|span| type_of(viewed, span));
                together.add(&pair.gold);
                types.add(&pair.gold, types_of_pair);
                alike.add(viewed.sentence.id, key, &pair.standing);
                if kind == Kind::Wrong && pair.gold.is_empty() {
                    continue;
                }
                seen.push(Seen {
                    idx,
                    id: viewed.sentence.id,
                    model: model_scores(viewed, &pair),
                    types: types_of_pair,
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
                    let labelled = s.pair.gold.contains(&relation);
                    case.implied = together.implied(&case.others, relation);
                    case.types = types.usual(relation, s.types, labelled);
                    let stands = s.pair.standing.contains(&relation);
                    case.duplicates = alike.agreeing(s.id, s.key, relation, stands);
                    case.model = case.systems.as_ref().and_then(|scores| rule.score(scores));
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
    fn scores(&self, relation: RelationId) -> Option<Scores> {
        let of = |(r, scores): &(RelationId, Scores)| (*r == relation).then_some(*scores);
        self.model.iter().find_map(of)
    }

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
            implied: None,
            out_of_fold,
            text: None,
            model: None,
            systems: self.scores(relation).map(Box::new),
            types: None,
            duplicates: None,
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

fn model_scores(viewed: &Viewed, pair: &Pair) -> Vec<(RelationId, Scores)> {
    let scored = viewed.prediction.iter().flat_map(|p| &p.triples);
    scored
        .filter(|t| (t.triple.head, t.triple.tail) == (pair.head, pair.tail))
        .map(|t| (t.triple.relation, t.scores))
        .collect()
}

fn type_of(viewed: &Viewed, span: TokenSpan) -> Option<EntityTypeId> {
    viewed.annotation.entity(span)?.kind
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
