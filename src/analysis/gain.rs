//! What curation has gained: label quality from a random sample of the labels, and the pace of the decisions. Pure.

use super::{Estimate, Sample};

/// Fewer random labels than this say nothing.
pub const FEWEST: usize = 10;
/// Fewer hits than this among them, and what is searched for has an upper end but no estimate: none of ten found does not mean that there is none.
pub const FEWEST_HITS: usize = 3;

/// The labels in an order of chance, as far as all are judged. `judged`: in that order, whether a label is wrong, `None` where nobody has
/// judged it.
///
/// The first n labels of an order that has nothing to do with the labels are a simple random sample, whatever made a curator judge them.
/// Where the sample ends does depend on what was judged: it ends before the first label that neither the control rows nor the
/// ranking had reached. That is inverse sampling for "not judged otherwise", under which the share in the sample without its last
/// draw is unbiased (J. B. S. Haldane, On a method of estimating frequencies, Biometrika 33, 1945) once a control row is in it.
pub fn sample(judged: impl IntoIterator<Item = Option<bool>>) -> Sample {
    let mut sample = Sample::default();
    for wrong in judged.into_iter().map_while(|answer| answer) {
        sample.add(wrong);
    }
    sample
}

/// Precision of the labels that stand, before and after curation.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Quality {
    pub before: Estimate,
    pub after: Estimate,
}

/// What is known of all labels.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Judged {
    pub labels: usize,
    pub right: usize,
    /// Found wrong: they no longer stand.
    pub wrong: usize,
}

/// Quality from a sample: the share of wrong labels W/N with its interval, kept within what is known for sure (at least those found wrong,
/// at most all but those found right). Before: 1 - W/N. After: (N - W) / (N - found).
pub fn quality(known: Judged, sample: Sample) -> Option<Quality> {
    let n = known.labels as f64;
    let left = n - known.wrong as f64;
    let all_seen = known.right + known.wrong == known.labels;
    if known.labels == 0 || left <= 0.0 || (sample.judged < FEWEST && !all_seen) {
        return None;
    }
    let share = sample.share();
    let exact = known.wrong as f64 / n;
    // Where every label was judged nothing is estimated.
    let share = share.filter(|_| !all_seen).unwrap_or(Estimate {
        value: exact,
        low: exact,
        high: exact,
    });
    let wrong = |p: f64| (p * n).clamp(known.wrong as f64, n - known.right as f64);
    let turned = |of: &dyn Fn(f64) -> f64| Estimate {
        value: of(share.value),
        low: of(share.high),
        high: of(share.low),
    };
    Some(Quality {
        before: turned(&|p| 1.0 - wrong(p) / n),
        after: turned(&|p| (n - wrong(p)) / left),
    })
}

/// Decisions nearer to each other than this were made at one stroke: a bulk edit, a merge.
const STROKE_MS: i64 = 50;
/// After this a curator has done something else meanwhile.
pub const IDLE_MS: i64 = 120_000;

/// How fast one curator decides.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub struct Pace {
    /// Edits.
    pub edits: usize,
    /// Strokes: one key's edit, or all edits of a bulk.
    pub strokes: usize,
    /// Median of the times between strokes, without idle gaps; `None` before the second stroke.
    pub median_ms: Option<i64>,
    /// Sum of those times.
    pub worked_ms: i64,
    /// Gaps of [`IDLE_MS`] or more, which are in neither.
    pub idle_gaps: usize,
}

