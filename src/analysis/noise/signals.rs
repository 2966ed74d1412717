//! What there is to say of one candidate label.

use crate::domain::prediction::KEEP_SCORE;
use crate::domain::{RelationId, Scores};
use std::sync::Arc;

/// Which queue a case is in.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Kind {
    /// A label of the corpus: is it wrong?
    Wrong,
    /// A relation that the corpus does not give a pair: is it missing?
    Missing,
}

impl Kind {
    pub fn name(self) -> &'static str {
        match self {
            Kind::Wrong => "wrong",
            Kind::Missing => "missing",
        }
    }
    pub fn from_name(name: &str) -> Option<Self> {
        [Kind::Wrong, Kind::Missing]
            .into_iter()
            .find(|k| k.name() == name)
    }
}

/// What models that never saw this pair of entities, under whatever name, say of the pair's relation; a distribution over relations.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct OutOfFold {
    /// Of the case's relation.
    pub p: f32,
    /// The relation's share of all labels.
    pub prior: f32,
    /// The highest of the other relations.
    pub best_other: f32,
    /// Of the case's relation by a regression that asks for each relation for itself.
    pub alone: f32,
}

/// All that is known of a candidate.
#[derive(Clone, PartialEq, Debug)]
pub struct Case {
    pub relation: RelationId,
    /// The other relations that the corpus gives this pair, in order.
    pub others: Vec<RelationId>,
    /// By how much the pair's other labels raise the log odds of this one over the relation's share of all labelled pairs, at most; `None`
    /// where it has no other label.
    pub implied: Option<f32>,
    pub out_of_fold: Option<OutOfFold>,
    /// How the sentence speaks of the pair, names hidden: coordinates of its features ([`super::Subspace`]), shared by the pair's cases.
    pub text: Option<Arc<[f32]>>,
    /// The sentence-level score of the workspace's model; it may have learned from this very label.
    pub model: Option<f32>,
    /// What each of its systems says; `None` where nothing is kept of this relation.
    pub systems: Option<Box<Scores>>,
    /// How usual the entities' types are for the relation: the smaller of the shares of its other labels whose head, and whose tail, has the
    /// same type.
    pub types: Option<f32>,
    /// Of the other pairs with the same names in sentences that say the same: the share between which the relation stands.
    pub duplicates: Option<f32>,
    /// Tokens between head and tail.
    pub gap: u32,
    /// Sentences with this pair of entities.
    pub pair_frequency: u32,
    pub head_first: bool,
    /// Tokens of the sentence.
    pub length: u32,
}

#[cfg(test)]
impl Case {
    /// For tests: of this relation and others, nothing else known.
    pub fn plain(relation: RelationId, others: &[RelationId]) -> Self {
        Self {
            relation,
            others: others.to_vec(),
            implied: None,
            out_of_fold: None,
            text: None,
            model: None,
            systems: None,
            types: None,
            duplicates: None,
            gap: 0,
            pair_frequency: 1,
            head_first: true,
            length: 20,
        }
    }
}

/// Rarer types are not more surprising than this.
const LEAST_SHARE: f32 = 1e-3;

/// A number that says how suspicious a case is. docs/noise.md gives the sources.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Signal {
    /// -log odds of the relation out of fold (self-confidence; Northcutt et al. 2021).
    SelfConfidence,
    /// The same against the relation's share of all labels: frequent relations are not right more often.
    ClassAdjusted,
    /// Log odds of the best other relation less its own (normalised margin).
    Margin,
    /// As `SelfConfidence`, each relation asked for itself: a pair may have several.
    OneVsRest,
    OneVsRestAdjusted,
    /// `Case::implied`, turned round: a label that others imply is less suspicious.
    Implied,
    /// -log odds of the workspace's model.
    Model,
    /// -log odds of RIN alone, of the kernel head alone.
    Rin,
    Kernel,
    /// -log odds of HRERE's text model, which asks no knowledge base ("base").
    HrereText,
    /// -log odds of the knowledge base's embedding alone. It says yes to nearly every distant label.
    Kb,
    /// -log odds of the bag model with mutual relations (PA-TMR).
    Mutual,
    /// -ln of `Case::types`: a label between entities of types that the relation hardly ever has.
    Types,
    /// -log odds of `Case::duplicates`.
    Duplicates,
    /// Labels on the pair: one sentence seldom says three things of it.
    Labels,
    /// ln(1 + tokens between head and tail).
    Gap,
    /// ln of the sentences that name both: of a famous pair most sentences are about something else.
    PairFrequency,
    /// 1 where the tail stands first.
    TailFirst,
    /// ln of the sentence's tokens.
    Length,
}

