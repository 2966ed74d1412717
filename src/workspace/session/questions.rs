//! What a list asks about in its rows, by its queue or by its query, and a queue in an open sentence.

use super::query::Query;
use super::read;
use crate::domain::{
    Annotation, DecisionRule, RelationId, RelationSchema, Sentence, SentenceId, Triple, Verdict,
};
use crate::index::{Query as Parsed, is_about_triples};
use crate::store::Reader;
use crate::workspace::asking::{Decided, InQueue, Ranked};
use crate::workspace::messages::{Detail, Question, TripleRow};
use crate::workspace::{asked_for, viewed};
use anyhow::Result;
use std::collections::HashMap;

impl InQueue {
    /// What the list asks about in a sentence, the first of the order first; the same for as long as the list stands.
    pub fn asked(&self, id: SentenceId) -> Vec<Triple> {
        let open = |t: &Triple| !self.decided.contains_key(&(id, *t));
        self.ranked.questions(id, &self.relations, open)
    }

    /// The first of these, with what has become of it.
    pub fn question(&self, reader: &Reader, id: SentenceId) -> Result<Option<Question>> {
        let asked = self.asked(id);
        let Some(&triple) = asked.first() else {
            return Ok(None);
        };
        let (sentence, annotation) = annotated(reader, id)?;
        let verdict = annotation.find(triple).and_then(|t| t.verdict);
        let more = asked.len() - 1;
        Ok(Some(Question::of(&sentence, triple, verdict, more)))
    }
}

/// The triples that a list's query asks for, sentence by sentence.
pub(super) struct Meant {
    /// `None` where it says nothing of triples.
    query: Option<Parsed>,
    known: HashMap<SentenceId, Vec<Triple>>,
}

impl Meant {
    pub fn of(query: &Parsed) -> Self {
        Self {
            query: is_about_triples(query).then(|| query.clone()),
            known: HashMap::new(),
        }
    }

    pub fn names_triples(&self) -> bool {
        self.query.is_some()
    }

    pub fn knows(&self, id: SentenceId) -> bool {
        self.known.contains_key(&id)
    }
}

impl Query {
    /// The triples that a list without a queue asks for in a sentence, with their verdicts.
    pub(super) fn meant(
        &self,
        meant: &mut Meant,
        id: SentenceId,
        schema: &RelationSchema,
    ) -> Result<Vec<(Triple, Option<Verdict>)>> {
        let Some(query) = &meant.query else {
            return Ok(Vec::new());
        };
        if let Some(known) = meant.known.get(&id) {
            let (_, annotation) = annotated(self.reader(), id)?;
            let verdict = |t| annotation.find(t).and_then(|t| t.verdict);
            return Ok(known.iter().map(|t| (*t, verdict(*t))).collect());
        }
        let rule = read(&self.shared().rule);
        let run = self.reader().current_run()?;
        let detail = viewed(self.reader(), &rule, run, id)?.detail(0, &rule);
        let rows = asked_for(query, &detail, schema);
        let found: Vec<_> = rows.map(|r| (r.triple, r.verdict)).collect();
        let triples = found.iter().map(|(triple, _)| *triple).collect();
        meant.known.insert(id, triples);
        Ok(found)
    }

    /// What a row of such a list says.
    pub(super) fn question_of_query(
        &self,
        meant: &mut Meant,
        id: SentenceId,
        schema: &RelationSchema,
    ) -> Result<Option<Question>> {
        let asked = self.meant(meant, id, schema)?;
        let Some(&(triple, verdict)) = asked.first() else {
            return Ok(None);
        };
        let verdict = verdict.filter(|v| asked.iter().all(|(_, other)| *other == Some(*v)));
        let sentence = self.reader().sentence(id)?;
        Ok(Some(Question::of(
            &sentence,
            triple,
            verdict,
            asked.len() - 1,
        )))
    }
}

impl Question {
    fn of(sentence: &Sentence, triple: Triple, verdict: Option<Verdict>, more: usize) -> Self {
        let [head, tail] = [triple.head, triple.tail].map(|s| sentence.surface(s).to_owned());
        Self {
            triple,
            head,
            tail,
            verdict,
            more,
        }
    }
}

fn annotated(reader: &Reader, id: SentenceId) -> Result<(Sentence, Annotation)> {
    let sentence = reader.sentence(id)?;
    let folded = Annotation::fold(&sentence, &reader.corrections(id)?);
    Ok((sentence, folded.annotation))
}

/// Marks a sentence's candidates, those that nobody has judged first, and asks about these. One that is neither labelled nor predicted has
/// no row of its own yet and gets one.
pub(super) fn ask(
    ranked: &Ranked,
    decided: &Decided,
    relations: &[RelationId],
    detail: &mut Detail,
    rule: &DecisionRule,
) {
    let id = detail.sentence.id;
    let verdict = |t: &Triple| {
        let row = detail.rows.iter().find(|r| r.triple == *t);
        row.and_then(|r| r.verdict)
    };
    // A run may break what was judged long ago.
    let open = |t: &Triple| {
        let judged = !ranked.is_of_changes() && verdict(t).is_some();
        !judged && !decided.contains_key(&(id, *t))
    };
    let asked = ranked.questions(id, relations, open);
    let judged = ranked.triples(id, relations).into_iter();
    let judged = judged.filter(|t| !asked.contains(t) && verdict(t).is_some());
    let hits = asked.iter().copied().chain(judged).collect();
    detail.questions = asked.iter().map(|t| (*t, verdict(t))).collect();
    detail.hits = hits;
    for triple in asked {
        if detail.rows.iter().any(|r| r.triple == triple) {
            continue;
        }
        let mut scored = detail.prediction.iter().flat_map(|p| &p.triples);
        let scored = scored.find(|s| s.triple == triple);
        let scores = scored.map(|s| s.scores).unwrap_or_default();
        let row = TripleRow::unseen(triple, scores, rule.score(&scores));
        detail.rows.push(row);
    }
}
