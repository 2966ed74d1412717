//! What a random sample with unequal chances says: rare things are looked for where they are likelier, and counted for less there.
//!
//! Everything has a weight and draws a number from the exponential distribution of that rate; the sample is what has the smallest
//! numbers, in their order. An item of weight w whose number is below t, the number of the first item that is not in the sample, was
//! in it with probability 1 - exp(-w·t) whatever the others drew, so each hit stands for the inverse of that many (E. Cohen and
//! H. Kaplan, Summarizing data using bottom-k sketches, PODC 2007, "rank conditioning"). Where it ends may depend on anything but the
//! items' own numbers: on what else was judged, for one.

use super::{Estimate, Sample};
use statrs::distribution::{ContinuousCDF, Gamma};

/// An item's number in the order of the draw, from 64 random bits and its weight (greater than 0).
pub fn draw_number(bits: u64, weight: f64) -> f64 {
    // The middle of one of 2^52 equal parts of (0, 1).
    let uniform = ((bits >> 12) as f64 + 0.5) / (1u64 << 52) as f64;
    // Grows with the bits: with equal weights the order is theirs.
    -(-uniform).ln_1p() / weight
}

/// Things drawn at random and judged, whatever a ranking thought of them.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Drawn {
    counts: Sample,
    /// The number of the first that is not in the sample; infinite where all are.
    until: f64,
    /// `None`: all were equally likely.
    uneven: Option<Uneven>,
}

#[derive(Clone, PartialEq, Debug)]
struct Uneven {
    /// Weights of the hits.
    hits: Vec<f64>,
    /// The smallest weight there is.
    least: f64,
}

impl Drawn {
    /// Nothing yet, chances by weight. `least`: the smallest weight of all there is to draw.
    pub fn uneven(least: f64) -> Self {
        Self {
            uneven: Some(Uneven {
                hits: Vec::new(),
                least,
            }),
            ..Self::default()
        }
    }

    /// One more; the weight says nothing where all are equally likely.
    pub fn add(&mut self, weight: f64, hit: bool) {
        self.counts.add(hit);
        if let Some(uneven) = self.uneven.as_mut().filter(|_| hit) {
            uneven.hits.push(weight);
        }
    }

    /// Where it ends: the number of the first that is not in it.
    pub fn close(&mut self, until: f64) {
        self.until = until;
    }

    pub fn until(&self) -> f64 {
        self.until
    }

    /// Whether all were equally likely.
    pub fn is_even(&self) -> bool {
        self.uneven.is_none()
    }

    pub fn counts(&self) -> Sample {
        self.counts
    }

    /// Hits among all the `n` there are, drawn or not, with a 95 % interval; `None` of an empty sample.
    pub fn hits_among(&self, n: usize) -> Option<Estimate> {
        match &self.uneven {
            None => self.counts.share().map(|share| share.times(n as f64)),
            Some(_) if self.counts.judged == 0 => None,
            Some(uneven) => uneven.hits(self.until),
        }
    }

    /// Hits that are still to be found: those among all `n` less the `found` ones; never below 0 nor above what is left unjudged.
    pub fn to_find(&self, n: usize, judged: usize, found: usize) -> Option<Estimate> {
        let left = n.saturating_sub(judged) as f64;
        let of = |hits: f64| (hits - found as f64).clamp(0.0, left);
        self.hits_among(n).map(|hits| hits.map(of))
    }
}

impl Uneven {
    /// The interval is that of M. P. Fay and E. J. Feuer, Confidence intervals for directly standardized rates: a method based on the gamma
    /// distribution, Statistics in Medicine 16 (1997), for a weighted sum of rare events; its upper end allows for one hit more where
    /// hits are least likely to be drawn.
    fn hits(&self, until: f64) -> Option<Estimate> {
        if until <= 0.0 {
            return None;
        }
        let stands_for = |weight: f64| 1.0 / -(-weight * until).exp_m1();
        let each: Vec<f64> = self.hits.iter().map(|w| stands_for(*w)).collect();
        let value: f64 = each.iter().sum();
        if until.is_infinite() {
            return Some(Estimate {
                value,
                low: value,
                high: value,
            });
        }
        let variance: f64 = each.iter().map(|n| n * n).sum();
        let most = stands_for(self.least);
        let low = match value > 0.0 {
            true => gamma_quantile(0.025, value, variance),
            false => 0.0,
        };
        let high = gamma_quantile(0.975, value + most, variance + most * most);
        Some(Estimate {
            value,
            low: low.min(value),
            high: high.max(value),
        })
    }
}