impl Signal {
    pub const ALL: [Signal; 19] = [
        Signal::SelfConfidence,
        Signal::ClassAdjusted,
        Signal::Margin,
        Signal::OneVsRest,
        Signal::OneVsRestAdjusted,
        Signal::Implied,
        Signal::Model,
        Signal::Rin,
        Signal::Kernel,
        Signal::HrereText,
        Signal::Kb,
        Signal::Mutual,
        Signal::Types,
        Signal::Duplicates,
        Signal::Labels,
        Signal::Gap,
        Signal::PairFrequency,
        Signal::TailFirst,
        Signal::Length,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Signal::SelfConfidence => "self_confidence",
            Signal::ClassAdjusted => "class_adjusted",
            Signal::Margin => "margin",
            Signal::OneVsRest => "one_vs_rest",
            Signal::OneVsRestAdjusted => "one_vs_rest_adjusted",
            Signal::Implied => "implied",
            Signal::Model => "model",
            Signal::Rin => "rin",
            Signal::Kernel => "kernel",
            Signal::HrereText => "hrere_text",
            Signal::Kb => "kb",
            Signal::Mutual => "mutual",
            Signal::Types => "types",
            Signal::Duplicates => "duplicates",
            Signal::Labels => "labels_on_pair",
            Signal::Gap => "token_gap",
            Signal::PairFrequency => "pair_frequency",
            Signal::TailFirst => "tail_first",
            Signal::Length => "length",
        }
    }

    /// `None` where the case has nothing to say of it.
    pub fn of(self, case: &Case) -> Option<f32> {
        let fold = case.out_of_fold;
        let system = |score: fn(&Scores) -> Option<f32>| {
            let p = case.systems.as_deref().and_then(score)?;
            Some(-log_odds(p))
        };
        match self {
            Signal::SelfConfidence => fold.map(|f| -log_odds(f.p)),
            Signal::ClassAdjusted => fold.map(|f| log_odds(f.prior) - log_odds(f.p)),
            Signal::Margin => fold.map(|f| log_odds(f.best_other) - log_odds(f.p)),
            Signal::OneVsRest => fold.map(|f| -log_odds(f.alone)),
            Signal::OneVsRestAdjusted => fold.map(|f| log_odds(f.prior) - log_odds(f.alone)),
            Signal::Implied => case.implied.map(|lift| -lift),
            Signal::Model => case.model.map(|p| -log_odds(p)),
            Signal::Rin => system(|s| s.rin),
            Signal::Kernel => system(|s| s.kernel),
            Signal::HrereText => system(|s| s.base),
            Signal::Kb => system(|s| s.kb),
            Signal::Mutual => system(|s| s.mutual),
            Signal::Types => case.types.map(|share| -share.max(LEAST_SHARE).ln()),
            Signal::Duplicates => case.duplicates.map(|p| -log_odds(p)),
            Signal::Labels => Some(case.others.len() as f32),
            Signal::Gap => Some((1.0 + case.gap as f32).ln()),
            Signal::PairFrequency => Some((case.pair_frequency.max(1) as f32).ln()),
            Signal::TailFirst => Some(f32::from(u8::from(!case.head_first))),
            Signal::Length => Some((case.length.max(1) as f32).ln()),
        }
    }

    pub fn from_name(name: &str) -> Option<Self> {
        Signal::ALL.into_iter().find(|s| s.name() == name)
    }

    /// 1, or -1 where a low value is what the queue looks for: a relation that is sure of itself is not wrong, but may be missing.
    pub fn direction(self, kind: Kind) -> f32 {
        let of_the_pair = [
            Signal::Labels,
            Signal::Gap,
            Signal::PairFrequency,
            Signal::TailFirst,
            Signal::Length,
        ];
        match kind {
            Kind::Missing if !of_the_pair.contains(&self) => -1.0,
            _ => 1.0,
        }
    }

    /// Weight in a queue that has no verdicts yet, of ranks (`wrong`) or log odds (`missing`); negative: the other way round.
    pub fn weight(self, kind: Kind) -> f32 {
        match (kind, self) {
            (Kind::Wrong, Signal::ClassAdjusted | Signal::Labels | Signal::Duplicates) => 1.0,
            (Kind::Wrong, Signal::Gap | Signal::PairFrequency) => 0.5,
            (Kind::Missing, Signal::Implied | Signal::Types) => -1.0,
            // Learned from the very labels that are wrong and missing.
            (Kind::Missing, Signal::OneVsRest) => -0.5,
            (
                Kind::Missing,
                Signal::Model | Signal::HrereText | Signal::Mutual | Signal::Duplicates,
            ) => -0.25,
            _ => 0.0,
        }
    }

    /// The value that stands for none where others have one: what a model scores below [`KEEP_SCORE`] is not kept; of the rest nothing is known.
    pub(super) fn absent(self) -> f32 {
        match self {
            Signal::Model
            | Signal::Rin
            | Signal::Kernel
            | Signal::HrereText
            | Signal::Kb
            | Signal::Mutual => -log_odds(KEEP_SCORE),
            _ => 0.0,
        }
    }
}

