//! What a model says of a sentence.

use super::{EntityTypeId, RelationId, RunId, SentenceId, TokenSpan, Triple};
use std::collections::HashMap;

/// Probabilities for one triple, one per system; `None` where a system does not apply (no link, no bag model).
///
/// `rin` and `kernel` are independent sentence-level probabilities. The others are bag-level distributions that sum
/// to one with NA. The two kinds are never added or averaged.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub struct Scores {
    pub rin: Option<f32>,
    pub kernel: Option<f32>,
    /// Probability that head and tail are entities, both at once; from the span head.
    pub spans: Option<f32>,
    pub base: Option<f32>,
    pub naive: Option<f32>,
    pub full: Option<f32>,
    pub kb: Option<f32>,
    pub mutual: Option<f32>,
}

/// A span that the model itself proposes; see [`DecisionRule::entity`].
#[derive(Clone, PartialEq, Debug)]
pub struct ScoredEntity {
    pub span: TokenSpan,
    pub kind: Option<EntityTypeId>,
    /// Probability that this is an entity.
    pub score: f32,
}

impl Scores {
    /// Whether a prediction would hold the triple had the sentence brought neither spans nor labels: triples of given spans
    /// are kept however unlikely the spans are, and nothing that a label gave may count as the model's own finding.
    pub fn is_own_finding(&self) -> bool {
        let related = self.rin.unwrap_or(0.0).max(self.kernel.unwrap_or(0.0));
        related * self.spans.unwrap_or(1.0) >= KEEP_SCORE
    }
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

/// When a scored triple counts as predicted. The model brings one, tuned on dev, never on test; thresholds of single relations
/// are a curator's own.
#[derive(Clone, PartialEq, Debug)]
pub struct DecisionRule {
    /// Used alone when the model has no kernel head.
    pub rin: f32,
    pub kernel: f32,
    /// Weight of the kernel head's probability against RIN's in [`DecisionRule::score`], in 0..=1.
    pub kernel_weight: f32,
    /// Exponent of [`Scores::spans`] in the score; 0 leaves it out.
    pub span_weight: f32,
    /// Score from which on a proposed span counts as a predicted entity.
    pub entity: f32,
    /// Of the triples between two spans, either way round, only the likeliest counts: for corpora that never give a pair
    /// two relations.
    pub one_per_pair: bool,
    /// Relations whose threshold is their own, in place of `kernel` or `rin`; each relation once.
    pub own: Vec<(RelationId, f32)>,
}

impl Default for DecisionRule {
    fn default() -> Self {
        Self {
            rin: 0.5,
            kernel: 0.5,
            kernel_weight: 1.0,
            span_weight: 0.0,
            entity: 0.0,
            one_per_pair: false,
            own: Vec::new(),
        }
    }
}

impl DecisionRule {
    /// The sentence-level score of a triple: RIN's and the kernel head's probabilities, weighted, times that of its spans.
    pub fn score(&self, scores: &Scores) -> Option<f32> {
        let relation = match (scores.rin, scores.kernel) {
            (Some(r), Some(k)) => Some(self.kernel_weight * k + (1.0 - self.kernel_weight) * r),
            (r, k) => k.or(r),
        };
        let spans = match scores.spans {
            Some(p) if self.span_weight > 0.0 => p.powf(self.span_weight),
            _ => 1.0,
        };
        relation.map(|p| p * spans)
    }

    /// The relation's own threshold, if it has one.
    pub fn own_threshold(&self, relation: RelationId) -> Option<f32> {
        let own = self.own.iter().find(|(r, _)| *r == relation);
        own.map(|(_, threshold)| *threshold)
    }

    pub fn threshold(&self, relation: RelationId, scores: &Scores) -> f32 {
        let common = match scores.kernel {
            Some(_) => self.kernel,
            None => self.rin,
        };
        self.own_threshold(relation).unwrap_or(common)
    }

    /// Whether the score is high enough; [`Prediction::accepted`] also looks at a triple's rivals.
    pub fn accepts(&self, scored: &ScoredTriple) -> bool {
        self.score(&scored.scores)
            .is_some_and(|s| s >= self.threshold(scored.triple.relation, &scored.scores))
    }
}

impl Prediction {
    /// The triples that count as predicted, in this prediction's order.
    pub fn accepted(&self, rule: &DecisionRule) -> Vec<&ScoredTriple> {
        let enough = self.triples.iter().filter(|t| rule.accepts(t));
        if !rule.one_per_pair {
            return enough.collect();
        }
        let mut best: HashMap<(TokenSpan, TokenSpan), f32> = HashMap::new();
        let pair = |t: &Triple| (t.head.min(t.tail), t.head.max(t.tail));
        let score = |t: &ScoredTriple| rule.score(&t.scores).unwrap_or(0.0);
        for scored in enough.clone() {
            let known = best.entry(pair(&scored.triple)).or_default();
            *known = known.max(score(scored));
        }
        // Of equals the first is taken.
        enough
            .filter(|t| {
                let key = pair(&t.triple);
                let is_best = best.get(&key) == Some(&score(t));
                is_best && best.remove(&key).is_some()
            })
            .collect()
    }
}

impl Prediction {
    /// The triples that would count as predicted were their own relation's threshold low enough, in this prediction's order; the
    /// other relations keep theirs. What a threshold of the relation decides among.
    pub fn contenders(&self, rule: &DecisionRule) -> Vec<&ScoredTriple> {
        let score = |t: &ScoredTriple| rule.score(&t.scores);
        let pair = |t: &Triple| (t.head.min(t.tail), t.head.max(t.tail));
        let beaten = |at: usize| {
            let t = &self.triples[at];
            let mut rivals = self.triples.iter().enumerate();
            rivals.any(|(i, rival)| {
                let stronger = score(rival) > score(t) || (score(rival) == score(t) && i < at);
                i != at
                    && pair(&rival.triple) == pair(&t.triple)
                    && stronger
                    && (rival.triple.relation == t.triple.relation || rule.accepts(rival))
            })
        };
        let scored = (0..self.triples.len()).filter(|i| score(&self.triples[*i]).is_some());
        scored
            .filter(|i| !rule.one_per_pair || !beaten(*i))
            .map(|i| &self.triples[i])
            .collect()
    }
}

/// One rule for each kind of candidates that a score can be about: what is best among predicted spans is not what is best
/// among pairs that are known to be related.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct DecisionRules {
    /// The screen's rule: nothing is given.
    pub predicted: DecisionRule,
    pub gold_entities: DecisionRule,
    pub gold_pairs: DecisionRule,
}

