//! A random sample that grows: the first of an order of chance, as far as everything is judged.

use super::{Estimate, Sample};

/// Things drawn at random and judged, whatever a ranking thought of them.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Drawn {
    counts: Sample,
    /// The number, in the order of chance, of the first that is not in the sample; `None` where all are.
    until: Option<u64>,
}

impl Drawn {
    pub fn add(&mut self, hit: bool) {
        self.counts.add(hit);
    }

    /// Where it ends.
    pub fn close(&mut self, until: Option<u64>) {
        self.until = until;
    }

    pub fn until(&self) -> Option<u64> {
        self.until
    }

    pub fn counts(&self) -> Sample {
        self.counts
    }

    /// Hits among all the `n` there are, drawn or not, with a 95 % interval; `None` of an empty sample.
    pub fn hits_among(&self, n: usize) -> Option<Estimate> {
        self.counts.share().map(|share| share.times(n as f64))
    }

    /// Hits that are still to be found: those among all `n` less the `found` ones; never below 0 nor above what is left unjudged.
    pub fn to_find(&self, n: usize, judged: usize, found: usize) -> Option<Estimate> {
        let left = n.saturating_sub(judged) as f64;
        let of = |hits: f64| (hits - found as f64).clamp(0.0, left);
        self.hits_among(n).map(|hits| hits.map(of))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_to_find_is_the_share_of_all_less_what_was_found() {
        let mut sample = Drawn::default();
        assert_eq!(sample.hits_among(10), None);
        (0..20).for_each(|i| sample.add(i < 5));
        let to_find = sample.to_find(1_000, 120, 90).unwrap();
        assert!((to_find.value - 160.0).abs() < 1e-9, "{to_find:?}");
        assert!(to_find.low < 160.0 && to_find.high > 160.0);
        // More were found than the sample thinks there are; no more than are left.
        assert_eq!(sample.to_find(1_000, 500, 400).unwrap().value, 0.0);
        assert_eq!(sample.to_find(21, 20, 0).unwrap().high, 1.0);
    }
}