/// Which signals a queue listens to.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct SignalSet {
    pub(super) heard: [bool; Signal::ALL.len()],
    /// Whether verdicts also weigh the relation and the pair's other labels.
    pub labels: bool,
    /// Whether they also weigh, relation by relation, how the sentence speaks of the pair.
    pub text: bool,
    /// Signals without a fixed weight get one.
    pub(super) chosen: bool,
}

impl Default for SignalSet {
    /// All of them.
    fn default() -> Self {
        Self {
            heard: [true; Signal::ALL.len()],
            labels: true,
            text: true,
            chosen: false,
        }
    }
}

impl SignalSet {
    /// These alone, each with weight 1 where it has none; not the labels, not the text.
    pub fn only(signals: &[Signal]) -> Self {
        Self {
            heard: Signal::ALL.map(|s| signals.contains(&s)),
            labels: false,
            text: false,
            chosen: true,
        }
    }

    /// All but these.
    pub fn without(signals: &[Signal]) -> Self {
        Self {
            heard: Signal::ALL.map(|s| !signals.contains(&s)),
            ..Self::default()
        }
    }

    /// A case's value of the signal at `place` in [`Signal::ALL`], if it is heard and the case has one.
    pub(super) fn value(&self, place: usize, case: &Case) -> Option<f32> {
        self.heard[place]
            .then(|| Signal::ALL[place].of(case))
            .flatten()
    }

    fn weight(&self, place: usize, kind: Kind) -> f32 {
        let signal = Signal::ALL[place];
        match (self.heard[place], signal.weight(kind)) {
            (false, _) => 0.0,
            (true, 0.0) if self.chosen => signal.direction(kind),
            (true, weight) => weight,
        }
    }

    /// Places and fixed weights of the signals that have one and that some case has.
    pub(super) fn weighed(&self, kind: Kind, cases: &[Case]) -> Vec<(usize, f32)> {
        let known = |place| cases.iter().any(|c| self.value(place, c).is_some());
        (0..Signal::ALL.len())
            .map(|place| (place, self.weight(place, kind)))
            .filter(|(place, weight)| *weight != 0.0 && known(*place))
            .collect()
    }
}

/// Clipped, so that one sure model does not drown the rest.
pub fn log_odds(p: f32) -> f32 {
    let p = p.clamp(1e-4, 1.0 - 1e-4);
    (p / (1.0 - p)).ln()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn case() -> Case {
        Case {
            out_of_fold: Some(OutOfFold {
                p: 0.2,
                prior: 0.5,
                best_other: 0.8,
                alone: 0.3,
            }),
            head_first: false,
            length: 10,
            ..Case::plain(RelationId(1), &[RelationId(0)])
        }
    }

    #[test]
    fn signals_rise_with_suspicion() {
        let of = |signal: Signal, change: &dyn Fn(&mut Case)| {
            let mut case = case();
            change(&mut case);
            signal.of(&case)
        };
        let same = |_: &mut Case| {};
        assert_eq!(of(Signal::Model, &same), None);
        assert_eq!(of(Signal::Gap, &same), Some(0.0));
        assert_eq!(of(Signal::TailFirst, &same), Some(1.0));
        let close = |a: Option<f32>, b: f32| assert!((a.unwrap() - b).abs() < 1e-5, "{a:?} {b}");
        close(of(Signal::SelfConfidence, &same), 4f32.ln());
        close(of(Signal::ClassAdjusted, &same), 4f32.ln());
        close(of(Signal::Margin, &same), 2.0 * 4f32.ln());
        type Change<'a> = &'a dyn Fn(&mut Case);
        let rises: [(Signal, Change); 5] = [
            (Signal::Labels, &|c| c.others.push(RelationId(7))),
            (Signal::Gap, &|c| c.gap = 3),
            (Signal::PairFrequency, &|c| c.pair_frequency = 9),
            (Signal::SelfConfidence, &|c| {
                c.out_of_fold.as_mut().unwrap().p = 0.0
            }),
            (Signal::ClassAdjusted, &|c| {
                c.out_of_fold.as_mut().unwrap().p = 0.1
            }),
        ];
        for (signal, change) in rises {
            assert!(of(signal, change) > of(signal, &same), "{signal:?}");
        }
        // A certain model stays a finite signal.
        close(
            of(Signal::Model, &|c| c.model = Some(0.0)),
            (0.9999f32 / 0.0001).ln(),
        );
    }
}
