//! Drawing from a fixed distribution in constant time (Walker's alias method).

use rand::Rng;

#[derive(Clone, Debug)]
pub(super) struct Alias {
    /// Chance of keeping a slot's own outcome, in 32 bits.
    keep: Vec<u32>,
    other: Vec<u32>,
}

impl Alias {
    /// Outcome `i` in proportion to `weights[i]`, which are positive; at least one.
    pub fn new(weights: &[f64]) -> Self {
        let n = weights.len();
        let mean = weights.iter().sum::<f64>() / n.max(1) as f64;
        let mut share: Vec<f64> = weights.iter().map(|w| w / mean).collect();
        let (mut small, mut large): (Vec<u32>, Vec<u32>) =
            (0..n as u32).partition(|i| share[*i as usize] < 1.0);
        let mut keep = vec![u32::MAX; n];
        let mut other: Vec<u32> = (0..n as u32).collect();
        while let (Some(s), Some(&l)) = (small.pop(), large.last()) {
            let missing = 1.0 - share[s as usize];
            keep[s as usize] = (share[s as usize] * f64::from(u32::MAX)) as u32;
            other[s as usize] = l;
            share[l as usize] -= missing;
            if share[l as usize] < 1.0 {
                large.pop();
                small.push(l);
            }
        }
        Self { keep, other }
    }

    pub fn is_empty(&self) -> bool {
        self.keep.is_empty()
    }

    /// One outcome; the table must not be empty.
    pub fn draw(&self, rng: &mut impl Rng) -> u32 {
        let bits = rng.random::<u64>();
        // The high half picks a slot, the low half decides about it.
        let slot = (((bits >> 32) * self.keep.len() as u64) >> 32) as usize;
        if bits as u32 <= self.keep[slot] {
            slot as u32
        } else {
            self.other[slot]
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::params::rng_for;

    #[test]
    fn draws_follow_the_weights() {
        let mut rng = rng_for(3, "alias");
        for weights in [
            vec![1.0],
            vec![0.285, 0.237, 0.105, 0.373],
            vec![1e-3, 5.0, 1.0, 1.0, 30.0],
        ] {
            let alias = Alias::new(&weights);
            let total: f64 = weights.iter().sum();
            let n = 200_000;
            let mut seen = vec![0u32; weights.len()];
            (0..n).for_each(|_| seen[alias.draw(&mut rng) as usize] += 1);
            for (seen, weight) in seen.iter().zip(&weights) {
                let (found, expected) = (f64::from(*seen) / f64::from(n), weight / total);
                // Five standard deviations.
                let far = 5.0 * (expected * (1.0 - expected) / f64::from(n)).sqrt() + 1e-6;
                assert!((found - expected).abs() < far, "{found} {expected}");
            }
        }
    }
}
