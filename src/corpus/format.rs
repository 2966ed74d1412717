//! The formats, how one is told by its first record, and what their readers share.
//!
//! One file per format: one wire type and one conversion to a [`Draft`]. The reader turns a draft into a sentence.

pub mod casrel;
pub mod mentions;
pub mod redress;
pub mod restore;
pub mod semeval;
pub mod spert;
mod wire;

pub use wire::{Bounded, NativeId, field_names};

use super::locate::{Locator, Match};
use super::problem::{Problem, ProblemKind, excerpt};
use super::summary::Summary;
use crate::domain::{
    ByteSpan, Edit, Entity, EntityTypeId, GoldSource, GoldTriple, RelationId, RelationSchema,
    SentenceId, Split, TokenSpan, Triple,
};
use serde::Deserialize;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

/// A corpus file format.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Format {
    /// `{"text", "triple_list": [[subject, relation, object]]}`, whole-span or last-word.
    CasRel,
    /// CopyRE / NYT: `{"sentText", "entityMentions", "relationMentions"}`.
    Mentions,
    /// `{"tokens", "entities": [{type, start, end}], "relations": [{type, head, tail}]}`; BILOU `tags` for entities.
    Spert,
    /// SemEval-2010 Task 8: a numbered sentence with `<e1>` and `<e2>`, its label, a comment, a blank line.
    SemEval,
    /// The program's own export.
    Redress,
}

impl Format {
    pub const ALL: [Format; 5] = [
        Format::CasRel,
        Format::Mentions,
        Format::Spert,
        Format::SemEval,
        Format::Redress,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Format::CasRel => "casrel",
            Format::Mentions => "mentions",
            Format::Spert => "spert",
            Format::SemEval => "semeval",
            Format::Redress => "redress",
        }
    }
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|f| f.name() == name)
    }

    /// By the field names of a record.
    pub(super) fn detect(fields: &[String]) -> Option<Self> {
        let has = |name: &str| fields.iter().any(|f| f == name);
        if has("schema") && has("text") && has("tokens") {
            Some(Format::Redress)
        } else if has("sentText") {
            Some(Format::Mentions)
        } else if has("text") && (has("triple_list") || has("triple_list_gold")) {
            Some(Format::CasRel)
        } else if has("tokens") && (has("entities") || has("tags")) {
            Some(Format::Spert)
        } else {
            None
        }
    }

    pub(super) fn read(self, json: &str, context: &mut Context<'_>) -> Option<Draft> {
        match self {
            Format::CasRel => casrel::read(json, context),
            Format::Mentions => mentions::read(json, context),
            Format::Spert => spert::read(json, context),
            Format::SemEval => semeval::read(json, context),
            Format::Redress => redress::read(json, context),
        }
    }

    /// Fields that the reader uses, or that say nothing of the annotation.
    pub(super) fn known_fields(self) -> &'static [&'static str] {
        match self {
            Format::CasRel => casrel::FIELDS,
            Format::Mentions => mentions::FIELDS,
            Format::Spert => spert::FIELDS,
            Format::SemEval => &[],
            Format::Redress => redress::FIELDS,
        }
    }
}

/// What to do about a file whose first record has these fields.
pub fn hint_for(fields: &[String]) -> &'static str {
    let has = |name: &str| fields.iter().any(|f| f == name);
    if has("h") && has("t") {
        "it looks like OpenNRE, which has no reader yet"
    } else if has("vertexSet") {
        "it looks like DocRED, which has no reader yet"
    } else if has("subj_start") {
        "it looks like TACRED, which has no reader yet"
    } else if has("spans") {
        "it looks like Prodigy, which has no reader yet"
    } else if has("data") && (has("annotations") || has("predictions")) {
        "it looks like Label Studio, which has no reader yet"
    } else if has("text") && has("entities") {
        "it looks like doccano, which has no reader yet"
    } else if has("0") {
        "it looks like a list of relation names; import the sentences"
    } else if has("text") {
        "it looks like plain sentences; predict on them with `redress predict`"
    } else {
        "see docs/formats.md, or name one with --format"
    }
}

