//! Corrections and the pure fold that turns gold labels and corrections into what stands now.
//!
//! `Annotation = fold(gold, corrections)`. It is never stored as the truth: the append-only list of corrections is.
//! An undo is a correction too, so undo and redo survive a restart and the history is complete.

use super::{
    Entity, EntityTypeId, GoldSource, RelationId, RunId, Sentence, SentenceId, TokenSpan, Triple,
};
use std::collections::HashSet;

/// A curator's judgement of a triple. No verdict at all means "not looked at", which is never a negative.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Verdict {
    Accept,
    Reject,
    /// Masked in training.
    Unsure,
}

/// Why a label is wrong.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum ErrorTag {
    NotExpressed,
    KbIncomplete,
    WrongSpan,
    WrongType,
    Reversed,
    Duplicate,
    GuidelineGap,
}

/// One change that a curator asks for. Spans count tokens of the sentence.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Edit {
    /// Judge a gold or predicted triple; `None` takes the judgement back.
    Judge {
        triple: Triple,
        verdict: Option<Verdict>,
    },
    Add {
        triple: Triple,
    },
    /// An explicit negative; a triple that a curator had added disappears.
    Remove {
        triple: Triple,
    },
    /// The old triple becomes an explicit negative, the new one a positive.
    Relabel {
        triple: Triple,
        relation: RelationId,
    },
    /// As `Relabel`, with head and tail exchanged.
    Reverse {
        triple: Triple,
    },
    /// Moves an entity and every triple that uses it.
    MoveSpan {
        from: TokenSpan,
        to: TokenSpan,
    },
    SetType {
        span: TokenSpan,
        kind: Option<EntityTypeId>,
    },
    AddEntity {
        span: TokenSpan,
        kind: Option<EntityTypeId>,
    },
    RemoveEntity {
        span: TokenSpan,
    },
    /// Sets or clears a tag.
    Tag {
        triple: Triple,
        tag: ErrorTag,
        set: bool,
    },
    /// Replaces the sentence's note; empty clears it.
    Note {
        text: String,
    },
    Done {
        done: bool,
    },
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Change {
    Edit(Edit),
    /// Takes back the correction with this sequence number; undoing an undo is a redo.
    Undo(u64),
}

/// One entry of the append-only history.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Correction {
    /// Strictly rising within a workspace.
    pub seq: u64,
    /// Milliseconds since the Unix epoch.
    pub at_ms: i64,
    pub by: String,
    pub sentence: SentenceId,
    /// The model run that was on screen when the curator decided.
    pub seen: Option<RunId>,
    pub change: Change,
    /// Corrections of one bulk edit share a batch and are undone together.
    pub batch: Option<u64>,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Origin {
    Gold(GoldSource),
    /// A predicted triple that a curator judged.
    Model,
    /// Added, relabelled or reversed by a curator.
    Curator,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AnnotatedTriple {
    pub triple: Triple,
    pub origin: Origin,
    pub verdict: Option<Verdict>,
    pub tags: Vec<ErrorTag>,
}

impl AnnotatedTriple {
    /// A label that stands: accepted, or gold that nobody has judged.
    pub fn stands(&self) -> bool {
        match self.verdict {
            Some(verdict) => verdict == Verdict::Accept,
            None => matches!(self.origin, Origin::Gold(_)),
        }
    }
}

#[derive(thiserror::Error, Clone, Copy, PartialEq, Eq, Debug)]
pub enum EditError {
    #[error("span {}..{} is outside the sentence's {n_tokens} tokens", span.start(), span.end())]
    OutOfRange { span: TokenSpan, n_tokens: usize },
    #[error("head and tail are the same span")]
    SelfLoop,
    #[error("this triple is there already")]
    AlreadyThere,
    #[error("no such triple in this sentence")]
    NoSuchTriple,
    #[error("no entity at this span")]
    NoSuchEntity,
    #[error("there is an entity at this span already")]
    EntityThere,
    #[error("a relation still uses this entity; remove the relation first")]
    EntityInUse,
    #[error("this changes nothing")]
    NoChange,
}

/// What stands for one sentence, after all corrections.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Annotation {
    pub n_tokens: usize,
    pub entities: Vec<Entity>,
    pub triples: Vec<AnnotatedTriple>,
    pub note: String,
    pub done: bool,
}

/// An [`Annotation`] and the corrections that no longer apply (their ground was undone or relabelled).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Folded {
    pub annotation: Annotation,
    pub skipped: Vec<(u64, EditError)>,
}

impl Annotation {
    /// The corpus file's view: gold triples, nothing judged. Duplicate gold triples collapse.
    pub fn from_gold(sentence: &Sentence) -> Self {
        let mut seen = HashSet::new();
        let triples = sentence
            .gold
            .iter()
            .filter(|g| seen.insert(g.triple))
            .map(|g| AnnotatedTriple {
                triple: g.triple,
                origin: Origin::Gold(g.source),
                verdict: None,
                tags: Vec::new(),
            })
            .collect();
        Self {
            n_tokens: sentence.tokens.len(),
            entities: sentence.entities.clone(),
            triples,
            note: String::new(),
            done: false,
        }
    }

