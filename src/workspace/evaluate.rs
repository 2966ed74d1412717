//! Predictions against the labels that stand, each number under its protocol.

use super::view::Viewed;
use crate::analysis::{
    Candidates, Case, Counts, EntityMatching, Matching, Protocol, Report, Scorer,
    predicted_triples, score_entities,
};
use crate::domain::prediction::KEEP_SCORE;
use crate::domain::{
    Annotation, DecisionRule, DecisionRules, EntityTypeId, Prediction, RelationSchema,
    ScoredTriple, Scores, Split, TokenSpan, Triple,
};
use serde::Serialize;
use std::collections::{BTreeMap, HashMap, HashSet};

/// The protocols that are always reported, the strictest first.
pub const PROTOCOLS: [Protocol; 6] = [
    Protocol {
        matching: Matching::Exact,
        candidates: Candidates::PredictedEntities,
    },
    Protocol {
        matching: Matching::Partial,
        candidates: Candidates::PredictedEntities,
    },
    Protocol {
        matching: Matching::Exact,
        candidates: Candidates::GoldEntities,
    },
    Protocol {
        matching: Matching::Partial,
        candidates: Candidates::GoldEntities,
    },
    Protocol {
        matching: Matching::Exact,
        candidates: Candidates::GoldPairs,
    },
    // Only where gold and model know entity types.
    Protocol {
        matching: Matching::Strict,
        candidates: Candidates::PredictedEntities,
    },
];

/// What training selects by and the card leads with.
pub const HEADLINE: Protocol = PROTOCOLS[0];

#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct Score {
    pub precision: f64,
    pub recall: f64,
    pub f1: f64,
    pub correct: u64,
    pub predicted: u64,
    pub gold: u64,
}

impl From<Counts> for Score {
    fn from(c: Counts) -> Self {
        let p = c.prf();
        Self {
            precision: p.precision,
            recall: p.recall,
            f1: p.f1,
            correct: c.correct,
            predicted: c.predicted,
            gold: c.gold,
        }
    }
}

#[derive(Clone, Debug, Serialize)]
pub struct Named {
    pub name: String,
    pub sentences: Option<u64>,
    pub score: Score,
}

#[derive(Clone, Debug, Serialize)]
pub struct ProtocolReport {
    pub protocol: String,
    pub micro: Score,
    pub macro_f1: f64,
    pub by_class: Vec<Named>,
    pub by_number_of_triples: Vec<Named>,
    pub per_relation: Vec<Named>,
}

#[derive(Clone, Debug, Serialize)]
pub struct Evaluation {
    pub split: Option<String>,
    pub sentences: u64,
    /// Sentences without a prediction; not scored.
    pub not_predicted: u64,
    pub run: Option<String>,
    /// Thresholds and weights behind each kind of candidates.
    pub rules: Vec<NamedRule>,
    pub entities: Score,
    pub entity_protocol: String,
    /// Entities with their types; `None` where gold or model know no types.
    pub typed_entities: Option<Score>,
    pub typed_entity_protocol: String,
    pub protocols: Vec<ProtocolReport>,
    /// Bag systems, where the model has them.
    pub bags: Option<serde_json::Value>,
    /// Ranking of the mutual-relation systems, where a model and a split were named.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mutual: Option<super::mutual::MutualEvaluation>,
}

/// A rule and the candidates that it is for.
#[derive(Clone, Debug, Serialize)]
pub struct NamedRule {
    pub candidates: String,
    pub rin: f32,
    pub kernel: f32,
    pub kernel_weight: f32,
    pub span_weight: f32,
    pub entity: f32,
    /// Relations whose threshold is their own.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub thresholds: BTreeMap<String, f32>,
}

impl NamedRule {
    fn new(candidates: Candidates, rule: DecisionRule, schema: &RelationSchema) -> Self {
        let own = rule.own.iter();
        Self {
            thresholds: own
                .map(|(relation, t)| (schema.name(*relation).to_owned(), *t))
                .collect(),
            candidates: candidates.name().to_owned(),
            rin: rule.rin,
            kernel: rule.kernel,
            kernel_weight: rule.kernel_weight,
            span_weight: rule.span_weight,
            entity: rule.entity,
        }
    }
}