/// The quantile of the gamma distribution with this mean and variance, both greater than 0.
fn gamma_quantile(p: f64, mean: f64, variance: f64) -> f64 {
    Gamma::new(mean * mean / variance, mean / variance).map_or(f64::NAN, |g| g.inverse_cdf(p))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::mix;

    /// Values of scipy 1.17.1, gamma.ppf(p, a=mean²/var, scale=var/mean).
    #[test]
    fn quantiles_are_those_of_scipy() {
        for (p, mean, variance, expected) in [
            (0.025, 3.0, 3.0, 0.618672124),
            (0.975, 4.0, 4.0, 8.767273070),
            (0.025, 40.0, 1600.0, 1.012712432),
            (0.975, 41.0, 900.0, 117.228629328),
        ] {
            let found = gamma_quantile(p, mean, variance);
            assert!(
                (found / expected - 1.0).abs() < 1e-3,
                "{p} {mean} {variance}: {found}"
            );
        }
    }

    /// 20,000 things of which about 200 are hits, most of them among the twentieth that is twenty times as likely to be drawn.
    #[test]
    fn estimates_are_unbiased_and_intervals_hold_whatever_else_was_judged() {
        let (n, runs) = (20_000u64, 200u64);
        let likely = |i: u64| i.is_multiple_of(20);
        let weight = |i: u64| if likely(i) { 0.2 } else { 0.01 };
        let is_hit = |i: u64| mix(i) % 1000 < if likely(i) { 150 } else { 3 };
        let truth = (0..n).filter(|i| is_hit(*i)).count() as f64;
        let (mut sum, mut held) = (0.0, 0);
        for run in 0..runs {
            let mut all: Vec<(f64, u64)> = (0..n)
                .map(|i| (draw_number(mix(mix(run) ^ i), weight(i)), i))
                .collect();
            all.sort_by(|a, b| a.0.total_cmp(&b.0));
            // A ranking that likes hits has judged some; the curator takes the first three hundred others by number.
            let ranked = |i: u64| mix(i ^ 77) % 100 < if is_hit(i) { 50 } else { 2 };
            let mut left = 300;
            let mut drawn = Drawn::uneven(0.01);
            for (number, i) in all {
                if !ranked(i) {
                    if left == 0 {
                        drawn.close(number);
                        break;
                    }
                    left -= 1;
                }
                drawn.add(weight(i), is_hit(i));
            }
            let found = drawn.hits_among(n as usize).unwrap();
            sum += found.value;
            held += usize::from(found.low <= truth && truth <= found.high);
        }
        let mean = sum / runs as f64;
        assert!((mean / truth - 1.0).abs() < 0.05, "{mean} for {truth}");
        assert!(held >= 188, "{held} of 200 intervals hold");
    }

    #[test]
    fn all_judged_is_exact_and_nothing_judged_says_nothing() {
        let mut drawn = Drawn::uneven(0.1);
        assert_eq!(drawn.hits_among(20_000), None);
        drawn.add(0.1, true);
        drawn.add(2.0, false);
        drawn.close(f64::INFINITY);
        let found = drawn.hits_among(20_000).unwrap();
        assert_eq!((found.value, found.low, found.high), (1.0, 1.0, 1.0));
        let mut none = Drawn::uneven(0.1);
        none.add(0.1, false);
        none.close(0.5);
        let found = none.hits_among(2).unwrap();
        assert_eq!((found.value, found.low), (0.0, 0.0));
        // Three of the least likely kind: the rule of three.
        assert!(found.high > 3.0 / (1.0 - (-0.05f64).exp()), "{found:?}");
    }

    #[test]
    fn what_is_to_find_is_the_share_of_all_less_what_was_found() {
        let mut sample = Drawn::default();
        (0..20).for_each(|i| sample.add(1.0, i < 5));
        let to_find = sample.to_find(1_000, 120, 90).unwrap();
        assert!((to_find.value - 160.0).abs() < 1e-9, "{to_find:?}");
        assert!(to_find.low < 160.0 && to_find.high > 160.0);
        // More were found than the sample thinks there are; no more than are left.
        assert_eq!(sample.to_find(1_000, 500, 400).unwrap().value, 0.0);
        assert_eq!(sample.to_find(21, 20, 0).unwrap().high, 1.0);
    }
}
