//! CopyRE / NYT: `{"sentText", "entityMentions": [{start, label, text}], "relationMentions": [{em1Text, em2Text, label}]}`.
//!
//! `start` is an ordinal, not an offset. The n-th listing of a mention stands at its n-th place in the text; relations
//! name mentions by text only and use the first. The label `None` says "no relation" and is counted, not imported.

use super::super::locate::Locator;
use super::{Context, Draft, EntityList, NativeId, TripleList, whitespace_tokens};
use crate::domain::Triple;
use serde::Deserialize;
use std::collections::HashMap;

pub const FIELDS: &[&str] = &[
    "sentText",
    "articleId",
    "sentId",
    "entityMentions",
    "relationMentions",
];

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Wire {
    sent_text: String,
    article_id: Option<NativeId>,
    sent_id: Option<NativeId>,
    #[serde(default)]
    entity_mentions: Vec<WireEntity>,
    #[serde(default)]
    relation_mentions: Vec<WireRelation>,
}

#[derive(Deserialize)]
struct WireEntity {
    text: String,
    label: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireRelation {
    em1_text: String,
    em2_text: String,
    label: String,
}

pub fn read(json: &str, context: &mut Context<'_>) -> Option<Draft> {
    let wire: Wire = context.parse(json)?;
    let tokens = whitespace_tokens(&wire.sent_text);
    let (n_entities, n_triples) = (wire.entity_mentions.len(), wire.relation_mentions.len());
    if !context.within_limits(tokens.len(), n_entities, n_triples) {
        return None;
    }
    let mut entities = EntityList::default();
    let mut gold = TripleList::default();
    let mut locator = Locator::new(&wire.sent_text, &tokens);
    let mut listed: HashMap<&str, usize> = HashMap::new();
    for mention in &wire.entity_mentions {
        let first = context.locate(&mut locator, &mention.text);
        let (_, places) = locator.find(&mention.text);
        let ordinal = listed.entry(&mention.text).or_insert(0);
        let span = places
            .and_then(|p| p.spans.get(*ordinal).copied())
            .or(first);
        if *ordinal > 0 && span == first {
            context.summary.duplicate_entities += 1;
        }
        *ordinal += 1;
        if let Some(span) = span {
            let kind = context.entity_type(mention.label.as_deref().unwrap_or_default());
            entities.add(span, kind, context);
        }
    }
    for relation in &wire.relation_mentions {
        if relation.label == "None" {
            context.summary.none_labels += 1;
            continue;
        }
        let head = context.locate(&mut locator, &relation.em1_text);
        let tail = context.locate(&mut locator, &relation.em2_text);
        for span in [head, tail].into_iter().flatten() {
            entities.add(span, None, context);
        }
        if let (Some(head), Some(tail)) = (head, tail)
            && let Some(relation) = context.relation(&relation.label)
        {
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
    Some(Draft {
        native_id: native_id(wire.article_id, wire.sent_id),
        entities: entities.sorted(),
        gold: gold.into_gold(),
        tokens,
        text: wire.sent_text,
        ..Draft::default()
    })
}

/// The article's file name (its folders say where somebody kept it) and the number in the article.
fn native_id(article: Option<NativeId>, sentence: Option<NativeId>) -> Option<String> {
    let article = article.map(NativeId::into_text);
    let article = article.as_deref().and_then(|a| a.rsplit('/').next());
    match (article, sentence.map(NativeId::into_text)) {
        (Some(article), Some(sentence)) => Some(format!("{article}#{sentence}")),
        (Some(only), None) => Some(only.to_owned()),
        (None, only) => only,
    }
}
