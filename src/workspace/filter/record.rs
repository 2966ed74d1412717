//! The filter's output lines, written and read. docs/formats.md gives the fields.

use crate::corpus::InputLine;
use crate::domain::{
    DecisionRule, EntityTypeId, Prediction, RelationId, RelationSchema, RunId, ScoredEntity,
    ScoredTriple, Scores, Sentence, SentenceId, TokenSpan, Triple,
};
use serde::{Deserialize, Serialize};

/// One predicted sentence.
#[derive(Serialize, Deserialize)]
pub struct Record {
    pub line: u64,
    /// As the input line had it.
    pub id: Option<String>,
    /// The workspace's id, where the input line was an export.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sentence: Option<String>,
    pub text: String,
    pub tokens: Vec<String>,
    pub covered: u32,
    pub entities: Vec<EntityRecord>,
    pub relations: Vec<RelationRecord>,
    pub model: String,
    /// Everything that a workspace would keep is here, not only what the rule accepts.
    #[serde(default, skip_serializing_if = "is_false")]
    pub kept: bool,
}

#[derive(Serialize, Deserialize)]
pub struct EntityRecord {
    #[serde(flatten)]
    span: SpanRecord,
    #[serde(rename = "type")]
    kind: Option<String>,
    score: f32,
}

#[derive(Serialize, Deserialize)]
pub struct RelationRecord {
    head: SpanRecord,
    #[serde(rename = "type")]
    relation: String,
    tail: SpanRecord,
    score: Option<f32>,
    rin: Option<f32>,
    kernel: Option<f32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    spans: Option<f32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    runner_up: Option<RunnerUp>,
    /// Whether the model's rule accepts it; in lines with everything that is kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    accepted: Option<bool>,
}

#[derive(Serialize, Deserialize)]
pub struct SpanRecord {
    start: usize,
    end: usize,
    text: String,
}

#[derive(Serialize, Deserialize)]
pub struct RunnerUp {
    #[serde(rename = "type")]
    relation: String,
    score: f32,
}

/// The answer to a line that cannot be read.
#[derive(Serialize, Deserialize)]
pub struct Failed {
    pub line: u64,
    pub error: String,
}

fn is_false(value: &bool) -> bool {
    !*value
}

impl Failed {
    pub fn new(line: u64, error: &str) -> Self {
        Self {
            line,
            error: error.to_owned(),
        }
    }
}

impl Record {
    pub fn new(
        line: u64,
        input: &InputLine,
        prediction: &Prediction,
        schema: &RelationSchema,
        rule: &DecisionRule,
        kept: bool,
    ) -> Self {
        let sentence = &input.sentence;
        let accepted = prediction.accepted(rule);
        let is_accepted = |t: &ScoredTriple| accepted.iter().any(|a| a.triple == t.triple);
        let triples = prediction.triples.iter();
        let relations = triples
            .map(|t| (t, is_accepted(t)))
            .filter(|(_, accepted)| kept || *accepted)
            .map(|(t, accepted)| {
                RelationRecord::new(t, sentence, schema, rule, kept.then_some(accepted))
            });
        let entities = prediction.entities.iter();
        let entities = entities.filter(|e| kept || e.score >= rule.entity);
        Self {
            line,
            id: sentence.native_id.clone(),
            sentence: input.exported.then(|| sentence.id.to_string()),
            text: sentence.text.clone(),
            tokens: sentence.words().map(str::to_owned).collect(),
            covered: prediction.covered,
            entities: entities
                .map(|e| EntityRecord {
                    span: SpanRecord::new(e.span, sentence),
                    kind: e.kind.map(|k| schema.type_name(k).to_owned()),
                    score: e.score,
                })
                .collect(),
            relations: relations.collect(),
            model: prediction.run.to_string(),
            kept,
        }
    }

    /// The prediction as a workspace keeps it; an error names what does not fit.
    pub fn prediction(
        &self,
        id: SentenceId,
        run: RunId,
        schema: &RelationSchema,
    ) -> Result<Prediction, String> {
        let n = self.tokens.len();
        let entities = self.entities.iter().map(|e| {
            let kind = e.kind.as_deref().map(|k| entity_type(schema, k));
            Ok(ScoredEntity {
                span: e.span.within(n)?,
                kind: kind.transpose()?,
                score: probability(e.score)?,
            })
        });
        let triples = self.relations.iter().map(|r| r.scored(n, schema));
        if self.covered as usize > n {
            return Err(format!("{} of {n} tokens covered", self.covered));
        }
        Ok(Prediction {
            sentence: id,
            run,
            covered: self.covered,
            entities: entities.collect::<Result<_, String>>()?,
            triples: triples.collect::<Result<_, String>>()?,
        })
    }
}

impl RelationRecord {
    fn new(
        t: &ScoredTriple,
        sentence: &Sentence,
        schema: &RelationSchema,
        rule: &DecisionRule,
        accepted: Option<bool>,
    ) -> Self {
        let whole = accepted.is_some();
        let runner_up = t.runner_up.filter(|_| whole);
        Self {
            head: SpanRecord::new(t.triple.head, sentence),
            relation: schema.name(t.triple.relation).to_owned(),
            tail: SpanRecord::new(t.triple.tail, sentence),
            score: rule.score(&t.scores),
            rin: t.scores.rin,
            kernel: t.scores.kernel,
            spans: t.scores.spans.filter(|_| whole),
            runner_up: runner_up.map(|(relation, score)| RunnerUp {
                relation: schema.name(relation).to_owned(),
                score,
            }),
            accepted,
        }
    }

    fn scored(&self, n_tokens: usize, schema: &RelationSchema) -> Result<ScoredTriple, String> {
        let runner_up = self.runner_up.as_ref();
        let runner_up =
            runner_up.map(|r| Ok((relation(schema, &r.relation)?, probability(r.score)?)));
        Ok(ScoredTriple {
            triple: Triple {
                head: self.head.within(n_tokens)?,
                relation: relation(schema, &self.relation)?,
                tail: self.tail.within(n_tokens)?,
            },
            scores: Scores {
                rin: self.rin.map(probability).transpose()?,
                kernel: self.kernel.map(probability).transpose()?,
                spans: self.spans.map(probability).transpose()?,
                ..Scores::default()
            },
            runner_up: runner_up.transpose().map_err(|e: String| e)?,
        })
    }
}

impl SpanRecord {
    fn new(span: TokenSpan, sentence: &Sentence) -> Self {
        Self {
            start: span.start(),
            end: span.end(),
            text: sentence.surface(span).to_owned(),
        }
    }

    fn within(&self, n_tokens: usize) -> Result<TokenSpan, String> {
        TokenSpan::new(self.start, self.end)
            .filter(|s| s.end() <= n_tokens)
            .ok_or_else(|| format!("span {}..{} of {n_tokens} tokens", self.start, self.end))
    }
}

fn relation(schema: &RelationSchema, name: &str) -> Result<RelationId, String> {
    schema
        .relation(name)
        .ok_or_else(|| format!("relation {}", crate::corpus::excerpt(name)))
}

fn entity_type(schema: &RelationSchema, name: &str) -> Result<EntityTypeId, String> {
    schema
        .entity_type(name)
        .ok_or_else(|| format!("entity type {}", crate::corpus::excerpt(name)))
}

fn probability(p: f32) -> Result<f32, String> {
    if (0.0..=1.0).contains(&p) {
        Ok(p)
    } else {
        Err(format!("probability {p}"))
    }
}