    /// Applies the corrections of this sentence, in `seq` order, to its gold labels.
    pub fn fold(sentence: &Sentence, corrections: &[Correction]) -> Folded {
        let undone = undone_seqs(corrections);
        let mut annotation = Self::from_gold(sentence);
        let mut skipped = Vec::new();
        for correction in corrections {
            let Change::Edit(edit) = &correction.change else {
                continue;
            };
            if undone.contains(&correction.seq) {
                continue;
            }
            match annotation.apply(edit) {
                Ok(next) => annotation = next,
                Err(error) => skipped.push((correction.seq, error)),
            }
        }
        Folded {
            annotation,
            skipped,
        }
    }

    /// The annotation after one edit; `self` is unchanged, so a refused edit changes nothing.
    pub fn apply(&self, edit: &Edit) -> Result<Self, EditError> {
        let mut next = self.clone();
        next.edit(edit)?;
        if next == *self {
            Err(EditError::NoChange)
        } else {
            Ok(next)
        }
    }

    pub fn find(&self, triple: Triple) -> Option<&AnnotatedTriple> {
        self.triples.iter().find(|t| t.triple == triple)
    }
    pub fn entity(&self, span: TokenSpan) -> Option<&Entity> {
        self.entities.iter().find(|e| e.span == span)
    }
    /// Labels that stand: accepted, or gold that nobody judged.
    pub fn standing(&self) -> impl Iterator<Item = &AnnotatedTriple> {
        self.triples.iter().filter(|t| t.stands())
    }
    pub fn with_verdict(&self, verdict: Verdict) -> impl Iterator<Item = &AnnotatedTriple> {
        self.triples
            .iter()
            .filter(move |t| t.verdict == Some(verdict))
    }

    fn edit(&mut self, edit: &Edit) -> Result<(), EditError> {
        match *edit {
            Edit::Judge { triple, verdict } => self.judge(triple, verdict),
            Edit::Add { triple } => self.add(triple),
            Edit::Remove { triple } => self.remove(triple),
            Edit::Relabel { triple, relation } => {
                self.replace(triple, Triple { relation, ..triple }, None)
            }
            Edit::Reverse { triple } => {
                self.replace(triple, triple.reversed(), Some(ErrorTag::Reversed))
            }
            Edit::MoveSpan { from, to } => self.move_span(from, to),
            Edit::SetType { span, kind } => {
                self.entity_mut(span)?.kind = kind;
                Ok(())
            }
            Edit::AddEntity { span, kind } => {
                self.in_range(span)?;
                if self.entity(span).is_some() {
                    return Err(EditError::EntityThere);
                }
                self.ensure_entity(span);
                self.entity_mut(span)?.kind = kind;
                Ok(())
            }
            Edit::RemoveEntity { span } => self.remove_entity(span),
            Edit::Tag { triple, tag, set } => {
                let tags = &mut self.entry(triple)?.tags;
                tags.retain(|t| *t != tag);
                if set {
                    tags.push(tag);
                    tags.sort();
                }
                Ok(())
            }
            Edit::Note { ref text } => {
                self.note.clone_from(text);
                Ok(())
            }
            Edit::Done { done } => {
                self.done = done;
                Ok(())
            }
        }
    }

    fn judge(&mut self, triple: Triple, verdict: Option<Verdict>) -> Result<(), EditError> {
        self.check(triple)?;
        if let Ok(entry) = self.entry(triple) {
            entry.verdict = verdict;
            // A predicted triple that is no longer judged is only a prediction again.
            self.triples
                .retain(|t| t.origin != Origin::Model || t.verdict.is_some());
        } else if verdict.is_some() {
            self.triples.push(AnnotatedTriple {
                triple,
                origin: Origin::Model,
                verdict,
                tags: Vec::new(),
            });
        }
        if verdict == Some(Verdict::Accept) {
            self.ensure_entity(triple.head);
            self.ensure_entity(triple.tail);
        }
        Ok(())
    }

    fn add(&mut self, triple: Triple) -> Result<(), EditError> {
        self.check(triple)?;
        match self.entry(triple) {
            Ok(entry) if entry.stands() => return Err(EditError::AlreadyThere),
            Ok(entry) => entry.verdict = Some(Verdict::Accept),
            Err(_) => self.triples.push(AnnotatedTriple {
                triple,
                origin: Origin::Curator,
                verdict: Some(Verdict::Accept),
                tags: Vec::new(),
            }),
        }
        self.ensure_entity(triple.head);
        self.ensure_entity(triple.tail);
        Ok(())
    }

    fn remove(&mut self, triple: Triple) -> Result<(), EditError> {
        let entry = self.entry(triple)?;
        if entry.origin == Origin::Curator {
            self.triples.retain(|t| t.triple != triple);
        } else {
            entry.verdict = Some(Verdict::Reject);
        }
        Ok(())
    }

