//! The lane that reads: list pages, sentences, explanations, the errors table.

use super::{Shared, read};
use crate::domain::{RelationSchema, SentenceId, Triple};
use crate::index::{Query as Parsed, QueryError, Sort, query};
use crate::store::Reader;
use crate::workspace::bags::{Corpus, explain};
use crate::workspace::in_words;
use crate::workspace::knowledge::Knowledge;
use crate::workspace::messages::{
    ErrorRow, Explanation, Heat, ListRow, Page, RelationCounts, Reply, Request, ReviewState, Ticket,
};
use crate::workspace::mutual::explain_mutual;
use crate::workspace::viewed;
use anyhow::Result;
use std::sync::Arc;

/// Characters of a sentence that a list row carries.
const SNIPPET: usize = 300;

pub struct Query {
    reader: Reader,
    shared: Arc<Shared>,
    knowledge: Option<(u64, Option<Knowledge>)>,
}

impl Query {
    pub fn new(reader: Reader, shared: Arc<Shared>) -> Self {
        Self {
            reader,
            shared,
            knowledge: None,
        }
    }

    pub fn handle(&mut self, request: Request) {
        let result = match request {
            Request::Search {
                ticket,
                query,
                offset,
                limit,
            } => self.search(ticket, &query, offset, limit),
            Request::Open { ticket, id } => self.open(ticket, id),
            Request::Explain { ticket, id, triple } => self.explain(ticket, id, triple),
            Request::Errors { ticket } => self.errors(ticket),
            _ => Ok(()),
        };
        if let Err(error) = result {
            self.shared.failed(in_words(&error));
        }
    }

    fn parse(&self, ticket: Ticket, text: &str, schema: &RelationSchema) -> Option<Parsed> {
        match query::parse(text, schema) {
            Ok(query) => Some(query),
            Err(error) => {
                let QueryError { column, .. } = error;
                self.shared.reply(Reply::BadQuery {
                    ticket,
                    column,
                    message: error.to_string(),
                });
                None
            }
        }
    }

    fn search(&mut self, ticket: Ticket, text: &str, offset: usize, limit: usize) -> Result<()> {
        let schema = self.reader.schema()?;
        let Some(query) = self.parse(ticket, text, &schema) else {
            return Ok(());
        };
        let rows = offset..offset.saturating_add(limit);
        let found =
            self.shared
                .searcher
                .search(&query, Sort::Corpus, rows, schema.n_relations())?;
        let run = self.reader.current_run()?;
        let rows = self.reader.rows(&found.rows, SNIPPET)?;
        let rows = rows.into_iter().map(|row| {
            let summary = row.summary.unwrap_or_default();
            let predicted = summary.run.is_some() && summary.run == run;
            ListRow {
                id: row.id,
                snippet: row.snippet,
                state: match (summary.done, summary.touched) {
                    (true, _) => ReviewState::Done,
                    (_, true) => ReviewState::Started,
                    _ => ReviewState::Todo,
                },
                n_gold: summary.n_gold,
                n_predicted: if predicted { summary.n_predicted } else { 0 },
                n_disagreements: if predicted {
                    summary.n_disagreements
                } else {
                    0
                },
                predicted,
            }
        });
        let relations = found.relations.iter().map(|t| RelationCounts {
            relation: t.relation,
            gold: t.gold,
            predicted: t.predicted,
            false_positives: t.false_positives,
            reviewed: t.reviewed,
        });
        let (rows, relations) = (rows.collect(), relations.collect());
        self.shared.reply(Reply::Page(Page {
            ticket,
            offset,
            total: found.total,
            rows,
            relations,
        }));
        Ok(())
    }

    fn open(&mut self, ticket: Ticket, id: SentenceId) -> Result<()> {
        let rule = read(&self.shared.rule);
        let run = self.reader.current_run()?;
        let detail = viewed(&self.reader, &rule, run, id)?.detail(ticket, &rule);
        self.shared.reply(Reply::Detail(Box::new(detail)));
        Ok(())
    }

