//! The program's own export: one sentence a line, with every decision. docs/formats.md gives the fields.
//!
//! Labels of the corpus become gold again; what a curator decided becomes edits on top of them, so that a new
//! workspace holds the same annotation.

use super::super::problem::{ProblemKind, excerpt};
use super::restore::edits_towards;
use super::{Context, Draft};
use crate::domain::{
    AnnotatedTriple, Annotation, ByteSpan, Entity, ErrorTag, GoldSource, GoldTriple, Origin,
    Sentence, Split, TokenSpan, Triple, Verdict,
};
use serde::Deserialize;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

pub const FIELDS: &[&str] = &[
    "schema",
    "view",
    "id",
    "native_id",
    "split",
    "text",
    "tokens",
    "entities",
    "relations",
    "note",
    "done",
    "provenance",
];

/// Written in every line; a reader refuses a higher number.
pub const SCHEMA_PREFIX: &str = "redress/";
pub const SCHEMA_VERSION: u32 = 1;

#[derive(Deserialize)]
struct Wire {
    schema: String,
    id: Option<String>,
    native_id: Option<String>,
    split: Option<String>,
    text: String,
    tokens: Vec<String>,
    #[serde(default)]
    entities: Vec<WireEntity>,
    #[serde(default)]
    relations: Vec<WireRelation>,
    #[serde(default)]
    note: String,
    #[serde(default)]
    done: bool,
}

#[derive(Deserialize)]
struct WireEntity {
    id: u32,
    start: usize,
    end: usize,
    #[serde(rename = "type")]
    kind: Option<String>,
    link: Option<String>,
    /// Not an entity of the sentence; only there so that a relation can name the span.
    #[serde(default)]
    argument_only: bool,
}

#[derive(Deserialize)]
struct WireRelation {
    head: u32,
    tail: u32,
    #[serde(rename = "type")]
    name: String,
    decision: String,
    origin: Option<String>,
    #[serde(default)]
    tags: Vec<String>,
}

pub fn read(json: &str, context: &mut Context<'_>) -> Option<Draft> {
    let wire: Wire = context.parse(json)?;
    known_version(&wire.schema, context)?;
    if !context.within_limits(
        wire.tokens.len(),
        wire.entities.len() / 2,
        wire.relations.len(),
    ) {
        return None;
    }
    let Some(tokens) = align(&wire.text, &wire.tokens) else {
        context.problem(
            ProblemKind::TokensMisaligned,
            "tokens that spell the text with nothing but white space between",
            format!("\"{}\"", excerpt(&wire.text)),
        );
        return None;
    };
    let mut wanted = Annotation {
        n_tokens: tokens.len(),
        note: wire.note,
        done: wire.done,
        ..Annotation::default()
    };
    let spans = read_entities(wire.entities, &mut wanted, context);
    read_relations(wire.relations, &spans, &mut wanted, context);
    let id = wire.id.and_then(|id| match id.parse() {
        Ok(id) => Some(id),
        Err(_) => {
            context.problem(
                ProblemKind::WrongShape,
                "an id of 16 hex digits",
                excerpt(&id),
            );
            None
        }
    });
    let split = wire.split.and_then(|name| {
        let split = Split::from_name(&name);
        if split.is_none() {
            context.problem(
                ProblemKind::UnknownWord,
                "split train, dev or test",
                excerpt(&name),
            );
        }
        split
    });
    let mut draft = Draft {
        id,
        native_id: wire.native_id,
        split,
        text: wire.text,
        tokens,
        ..Draft::default()
    };
    base(&wanted, context.place.sentence_line, &mut draft);
    let (edits, complete) = edits_towards(&as_sentence(&draft), &wanted);
    draft.edits = edits;
    if !complete {
        context.problem(
            ProblemKind::NotRestored,
            "decisions that can be taken one after another",
            "some that cannot, such as an added relation of an entity with itself",
        );
    }
    Some(draft)
}

fn known_version(schema: &str, context: &mut Context<'_>) -> Option<()> {
    match schema
        .strip_prefix(SCHEMA_PREFIX)
        .and_then(|n| n.parse::<u32>().ok())
    {
        Some(version) if version <= SCHEMA_VERSION => Some(()),
        Some(version) => {
            let expected = format!("version {SCHEMA_VERSION} or older");
            context.problem(ProblemKind::NewerVersion, expected, version.to_string());
            None
        }
        None => {
            context.problem(
                ProblemKind::UnknownWord,
                "schema redress/1",
                excerpt(schema),
            );
            None
        }
    }
}

/// Places of `words` in `text`, in order, with nothing but white space around; `None` if they do not fit.
fn align(text: &str, words: &[String]) -> Option<Vec<ByteSpan>> {
    let mut at = 0;
    let mut tokens = Vec::with_capacity(words.len());
    for word in words {
        loop {
            let rest = text.get(at..)?;
            if rest.starts_with(word.as_str()) {
                break;
            }
            at += rest
                .chars()
                .next()
                .filter(|c| c.is_whitespace())?
                .len_utf8();
        }
        tokens.push(ByteSpan::new(at, at + word.len())?);
        at += word.len();
    }
    text.get(at..)?.trim().is_empty().then_some(tokens)
}