/// Where a record stands.
#[derive(Clone, Debug)]
pub struct Place {
    pub file: Arc<str>,
    pub line: u32,
    pub record: u32,
    /// What [`crate::domain::Sentence::line`] says: the record number in an array, else the line.
    pub sentence_line: u32,
}

/// What a format's reader may touch besides the record.
pub struct Context<'a> {
    pub place: Place,
    pub schema: &'a mut RelationSchema,
    pub summary: &'a mut Summary,
    pub problems: Vec<Problem>,
}

/// A record on its way to a [`crate::domain::Sentence`].
#[derive(Default)]
pub struct Draft {
    pub id: Option<SentenceId>,
    pub native_id: Option<String>,
    pub split: Option<Split>,
    pub text: String,
    pub tokens: Vec<ByteSpan>,
    pub entities: Vec<Entity>,
    pub gold: Vec<GoldTriple>,
    pub edits: Vec<Edit>,
}

impl Context<'_> {
    pub fn problem(
        &mut self,
        kind: ProblemKind,
        expected: impl Into<String>,
        found: impl Into<String>,
    ) {
        self.problems.push(Problem {
            file: self.place.file.clone(),
            line: self.place.line,
            record: self.place.record,
            kind,
            expected: expected.into(),
            found: found.into(),
        });
    }

    /// The record as `T`, or a problem that names the place inside it.
    pub fn parse<'de, T: Deserialize<'de>>(&mut self, json: &'de str) -> Option<T> {
        match serde_json::from_str(json) {
            Ok(value) => Some(value),
            Err(error) => {
                self.json_problem(&error);
                None
            }
        }
    }

    pub fn json_problem(&mut self, error: &serde_json::Error) {
        let message = error.to_string();
        let message = message
            .rsplit_once(" at line ")
            .map_or(message.as_str(), |(before, _)| before);
        let (found, expected) = match message.rsplit_once(", expected ") {
            Some((found, expected)) => (found, expected),
            None if message.contains(" field `") => (message, "a record of this format"),
            None => ("another shape", message),
        };
        let kind = if error.is_data() {
            ProblemKind::WrongShape
        } else {
            ProblemKind::BadJson
        };
        let (found, expected) = if error.is_data() {
            (found, expected)
        } else {
            (message, "JSON")
        };
        let extra_lines = u32::try_from(error.line().saturating_sub(1)).unwrap_or(0);
        let found = format!("{} at column {}", excerpt(found), error.column());
        let line = self.place.line;
        self.place.line = line.saturating_add(extra_lines);
        self.problem(kind, excerpt(expected), found);
        self.place.line = line;
    }

    /// The relation's id, or a problem when the name is empty or there are too many.
    pub fn relation(&mut self, name: &str) -> Option<RelationId> {
        if name.trim().is_empty() {
            self.problem(ProblemKind::WrongShape, "a relation name", "an empty one");
            return None;
        }
        match self.schema.intern_relation(name) {
            Ok(id) => Some(id),
            Err(error) => {
                self.problem(
                    ProblemKind::SchemaFull,
                    "at most 65,535 relations",
                    error.to_string(),
                );
                None
            }
        }
    }

    pub fn entity_type(&mut self, name: &str) -> Option<EntityTypeId> {
        if name.is_empty() {
            return None;
        }
        match self.schema.intern_type(name) {
            Ok(id) => Some(id),
            Err(error) => {
                self.problem(
                    ProblemKind::SchemaFull,
                    "at most 65,535 entity types",
                    error.to_string(),
                );
                None
            }
        }
    }

    /// The one place of a mention that has no offset: the first. Says so when there are others, when the text differs
    /// in accents or case, and when there is none.
    pub fn locate(&mut self, locator: &mut Locator<'_>, mention: &str) -> Option<TokenSpan> {
        let (first_time, places) = locator.find(mention);
        if first_time {
            let quoted = format!("\"{}\"", excerpt(mention));
            match &places {
                None => self.problem(
                    ProblemKind::MentionMissing,
                    "a mention that the text holds as whole tokens",
                    quoted,
                ),
                Some(places) => {
                    if places.how != Match::Exact {
                        self.problem(
                            ProblemKind::NormalisedMention,
                            "the text's own spelling",
                            quoted.clone(),
                        );
                    }
                    if places.count > 1 {
                        let found = format!("{quoted} {} times", places.count);
                        self.problem(
                            ProblemKind::AmbiguousMention,
                            "a mention that occurs once",
                            found,
                        );
                    }
                }
            }
        }
        places?.spans.first().copied()
    }

    /// Whether the record is small enough to be a sentence.
    pub fn within_limits(&mut self, n_tokens: usize, n_entities: usize, n_triples: usize) -> bool {
        if n_tokens == 0 {
            self.problem(ProblemKind::EmptyText, "at least one word", "none");
            return false;
        }
        let limits = [
            (n_tokens, super::MAX_TOKENS, "tokens"),
            (n_entities, 2 * super::MAX_TRIPLES, "entities"),
            (n_triples, super::MAX_TRIPLES, "relations"),
        ];
        for (n, most, what) in limits {
            if n > most {
                self.problem(
                    ProblemKind::SentenceTooLong,
                    format!("at most {most} {what}"),
                    format!("{n}"),
                );
                return false;
            }
        }
        true
    }
}

