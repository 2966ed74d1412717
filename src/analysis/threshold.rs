//! Choosing a decision threshold on dev data: the cut that gives the highest F1. Never on test data.

use super::score::Counts;
use crate::domain::{DecisionRule, Scores};
use std::collections::HashMap;

/// One candidate triple of dev: its scores, and whether it is gold.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct ScoredCase {
    pub scores: Scores,
    pub correct: bool,
    /// Numbers the unordered pair of spans among all cases.
    pub pair: usize,
}

/// A threshold (a score at or above it is accepted) and what it gives on the data it was chosen on.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Choice {
    pub threshold: f32,
    pub counts: Counts,
}

/// The threshold with the highest F1 for `(score, correct)` of different triples and `n_gold` gold triples in all, also
/// those without a score. Of equal F1 the highest threshold wins (fewer predictions). It lies halfway to the next lower
/// score, so that it does not sit on one example. `None` when no correct triple has a score.
pub fn best_threshold(scored: &[(f32, bool)], n_gold: u64) -> Option<Choice> {
    let mut falling: Vec<(f32, bool)> = scored
        .iter()
        .copied()
        .filter(|(s, _)| !s.is_nan())
        .collect();
    falling.sort_by(|a, b| b.0.total_cmp(&a.0));
    let mut best: Option<Choice> = None;
    let mut correct = 0;
    for (i, &(score, is_correct)) in falling.iter().enumerate() {
        correct += u64::from(is_correct);
        let next = falling.get(i + 1).map(|n| n.0);
        // Equal scores are accepted together or not at all.
        if next == Some(score) || correct == 0 {
            continue;
        }
        let counts = Counts {
            correct,
            predicted: i as u64 + 1,
            gold: n_gold.max(correct),
        };
        if best.is_none_or(|b| counts.f1() > b.counts.f1()) {
            best = Some(Choice {
                threshold: between(score, next),
                counts,
            });
        }
    }
    best
}

/// Above `lower`, at most `accepted`.
fn between(accepted: f32, lower: Option<f32>) -> f32 {
    match lower {
        Some(lower) => {
            let middle = lower + (accepted - lower) / 2.0;
            if middle > lower { middle } else { accepted }
        }
        None => accepted,
    }
}

/// Exponents of the spans' probability that are tried.
const SPAN_WEIGHTS: [f32; 5] = [0.0, 0.25, 0.5, 1.0, 2.0];

/// What kind of rule is sought.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Tuning {
    pub spans: SpanUse,
    /// [`DecisionRule::one_per_pair`] of the rule.
    pub one_per_pair: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SpanUse {
    /// Candidates are the model's own: how likely their spans are counts.
    Weighted,
    /// Candidates were given: it does not.
    Ignored,
}

/// The highest score of each pair, with its correctness.
fn best_of_pairs(cases: &[&ScoredCase], scored: Vec<(f32, bool)>) -> Vec<(f32, bool)> {
    let mut best: HashMap<usize, (f32, bool)> = HashMap::new();
    for (case, score) in cases.iter().zip(scored) {
        let known = best.entry(case.pair).or_insert(score);
        if score.0 > known.0 {
            *known = score;
        }
    }
    best.into_values().collect()
}

/// The rule with the highest F1 over the cases of a dev set, and its counts. `n_gold`: gold triples, found or not. The
/// kernel's weight is tried in tenths, the spans' over a few exponents; among equals the kernel's weight is largest.
pub fn tune_rule(cases: &[ScoredCase], n_gold: u64, tuning: Tuning) -> (DecisionRule, Counts) {
    let has_kernel = cases.iter().any(|c| c.scores.kernel.is_some());
    let scores = |c: &&ScoredCase| match has_kernel {
        true => c.scores.kernel.is_some(),
        false => c.scores.rin.is_some(),
    };
    let cases: Vec<&ScoredCase> = cases.iter().filter(scores).collect();
    let weights: Vec<f32> = if has_kernel && cases.iter().any(|c| c.scores.rin.is_some()) {
        (0..=10u8).rev().map(|i| f32::from(i) / 10.0).collect()
    } else {
        vec![DecisionRule::default().kernel_weight]
    };
    let span_weights = match tuning.spans {
        SpanUse::Weighted if cases.iter().any(|c| c.scores.spans.is_some()) => &SPAN_WEIGHTS[..],
        _ => &SPAN_WEIGHTS[..1],
    };
    let mut best = (
        DecisionRule::default(),
        Counts {
            gold: n_gold,
            ..Counts::default()
        },
    );
    let tried = weights
        .iter()
        .flat_map(|w| span_weights.iter().map(move |s| (*w, *s)));
    for (kernel_weight, span_weight) in tried {
        let mut rule = DecisionRule {
            kernel_weight,
            span_weight,
            one_per_pair: tuning.one_per_pair,
            ..DecisionRule::default()
        };
        let mut scored: Vec<(f32, bool)> = cases
            .iter()
            .filter_map(|c| Some((rule.score(&c.scores)?, c.correct)))
            .collect();
        if tuning.one_per_pair {
            scored = best_of_pairs(&cases, scored);
        }
        let Some(choice) = best_threshold(&scored, n_gold) else {
            continue;
        };
        if choice.counts.f1() > best.1.f1() {
            if has_kernel {
                rule.kernel = choice.threshold;
            } else {
                rule.rin = choice.threshold;
            }
            best = (rule.clone(), choice.counts);
        }
    }
    best
}

