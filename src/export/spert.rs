//! SpERT: a JSON array of `{"tokens", "entities", "relations", "orig_id"}`, labels that stand.
//!
//! Ends are exclusive, relations name entities by index. SpERT wants a type for every entity; those without get
//! [`UNTYPED`].

use super::{Elements, ExportRecord, Tally};
use crate::domain::{RelationSchema, TokenSpan};
use serde::Serialize;
use std::collections::HashMap;

/// Type written for an entity that has none.
pub const UNTYPED: &str = "Entity";

#[derive(Default)]
pub struct Spert;

#[derive(Serialize)]
pub struct Element<'a> {
    tokens: Vec<&'a str>,
    entities: Vec<WireEntity<'a>>,
    relations: Vec<WireRelation<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    orig_id: Option<&'a str>,
}

#[derive(Serialize)]
struct WireEntity<'a> {
    #[serde(rename = "type")]
    kind: &'a str,
    start: usize,
    end: usize,
}

#[derive(Serialize)]
struct WireRelation<'a> {
    #[serde(rename = "type")]
    name: &'a str,
    head: usize,
    tail: usize,
}

impl Elements for Spert {
    const NAME: &'static str = "spert";
    type Element<'a> = Element<'a>;

    fn element<'a>(
        record: &ExportRecord<'a>,
        schema: &'a RelationSchema,
        tally: &mut Tally,
    ) -> Element<'a> {
        let (sentence, annotation) = (record.sentence, record.annotation);
        // A reader counts entities in the order of the list; by place is what other writers give.
        let mut spans: Vec<TokenSpan> = annotation.entities.iter().map(|e| e.span).collect();
        spans.extend(
            annotation
                .standing()
                .flat_map(|t| [t.triple.head, t.triple.tail]),
        );
        spans.sort();
        spans.dedup();
        let index: HashMap<TokenSpan, usize> =
            spans.iter().enumerate().map(|(i, s)| (*s, i)).collect();
        let entities: Vec<WireEntity<'_>> = spans
            .iter()
            .map(|&span| {
                let kind = annotation.entity(span).and_then(|e| e.kind);
                tally.lose(
                    "entities without a type: written as Entity",
                    usize::from(kind.is_none()),
                );
                WireEntity {
                    kind: kind.map_or(UNTYPED, |k| schema.type_name(k)),
                    start: span.start(),
                    end: span.end(),
                }
            })
            .collect();
        let relations: Vec<WireRelation<'_>> = annotation
            .standing()
            .filter_map(|t| {
                Some(WireRelation {
                    name: schema.name(t.triple.relation),
                    head: *index.get(&t.triple.head)?,
                    tail: *index.get(&t.triple.tail)?,
                })
            })
            .collect();
        let tokens: Vec<&str> = sentence.words().collect();
        let respaced = sentence.text != tokens.join(" ");
        tally.lose(
            "sentences whose own spacing differs from single spaces",
            usize::from(respaced),
        );
        tally.relations += relations.len();
        Element {
            tokens,
            entities,
            relations,
            orig_id: sentence.native_id.as_deref(),
        }
    }
}

/// The types.json that SpERT wants beside a corpus.
pub fn types_json(schema: &RelationSchema) -> String {
    let entities: serde_json::Map<_, _> = schema
        .entity_types()
        .iter()
        .map(String::as_str)
        .chain([UNTYPED])
        .map(|name| {
            (
                name.to_owned(),
                serde_json::json!({ "short": name, "verbose": name }),
            )
        })
        .collect();
    let relations: serde_json::Map<_, _> = schema
        .relations()
        .iter()
        .map(|r| {
            let value = serde_json::json!({ "short": r.short, "verbose": r.name, "symmetric": r.symmetric });
            (r.name.clone(), value)
        })
        .collect();
    serde_json::json!({ "entities": entities, "relations": relations }).to_string()
}
