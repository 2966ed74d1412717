//! What a model says of a sentence.

use super::{EntityTypeId, RelationId, RunId, SentenceId, TokenSpan, Triple};

/// Probabilities for one triple, one per system; `None` where a system does not apply (no link, no bag model).
///
/// `rin` and `kernel` are independent sentence-level probabilities. The others are bag-level distributions that sum
/// to one with NA. The two kinds are never added or averaged.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub struct Scores {
    pub rin: Option<f32>,
    pub kernel: Option<f32>,
    pub base: Option<f32>,
    pub naive: Option<f32>,
    pub full: Option<f32>,
    pub kb: Option<f32>,
    pub mutual: Option<f32>,
}

#[derive(Clone, PartialEq, Debug)]
pub struct ScoredEntity {
    pub span: TokenSpan,
    pub kind: Option<EntityTypeId>,
    pub score: f32,
}

#[derive(Clone, PartialEq, Debug)]
pub struct ScoredTriple {
    pub triple: Triple,
    pub scores: Scores,
    /// The best other relation for the same ordered pair, with its sentence-level score.
    pub runner_up: Option<(RelationId, f32)>,
}

/// Triples below this sentence-level score are not kept: thresholds can move above it without a new inference.
pub const KEEP_SCORE: f32 = 0.05;

/// One model's view of one sentence. Keeps every triple scored at or above [`KEEP_SCORE`] and every gold triple.
#[derive(Clone, PartialEq, Debug)]
pub struct Prediction {
    pub sentence: SentenceId,
    pub run: RunId,
    /// Leading tokens the model saw; fewer than the sentence has when it was cut to the encoder's length.
    pub covered: u32,
    pub entities: Vec<ScoredEntity>,
    pub triples: Vec<ScoredTriple>,
}

/// When a scored triple counts as predicted. Lives in the model card; tuned on dev, never on test.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct DecisionRule {
    /// Used alone when the model has no kernel head.
    pub rin: f32,
    pub kernel: f32,
    /// Weight of the kernel head's probability against RIN's in [`DecisionRule::score`], in 0..=1.
    pub kernel_weight: f32,
}

impl Default for DecisionRule {
    fn default() -> Self {
        Self {
            rin: 0.5,
            kernel: 0.5,
            kernel_weight: 1.0,
        }
    }
}

impl DecisionRule {
    /// The sentence-level score of a triple: RIN's and the kernel head's probabilities, weighted.
    pub fn score(&self, scores: &Scores) -> Option<f32> {
        match (scores.rin, scores.kernel) {
            (Some(r), Some(k)) => Some(self.kernel_weight * k + (1.0 - self.kernel_weight) * r),
            (r, k) => k.or(r),
        }
    }

    pub fn threshold(&self, scores: &Scores) -> f32 {
        if scores.kernel.is_some() {
            self.kernel
        } else {
            self.rin
        }
    }

    pub fn accepts(&self, scores: &Scores) -> bool {
        self.score(scores)
            .is_some_and(|s| s >= self.threshold(scores))
    }
}

/// How a gold or predicted triple fared. Every gold and every predicted triple lands in exactly one.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Outcome {
    Correct,
    /// Same ordered pair, other relation.
    WrongRelation,
    /// Same relation, head and tail exchanged.
    Reversed,
    /// Same relation, both spans overlap their counterpart, at least one differs.
    Boundary,
    /// Correct but for an entity type.
    WrongType,
    /// Gold without counterpart.
    Missed,
    /// Predicted without counterpart.
    Spurious,
}

impl Outcome {
    pub const ALL: [Outcome; 7] = [
        Outcome::Correct,
        Outcome::WrongRelation,
        Outcome::Reversed,
        Outcome::Boundary,
        Outcome::WrongType,
        Outcome::Missed,
        Outcome::Spurious,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Outcome::Correct => "correct",
            Outcome::WrongRelation => "wrong-relation",
            Outcome::Reversed => "reversed",
            Outcome::Boundary => "boundary",
            Outcome::WrongType => "wrong-type",
            Outcome::Missed => "missed",
            Outcome::Spurious => "spurious",
        }
    }
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|o| o.name() == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_decision_uses_what_the_model_has() {
        let rule = DecisionRule {
            rin: 0.4,
            kernel: 0.6,
            kernel_weight: 0.5,
        };
        let check = |rin, kernel, expected| {
            let scores = Scores {
                rin,
                kernel,
                ..Scores::default()
            };
            assert_eq!(rule.accepts(&scores), expected, "{rin:?} {kernel:?}");
        };
        check(Some(0.4), None, true);
        check(None, Some(0.59), false);
        check(Some(0.5), Some(0.75), true);
        check(Some(0.9), Some(0.2), false);
        check(None, None, false);
    }
}
