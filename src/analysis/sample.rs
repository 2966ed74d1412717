//! What a random sample says of all that it was drawn from.

use serde::Serialize;

/// Standard normal quantile of a two-sided 95 % interval.
const Z: f64 = 1.959_963_984_540_054;

/// A number with the ends of its 95 % interval.
#[derive(Clone, Copy, PartialEq, Debug, Serialize)]
pub struct Estimate {
    pub value: f64,
    pub low: f64,
    pub high: f64,
}

/// Things that were drawn at random and judged, whatever a ranking thought of them.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize)]
pub struct Sample {
    pub judged: usize,
    /// Those that are what was looked for.
    pub hits: usize,
}

impl Sample {
    /// One more.
    pub fn add(&mut self, hit: bool) {
        self.judged += 1;
        self.hits += usize::from(hit);
    }

    /// The share of hits among all, 0 to 1, with the score interval of E. B. Wilson, Probable inference, the law of succession, and
    /// statistical inference, JASA 22 (1927); `None` of an empty sample.
    pub fn share(self) -> Option<Estimate> {
        if self.judged == 0 {
            return None;
        }
        let (k, n) = (self.hits.min(self.judged) as f64, self.judged as f64);
        let p = k / n;
        let middle = (p + Z * Z / (2.0 * n)) / (1.0 + Z * Z / n);
        let half = Z / (1.0 + Z * Z / n) * (p * (1.0 - p) / n + Z * Z / (4.0 * n * n)).sqrt();
        // At the ends the formula gives 0 and 1 but for rounding.
        let low = if k == 0.0 { 0.0 } else { middle - half };
        let high = if k == n { 1.0 } else { middle + half };
        Some(Estimate {
            value: p,
            low,
            high,
        })
    }

    /// Hits that are still to be found: the share of all `candidates`, judged or not, less the `found` ones; never below 0 nor above what is left
    /// unjudged.
    pub fn to_find(self, candidates: usize, judged: usize, found: usize) -> Option<Estimate> {
        let left = candidates.saturating_sub(judged) as f64;
        let of = |share: f64| (share * candidates as f64 - found as f64).clamp(0.0, left);
        self.share().map(|share| share.map(of))
    }
}

impl Estimate {
    /// Value and ends through a function that does not change their order.
    pub fn map(self, of: impl Fn(f64) -> f64) -> Self {
        Self {
            value: of(self.value),
            low: of(self.low),
            high: of(self.high),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// `scipy.stats.binomtest(k, n).proportion_ci(method="wilson")`.
    #[test]
    fn the_interval_is_wilsons() {
        for (hits, judged, low, high) in [
            (3, 25, 0.041668171504403606, 0.29955793920927326),
            (0, 10, 0.0, 0.27753279986288926),
            (10, 10, 0.7224672001371109, 1.0),
            (31, 60, 0.39307810032592494, 0.6382495046026722),
        ] {
            let share = Sample { judged, hits }.share().unwrap();
            assert!((share.low - low).abs() < 1e-12, "{hits}/{judged} {share:?}");
            assert!(
                (share.high - high).abs() < 1e-12,
                "{hits}/{judged} {share:?}"
            );
        }
        assert_eq!(Sample::default().share(), None);
    }

    #[test]
    fn what_is_to_find_is_the_share_of_all_less_what_was_found() {
        let sample = Sample {
            judged: 20,
            hits: 5,
        };
        let to_find = sample.to_find(1_000, 120, 90).unwrap();
        assert!((to_find.value - 160.0).abs() < 1e-9, "{to_find:?}");
        assert!(to_find.low < 160.0 && to_find.high > 160.0);
        // More were found than the sample thinks there are.
        assert_eq!(sample.to_find(1_000, 500, 400).unwrap().value, 0.0);
        // No more than are left.
        assert_eq!(
            Sample { judged: 4, hits: 4 }
                .to_find(10, 9, 0)
                .unwrap()
                .value,
            1.0
        );
    }

    proptest! {
        #[test]
        fn intervals_hold_their_value(judged in 1usize..5_000, part in 0.0..=1.0f64, more in 0usize..9_999) {
            let hits = (part * judged as f64) as usize;
            let sample = Sample { judged, hits };
            let (share, to_find) = (sample.share().unwrap(), sample.to_find(judged + more, judged, hits).unwrap());
            for e in [share, to_find] {
                prop_assert!(0.0 <= e.low && e.low <= e.value && e.value <= e.high, "{e:?}");
            }
            prop_assert!(share.high <= 1.0 && to_find.high <= more as f64);
        }
    }
}