#[cfg(test)]
mod tests {
    use super::*;

    const WEIGHTED: Tuning = Tuning {
        spans: SpanUse::Weighted,
        one_per_pair: false,
    };

    #[test]
    fn the_cut_with_the_highest_f1_is_found() {
        let check = |scored: &[(f32, bool)], n_gold, expected: Option<(f32, u64, u64)>| {
            let found = best_threshold(scored, n_gold);
            let shown = found.map(|c| (c.threshold, c.counts.correct, c.counts.predicted));
            assert_eq!(shown, expected);
            let mut reversed = scored.to_vec();
            reversed.reverse();
            assert_eq!(best_threshold(&reversed, n_gold), found);
        };
        check(
            &[(0.9, true), (0.8, true), (0.4, false), (0.2, true)],
            3,
            Some((0.2, 3, 4)),
        );
        check(
            &[(0.9, true), (0.5, false), (0.25, false)],
            1,
            Some((0.7, 1, 1)),
        );
        // Equal scores stay together.
        check(
            &[(0.5, false), (0.5, true), (0.25, false)],
            1,
            Some((0.375, 1, 2)),
        );
        // F1 is 2/3 with one prediction and with four: the higher threshold.
        check(
            &[(0.75, true), (0.5, false), (0.25, false), (0.125, true)],
            2,
            Some((0.625, 1, 1)),
        );
        check(&[(0.9, false)], 1, None);
        check(&[(f32::NAN, true)], 1, None);
    }

    #[test]
    fn a_threshold_accepts_exactly_what_was_counted() {
        let lower = 0.5f32;
        let accepted = f32::from_bits(lower.to_bits() + 1);
        let choice = best_threshold(&[(accepted, true), (lower, false)], 1).unwrap();
        assert!(choice.threshold > lower && choice.threshold <= accepted);
    }

    #[test]
    fn the_rule_uses_what_the_model_has() {
        let case = |rin, kernel, correct| ScoredCase {
            scores: Scores {
                rin,
                kernel,
                ..Scores::default()
            },
            correct,
            pair: 0,
        };
        // The kernel head alone cannot tell these apart, RIN alone neither; together they can.
        let both = [
            case(Some(0.9), Some(0.2), false),
            case(Some(0.2), Some(0.9), false),
            case(Some(0.8), Some(0.8), true),
        ];
        let (rule, counts) = tune_rule(&both, 1, WEIGHTED);
        assert_eq!(counts.f1(), 1.0);
        assert!(
            both.iter()
                .all(|c| rule.score(&c.scores).is_some_and(|s| s >= rule.kernel) == c.correct),
            "{rule:?}"
        );
        // A likely relation between unlikely spans is told apart only where the spans count.
        let with = |spans, kernel, correct| ScoredCase {
            scores: Scores {
                spans: Some(spans),
                kernel: Some(kernel),
                ..Scores::default()
            },
            correct,
            pair: 0,
        };
        let spans = [with(0.1, 0.9, false), with(0.9, 0.8, true)];
        let f1 = |spans_use| {
            let tuning = Tuning {
                spans: spans_use,
                ..WEIGHTED
            };
            tune_rule(&spans, 1, tuning).1.f1()
        };
        assert_eq!(
            (f1(SpanUse::Weighted), f1(SpanUse::Ignored)),
            (1.0, 2.0 / 3.0)
        );
        // Held to one relation a pair, the likelier one wins before any threshold is sought.
        let rivals = [with(1.0, 0.9, true), with(1.0, 0.8, false)];
        let one = Tuning {
            one_per_pair: true,
            ..WEIGHTED
        };
        let (rule, counts) = tune_rule(&rivals, 1, one);
        assert_eq!((counts.predicted, rule.one_per_pair), (1, true));
        let (rule, _) = tune_rule(
            &[case(Some(0.3), None, true), case(Some(0.1), None, false)],
            1,
            WEIGHTED,
        );
        assert!((rule.rin - 0.2).abs() < 1e-6 && rule.kernel == 0.5);
        assert_eq!(
            tune_rule(&[], 3, WEIGHTED),
            (
                DecisionRule::default(),
                Counts {
                    gold: 3,
                    ..Counts::default()
                }
            )
        );
    }
}
