//! Predictions against the labels that stand, each number under its protocol.

use super::view::Viewed;
use crate::analysis::{
    Candidates, Case, Counts, EntityMatching, Matching, Protocol, Report, ScoredCase, Scorer,
    predicted_triples, score_entities, tune_rule,
};
use crate::domain::{
    Annotation, DecisionRule, Prediction, RelationSchema, Split, TokenSpan, Triple,
};
use serde::Serialize;
use std::collections::HashSet;

/// The protocols that are always reported, the strictest first.
pub const PROTOCOLS: [Protocol; 5] = [
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
    pub rule: [f32; 3],
    pub entities: Score,
    pub entity_protocol: String,
    pub protocols: Vec<ProtocolReport>,
    /// Bag systems, where the model has them.
    pub bags: Option<serde_json::Value>,
    /// Ranking of the mutual-relation systems, where a model and a split were named.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mutual: Option<super::mutual::MutualEvaluation>,
}

/// Adds up sentences for every protocol.
pub struct Evaluator {
    scorers: Vec<Scorer>,
    entities: Counts,
    rule: DecisionRule,
    n: u64,
    not_predicted: u64,
}

/// What the rule accepts between the spans that the model itself found: the input-free prediction.
fn on_predicted_entities(prediction: &Prediction, accepted: &[Triple]) -> Vec<Triple> {
    let spans: HashSet<TokenSpan> = prediction.entities.iter().map(|e| e.span).collect();
    accepted
        .iter()
        .copied()
        .filter(|t| spans.contains(&t.head) && spans.contains(&t.tail))
        .collect()
}

impl Evaluator {
    pub fn new(rule: DecisionRule) -> Self {
        let scorers = PROTOCOLS.iter().map(|p| Scorer::new(*p)).collect();
        Self {
            scorers,
            entities: Counts::default(),
            rule,
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
        let accepted = predicted_triples(prediction, &self.rule);
        let own = on_predicted_entities(prediction, &accepted);
        for scorer in &mut self.scorers {
            let predicted = match scorer.report().protocol.candidates {
                Candidates::PredictedEntities => &own,
                Candidates::GoldEntities | Candidates::GoldPairs => &accepted,
            };
            scorer.add(Case {
                gold: &gold,
                gold_entities: &entities,
                predicted,
            });
        }
        self.entities.add(score_entities(
            EntityMatching::Span,
            entities.iter().map(|s| (*s, None)),
            prediction.entities.iter().map(|e| (e.span, None)),
        ));
    }

    pub fn reports(&self) -> impl Iterator<Item = &Report> {
        self.scorers.iter().map(Scorer::report)
    }

    pub fn finish(
        self,
        schema: &RelationSchema,
        split: Option<Split>,
        run: Option<String>,
    ) -> Evaluation {
        Evaluation {
            split: split.map(|s| s.name().to_owned()),
            sentences: self.n,
            not_predicted: self.not_predicted,
            run,
            rule: [self.rule.rin, self.rule.kernel, self.rule.kernel_weight],
            entities: self.entities.into(),
            entity_protocol: EntityMatching::Span.name().to_owned(),
            protocols: self
                .scorers
                .iter()
                .map(|s| in_words(s.report(), schema))
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

/// The rule with the highest F1 under the headline protocol on these dev sentences (gold spans where a model finds none).
pub fn tune(dev: &[(&Annotation, &Prediction)]) -> (DecisionRule, Score) {
    let has_entities = dev.iter().any(|(_, p)| !p.entities.is_empty());
    let (mut cases, mut n_gold) = (Vec::new(), 0);
    for (annotation, prediction) in dev {
        let gold: HashSet<Triple> = annotation.standing().map(|t| t.triple).collect();
        n_gold += gold.len() as u64;
        let spans: HashSet<TokenSpan> = if has_entities {
            prediction.entities.iter().map(|e| e.span).collect()
        } else {
            annotation.entities.iter().map(|e| e.span).collect()
        };
        let inside = prediction
            .triples
            .iter()
            .filter(|t| spans.contains(&t.triple.head) && spans.contains(&t.triple.tail));
        cases.extend(inside.map(|t| ScoredCase {
            scores: t.scores,
            correct: gold.contains(&t.triple),
        }));
    }
    let (rule, counts) = tune_rule(&cases, n_gold);
    (rule, counts.into())
}
