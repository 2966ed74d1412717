//! How far a score would move with other sentences of the same kind: percentile bootstrap over sentences (Efron and
//! Tibshirani 1993, chapter 13; Berg-Kirkpatrick et al. 2012 for two systems on the same sentences).
//!
//! A sentence enters a score by a few counts only, and few different ones occur. So sentences are kept as patterns with
//! their number: drawing as many sentences as there are, with replacement, is one multinomial draw over the patterns. This
//! is the same distribution as drawing sentences, needs memory for the patterns only, and counts stream in.

use super::score::Counts;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Binomial, Distribution};
use std::collections::BTreeMap;

/// Resamples behind every interval.
pub const RESAMPLES: usize = 1000;
/// Same data, same interval.
const SEED: u64 = 20;

/// 95 of 100 resamples lie between these; `low <= high`.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub struct Interval {
    pub low: f64,
    pub high: f64,
}

impl Interval {
    /// Zero lies outside: a difference is not told from chance otherwise.
    pub fn excludes_zero(self) -> bool {
        self.low > 0.0 || self.high < 0.0
    }
}

/// Sentences by what they count: `K` systems on the same sentences.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Patterns<const K: usize>(BTreeMap<[(u32, u32, u32); K], u64>);

impl<const K: usize> Default for Patterns<K> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

impl<const K: usize> Patterns<K> {
    /// One sentence. Those that count nothing for any system need not be added: see `sentences` of [`Patterns::resample`].
    pub fn add(&mut self, counts: [Counts; K]) {
        let small = |n: u64| u32::try_from(n).unwrap_or(u32::MAX);
        let key = counts.map(|c| (small(c.correct), small(c.predicted), small(c.gold)));
        *self.0.entry(key).or_default() += 1;
    }

    /// Sums of `resamples` samples of `sentences` sentences each; `sentences` counts all, also those never added. The same
    /// `seed` gives the same samples.
    fn resample(&self, sentences: u64, resamples: usize, seed: u64) -> Vec<[Counts; K]> {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let added: u64 = self.0.values().sum();
        let all = sentences.max(added);
        let mut samples = Vec::with_capacity(resamples);
        for _ in 0..resamples {
            let mut sums = [Counts::default(); K];
            // A multinomial draw, pattern after pattern: binomial among what is left.
            let (mut drawn_left, mut sentences_left) = (all, all);
            for (pattern, n) in &self.0 {
                if drawn_left == 0 {
                    break;
                }
                let p = *n as f64 / sentences_left as f64;
                let drawn = Binomial::new(drawn_left, p.min(1.0)).map_or(0, |b| b.sample(&mut rng));
                for (sum, (correct, predicted, gold)) in sums.iter_mut().zip(pattern) {
                    sum.correct += drawn * u64::from(*correct);
                    sum.predicted += drawn * u64::from(*predicted);
                    sum.gold += drawn * u64::from(*gold);
                }
                drawn_left -= drawn;
                sentences_left -= n;
            }
            samples.push(sums);
        }
        samples
    }

    /// The 95 % intervals of figures of the counts, over the same [`RESAMPLES`] samples of `sentences` sentences. `stream`
    /// numbers the patterns, so that two relations do not share their draws.
    pub fn intervals<const F: usize>(
        &self,
        sentences: u64,
        stream: u64,
        figures: [fn(&[Counts; K]) -> f64; F],
    ) -> [Interval; F] {
        if self.0.is_empty() {
            return [Interval::default(); F];
        }
        let samples = self.resample(sentences, RESAMPLES, SEED ^ (stream << 8));
        figures.map(|figure| {
            let mut values: Vec<f64> = samples.iter().map(figure).collect();
            values.sort_by(f64::total_cmp);
            Interval {
                low: percentile(&values, 0.025),
                high: percentile(&values, 0.975),
            }
        })
    }
}

