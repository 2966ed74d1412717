//! The lane that reads: list pages, sentences, explanations.

use super::questions::{Meant, ask};
use super::{Shared, read};
use crate::analysis::agreement::Decisions;
use crate::domain::{RelationSchema, RunId, SentenceId, SentenceIdx, Triple};
use crate::index::{Query as Parsed, QueryError, Sort, query};
use crate::store::{Reader, Row};
use crate::workspace::asking::{Asked, InQueue};
use crate::workspace::bags::{Corpus, explain};
use crate::workspace::duplicates::{evidence, read_duplicates};
use crate::workspace::in_words;
use crate::workspace::knowledge::Knowledge;
use crate::workspace::messages::{
    Detail, Explanation, Heat, ListRow, Page, RelationCounts, Reply, Request, ReviewState, Ticket,
};
use crate::workspace::mutual::explain_mutual;
use crate::workspace::noise::queue::QueueKind;
use crate::workspace::{Tell, hits, viewed};
use anyhow::Result;
use std::sync::Arc;

/// Characters of a sentence that a list row carries.
const SNIPPET: usize = 300;

pub struct Query {
    reader: Reader,
    shared: Arc<Shared>,
    knowledge: Option<(u64, Option<Knowledge>)>,
    listed: Option<Listed>,
}

/// The sentences of one list as they were found: an edit takes a sentence out of what a query finds, and pages that
/// were searched anew each time would then leave others out.
pub(super) struct Listed {
    pub list: Ticket,
    pub rows: Vec<SentenceIdx>,
    relations: Vec<RelationCounts>,
    pub queue: Option<InQueue>,
    /// Of a list without a queue: the triples that its query asked for when they were first needed. A verdict takes a triple out of what
    /// `gold:` asks for, and the row still says what was decided.
    pub meant: Meant,
}

impl Query {
    pub fn new(reader: Reader, shared: Arc<Shared>) -> Self {
        Self {
            reader,
            shared,
            knowledge: None,
            listed: None,
        }
    }

    pub(super) fn reader(&self) -> &Reader {
        &self.reader
    }
    pub(super) fn shared(&self) -> &Shared {
        &self.shared
    }
    /// The latest list, if it is this one; to be put back by [`Self::keep`].
    pub(super) fn take_list(&mut self, list: Ticket) -> Option<Listed> {
        self.listed.take_if(|l| l.list == list)
    }
    pub(super) fn keep(&mut self, listed: Listed) {
        self.listed = Some(listed);
    }

