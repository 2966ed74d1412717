//! What a queue asks about: in a row of its list, and in an open sentence.

use super::query::InQueue;
use super::queue::{Decided, Ranked};
use crate::domain::{Annotation, DecisionRule, RelationId, SentenceId, Triple};
use crate::store::Reader;
use crate::workspace::messages::{Detail, Question, TripleRow};
use anyhow::Result;

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
        let sentence = reader.sentence(id)?;
        let folded = Annotation::fold(&sentence, &reader.corrections(id)?);
        let [head, tail] = [triple.head, triple.tail].map(|s| sentence.surface(s).to_owned());
        Ok(Some(Question {
            triple,
            head,
            tail,
            verdict: folded.annotation.find(triple).and_then(|t| t.verdict),
            more: asked.len() - 1,
        }))
    }
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