impl Patterns<1> {
    /// Intervals of precision, recall and F1.
    pub fn prf(&self, sentences: u64, stream: u64) -> [Interval; 3] {
        let figures: [fn(&[Counts; 1]) -> f64; 3] =
            [|c| c[0].precision(), |c| c[0].recall(), |c| c[0].f1()];
        self.intervals(sentences, stream, figures)
    }
}

impl Patterns<2> {
    /// Interval of the second system's F1 less the first one's, on the same sentences.
    pub fn gain(&self, sentences: u64, stream: u64) -> Interval {
        let figure: [fn(&[Counts; 2]) -> f64; 1] = [|c| c[1].f1() - c[0].f1()];
        self.intervals(sentences, stream, figure)[0]
    }
}

/// Of sorted values, linear between the two nearest (numpy's default); 0 without values.
fn percentile(sorted: &[f64], share: f64) -> f64 {
    let Some(last) = sorted.len().checked_sub(1) else {
        return 0.0;
    };
    let at = share * last as f64;
    let (below, above) = (at.floor() as usize, at.ceil() as usize);
    sorted[below] + (sorted[above] - sorted[below]) * (at - below as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(correct: u64, predicted: u64, gold: u64) -> Counts {
        Counts {
            correct,
            predicted,
            gold,
        }
    }

    #[test]
    fn percentiles_are_numpys() {
        // numpy.percentile([1, 2, 4, 8], [2.5, 50, 97.5])
        let values = [1.0, 2.0, 4.0, 8.0];
        for (share, expected) in [(0.025, 1.075), (0.5, 3.0), (0.975, 7.7)] {
            assert!((percentile(&values, share) - expected).abs() < 1e-12);
        }
        assert_eq!(percentile(&[], 0.5), 0.0);
    }

    /// tests/golden/bootstrap.json draws sentences one by one with numpy, 10,000 times or more; 1,000 draws of ours may differ from
    /// it by chance only.
    #[test]
    fn intervals_equal_those_of_sentences_drawn_one_by_one() {
        let text = include_str!("../../tests/golden/bootstrap.json");
        let golden: serde_json::Value = serde_json::from_str(text).unwrap();
        for case in golden["cases"].as_array().unwrap() {
            let n = |v: &serde_json::Value| v.as_u64().unwrap();
            let mut one = Patterns::<1>::default();
            let mut two = Patterns::<2>::default();
            for (row, other) in case["sentences"]
                .as_array()
                .unwrap()
                .iter()
                .zip(case["other"].as_array().unwrap())
            {
                let of = |r: &serde_json::Value| counts(n(&r[0]), n(&r[1]), n(&r[2]));
                let (a, b) = (of(row), of(other));
                // What counts nothing is left out, as the callers leave it out.
                if a != Counts::default() {
                    one.add([a]);
                }
                if a != Counts::default() || b != Counts::default() {
                    two.add([a, b]);
                }
            }
            let sentences = n(&case["n"]);
            let check = |found: Interval, expected: &serde_json::Value| {
                for (found, at) in [(found.low, 0), (found.high, 1)] {
                    let expected = expected[at].as_f64().unwrap();
                    assert!((found - expected).abs() < 0.02, "{found} {expected}");
                }
            };
            let [precision, _, f1] = one.prf(sentences, 1);
            check(f1, &case["f1"]);
            check(precision, &case["precision"]);
            check(two.gain(sentences, 3), &case["gain"]);
        }
    }

    #[test]
    fn nothing_to_draw_gives_nothing_and_one_pattern_does_not_move() {
        assert_eq!(
            Patterns::<1>::default().prf(10, 0),
            [Interval::default(); 3]
        );
        let mut sure = Patterns::<1>::default();
        for _ in 0..5 {
            sure.add([counts(1, 1, 1)]);
        }
        let one = Interval {
            low: 1.0,
            high: 1.0,
        };
        assert_eq!(sure.prf(5, 0), [one; 3]);
        assert!(
            Interval {
                low: 0.1,
                high: 0.2
            }
            .excludes_zero()
        );
        assert!(
            !Interval {
                low: -0.1,
                high: 0.2
            }
            .excludes_zero()
        );
    }
}