    pub fn handle(&mut self, request: Request) {
        let result = match request {
            Request::Search {
                ticket,
                list,
                query,
                offset,
                limit,
            } => self.search(ticket, list, &query, offset..offset.saturating_add(limit)),
            Request::Open { ticket, id, query } => {
                self.open(ticket, id, &query);
                Ok(())
            }
            Request::Explain { ticket, id, triple } => self.explain(ticket, id, triple),
            Request::PlanVerdict {
                list,
                rows,
                query,
                verdict,
            } => self.plan(list, rows, &query, verdict),
            Request::PlanDuplicates {
                id,
                triple,
                verdict,
            } => self.plan_duplicates(id, triple, verdict),
            Request::Disputes { ticket } => self.disputes(&self.shared, ticket),
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

    fn search(
        &mut self,
        ticket: Ticket,
        list: Ticket,
        text: &str,
        rows: std::ops::Range<usize>,
    ) -> Result<()> {
        let mut listed = match self.listed.take().filter(|l| l.list == list) {
            Some(listed) => listed,
            None => match self.list_anew(ticket, list, text)? {
                Some(listed) => listed,
                None => return Ok(()),
            },
        };
        let total = listed.rows.len();
        let page = &listed.rows[rows.start.min(total)..rows.end.min(total)];
        let run = self.reader.current_run()?;
        let schema = self.reader.schema()?;
        let found = self.reader.rows(page, SNIPPET)?.into_iter();
        let found = found.map(|row| {
            let row = list_row(row, run);
            let Some(queue) = &listed.queue else {
                // What nobody touched has no verdict to show.
                let untouched = row.state == ReviewState::Todo;
                let question = match untouched && !listed.meant.knows(row.id) {
                    true => None,
                    false => self.question_of_query(&mut listed.meant, row.id, &schema)?,
                };
                return Ok(ListRow { question, ..row });
            };
            Ok(ListRow {
                expected: queue.ranked.expected(row.id, &queue.relations),
                question: queue.question(&self.reader, row.id)?,
                ..row
            })
        });
        let found = found.collect::<Result<_>>()?;
        let standing = |q: &InQueue| q.ranked.standing(&self.reader, &q.relations);
        let queue = listed.queue.as_ref().map(standing).transpose()?;
        self.shared.reply(Reply::Page(Page {
            ticket,
            offset: rows.start,
            total,
            rows: found,
            relations: listed.relations.clone(),
            queue,
        }));
        self.listed = Some(listed);
        Ok(())
    }

    /// `None`: the query is wrong or its queue cannot be made, and the list says why and waits for another; or another came.
    fn list_anew(&self, ticket: Ticket, list: Ticket, text: &str) -> Result<Option<Listed>> {
        let schema = self.reader.schema()?;
        let asked = Asked::read(text);
        let Some(query) = self.parse(ticket, &asked.rest, &schema) else {
            return Ok(None);
        };
        let listed = self.list(list, &query, &schema)?;
        let tell: Tell = &mut |done, total| {
            self.shared.reply(Reply::Ranking {
                ticket,
                done,
                total,
            });
            self.shared.listed.is(list)
        };
        let (dir, reader) = (&self.shared.dir, &self.reader);
        match asked.arrange(listed.rows, (dir, reader), &self.shared.queues, tell) {
            Ok(arranged) => Ok(arranged.map(|(rows, queue)| Listed {
                rows,
                queue,
                ..listed
            })),
            Err(error) => {
                let message = in_words(&error);
                tracing::error!("{text}: {message}");
                self.shared.reply(Reply::NotListed {
                    ticket,
                    reason: message,
                });
                Ok(None)
            }
        }
    }

    fn list(&self, list: Ticket, query: &Parsed, schema: &RelationSchema) -> Result<Listed> {
        let all = 0..usize::MAX;
        let found = self
            .shared
            .searcher
            .search(query, Sort::Corpus, all, schema.n_relations())?;
        let relations = found.relations.iter().map(|t| RelationCounts {
            relation: t.relation,
            gold: t.gold,
            predicted: t.predicted,
            false_positives: t.false_positives,
            reviewed: t.reviewed,
        });
        Ok(Listed {
            list,
            relations: relations.collect(),
            rows: found.rows,
            queue: None,
            meant: Meant::of(query),
        })
    }

    fn open(&mut self, ticket: Ticket, id: SentenceId, query: &str) {
        match self.detail(ticket, id, query) {
            Ok(detail) => self.shared.reply(Reply::Detail(Box::new(detail))),
            Err(error) => {
                let reason = in_words(&error);
                tracing::error!("sentence {id}: {reason}");
                self.shared.reply(Reply::NotOpened { ticket, id, reason });
            }
        }
    }

    fn detail(&self, ticket: Ticket, id: SentenceId, query: &str) -> Result<Detail> {
        let rule = read(&self.shared.rule);
        let run = self.reader.current_run()?;
        let mut detail = viewed(&self.reader, &rule, run, id)?.detail(ticket, &rule);
        let schema = self.reader.schema()?;
        let asked = Asked::read(query);
        if let Some(ranked) = asked.kind.and_then(|k| self.shared.queues.latest(k)) {
            let decided = ranked.decided(&self.reader)?;
            ask(
                &ranked,
                &decided,
                &asked.relations(&schema),
                &mut detail,
                &rule,
            );
        } else if asked.curators.disputed {
            let disputes = Decisions::of(&self.reader.records(id)?).disputes();
            detail.hits = disputes.iter().map(|d| d.triple).collect();
        // A query that does not parse has shown no list to open a sentence from.
        } else if let Ok(query) = query::parse(&asked.rest, &schema) {
            detail.hits = hits(&query, &detail, &schema);
        }
        Ok(detail)
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
                                    // A word of several pieces is named once.
                                    let words = |at: &[usize]| {
                                        let again = |i: usize| i > 0 && at[i - 1] == at[i];
                                        let name = |i: usize| match again(i) {
                                            true => "″".to_owned(),
                                            false => sentence.token(at[i]).to_owned(),
                                        };
                                        (0..at.len()).map(name).collect()
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
        for kind in QueueKind::ALL {
            let ranked = self.shared.queues.latest(kind);
            let reason = ranked.map(|r| r.reason(id, triple));
            explanation.notes.extend(reason.unwrap_or_default());
        }
        self.duplicates(id, triple, &mut explanation)?;
        self.evidence(&sentence, triple, &schema, &mut explanation)?;
        self.shared.reply(Reply::Explanation(Box::new(explanation)));
        Ok(())
    }

    /// The group of a sentence that the list of duplicates asks about.
    fn duplicates(
        &self,
        id: SentenceId,
        triple: Triple,
        explanation: &mut Explanation,
    ) -> Result<()> {
        let ranked = self.shared.queues.latest(QueueKind::Duplicates);
        if ranked.is_none_or(|r| r.triples(id, &[]).is_empty()) {
            return Ok(());
        }
        if let Some(found) = read_duplicates(&self.shared.dir, &self.reader)? {
            let rule = read(&self.shared.rule);
            let (rows, beyond) = evidence(&self.reader, &rule, &found, (id, triple))?;
            explanation.duplicates = rows;
            if beyond > 0 {
                let note = format!("{beyond} more sentences say the same");
                explanation.notes.push(note);
            }
        }
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

/// A row as the list shows it; numbers of an earlier run than `run` are not shown.
fn list_row(row: Row, run: Option<RunId>) -> ListRow {
    let summary = row.summary.unwrap_or_default();
    let predicted = summary.run.is_some() && summary.run == run;
    let shown = |n: u16| if predicted { n } else { 0 };
    ListRow {
        id: row.id,
        snippet: row.snippet,
        state: match (summary.done, summary.touched) {
            (true, _) => ReviewState::Done,
            (_, true) => ReviewState::Started,
            _ => ReviewState::Todo,
        },
        n_gold: summary.n_gold,
        n_predicted: shown(summary.n_predicted),
        n_disagreements: shown(summary.n_disagreements),
        predicted,
        expected: None,
        question: None,
    }
}
