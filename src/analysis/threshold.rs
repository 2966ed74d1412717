//! Choosing a decision threshold on dev data: the cut that gives the highest F1. Never on test data.

use super::score::Counts;
use crate::domain::{DecisionRule, Scores};

/// One candidate triple of dev: its scores, and whether it is gold.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct ScoredCase {
    pub scores: Scores,
    pub correct: bool,
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

/// The decision rule with the highest dev F1, over eleven kernel weights (0, 0.1 .. 1) and all thresholds. Of equal F1
/// the one that trusts the kernel head more wins. Thresholds of systems that the data lacks stay at their default.
pub fn tune_rule(cases: &[ScoredCase], n_gold: u64) -> (DecisionRule, Counts) {
    let has = |score: fn(&Scores) -> Option<f32>| cases.iter().any(|c| score(&c.scores).is_some());
    let has_kernel = has(|s| s.kernel);
    let weights: Vec<f32> = if has_kernel && has(|s| s.rin) {
        (0..=10u8).rev().map(|i| f32::from(i) / 10.0).collect()
    } else {
        vec![DecisionRule::default().kernel_weight]
    };
    let mut best = (
        DecisionRule::default(),
        Counts {
            gold: n_gold,
            ..Counts::default()
        },
    );
    for kernel_weight in weights {
        let rule = DecisionRule {
            kernel_weight,
            ..DecisionRule::default()
        };
        let scored: Vec<(f32, bool)> = cases
            .iter()
            .filter(|c| !has_kernel || c.scores.kernel.is_some())
            .filter_map(|c| Some((rule.score(&c.scores)?, c.correct)))
            .collect();
        let Some(choice) = best_threshold(&scored, n_gold) else {
            continue;
        };
        if choice.counts.f1() > best.1.f1() {
            let rule = if has_kernel {
                DecisionRule {
                    kernel: choice.threshold,
                    ..rule
                }
            } else {
                DecisionRule {
                    rin: choice.threshold,
                    ..rule
                }
            };
            best = (rule, choice.counts);
        }
    }
    best
}

#[cfg(test)]
mod tests {
    use super::*;

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
        };
        // The kernel head alone cannot tell these apart, RIN alone neither; together they can.
        let both = [
            case(Some(0.9), Some(0.2), false),
            case(Some(0.2), Some(0.9), false),
            case(Some(0.8), Some(0.8), true),
        ];
        let (rule, counts) = tune_rule(&both, 1);
        assert_eq!(counts.f1(), 1.0);
        assert!(
            both.iter().all(|c| rule.accepts(&c.scores) == c.correct),
            "{rule:?}"
        );
        let (rule, _) = tune_rule(
            &[case(Some(0.3), None, true), case(Some(0.1), None, false)],
            1,
        );
        assert!((rule.rin - 0.2).abs() < 1e-6 && rule.kernel == 0.5);
        assert_eq!(
            tune_rule(&[], 3),
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