/// The rule for a kind of candidates.
pub fn rule_for(rules: &DecisionRules, candidates: Candidates) -> DecisionRule {
    match candidates {
        Candidates::PredictedEntities => rules.predicted.clone(),
        Candidates::GoldEntities => rules.gold_entities.clone(),
        Candidates::GoldPairs => rules.gold_pairs.clone(),
    }
}

/// Adds up sentences for every protocol.
pub struct Evaluator {
    scorers: Vec<Scorer>,
    entities: Counts,
    typed_entities: Counts,
    /// Gold and model have named an entity type.
    typed: [bool; 2],
    rules: DecisionRules,
    n: u64,
    not_predicted: u64,
}

/// A prediction without the triples that are there only because the sentence brought their spans or labels.
pub fn own_findings(prediction: &Prediction) -> Prediction {
    let spans: HashSet<TokenSpan> = prediction.entities.iter().map(|e| e.span).collect();
    let is_own = |t: &&ScoredTriple| {
        let both = spans.contains(&t.triple.head) && spans.contains(&t.triple.tail);
        both && t.scores.is_own_finding()
    };
    let own = prediction.triples.iter().filter(is_own);
    Prediction {
        triples: own.map(unlabelled).collect(),
        ..prediction.clone()
    }
}

/// As [`own_findings`] for protocols that give the spans: labels that the model finds less likely than what it keeps of others are
/// left out like those others, or a low enough threshold would tell labels by their being there.
pub fn given_findings(prediction: &Prediction) -> Prediction {
    let is_kept = |t: &&ScoredTriple| {
        let scores = Scores {
            spans: None,
            ..t.scores
        };
        scores.is_own_finding()
    };
    let kept = prediction.triples.iter().filter(is_kept);
    Prediction {
        triples: kept.map(unlabelled).collect(),
        ..prediction.clone()
    }
}

/// The cells of labels are reported however small; of the others only those worth keeping are.
fn unlabelled(t: &ScoredTriple) -> ScoredTriple {
    let mut t = t.clone();
    t.scores.rin = t.scores.rin.map(|p| if p < KEEP_SCORE { 0.0 } else { p });
    t
}

/// Types by span.
type Kinds = HashMap<TokenSpan, EntityTypeId>;

/// Those of `triples` with an entity whose gold type the prediction misses.
fn mistyped(triples: &[Triple], gold: &Kinds, predicted: &Kinds) -> Vec<Triple> {
    let is_wrong = |span| {
        gold.get(&span)
            .is_some_and(|k| predicted.get(&span) != Some(k))
    };
    let wrong = triples
        .iter()
        .filter(|t| is_wrong(t.head) || is_wrong(t.tail));
    wrong.copied().collect()
}

impl Evaluator {
    pub fn new(rules: DecisionRules) -> Self {
        let scorers = PROTOCOLS.iter().map(|p| Scorer::new(*p)).collect();
        Self {
            scorers,
            entities: Counts::default(),
            typed_entities: Counts::default(),
            typed: [false; 2],
            rules,
            n: 0,
            not_predicted: 0,
        }
    }

    pub fn add_viewed(&mut self, viewed: &Viewed) {
        match &viewed.prediction {
            Some(prediction) => self.add(&viewed.annotation, prediction),
            None => self.not_predicted += 1,
        }
    }