    /// From the index's counts over predicted sentences: no sentence is read.
    fn errors(&mut self, ticket: Ticket) -> Result<()> {
        let schema = self.reader.schema()?;
        let everything =
            query::parse("-pred:unknown", &schema).map_err(|e| anyhow::anyhow!(e.to_string()))?;
        let found =
            self.shared
                .searcher
                .search(&everything, Sort::Corpus, 0..0, schema.n_relations())?;
        let ratio = |a: u32, b: u32| if b == 0 { 0.0 } else { a as f32 / b as f32 };
        let rows = found
            .relations
            .iter()
            .filter(|t| t.gold + t.predicted > 0)
            .map(|t| {
                let correct = t.predicted - t.false_positives.min(t.predicted);
                let (precision, recall) = (ratio(correct, t.predicted), ratio(correct, t.gold));
                let f1 = if precision + recall > 0.0 {
                    2.0 * precision * recall / (precision + recall)
                } else {
                    0.0
                };
                ErrorRow {
                    relation: t.relation,
                    support: t.gold,
                    precision,
                    recall,
                    f1,
                    false_positives: t.false_positives,
                    false_negatives: t.false_negatives,
                }
            });
        let rows = rows.collect();
        let protocol = format!(
            "sentences, known and predicted entities, exact match, labels that stand; {} predicted sentences",
            found.total
        );
        self.shared.reply(Reply::Errors {
            ticket,
            protocol,
            rows,
        });
        Ok(())
    }

    fn explain(&mut self, ticket: Ticket, id: SentenceId, triple: Triple) -> Result<()> {
        let sentence = self.reader.sentence(id)?;
        let schema = self.reader.schema()?;
        let mut explanation = Explanation {
            ticket,
            triple: Some(triple),
            ..Explanation::default()
        };
        match read(&self.shared.model) {
            None => explanation.notes.push(read(&self.shared.model_note)),
            Some(models) => {
                let model = &models.sentence;
                let name = schema
                    .relations()
                    .get(triple.relation.index())
                    .map(|r| r.name.as_str());
                match model
                    .config
                    .labels
                    .iter()
                    .position(|l| Some(l.as_str()) == name)
                {
                    None => explanation
                        .notes
                        .push("the model does not know this relation".to_owned()),
                    Some(label) => {
                        match model.explain(&sentence, triple.head, triple.tail, label)? {
                            None => explanation
                                .notes
                                .push("the pair lies beyond what the encoder reads".to_owned()),
                            Some(found) => {
                                explanation.rounds = found.rounds;
                                explanation.heat = found.heat.map(|heat| {
                                    let words = |at: &[usize]| {
                                        at.iter().map(|w| sentence.token(*w).to_owned()).collect()
                                    };
                                    let mean = heat.values.iter().sum::<f32>()
                                        / heat.values.len().max(1) as f32;
                                    Heat {
                                        rows: words(&heat.head_words),
                                        columns: words(&heat.tail_words),
                                        p: heat.values,
                                        mean,
                                    }
                                });
                            }
                        }
                    }
                }
            }
        }
        self.evidence(&sentence, triple, &schema, &mut explanation)?;
        self.shared.reply(Reply::Explanation(Box::new(explanation)));
        Ok(())
    }

    /// Facts, link predictions, the bag and its weights.
    fn evidence(
        &mut self,
        sentence: &crate::domain::Sentence,
        triple: Triple,
        schema: &RelationSchema,
        explanation: &mut Explanation,
    ) -> Result<()> {
        let revision = self.reader.kb_revision()?;
        if self.knowledge.as_ref().is_none_or(|(r, _)| *r != revision) {
            self.knowledge = Some((revision, Knowledge::load(&self.reader)?));
        }
        let knowledge = self.knowledge.as_ref().and_then(|(_, k)| k.as_ref());
        let models = read(&self.shared.model);
        let scorer = models.as_ref().and_then(|m| m.bags.as_ref());
        let corpus = Corpus {
            reader: &self.reader,
            searcher: Some(&self.shared.searcher),
            schema,
        };
        explain(scorer, knowledge, corpus, sentence, triple, explanation)?;
        match models.as_ref().and_then(|m| m.mutual.as_ref()) {
            Some(mutual) => {
                explain_mutual(mutual, knowledge, schema, sentence, triple, explanation)
            }
            None => Ok(()),
        }
    }
}