    /// Rejects `old` (or drops it, if a curator had added it) and adds `new`. A predicted triple that is not in the
    /// annotation may be replaced too: the curator corrects what the model said.
    fn replace(
        &mut self,
        old: Triple,
        new: Triple,
        tag: Option<ErrorTag>,
    ) -> Result<(), EditError> {
        if old == new {
            return Err(EditError::NoChange);
        }
        if self.entry(old).is_err() {
            self.judge(old, Some(Verdict::Reject))?;
        }
        self.remove(old)?;
        if let (Some(tag), Ok(entry)) = (tag, self.entry(old)) {
            entry.tags.retain(|t| *t != tag);
            entry.tags.push(tag);
            entry.tags.sort();
        }
        match self.add(new) {
            // The right label was there already; rejecting the wrong one was the whole change.
            Err(EditError::AlreadyThere) => Ok(()),
            other => other,
        }
    }

    fn move_span(&mut self, from: TokenSpan, to: TokenSpan) -> Result<(), EditError> {
        self.in_range(to)?;
        if self.entity(to).is_some() {
            return Err(EditError::EntityThere);
        }
        self.entity_mut(from)?.span = to;
        let moved = |span: TokenSpan| if span == from { to } else { span };
        for entry in &mut self.triples {
            entry.triple.head = moved(entry.triple.head);
            entry.triple.tail = moved(entry.triple.tail);
        }
        // A judged prediction may already have had the new span: one entry a triple, and what stands wins.
        let mut seen = HashSet::new();
        if !self.triples.iter().all(|t| seen.insert(t.triple)) {
            seen.clear();
            self.triples.sort_by_key(|t| !t.stands());
            self.triples.retain(|t| seen.insert(t.triple));
        }
        Ok(())
    }

    fn remove_entity(&mut self, span: TokenSpan) -> Result<(), EditError> {
        self.entity_mut(span)?;
        if self
            .standing()
            .any(|t| t.triple.head == span || t.triple.tail == span)
        {
            return Err(EditError::EntityInUse);
        }
        self.entities.retain(|e| e.span != span);
        Ok(())
    }

    fn check(&self, triple: Triple) -> Result<(), EditError> {
        self.in_range(triple.head)?;
        self.in_range(triple.tail)?;
        // Self-loops exist in imported gold ("Bacon ingredient Bacon") and may be judged; a curator cannot add one.
        if triple.head == triple.tail && self.find(triple).is_none() {
            return Err(EditError::SelfLoop);
        }
        Ok(())
    }

    fn in_range(&self, span: TokenSpan) -> Result<(), EditError> {
        if span.end() <= self.n_tokens {
            Ok(())
        } else {
            Err(EditError::OutOfRange {
                span,
                n_tokens: self.n_tokens,
            })
        }
    }

    fn entry(&mut self, triple: Triple) -> Result<&mut AnnotatedTriple, EditError> {
        self.triples
            .iter_mut()
            .find(|t| t.triple == triple)
            .ok_or(EditError::NoSuchTriple)
    }

    fn entity_mut(&mut self, span: TokenSpan) -> Result<&mut Entity, EditError> {
        self.entities
            .iter_mut()
            .find(|e| e.span == span)
            .ok_or(EditError::NoSuchEntity)
    }

    fn ensure_entity(&mut self, span: TokenSpan) {
        if self.entity(span).is_none() {
            let at = self.entities.partition_point(|e| e.span < span);
            self.entities.insert(
                at,
                Entity {
                    span,
                    kind: None,
                    link: None,
                },
            );
        }
    }
}

/// Sequence numbers that a live undo takes back. Later corrections decide about earlier ones, so one pass from the end is enough.
pub fn undone_seqs(corrections: &[Correction]) -> HashSet<u64> {
    let mut undone = HashSet::new();
    for correction in corrections.iter().rev() {
        if let Change::Undo(target) = correction.change
            && !undone.contains(&correction.seq)
        {
            undone.insert(target);
        }
    }
    undone
}

macro_rules! named {
    ($kind:ident { $($variant:ident = $name:literal),+ $(,)? }) => {
        impl $kind {
            pub const ALL: &'static [$kind] = &[$($kind::$variant),+];
            /// Stable name on disk and on the screen.
            pub fn name(self) -> &'static str {
                match self { $($kind::$variant => $name),+ }
            }
            pub fn from_name(name: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|v| v.name() == name)
            }
        }
    };
}
named!(Verdict { Accept = "accept", Reject = "reject", Unsure = "unsure" });
named!(ErrorTag {
    NotExpressed = "not_expressed",
    KbIncomplete = "kb_incomplete",
    WrongSpan = "wrong_span",
    WrongType = "wrong_type",
    Reversed = "reversed",
    Duplicate = "duplicate",
    GuidelineGap = "guideline_gap",
});

#[cfg(test)]
#[path = "annotation_tests.rs"]
mod tests;