fn read_entities(
    listed: Vec<WireEntity>,
    wanted: &mut Annotation,
    context: &mut Context<'_>,
) -> HashMap<u32, TokenSpan> {
    let mut spans = HashMap::new();
    let mut seen = HashSet::new();
    for entity in listed {
        let span = TokenSpan::new(entity.start, entity.end).filter(|s| s.end() <= wanted.n_tokens);
        let Some(span) = span else {
            let expected = format!("entity {} inside the {} tokens", entity.id, wanted.n_tokens);
            context.problem(
                ProblemKind::SpanOutOfRange,
                expected,
                format!("{}..{}", entity.start, entity.end),
            );
            continue;
        };
        spans.insert(entity.id, span);
        if entity.argument_only {
            continue;
        }
        if !seen.insert(span) {
            context.summary.duplicate_entities += 1;
            continue;
        }
        wanted.entities.push(Entity {
            span,
            kind: context.entity_type(entity.kind.as_deref().unwrap_or_default()),
            link: entity.link.map(Arc::from),
        });
    }
    spans
}

fn read_relations(
    listed: Vec<WireRelation>,
    spans: &HashMap<u32, TokenSpan>,
    wanted: &mut Annotation,
    context: &mut Context<'_>,
) {
    let mut seen = HashSet::new();
    for relation in listed {
        let (Some(&head), Some(&tail)) = (spans.get(&relation.head), spans.get(&relation.tail))
        else {
            let found = format!(
                "{} of {} and {}",
                excerpt(&relation.name),
                relation.head,
                relation.tail
            );
            context.problem(ProblemKind::NoSuchEntity, "ids of listed entities", found);
            continue;
        };
        let Some(verdict) = verdict(&relation.decision) else {
            let expected = "decision accepted, rejected, unsure or unjudged";
            context.problem(
                ProblemKind::UnknownWord,
                expected,
                excerpt(&relation.decision),
            );
            continue;
        };
        let Some(origin) = origin(relation.origin.as_deref(), verdict, head == tail) else {
            let found = excerpt(relation.origin.as_deref().unwrap_or_default());
            context.problem(
                ProblemKind::UnknownWord,
                "origin gold, human, kb, model or curator",
                found,
            );
            continue;
        };
        if origin == Origin::Model && verdict.is_none() {
            context.summary.unjudged_predictions += 1;
            continue;
        }
        let tags = read_tags(&relation.tags, context);
        let Some(name) = context.relation(&relation.name) else {
            continue;
        };
        let triple = Triple {
            head,
            relation: name,
            tail,
        };
        if !seen.insert(triple) {
            context.summary.duplicate_triples += 1;
            continue;
        }
        wanted.triples.push(AnnotatedTriple {
            triple,
            origin,
            verdict,
            tags,
        });
    }
}

fn read_tags(names: &[String], context: &mut Context<'_>) -> Vec<ErrorTag> {
    let mut tags = Vec::new();
    for name in names {
        match ErrorTag::from_name(name) {
            Some(tag) => tags.push(tag),
            None => {
                let expected = ErrorTag::ALL
                    .iter()
                    .map(|t| t.name())
                    .collect::<Vec<_>>()
                    .join(", ");
                context.problem(
                    ProblemKind::UnknownWord,
                    format!("a tag of {expected}"),
                    excerpt(name),
                );
            }
        }
    }
    tags.sort();
    tags.dedup();
    tags
}

/// Outer `None`: no such word.
fn verdict(decision: &str) -> Option<Option<Verdict>> {
    match decision {
        "accepted" => Some(Some(Verdict::Accept)),
        "rejected" => Some(Some(Verdict::Reject)),
        "unsure" => Some(Some(Verdict::Unsure)),
        "unjudged" => Some(None),
        _ => None,
    }
}

/// A training view has no origins: what stands is gold there, the rest a judged candidate.
fn origin(word: Option<&str>, verdict: Option<Verdict>, self_loop: bool) -> Option<Origin> {
    match (word, verdict) {
        (Some("gold"), _) => Some(Origin::Gold(GoldSource::Imported)),
        (Some("human"), _) => Some(Origin::Gold(GoldSource::Human)),
        (Some("kb"), _) => Some(Origin::Gold(GoldSource::Distant)),
        (Some("model"), _) => Some(Origin::Model),
        (Some("curator"), _) => Some(Origin::Curator),
        (Some(_), _) => None,
        (None, Some(Verdict::Accept)) => Some(Origin::Gold(GoldSource::Human)),
        (None, Some(_)) if !self_loop => Some(Origin::Model),
        (None, _) => Some(Origin::Gold(GoldSource::Imported)),
    }
}

/// Fills in the sentence below the decisions: gold labels, and every entity that they or the annotation need.
fn base(wanted: &Annotation, line: u32, draft: &mut Draft) {
    draft.entities = wanted.entities.clone();
    let mut known: HashSet<TokenSpan> = draft.entities.iter().map(|e| e.span).collect();
    for triple in &wanted.triples {
        let Origin::Gold(source) = triple.origin else {
            continue;
        };
        draft.gold.push(GoldTriple {
            triple: triple.triple,
            source,
            line,
        });
        for span in [triple.triple.head, triple.triple.tail] {
            if known.insert(span) {
                draft.entities.push(Entity {
                    span,
                    kind: None,
                    link: None,
                });
            }
        }
    }
}

fn as_sentence(draft: &Draft) -> Sentence {
    Sentence {
        id: crate::domain::SentenceId(0),
        native_id: None,
        text: String::new(),
        tokens: draft.tokens.clone(),
        entities: draft.entities.clone(),
        gold: draft.gold.clone(),
        split: Split::Train,
        file: "".into(),
        line: 0,
    }
}