    pub fn add(&mut self, annotation: &Annotation, prediction: &Prediction) {
        self.n += 1;
        let gold: Vec<Triple> = annotation.standing().map(|t| t.triple).collect();
        let entities: Vec<TokenSpan> = annotation.entities.iter().map(|e| e.span).collect();
        let known = annotation.entities.iter();
        let gold_kinds: Kinds = known.filter_map(|e| Some((e.span, e.kind?))).collect();
        let proposed = prediction.entities.iter();
        let kinds: Kinds = proposed.filter_map(|e| Some((e.span, e.kind?))).collect();
        // Once for each kind of candidates; several protocols share one.
        let own = predicted_triples(&own_findings(prediction), &self.rules.predicted);
        let mistyped = mistyped(&own, &gold_kinds, &kinds);
        let given = given_findings(prediction);
        let on_entities = predicted_triples(&given, &self.rules.gold_entities);
        let on_pairs = predicted_triples(&given, &self.rules.gold_pairs);
        for scorer in &mut self.scorers {
            scorer.add(Case {
                gold: &gold,
                gold_entities: &entities,
                predicted: match scorer.report().protocol.candidates {
                    Candidates::PredictedEntities => &own,
                    Candidates::GoldEntities => &on_entities,
                    Candidates::GoldPairs => &on_pairs,
                },
                mistyped: &mistyped,
            });
        }
        let least = self.rules.predicted.entity;
        let found: Vec<_> = prediction
            .entities
            .iter()
            .filter(|e| e.score >= least)
            .map(|e| (e.span, e.kind))
            .collect();
        let of_gold: Vec<_> = annotation
            .entities
            .iter()
            .map(|e| (e.span, e.kind))
            .collect();
        for (counts, matching) in [
            (&mut self.entities, EntityMatching::Span),
            (&mut self.typed_entities, EntityMatching::SpanAndType),
        ] {
            counts.add(score_entities(matching, of_gold.clone(), found.clone()));
        }
        self.typed[0] |= !gold_kinds.is_empty();
        self.typed[1] |= !kinds.is_empty();
    }

    /// The report of [`HEADLINE`].
    pub fn headline(self) -> Report {
        let first = self.scorers.into_iter().next();
        first.unwrap_or_else(|| Scorer::new(HEADLINE)).into_report()
    }

    pub fn finish(
        self,
        schema: &RelationSchema,
        split: Option<Split>,
        run: Option<String>,
    ) -> Evaluation {
        let typed = self.typed == [true; 2];
        let kinds = [
            Candidates::PredictedEntities,
            Candidates::GoldEntities,
            Candidates::GoldPairs,
        ];
        Evaluation {
            split: split.map(|s| s.name().to_owned()),
            sentences: self.n,
            not_predicted: self.not_predicted,
            run,
            rules: kinds
                .map(|c| NamedRule::new(c, rule_for(&self.rules, c), schema))
                .to_vec(),
            entities: self.entities.into(),
            entity_protocol: EntityMatching::Span.name().to_owned(),
            typed_entities: typed.then(|| self.typed_entities.into()),
            typed_entity_protocol: EntityMatching::SpanAndType.name().to_owned(),
            protocols: self
                .scorers
                .iter()
                .map(Scorer::report)
                .filter(|r| typed || r.protocol.matching != Matching::Strict)
                .map(|r| in_words(r, schema))
                .collect(),
            bags: None,
            mutual: None,
        }
    }
}

