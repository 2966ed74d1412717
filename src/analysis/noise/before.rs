//! Signals of many cases → an order, by fixed weights, while nobody has judged.

use super::signals::{Case, Kind, Signal, SignalSet, log_odds};

pub(super) const N: usize = Signal::ALL.len();

/// A case's place before any verdict.
#[derive(Clone, PartialEq, Debug)]
pub struct Scored {
    /// 0..1; a probability only where a [`super::Combiner`] made it.
    pub score: f32,
    /// The log odds that the score stands for.
    pub log_odds: f32,
    /// What each signal adds; of a combiner: to the log odds.
    pub parts: [f32; N],
    /// What the relation, and the pair's other labels, add.
    pub labels: f32,
    /// What the way adds in which the sentence speaks of the pair.
    pub text: f32,
}

/// Scores without any verdict, by fixed weights.
pub fn before_verdicts(cases: &[Case], kind: Kind, signals: &SignalSet) -> Vec<Scored> {
    match kind {
        Kind::Wrong => rank_sum(cases, signals),
        Kind::Missing => log_odds_sum(cases, signals),
    }
}

pub(super) const NOTHING_KNOWN: Scored = Scored {
    score: 0.5,
    log_odds: 0.0,
    parts: [0.0; N],
    labels: 0.0,
    text: 0.0,
};

/// Log odds of a candidate of which the one regression that knows the sentence says nothing: few are missing.
const SELDOM: f32 = -4.0;

/// Evidence added up as if each signal spoke for itself (naive Bayes): a relation that the text says, that the other labels make likelier, between
/// entities of its types. A sum of ranks would put a pair with labels before all those without, for having any.
fn log_odds_sum(cases: &[Case], signals: &SignalSet) -> Vec<Scored> {
    let heard = signals.weighed(Kind::Missing, cases);
    let text = [
        Signal::OneVsRest,
        Signal::OneVsRestAdjusted,
        Signal::SelfConfidence,
    ];
    let start = match heard.iter().any(|(j, _)| text.contains(&Signal::ALL[*j])) {
        true => 0.0,
        false => SELDOM,
    };
    let of = |case: &Case| {
        let mut scored = NOTHING_KNOWN;
        scored.log_odds = start;
        for (j, weight) in &heard {
            let signal = Signal::ALL[*j];
            let part = weight * signals.value(*j, case).unwrap_or(signal.absent());
            scored.parts[*j] = part;
            scored.log_odds += part;
        }
        scored.score = sigmoid(scored.log_odds);
        scored
    };
    cases.iter().map(of).collect()
}

pub(super) fn sigmoid(x: f32) -> f32 {
    1.0 / (1.0 + (-x).exp())
}

/// The weighted sum of each signal's rank among all cases; ties share a rank, a signal that a case lacks counts as the middle.
fn rank_sum(cases: &[Case], signals: &SignalSet) -> Vec<Scored> {
    let heard = signals.weighed(Kind::Wrong, cases);
    let total: f32 = heard.iter().map(|(_, weight)| weight.abs()).sum();
    let mut scored = vec![NOTHING_KNOWN; cases.len()];
    for (j, weight) in heard {
        let values: Vec<Option<f32>> = cases.iter().map(|c| signals.value(j, c)).collect();
        for (scored, rank) in scored.iter_mut().zip(ranks(&values)) {
            let part = weight / total * (rank.unwrap_or(0.5) - 0.5);
            scored.parts[j] = part;
            scored.score += part;
        }
    }
    for scored in &mut scored {
        scored.log_odds = log_odds(scored.score.clamp(0.01, 0.99));
    }
    scored
}

