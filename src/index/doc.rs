//! What the index knows of one sentence, and the exact terms that queries look for.

use super::pattern::Between;
use crate::domain::{
    EntityTypeId, ErrorTag, Outcome, RelationId, RelationSchema, SentenceId, SentenceIdx, Split,
    Verdict,
};
use std::collections::BTreeSet;

/// How far the review of a sentence has come.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum State {
    Todo,
    /// Something judged or edited, not marked done.
    Started,
    Done,
}

impl State {
    pub fn name(self) -> &'static str {
        match self {
            State::Todo => "todo",
            State::Started => "started",
            State::Done => "done",
        }
    }
}

/// A sentence as it is searched: its text, the labels that stand, what the current run says, the review so far.
#[derive(Clone, PartialEq, Debug)]
pub struct Doc {
    pub idx: SentenceIdx,
    pub id: SentenceId,
    pub split: Split,
    pub file: String,
    pub text: String,
    pub n_tokens: usize,
    /// Most words between head and tail of a label that stands; `None` without labels.
    pub distance: Option<usize>,
    /// Overlap classes of the labels that stand.
    pub overlap: Vec<&'static str>,
    /// Heads and tails of the labels that stand are linked to the knowledge base: `all`, `some` or `no`; `None` without labels.
    pub linked: Option<&'static str>,
    /// Types of its entities; repeats do no harm.
    pub types: Vec<EntityTypeId>,
    /// The current run has predicted this sentence, whatever it found.
    pub predicted: bool,
    /// One for each triple of annotation or prediction, each triple once.
    pub triples: Vec<DocTriple>,
    pub state: State,
    pub note: String,
}

#[derive(Clone, PartialEq, Debug)]
pub struct DocTriple {
    pub relation: RelationId,
    /// Surface text of the arguments.
    pub head: String,
    pub tail: String,
    /// What makes two mentions the same entity: its link, else its lower-cased name.
    pub head_entity: String,
    pub tail_entity: String,
    /// The words between the two.
    pub between: Option<Between>,
    /// The label stands.
    pub gold: bool,
    /// The current run's decision.
    pub predicted: bool,
    /// Sentence-level score of the current run, in 0..=1.
    pub score: Option<f32>,
    pub outcome: Option<Outcome>,
    /// Gold and predicted relation, where the same pair has another relation on the other side.
    pub confused: Option<(RelationId, RelationId)>,
    pub verdict: Option<Verdict>,
    pub tags: Vec<ErrorTag>,
}

impl DocTriple {
    /// Predicted, and no such label stands.
    pub fn false_positive(&self) -> bool {
        self.predicted && !self.gold
    }
    /// A label stands that the run, which has seen the sentence, did not predict.
    pub fn false_negative(&self, predicted: bool) -> bool {
        predicted && self.gold && !self.predicted
    }
}

/// Query word for a verdict: the state it leaves the triple in.
pub(super) fn verdict_name(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Accept => "accepted",
        Verdict::Reject => "rejected",
        Verdict::Unsure => "unsure",
    }
}

/// Name of a gold relation taken for another one; both are full names.
pub(super) fn confusion_name(gold: &str, predicted: &str) -> String {
    format!("{gold}>{predicted}")
}

/// Fields of a head's and a tail's entity.
pub(super) const HEAD_IS: &str = "head-is";
pub(super) const TAIL_IS: &str = "tail-is";

/// The exact term of a field and a name. `=` keeps names apart from the words `any`, `none`, `unknown`, which get `:`.
pub(super) fn named(field: &str, name: &str) -> String {
    format!("{field}={name}")
}
pub(super) fn special(field: &str, word: &str) -> String {
    format!("{field}:{word}")
}

/// The exact terms of which a name in a query means any: a link is found as it is written, a name in any case.
pub(super) fn terms_for(field: &str, name: &str) -> Vec<String> {
    let lower = name.to_lowercase();
    if [HEAD_IS, TAIL_IS].contains(&field) && lower != name {
        return vec![named(field, name), named(field, &lower)];
    }
    vec![named(field, name)]
}

/// Every exact term of a sentence; `query` looks for one of these.
pub(super) fn keys(doc: &Doc, schema: &RelationSchema) -> BTreeSet<String> {
    let mut keys = Keys::default();
    keys.name("split", doc.split.name());
    keys.name("state", doc.state.name());
    keys.name("file", &doc.file);
    for kind in &doc.types {
        keys.name("type", schema.type_name(*kind));
    }
    for class in &doc.overlap {
        keys.name("overlap", class);
    }
    if let Some(linked) = doc.linked {
        keys.name("linked", linked);
    }
    for triple in &doc.triples {
        keys.triple(triple, doc.predicted, schema);
    }
    if !doc.note.trim().is_empty() {
        keys.special("note", "any");
    }
    for field in ["gold", "type", "verdict", "tag", "note"] {
        keys.none_unless_any(field);
    }
    if doc.predicted {
        keys.none_unless_any("pred");
    } else {
        keys.special("pred", "unknown");
        keys.special("outcome", "unknown");
    }
    keys.0
}

/// What one triple contributes to the [`keys`] of its sentence; `predicted`: the current run has seen the sentence.
pub(super) fn triple_keys(
    triple: &DocTriple,
    predicted: bool,
    schema: &RelationSchema,
) -> BTreeSet<String> {
    let mut keys = Keys::default();
    keys.triple(triple, predicted, schema);
    keys.0
}

#[derive(Default)]
struct Keys(BTreeSet<String>);

impl Keys {
    fn triple(&mut self, triple: &DocTriple, predicted: bool, schema: &RelationSchema) {
        let relation = schema.name(triple.relation);
        if triple.gold {
            self.name("gold", relation);
            self.name("rel", relation);
        }
        if triple.predicted {
            self.name("pred", relation);
            self.name("rel", relation);
        }
        if triple.gold || triple.predicted {
            self.0.insert(named(HEAD_IS, &triple.head_entity));
            self.0.insert(named(TAIL_IS, &triple.tail_entity));
            if let Some(between) = &triple.between {
                self.name(between.field(), &between.words);
            }
        }
        let mut outcome = |name: &str| {
            self.name(name, relation);
            self.name("outcome", name);
        };
        if triple.false_positive() {
            outcome("fp");
        }
        if triple.false_negative(predicted) {
            outcome("fn");
        }
        if let Some(fared) = triple.outcome {
            outcome(fared.name());
        }
        if let Some((gold, predicted)) = triple.confused {
            let pair = confusion_name(schema.name(gold), schema.name(predicted));
            self.name("confused", &pair);
        }
        if let Some(verdict) = triple.verdict {
            self.name(verdict_name(verdict), relation);
            self.name("verdict", verdict_name(verdict));
        }
        for tag in &triple.tags {
            self.name("tag", tag.name());
        }
    }

    fn name(&mut self, field: &str, name: &str) {
        self.0.insert(named(field, name));
        self.special(field, "any");
    }
    fn special(&mut self, field: &str, word: &str) {
        self.0.insert(special(field, word));
    }
    fn none_unless_any(&mut self, field: &str) {
        if !self.0.contains(&special(field, "any")) {
            self.special(field, "none");
        }
    }
}