fn in_words(report: &Report, schema: &RelationSchema) -> ProtocolReport {
    let named = |name: String, sentences, counts: Counts| Named {
        name,
        sentences,
        score: counts.into(),
    };
    let number = |n: usize| {
        if n >= 5 {
            "5 or more".to_owned()
        } else {
            n.to_string()
        }
    };
    ProtocolReport {
        protocol: report.protocol.to_string(),
        micro: report.micro.into(),
        macro_f1: report.macro_average().f1,
        by_class: report
            .by_class
            .iter()
            .map(|(c, (n, counts))| named(c.name().to_owned(), Some(*n), *counts))
            .collect(),
        by_number_of_triples: report
            .by_number
            .iter()
            .enumerate()
            .map(|(i, (n, counts))| named(number(i), Some(*n), *counts))
            .collect(),
        per_relation: report
            .per_relation
            .iter()
            .map(|(r, counts)| named(schema.name(*r).to_owned(), None, *counts))
            .collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::corpus::plain_sentence;
    use crate::domain::{Entity, GoldSource, GoldTriple, RelationId, RunId, Sentence};
    use crate::model::encoder::EncoderConfig;
    use crate::model::encoder::bilstm::BiLstmConfig;
    use crate::model::params::Params;
    use crate::model::rin::{RinConfig, Variant};
    use crate::model::sentence::{Heads, ModelConfig, SentenceModel};
    use crate::model::tokens::WordPieces;
    use candle_core::Device;
    use std::sync::Arc;

    fn untrained(text: &str, seed: u64) -> SentenceModel {
        let tokens = WordPieces::train(text.split(' '), 80).unwrap();
        let encoder = BiLstmConfig {
            piece_width: 12,
            width: 8,
            ..BiLstmConfig::new(tokens.n_ids())
        };
        let heads = Heads {
            rin: Some(RinConfig {
                variant: Variant::Emnlp,
                rounds: 1,
                ..RinConfig::default()
            }),
            kernel: Some(Default::default()),
            spans: Some(Default::default()),
        };
        let labels = vec!["a".to_owned(), "b".to_owned()];
        let config = ModelConfig::new(EncoderConfig::BiLstm(encoder), labels, heads);
        let params = Params::new(&Device::Cpu, seed);
        SentenceModel::from_params(&params, config, Arc::new(tokens), RunId(1)).unwrap()
    }

    /// Between predicted entities a score must not depend on what gold says, or it flatters the model.
    #[test]
    fn own_findings_are_the_same_with_and_without_gold() {
        // Short enough that no cap on spans or triples cuts anything.
        let text = "Ann Lee met Bo";
        let bare = plain_sentence(text.to_owned(), None, &"t".into(), 1);
        let schema = RelationSchema::from_names(["a", "b"]);
        let span = |start, end| TokenSpan::new(start, end).unwrap();
        let (head, tail) = (span(0, 2), span(3, 4));
        let labelled = Sentence {
            entities: [head, tail, span(1, 2)]
                .map(|span| Entity {
                    span,
                    kind: None,
                    link: None,
                })
                .to_vec(),
            gold: vec![GoldTriple {
                triple: Triple {
                    head,
                    relation: RelationId(1),
                    tail,
                },
                source: GoldSource::Distant,
                line: 1,
            }],
            ..bare.clone()
        };
        for seed in 0..6 {
            let model = untrained(text, seed);
            let map = model.config.label_map(&schema);
            let found = |s: &Sentence| {
                let own = own_findings(&model.predict(&[s], &map).unwrap()[0]);
                let mut all: Vec<_> = own.triples.iter().map(|t| (t.triple, t.scores)).collect();
                all.sort_by_key(|(triple, _)| *triple);
                all
            };
            let without = found(&bare);
            assert!(!without.is_empty());
            assert!(found(&labelled) == without, "seed {seed}");
        }
    }

    /// Between given spans a label that the model finds unlikely is left out as any other triple is.
    #[test]
    fn given_findings_do_not_tell_labels_by_their_being_kept() {
        let span = |at| TokenSpan::new(at, at + 1).unwrap();
        let scored = |relation, rin, kernel| ScoredTriple {
            triple: Triple {
                head: span(0),
                relation: RelationId(relation),
                tail: span(1),
            },
            scores: Scores {
                rin: Some(rin),
                kernel: Some(kernel),
                spans: Some(0.01),
                ..Scores::default()
            },
            runner_up: None,
        };
        let prediction = Prediction {
            sentence: crate::domain::SentenceId(1),
            run: RunId(1),
            covered: 2,
            entities: Vec::new(),
            triples: vec![
                scored(0, 0.01, 0.04),
                scored(1, 0.01, 0.5),
                scored(2, 0.06, 0.0),
            ],
        };
        let found = given_findings(&prediction);
        let rin: Vec<_> = found
            .triples
            .iter()
            .map(|t| (t.triple.relation.0, t.scores.rin))
            .collect();
        assert_eq!(rin, [(1, Some(0.0)), (2, Some(0.06))]);
    }
}
