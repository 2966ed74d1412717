//! CasRel: `{"text", "triple_list": [[subject, relation, object]]}`.
//!
//! No offsets: a mention stands at its first place in the text. Tokens are what white space separates. Files of results
//! carry `triple_list_gold` beside predictions, with triples as objects; their gold side is read.

use super::super::locate::Locator;
use super::super::problem::ProblemKind;
use super::{Context, Draft, EntityList, TripleList, whitespace_tokens};
use crate::domain::Triple;
use serde::Deserialize;

pub const FIELDS: &[&str] = &["text", "triple_list", "triple_list_gold"];

#[derive(Deserialize)]
struct Wire {
    text: String,
    triple_list: Option<Vec<WireTriple>>,
    triple_list_gold: Option<Vec<WireTriple>>,
}

#[derive(Deserialize)]
#[serde(untagged, expecting = "[subject, relation, object], all text")]
enum WireTriple {
    List(Vec<String>),
    Object {
        subject: String,
        relation: String,
        object: String,
    },
}

pub fn read(json: &str, context: &mut Context<'_>) -> Option<Draft> {
    let wire: Wire = context.parse(json)?;
    let tokens = whitespace_tokens(&wire.text);
    let Some(triples) = wire.triple_list.or(wire.triple_list_gold) else {
        context.problem(ProblemKind::WrongShape, "a field `triple_list`", "none");
        return None;
    };
    if !context.within_limits(tokens.len(), 0, triples.len()) {
        return None;
    }
    let mut entities = EntityList::default();
    let mut gold = TripleList::default();
    let mut locator = Locator::new(&wire.text, &tokens);
    for (n, triple) in triples.into_iter().enumerate() {
        let Some([subject, relation, object]) = parts(triple) else {
            let expected = format!("triple {} to be [subject, relation, object]", n + 1);
            context.problem(ProblemKind::WrongShape, expected, "another number of parts");
            continue;
        };
        let head = context.locate(&mut locator, &subject);
        let tail = context.locate(&mut locator, &object);
        for span in [head, tail].into_iter().flatten() {
            entities.add(span, None, context);
        }
        if let (Some(head), Some(tail)) = (head, tail)
            && let Some(relation) = context.relation(&relation)
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
        entities: entities.sorted(),
        gold: gold.into_gold(),
        tokens,
        text: wire.text,
        ..Draft::default()
    })
}

fn parts(triple: WireTriple) -> Option<[String; 3]> {
    match triple {
        WireTriple::List(list) => list.try_into().ok(),
        WireTriple::Object {
            subject,
            relation,
            object,
        } => Some([subject, relation, object]),
    }
}
