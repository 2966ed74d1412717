//! One relation's stored scores: precision and recall at every threshold, and whether scores mean what they say.
//!
//! Scores are kept as counts in steps of a thousandth, so a corpus streams in and memory does not grow with it. A threshold is
//! a multiple of that step, and what is said of one is exact.

use super::calibrate::{Calibration, Reliability};
use super::score::{Counts, Prf};
use crate::domain::prediction::KEEP_SCORE;

/// Steps between 0 and 1.
pub const STEPS: usize = 1000;
/// The lowest threshold: below it the store keeps labels only, and every figure would flatter.
pub const LOWEST: usize = (KEEP_SCORE * STEPS as f32) as usize;
const BINS: usize = 10;

/// The threshold of a step.
pub fn threshold_of(step: usize) -> f32 {
    step as f32 / STEPS as f32
}

/// The step whose threshold lets pass the same scores, or the nearest one.
pub fn step_of(threshold: f32) -> usize {
    ((threshold * STEPS as f32).round().max(0.0) as usize).clamp(LOWEST, STEPS)
}

/// Scored triples of one relation, those that would be predicted at a low enough threshold, and its gold triples.
#[derive(Clone, PartialEq, Debug)]
pub struct ScoreCounts {
    /// Of each step: (right, wrong) triples whose score reaches its threshold and not the next one's.
    at: Vec<(u32, u32)>,
    gold: u64,
    reliability: Reliability,
}

impl Default for ScoreCounts {
    fn default() -> Self {
        Self {
            at: vec![(0, 0); STEPS + 1],
            gold: 0,
            reliability: Reliability::new(BINS),
        }
    }
}

impl ScoreCounts {
    pub fn add_gold(&mut self) {
        self.gold += 1;
    }

    /// A triple and whether a label agrees. Scores below [`LOWEST`] are left out.
    pub fn add(&mut self, score: f32, correct: bool) {
        if score.is_nan() || score < threshold_of(LOWEST) {
            return;
        }
        let mut step = ((score * STEPS as f32) as usize).min(STEPS);
        // Rounding must not put a score on the other side of a threshold that it is compared with.
        if step < STEPS && score >= threshold_of(step + 1) {
            step += 1;
        } else if score < threshold_of(step) {
            step -= 1;
        }
        let (right, wrong) = &mut self.at[step];
        *right += u32::from(correct);
        *wrong += u32::from(!correct);
        self.reliability.add(score, correct);
    }

    /// Scored triples in all.
    pub fn len(&self) -> u64 {
        self.at
            .iter()
            .map(|(r, w)| u64::from(*r) + u64::from(*w))
            .sum()
    }
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
    pub fn gold(&self) -> u64 {
        self.gold
    }

    /// What is counted when scores from the step's threshold on are accepted.
    pub fn counts(&self, step: usize) -> Counts {
        let passing = self.at.get(step..).unwrap_or_default();
        let (right, wrong) = passing.iter().fold((0, 0), |(r, w), (right, wrong)| {
            (r + u64::from(*right), w + u64::from(*wrong))
        });
        Counts {
            correct: right,
            predicted: right + wrong,
            gold: self.gold,
        }
    }

    /// Of every step from [`LOWEST`] on, the lowest first; a step without predictions has precision 0.
    pub fn curve(&self) -> Vec<Prf> {
        let mut counts = Counts {
            gold: self.gold,
            ..Counts::default()
        };
        let mut curve: Vec<Prf> = Vec::with_capacity(STEPS + 1 - LOWEST);
        for (right, wrong) in self.at[LOWEST..].iter().rev() {
            counts.correct += u64::from(*right);
            counts.predicted += u64::from(*right) + u64::from(*wrong);
            curve.push(counts.prf());
        }
        curve.reverse();
        curve
    }

    /// The step with the highest F1, the highest of equals. `None` where no triple is right.
    pub fn best(&self) -> Option<usize> {
        let best = |found: Option<(usize, f64)>, (i, prf): (usize, &Prf)| match found {
            Some((_, f1)) if f1 > prf.f1 => found,
            _ if prf.f1 > 0.0 => Some((i + LOWEST, prf.f1)),
            _ => found,
        };
        let curve = self.curve();
        curve.iter().enumerate().fold(None, best).map(|(i, _)| i)
    }

    pub fn calibration(&self) -> Calibration {
        self.reliability.finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// tests/golden/curves.json: scikit-learn.
    #[test]
    fn the_curve_and_the_calibration_equal_the_golden_ones() {
        let text = include_str!("../../tests/golden/curves.json");
        let golden: serde_json::Value = serde_json::from_str(text).unwrap();
        let list = |v: &serde_json::Value| v.as_array().unwrap().clone();
        let mut counts = ScoreCounts::default();
        for (score, correct) in list(&golden["scores"]).iter().zip(list(&golden["correct"])) {
            counts.add(score.as_f64().unwrap() as f32, correct.as_bool().unwrap());
        }
        (0..golden["gold"].as_u64().unwrap()).for_each(|_| counts.add_gold());
        let curve = counts.curve();
        for (threshold, expected) in golden["at"].as_object().unwrap() {
            let step = step_of(threshold.parse().unwrap());
            let (prf, at) = (counts.counts(step).prf(), curve[step - LOWEST]);
            assert_eq!(prf, at);
            let found = [prf.precision, prf.recall, prf.f1];
            for (found, expected) in found.iter().zip(list(expected)) {
                let gap = (found - expected.as_f64().unwrap()).abs();
                assert!(gap < 1e-9, "{threshold}: {found} {expected}");
            }
        }
        let found = counts.calibration();
        let error = golden["expected_error"].as_f64().unwrap();
        assert!((found.expected_error - error).abs() < 1e-5, "{found:?}");
        let filled = found.bins.iter().filter(|b| b.n > 0);
        for (bin, expected) in filled.zip(list(&golden["reliability"])) {
            assert_eq!(Some(bin.n), expected[0].as_u64());
            for (found, i) in [(bin.confidence, 1), (bin.accuracy, 2)] {
                let expected = expected[i].as_f64().unwrap();
                assert!((found - expected).abs() < 1e-5, "{found} {expected}");
            }
        }
    }

    #[test]
    fn a_score_on_a_threshold_passes_it() {
        for step in LOWEST..=STEPS {
            let threshold = threshold_of(step);
            let mut counts = ScoreCounts::default();
            counts.add(threshold, true);
            counts.add(f32::from_bits(threshold.to_bits() - 1), false);
            let found = counts.counts(step);
            assert_eq!((found.correct, found.predicted), (1, 1), "{step}");
            assert_eq!(step_of(threshold), step);
        }
    }

    #[test]
    fn the_best_threshold_is_the_highest_of_equals() {
        let mut counts = ScoreCounts::default();
        counts.add_gold();
        assert_eq!(counts.best(), None);
        counts.add(0.8, true);
        counts.add(0.3, false);
        counts.add(0.01, true);
        counts.add(f32::NAN, true);
        assert_eq!((counts.len(), counts.best()), (2, Some(800)));
    }
}