/// Entities of one sentence, one a span; the first kind given stays.
#[derive(Default)]
pub struct EntityList {
    entities: Vec<Entity>,
    at: HashMap<TokenSpan, usize>,
}

impl EntityList {
    /// Adds the entity or fills in its missing kind. A second kind for the same span is a problem.
    pub fn add(&mut self, span: TokenSpan, kind: Option<EntityTypeId>, context: &mut Context<'_>) {
        let Some(&at) = self.at.get(&span) else {
            self.at.insert(span, self.entities.len());
            self.entities.push(Entity {
                span,
                kind,
                link: None,
            });
            return;
        };
        let Some(entity) = self.entities.get_mut(at) else {
            return;
        };
        match (entity.kind, kind) {
            (None, _) => entity.kind = kind,
            (Some(old), Some(new)) if old != new => {
                let old = excerpt(context.schema.type_name(old));
                let new = excerpt(context.schema.type_name(new));
                let place = format!("one type for tokens {}..{}", span.start(), span.end());
                context.problem(
                    ProblemKind::EntityConflict,
                    place,
                    format!("{old} and {new}"),
                );
            }
            _ => {}
        }
    }

    /// In order of their place.
    pub fn sorted(mut self) -> Vec<Entity> {
        self.entities.sort_by_key(|e| e.span);
        self.entities
    }
}

/// Relations of one sentence, each once.
#[derive(Default)]
pub struct TripleList {
    gold: Vec<GoldTriple>,
    seen: HashSet<Triple>,
}

impl TripleList {
    pub fn add(&mut self, triple: Triple, context: &mut Context<'_>) {
        if self.seen.insert(triple) {
            self.gold.push(GoldTriple {
                triple,
                source: GoldSource::Imported,
                line: context.place.sentence_line,
            });
        } else {
            context.summary.duplicate_triples += 1;
        }
    }

    pub fn into_gold(self) -> Vec<GoldTriple> {
        self.gold
    }
}

/// Words between white space.
pub fn whitespace_tokens(text: &str) -> Vec<ByteSpan> {
    let mut tokens = Vec::with_capacity(text.len() / 5);
    let mut start = None;
    for (at, c) in text.char_indices() {
        if c.is_whitespace() {
            tokens.extend(start.take().and_then(|from| ByteSpan::new(from, at)));
        } else if start.is_none() {
            start = Some(at);
        }
    }
    tokens.extend(start.and_then(|from| ByteSpan::new(from, text.len())));
    tokens
}

/// The tokens joined by single spaces, and where each stands. `None` if a token is empty.
pub fn joined_tokens(words: &[String]) -> Option<(String, Vec<ByteSpan>)> {
    let mut text = String::with_capacity(words.iter().map(|w| w.len() + 1).sum());
    let mut tokens = Vec::with_capacity(words.len());
    for word in words {
        if !text.is_empty() {
            text.push(' ');
        }
        let start = text.len();
        text.push_str(word);
        tokens.push(ByteSpan::new(start, text.len())?);
    }
    Some((text, tokens))
}