impl From<DecisionRule> for DecisionRules {
    fn from(rule: DecisionRule) -> Self {
        Self {
            predicted: rule.clone(),
            gold_entities: rule.clone(),
            gold_pairs: rule,
        }
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

    fn scored_word(head: usize, relation: u16, tail: usize, scores: Scores) -> ScoredTriple {
        let span = |i: usize| TokenSpan::new(i, i + 1).unwrap();
        ScoredTriple {
            triple: Triple {
                head: span(head),
                relation: RelationId(relation),
                tail: span(tail),
            },
            scores,
            runner_up: None,
        }
    }

    /// Two pairs, either of which has rivals.
    fn rivals() -> Prediction {
        let scored = |head, relation, tail, kernel| {
            let scores = Scores {
                kernel: Some(kernel),
                ..Scores::default()
            };
            scored_word(head, relation, tail, scores)
        };
        Prediction {
            sentence: SentenceId(1),
            run: RunId(1),
            covered: 3,
            entities: Vec::new(),
            triples: vec![
                scored(0, 0, 1, 0.9),
                scored(1, 2, 0, 0.95),
                scored(0, 1, 2, 0.7),
                scored(2, 0, 0, 0.7),
                scored(1, 0, 2, 0.2),
            ],
        }
    }

    /// A relation's own threshold decides in place of the common one, and a scan over thresholds of one relation sees exactly
    /// what each of them would accept.
    #[test]
    fn own_thresholds_decide_and_contenders_are_what_they_decide_among() {
        let prediction = rivals();
        for one_per_pair in [false, true] {
            for relation in 0..3 {
                let relation = RelationId(relation);
                let rule = |threshold| DecisionRule {
                    one_per_pair,
                    own: vec![(relation, threshold)],
                    ..DecisionRule::default()
                };
                let contenders = prediction.contenders(&rule(0.5));
                for threshold in [0.0, 0.2, 0.5, 0.7, 0.71, 0.9, 0.95, 1.0] {
                    let rule = rule(threshold);
                    let of_relation = |t: &&&ScoredTriple| t.triple.relation == relation;
                    let enough = |t: &&&ScoredTriple| rule.accepts(t);
                    let expected = prediction.accepted(&rule);
                    assert_eq!(
                        contenders
                            .iter()
                            .filter(of_relation)
                            .filter(enough)
                            .collect::<Vec<_>>(),
                        expected.iter().filter(of_relation).collect::<Vec<_>>(),
                        "{relation:?} {threshold} {one_per_pair}"
                    );
                }
            }
        }
    }

    #[test]
    fn the_decision_uses_what_the_model_has() {
        let rule = DecisionRule {
            rin: 0.4,
            kernel: 0.6,
            kernel_weight: 0.5,
            ..DecisionRule::default()
        };
        let check = |rin, kernel, expected| {
            let scores = Scores {
                rin,
                kernel,
                ..Scores::default()
            };
            let scored = scored_word(0, 0, 1, scores);
            assert_eq!(rule.accepts(&scored), expected, "{rin:?} {kernel:?}");
        };
        check(Some(0.4), None, true);
        check(None, Some(0.59), false);
        check(Some(0.5), Some(0.75), true);
        check(Some(0.9), Some(0.2), false);
        check(None, None, false);
        let sure = Scores {
            kernel: Some(0.8),
            spans: Some(0.25),
            ..Scores::default()
        };
        assert_eq!(rule.score(&sure), Some(0.8));
        let rule = DecisionRule {
            span_weight: 0.5,
            ..rule
        };
        assert_eq!(rule.score(&sure), Some(0.4));
    }

    #[test]
    fn what_a_given_span_keeps_is_no_finding() {
        let check = |kernel, spans, expected| {
            let scores = Scores {
                rin: Some(0.0),
                kernel: Some(kernel),
                spans,
                ..Scores::default()
            };
            assert_eq!(scores.is_own_finding(), expected, "{kernel} {spans:?}");
        };
        check(0.9, None, true);
        check(0.9, Some(0.5), true);
        check(0.9, Some(0.05), false);
        check(0.04, Some(1.0), false);
    }

    #[test]
    fn a_pair_may_be_held_to_its_likeliest_triple() {
        let prediction = rivals();
        let check = |one_per_pair, expected: &[(usize, u16)]| {
            let rule = DecisionRule {
                one_per_pair,
                ..DecisionRule::default()
            };
            let found = prediction.accepted(&rule);
            let found: Vec<_> = found
                .iter()
                .map(|t| (t.triple.head.start(), t.triple.relation.0))
                .collect();
            assert_eq!(found, expected);
        };
        check(false, &[(0, 0), (1, 2), (0, 1), (2, 0)]);
        check(true, &[(1, 2), (0, 1)]);
    }
}
