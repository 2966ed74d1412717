//! Why PA-TMR says what it says of one pair: each term's share, and pairs that stand to each other alike.

use super::scoring::{Asked, MutualScorer};
use crate::domain::{RelationSchema, Sentence, Triple};
use crate::model::hrere::{Bag, PairMention};
use crate::model::mutual::System;
use crate::model::mutual::config::Combine;
use crate::model::words::BagSentence;
use crate::workspace::knowledge::Knowledge;
use crate::workspace::messages::{Explanation, MutualShares};
use anyhow::Result;

/// Training pairs that are shown.
const NEAR: usize = 5;

/// Fills `mutual` and adds to `notes`; leaves the rest alone. The pair's case is this sentence alone, as in the table.
pub fn explain_mutual(
    scorer: &MutualScorer,
    knowledge: Option<&Knowledge>,
    schema: &RelationSchema,
    sentence: &Sentence,
    triple: Triple,
    into: &mut Explanation,
) -> Result<()> {
    let bank = &scorer.bank;
    let relation = schema.relations().get(triple.relation.index());
    let Some(class) = relation.and_then(|r| bank.class(&r.name)) else {
        into.notes
            .push("the mutual-relation models do not know this relation".to_owned());
        return Ok(());
    };
    let spans = [triple.head, triple.tail];
    let entities = spans.map(|span| scorer.facts(knowledge, schema, sentence, span));
    for (what, facts) in ["head", "tail"].iter().zip(&entities) {
        if facts.row.is_none() {
            into.notes.push(format!("{what}: no graph vector"));
        }
    }
    let mentions = [PairMention {
        sentence: 0,
        head_span: triple.head,
        tail_span: triple.tail,
        head: 0,
        tail: 1,
        relations: Vec::new(),
    }];
    let sentences = [BagSentence::new(sentence, bank.config().model.max_words)];
    let asked = Asked {
        sentences: &sentences,
        mentions: &mentions,
        entities: &entities,
    };
    let bag = Bag {
        relation: 0,
        head: 0,
        tail: 1,
        mentions: vec![0],
    };
    let Some(answer) = scorer.ask(System::PaTmr, asked, &[&bag])?.pop() else {
        return Ok(());
    };
    let near = match (entities[0].row, entities[1].row) {
        (Some(head), Some(tail)) => bank.nearest_pairs(head, tail, NEAR),
        _ => Vec::new(),
    };
    let shown = near.into_iter().map(|(pair, cosine)| {
        let name = |row| bank.vectors().name(row);
        let class = &bank.config().classes[pair.class as usize];
        let relation = schema
            .relation(class)
            .map_or(class.as_str(), |r| schema.short(r));
        let text = format!("{} · {relation} · {}", name(pair.head), name(pair.tail));
        (text, cosine)
    });
    let [text, mutual, types] = answer.shares(class);
    into.mutual = Some(MutualShares {
        p: answer.p[class as usize],
        text,
        mutual,
        types,
        sums_up: bank.config().model.combine == Combine::LogitsSum,
        near: shown.collect(),
    });
    Ok(())
}
