//! Choosing decision rules on dev: one for each kind of candidates. Never on test.

use super::evaluate::{Score, given_findings, own_findings};
use crate::analysis::{Counts, ScoredCase, SpanUse, Tuning, best_threshold, tune_rule};
use crate::domain::{Annotation, DecisionRule, DecisionRules, Prediction, TokenSpan, Triple};
use std::collections::{HashMap, HashSet};

/// A dev sentence as it stands and as the model sees it.
pub type DevCase<'a> = (&'a Annotation, &'a Prediction);

struct Dev<'a> {
    cases: &'a [DevCase<'a>],
    one_per_pair: bool,
}

/// The rules with the highest dev F1, each under exact match among its own candidates, and the score of the first: exact
/// match on predicted entities, or on gold entities where the model predicts no entity at all. `one_per_pair`: see
/// [`DecisionRule::one_per_pair`].
pub fn tune(dev: &[DevCase], one_per_pair: bool) -> (DecisionRules, Score) {
    let dev = &Dev {
        cases: dev,
        one_per_pair,
    };
    let finds_entities = dev.cases.iter().any(|(_, p)| !p.entities.is_empty());
    let given: Vec<Prediction> = dev.cases.iter().map(|(_, p)| given_findings(p)).collect();
    let cases: Vec<DevCase> = dev.cases.iter().map(|(a, _)| *a).zip(&given).collect();
    let on_given = &Dev {
        cases: &cases,
        ..*dev
    };
    let (gold_entities, given) = on_gold_entities(on_given);
    let (mut predicted, counts) = if finds_entities {
        on_predicted_entities(dev)
    } else {
        (gold_entities.clone(), given)
    };
    predicted.entity = entity_threshold(dev);
    let rules = DecisionRules {
        predicted,
        gold_entities,
        gold_pairs: on_gold_pairs(on_given),
    };
    (rules, counts.into())
}

fn on_predicted_entities(dev: &Dev) -> (DecisionRule, Counts) {
    let own: Vec<Prediction> = dev.cases.iter().map(|(_, p)| own_findings(p)).collect();
    let cases: Vec<DevCase> = dev.cases.iter().map(|(a, _)| *a).zip(&own).collect();
    let own = Dev {
        cases: &cases,
        ..*dev
    };
    choose(&own, SpanUse::Weighted, |_, _| |_: &Triple| true)
}

fn on_gold_entities(dev: &Dev) -> (DecisionRule, Counts) {
    choose(dev, SpanUse::Ignored, |annotation, _| {
        let spans: HashSet<TokenSpan> = annotation.entities.iter().map(|e| e.span).collect();
        move |t: &Triple| spans.contains(&t.head) && spans.contains(&t.tail)
    })
}

fn on_gold_pairs(dev: &Dev) -> DecisionRule {
    let (rule, _) = choose(dev, SpanUse::Ignored, |annotation, _| {
        let pairs: HashSet<_> = annotation
            .standing()
            .map(|t| (t.triple.head, t.triple.tail))
            .collect();
        move |t: &Triple| pairs.contains(&(t.head, t.tail))
    });
    rule
}

/// The best rule over the scored triples that `candidates` lets through.
fn choose<F: Fn(&Triple) -> bool>(
    dev: &Dev,
    spans: SpanUse,
    candidates: impl Fn(&Annotation, &Prediction) -> F,
) -> (DecisionRule, Counts) {
    let (mut cases, mut n_gold, mut n_pairs) = (Vec::new(), 0, 0);
    for (annotation, prediction) in dev.cases {
        let gold: HashSet<Triple> = annotation.standing().map(|t| t.triple).collect();
        n_gold += gold.len() as u64;
        let is_candidate = candidates(annotation, prediction);
        let inside = prediction
            .triples
            .iter()
            .filter(|t| is_candidate(&t.triple));
        let mut pairs: HashMap<(TokenSpan, TokenSpan), usize> = HashMap::new();
        cases.extend(inside.map(|t| {
            let (head, tail) = (t.triple.head, t.triple.tail);
            let next = n_pairs + pairs.len();
            ScoredCase {
                scores: t.scores,
                correct: gold.contains(&t.triple),
                pair: *pairs
                    .entry((head.min(tail), head.max(tail)))
                    .or_insert(next),
            }
        }));
        n_pairs += pairs.len();
    }
    let tuning = Tuning {
        spans,
        one_per_pair: dev.one_per_pair,
    };
    tune_rule(&cases, n_gold, tuning)
}

/// The cut with the highest entity F1 (exact spans, types ignored); 0 where nothing is proposed.
fn entity_threshold(dev: &Dev) -> f32 {
    let (mut scored, mut n_gold) = (Vec::new(), 0);
    for (annotation, prediction) in dev.cases {
        let gold: HashSet<TokenSpan> = annotation.entities.iter().map(|e| e.span).collect();
        n_gold += gold.len() as u64;
        let found = prediction.entities.iter();
        scored.extend(found.map(|e| (e.score, gold.contains(&e.span))));
    }
    best_threshold(&scored, n_gold).map_or(0.0, |choice| choice.threshold)
}