/// Ranks in 0..1 of the values that there are.
fn ranks(values: &[Option<f32>]) -> Vec<Option<f32>> {
    let mut order: Vec<(f32, usize)> = values
        .iter()
        .enumerate()
        .filter_map(|(i, v)| Some(((*v)?, i)))
        .collect();
    order.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
    let mut ranks = vec![None; values.len()];
    let last = order.len().saturating_sub(1).max(1) as f32;
    let mut from = 0;
    for group in order.chunk_by(|a, b| a.0 == b.0) {
        let middle = from as f32 + (group.len() - 1) as f32 / 2.0;
        for (_, i) in group {
            ranks[*i] = Some(middle / last);
        }
        from += group.len();
    }
    ranks
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::analysis::noise::OutOfFold;
    use crate::domain::RelationId;

    pub fn case(relation: u16, others: &[u16], p: Option<f32>, gap: u32) -> Case {
        let others: Vec<RelationId> = others.iter().map(|r| RelationId(*r)).collect();
        Case {
            out_of_fold: p.map(|p| OutOfFold {
                p,
                prior: 0.5,
                best_other: 1.0 - p,
                alone: p,
            }),
            gap,
            ..Case::plain(RelationId(relation), &others)
        }
    }

    #[test]
    fn ranks_share_ties_and_leave_gaps_out() {
        let r = ranks(&[Some(3.0), None, Some(1.0), Some(3.0), Some(9.0)]);
        assert_eq!(r, [Some(0.5), None, Some(0.0), Some(0.5), Some(1.0)]);
        assert_eq!(ranks(&[]), []);
        assert_eq!(ranks(&[Some(2.0)]), [Some(0.0)]);
    }

    #[test]
    fn without_verdicts_the_fixed_weights_order() {
        let cases = [
            case(0, &[], Some(0.9), 1),
            case(0, &[1], Some(0.1), 9),
            case(0, &[], None, 5),
        ];
        let scored = before_verdicts(&cases, Kind::Wrong, &SignalSet::default());
        assert!(scored[1].score > scored[2].score && scored[2].score > scored[0].score);
        for s in &scored {
            assert!((0.0..=1.0).contains(&s.score));
            assert!((0.5 + s.parts.iter().sum::<f32>() - s.score).abs() < 1e-5);
        }
        let missing = before_verdicts(&cases, Kind::Missing, &SignalSet::default());
        assert!(missing[0].score > missing[1].score);
    }

    #[test]
    fn what_is_missing_is_asked_by_evidence_not_by_rank() {
        let set = SignalSet::default();
        let score = |cases: &[Case]| before_verdicts(cases, Kind::Missing, &set);
        let implied = |lift, p| Case {
            implied: Some(lift),
            ..case(0, &[1], Some(p), 3)
        };
        // Labels of any kind do not put a pair before one of which the text says more.
        let s = score(&[
            case(0, &[], Some(0.9), 3),
            implied(0.0, 0.2),
            implied(1.0, 0.2),
        ]);
        assert!(s[0].score > s[2].score && s[2].score > s[1].score, "{s:?}");
        for s in &s {
            assert!((s.parts.iter().sum::<f32>() - s.log_odds).abs() < 1e-5);
            assert!((log_odds(s.score) - s.log_odds).abs() < 1e-3);
        }
        // Rare types count against a relation, usual and unknown ones say nothing.
        let typed = |types| Case {
            types,
            ..case(0, &[], Some(0.5), 3)
        };
        let s = score(&[typed(Some(0.0)), typed(Some(1.0)), typed(None)]);
        assert!(s[0].score < 0.01 && s[1].score == s[2].score);
        // What the model does not keep is below what it keeps, and nothing where it was not asked.
        let scored = |model| Case {
            model,
            ..case(0, &[], Some(0.5), 3)
        };
        let s = score(&[scored(Some(0.5)), scored(None)]);
        assert!(s[0].score > s[1].score);
        assert_eq!(score(&[scored(None)])[0].score, 0.5);
        // Without folds nothing says how seldom a relation is.
        assert!(score(&[case(0, &[], None, 3)])[0].score < 0.05);
    }
}
