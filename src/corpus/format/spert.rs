//! SpERT: `{"tokens", "entities": [{type, start, end}], "relations": [{type, head, tail}], "orig_id"}`.
//!
//! Ends are exclusive, relations name entities by index. Where `entities` is missing, BILOU, BIOES or BIO `tags` give them,
//! counted in order of their start. A `types.json` beside the file may say which relations are symmetric.

use super::super::problem::{ProblemKind, excerpt};
use super::{Context, Draft, EntityList, NativeId, TripleList, joined_tokens};
use crate::domain::{RelationSchema, TokenSpan, Triple};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

pub const FIELDS: &[&str] = &["tokens", "entities", "relations", "orig_id", "tags"];

#[derive(Deserialize)]
struct Wire {
    tokens: Vec<String>,
    entities: Option<Vec<WireEntity>>,
    tags: Option<Vec<String>>,
    #[serde(default)]
    relations: Vec<WireRelation>,
    orig_id: Option<NativeId>,
}

#[derive(Deserialize)]
struct WireEntity {
    #[serde(rename = "type")]
    kind: Option<String>,
    start: usize,
    end: usize,
}

#[derive(Deserialize)]
struct WireRelation {
    #[serde(rename = "type")]
    name: String,
    head: usize,
    tail: usize,
}

pub fn read(json: &str, context: &mut Context<'_>) -> Option<Draft> {
    let wire: Wire = context.parse(json)?;
    let n_tokens = wire.tokens.len();
    let n_entities = wire.entities.as_ref().map_or(0, Vec::len);
    if !context.within_limits(n_tokens, n_entities, wire.relations.len()) {
        return None;
    }
    let Some((text, tokens)) = joined_tokens(&wire.tokens) else {
        context.problem(
            ProblemKind::WrongShape,
            "tokens that are not empty",
            "an empty one",
        );
        return None;
    };
    let listed = match (wire.entities, wire.tags) {
        (Some(entities), _) => entities,
        (None, Some(tags)) => entities_of_tags(&tags, n_tokens, context)?,
        (None, None) => {
            context.problem(
                ProblemKind::WrongShape,
                "a field `entities` or `tags`",
                "neither",
            );
            return None;
        }
    };
    let mut entities = EntityList::default();
    let spans: Vec<Option<TokenSpan>> = listed
        .iter()
        .enumerate()
        .map(|(n, entity)| {
            let span = TokenSpan::new(entity.start, entity.end).filter(|s| s.end() <= n_tokens);
            match span {
                Some(span) => {
                    let kind = context.entity_type(entity.kind.as_deref().unwrap_or_default());
                    entities.add(span, kind, context);
                }
                None => context.problem(
                    ProblemKind::SpanOutOfRange,
                    format!("entity {n} inside the {n_tokens} tokens"),
                    format!("{}..{}", entity.start, entity.end),
                ),
            }
            span
        })
        .collect();
    let mut gold = TripleList::default();
    for relation in wire.relations {
        let argument = |index: usize| spans.get(index).copied().flatten();
        let (Some(head), Some(tail)) = (argument(relation.head), argument(relation.tail)) else {
            let found = format!(
                "{} of {} and {}",
                excerpt(&relation.name),
                relation.head,
                relation.tail
            );
            let expected = format!("indices of the {} entities", spans.len());
            context.problem(ProblemKind::NoSuchEntity, expected, found);
            continue;
        };
        if let Some(relation) = context.relation(&relation.name) {
            gold.add(
                Triple {
                    head,
                    relation,
                    tail,
                },
                context,
            );
        }
    }
    let entities = entities.sorted();
    let placed = spans.iter().flatten().count();
    context.summary.duplicate_entities += placed - entities.len().min(placed);
    Some(Draft {
        native_id: wire.orig_id.map(NativeId::into_text),
        entities,
        gold: gold.into_gold(),
        tokens,
        text,
        ..Draft::default()
    })
}

