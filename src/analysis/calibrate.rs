//! Do probabilities mean what they say? Reliability bins and the expected calibration error (Guo et al. 2017, eq. 3).

#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub struct ReliabilityBin {
    pub n: u64,
    /// Mean probability of the bin's cases.
    pub confidence: f64,
    /// Share of them that are correct.
    pub accuracy: f64,
}

#[derive(Clone, PartialEq, Debug)]
pub struct Calibration {
    /// Bins of equal width over 0..=1, the lowest first.
    pub bins: Vec<ReliabilityBin>,
    /// Mean gap between confidence and accuracy, weighted by the bins' sizes; 0 without cases.
    pub expected_error: f64,
}

/// Cases on their way into bins; those outside 0..=1 or not numbers are left out.
#[derive(Clone, PartialEq, Debug)]
pub struct Reliability(Vec<ReliabilityBin>);

impl Reliability {
    pub fn new(n_bins: usize) -> Self {
        Self(vec![ReliabilityBin::default(); n_bins.max(1)])
    }

    pub fn add(&mut self, probability: f32, correct: bool) {
        if !(0.0..=1.0).contains(&probability) {
            return;
        }
        let n_bins = self.0.len();
        let at = (f64::from(probability) * n_bins as f64) as usize;
        let bin = &mut self.0[at.min(n_bins - 1)];
        bin.n += 1;
        // Sums, until `finish` divides them.
        bin.confidence += f64::from(probability);
        bin.accuracy += f64::from(u8::from(correct));
    }

    pub fn finish(&self) -> Calibration {
        let mut bins = self.0.clone();
        let total = bins.iter().map(|b| b.n).sum::<u64>().max(1) as f64;
        let mut expected_error = 0.0;
        for bin in bins.iter_mut().filter(|b| b.n > 0) {
            let n = bin.n as f64;
            bin.confidence /= n;
            bin.accuracy /= n;
            expected_error += n / total * (bin.confidence - bin.accuracy).abs();
        }
        Calibration {
            bins,
            expected_error,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_error_is_the_weighted_gap() {
        let cases = [
            (0.75, true),
            (0.75, true),
            (0.75, false),
            (0.75, true),
            (0.25, true),
            (0.25, true),
            (1.0, true),
            (0.0, false),
        ];
        let of = |cases: &[(f32, bool)], n_bins| {
            let mut reliability = Reliability::new(n_bins);
            cases
                .iter()
                .for_each(|(p, right)| reliability.add(*p, *right));
            reliability.finish()
        };
        let found = of(&cases, 4);
        let sizes: Vec<u64> = found.bins.iter().map(|b| b.n).collect();
        assert_eq!(sizes, [1, 2, 0, 5]);
        // Bin 2: 0.25 against 1; bin 4: 0.8 against 0.8.
        assert!(
            (found.expected_error - 2.0 / 8.0 * 0.75).abs() < 1e-9,
            "{found:?}"
        );
        let strange = of(&[(f32::NAN, true), (1.5, true)], 0);
        assert_eq!((strange.bins.len(), strange.expected_error), (1, 0.0));
    }
}