/// From the times of one curator's edits, in any order.
pub fn pace(mut at_ms: Vec<i64>) -> Pace {
    at_ms.sort_unstable();
    let edits = at_ms.len();
    let gaps = at_ms.windows(2).map(|w| w[1].saturating_sub(w[0]));
    let apart: Vec<i64> = gaps.filter(|gap| *gap >= STROKE_MS).collect();
    let mut worked: Vec<i64> = apart.iter().copied().filter(|g| *g < IDLE_MS).collect();
    worked.sort_unstable();
    let middle = worked.len() / 2;
    let median = match worked.len() {
        0 => None,
        n if n % 2 == 1 => Some(worked[middle]),
        _ => Some((worked[middle - 1] + worked[middle]) / 2),
    };
    Pace {
        edits,
        strokes: apart.len() + usize::from(edits > 0),
        median_ms: median,
        worked_ms: worked.iter().sum(),
        idle_gaps: apart.len() - worked.len(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Values of scipy 1.17.1, binomtest(k, n).proportion_ci(method="wilson").
    #[test]
    fn intervals_are_those_of_scipy() {
        let check = |k, n, low: f64, high: f64| {
            let share = Sample { judged: n, hits: k }.share().unwrap();
            assert!(
                (share.low - low).abs() < 1e-9 && (share.high - high).abs() < 1e-9,
                "{share:?}"
            );
        };
        check(0, 10, 0.0, 0.27753279986288926);
        check(3, 10, 0.10779126740630102, 0.6032218525388546);
        check(10, 10, 0.7224672001371109, 1.0);
        check(7, 50, 0.06950833427016292, 0.26186193710585537);
        check(1, 1, 0.20654931437723745, 1.0);
        assert_eq!(Sample::default().share(), None);
    }

    #[test]
    fn the_sample_ends_at_the_first_label_that_nobody_judged() {
        let found = sample([Some(true), Some(false), None, Some(true)]);
        let expected = Sample { judged: 2, hits: 1 };
        assert_eq!(found, expected);
        assert_eq!(sample([None, Some(true)]), Sample::default());
    }

    #[test]
    fn quality_stays_within_what_is_known() {
        let known = |labels, right, wrong| Judged {
            labels,
            right,
            wrong,
        };
        let drawn = |judged, hits| Sample { judged, hits };
        assert_eq!(quality(known(100, 5, 4), drawn(9, 4)), None);
        // 10 of 20: half of 100 labels are wrong, 40 were found.
        let found = quality(known(100, 20, 40), drawn(20, 10)).unwrap();
        assert_eq!(found.before.value, 0.5);
        assert!((found.after.value - 50.0 / 60.0).abs() < 1e-12);
        assert!(found.before.low < 0.5 && found.before.high <= 0.6);
        // None of ten drawn was wrong, yet thirty were found: that is the least.
        let found = quality(known(100, 20, 30), drawn(10, 0)).unwrap();
        assert_eq!((found.before.high, found.after.high), (0.7, 1.0));
        // All judged: exact.
        let found = quality(known(10, 6, 4), drawn(10, 4)).unwrap();
        assert_eq!((found.before.low, found.before.high), (0.6, 0.6));
        assert_eq!((found.after.low, found.after.high), (1.0, 1.0));
        assert_eq!(quality(known(0, 0, 0), drawn(0, 0)), None);
    }

    /// Curators who judge suspicious labels first and a control row now and then: over many orders of chance the mean of the estimates is the
    /// true share, whether or not the ranking is any good.
    #[test]
    fn the_estimate_is_unbiased_under_a_ranking() {
        let mut state = 7_u64;
        let mut random = || {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            (state >> 33) as f64 / (1u64 << 31) as f64
        };
        let (n, runs) = (400, 3000);
        let mut sum = 0.0;
        for _ in 0..runs {
            // A quarter is wrong; the ranking has judged most of those and few others; labels come in order of chance.
            let labels: Vec<(bool, bool)> = (0..n)
                .map(|_| {
                    let wrong = random() < 0.25;
                    (wrong, random() < if wrong { 0.7 } else { 0.05 })
                })
                .collect();
            // Of the others the curator takes the first fifteen by chance, as control rows.
            let mut controls = 15;
            let judged = labels.iter().map(|(wrong, ranked)| {
                if !ranked {
                    controls -= 1;
                }
                (controls >= 0).then_some(*wrong)
            });
            let found = sample(judged.collect::<Vec<_>>());
            sum += found.hits as f64 / found.judged as f64;
        }
        let mean = sum / f64::from(runs);
        // The standard error of the mean is about 0.002.
        assert!((mean - 0.25).abs() < 0.01, "{mean}");
    }

    #[test]
    fn pace_leaves_out_idle_gaps_and_counts_a_bulk_once() {
        let second = 1000;
        let times = vec![
            0,
            2 * second,
            2 * second + 3,
            2 * second + 9,
            6 * second,
            6 * second + IDLE_MS,
            9 * second + IDLE_MS,
        ];
        let found = pace(times);
        assert_eq!((found.edits, found.strokes, found.idle_gaps), (7, 5, 1));
        assert_eq!(found.median_ms, Some(3000));
        assert_eq!(found.worked_ms, 2000 + 3991 + 3000);
        assert_eq!(pace(vec![]), Pace::default());
        assert_eq!(pace(vec![5]).median_ms, None);
        assert_eq!(pace(vec![i64::MIN, i64::MAX]).idle_gaps, 1);
    }
}