/// Entities of BILOU, BIOES or BIO tags. A tag that cannot go on an entity starts one, and is reported.
fn entities_of_tags(
    tags: &[String],
    n_tokens: usize,
    context: &mut Context<'_>,
) -> Option<Vec<WireEntity>> {
    if tags.len() != n_tokens {
        let expected = format!("a tag for each of the {n_tokens} tokens");
        context.problem(
            ProblemKind::WrongShape,
            expected,
            format!("{} tags", tags.len()),
        );
        return None;
    }
    let mut entities: Vec<WireEntity> = Vec::new();
    let mut open = false;
    for (at, tag) in tags.iter().enumerate() {
        let (prefix, kind) = match tag.split_once('-') {
            Some((prefix, kind)) => (prefix, kind),
            None => (tag.as_str(), ""),
        };
        let continues = matches!(prefix, "I" | "L" | "E");
        let fits = open
            && entities
                .last()
                .is_some_and(|e| e.kind.as_deref() == Some(kind));
        match prefix {
            "O" => open = false,
            _ if continues && fits => {
                if let Some(entity) = entities.last_mut() {
                    entity.end = at + 1;
                }
                open = prefix == "I";
            }
            "B" | "U" | "S" | "I" | "L" | "E" => {
                if continues {
                    let found = format!("{} at token {at}", excerpt(tag));
                    context.problem(
                        ProblemKind::TagSequence,
                        "B before I, L or E of its type",
                        found,
                    );
                }
                entities.push(WireEntity {
                    kind: Some(kind.to_owned()),
                    start: at,
                    end: at + 1,
                });
                open = matches!(prefix, "B" | "I");
            }
            _ => {
                let found = format!("\"{}\" at token {at}", excerpt(tag));
                context.problem(
                    ProblemKind::WrongShape,
                    "a tag O or B-, I-, L-, U-, E-, S- and a type",
                    found,
                );
                return None;
            }
        }
    }
    Some(entities)
}

#[derive(Deserialize)]
struct Types {
    #[serde(default)]
    entities: BTreeMap<String, serde::de::IgnoredAny>,
    #[serde(default)]
    relations: BTreeMap<String, RelationType>,
}

#[derive(Deserialize)]
struct RelationType {
    #[serde(default)]
    symmetric: bool,
}

/// Where the types of a corpus file may lie: `types.json`, or `conll04_types.json` beside `conll04_train.json`.
fn types_beside(corpus: &Path) -> Option<PathBuf> {
    let stem = corpus.file_stem()?.to_str()?;
    let prefixed = stem.split('_').next().map(|p| format!("{p}_types.json"));
    let names = prefixed.into_iter().chain(["types.json".to_owned()]);
    names
        .map(|name| corpus.with_file_name(name))
        .find(|path| path.is_file())
}

/// Symmetric relations that a types file beside `corpus` names. A types file that cannot be read is no types file.
pub fn symmetric_relations(corpus: &Path) -> Vec<String> {
    const MOST_BYTES: u64 = 1 << 20;
    let types = types_beside(corpus)
        .filter(|path| path.metadata().is_ok_and(|m| m.len() <= MOST_BYTES))
        .and_then(|path| std::fs::read_to_string(path).ok())
        .and_then(|json| serde_json::from_str::<Types>(&json).ok());
    types
        .filter(|t| !t.entities.is_empty() || !t.relations.is_empty())
        .into_iter()
        .flat_map(|t| t.relations)
        .filter(|(_, r)| r.symmetric)
        .map(|(name, _)| name)
        .collect()
}

pub fn mark_symmetric(names: &[String], schema: &mut RelationSchema) {
    for name in names {
        // More than 65,535 relations is reported where sentences name them.
        if let Ok(id) = schema.intern_relation(name) {
            schema.info_mut(id).symmetric = true;
        }
    }
}
