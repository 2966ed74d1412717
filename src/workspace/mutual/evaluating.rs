//! How well the mutual-relation systems rank a split's facts, pair by pair (specs: imr 9).

use super::entities::EntityBook;
use super::scoring::{Asked, MutualScorer};
use crate::analysis::{Candidate, Ranking};
use crate::domain::Split;
use crate::model::hrere::Bag;
use crate::model::mutual::System;
use crate::store::Reader;
use crate::train::mutual::asked_pairs;
use crate::workspace::bags::cases::ask_by_cost;
use crate::workspace::bags::mentions::{Negatives, collect_by};
use anyhow::Result;
use serde::Serialize;
use std::collections::HashSet;

/// Pairs between two looks at the caller.
const CHUNK: usize = 1024;

/// Ranking of one system.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct MutualScores {
    /// base, PA-T, PA-MR or PA-TMR.
    pub system: &'static str,
    /// `None`: fewer positives than the share needs.
    pub p_at_10: Option<f64>,
    pub p_at_30: Option<f64>,
    pub p_at_50: Option<f64>,
    pub average_precision: f64,
    /// Area by trapezoid from the first point of the curve on.
    pub auc_trapezoid: f64,
    pub max_f1: f64,
    /// Over the pairs that no train sentence names together.
    pub average_precision_new_pairs: f64,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct MutualEvaluation {
    pub protocol: String,
    pub split: &'static str,
    /// Ordered pairs, each with all its sentences of the split.
    pub pairs: usize,
    /// (pair, relation) that stand.
    pub positives: usize,
    /// Pairs whose entities both have graph vectors; for the others the mutual relation is dropped.
    pub pairs_with_vectors: usize,
    /// Pairs that no train sentence names together, and their positives.
    pub new_pairs: usize,
    pub new_positives: usize,
    /// Positives whose relation is no class; they count as never found.
    pub unknown_relations: usize,
    pub systems: Vec<MutualScores>,
}

const PROTOCOL: &str = "every ordered pair of entities of a sentence, with all its sentences of the split, is a case (entities by \
    link, else by lower-cased name); each (pair, relation other than NA) is a candidate ranked by probability; P@q% = precision \
    of the first floor(q * positives) candidates";

/// Ranks all pairs of `split`; `None` when it has no pair with a label, or when `tell` (done, total) said to stop.
pub fn evaluate_mutual(
    reader: &Reader,
    scorer: &MutualScorer,
    split: Split,
    tell: &mut dyn FnMut(u64, u64) -> bool,
) -> Result<Option<MutualEvaluation>> {
    let schema = reader.schema()?;
    let config = scorer.bank.config();
    let (max_words, n_classes) = (config.model.max_words, config.classes.len());
    let mut book = EntityBook::new(scorer.bank.vectors(), config, &schema);
    let mut of = |split| {
        let mut number = |s: &_, e: &_| Some(book.number(s, e));
        collect_by(reader, split, &mut number, max_words, Negatives::All)
    };
    let mut found = of(split)?;
    let pair = |head: u32, tail: u32| (head.min(tail), head.max(tail));
    let train = of(Split::Train)?;
    let seen: HashSet<(u32, u32)> = train
        .mentions
        .iter()
        .map(|m| pair(m.head, m.tail))
        .collect();
    let mut unknown = HashSet::new();
    for mention in &mut found.mentions {
        let (head, tail) = (mention.head, mention.tail);
        mention.relations.retain_mut(|r| {
            let relation = schema.relations().get(*r as usize - 1);
            match relation.and_then(|r| scorer.bank.class(&r.name)) {
                Some(class) => {
                    *r = class;
                    true
                }
                None => {
                    unknown.insert((head, tail, *r));
                    false
                }
            }
        });
    }
    let asked_of = Asked {
        sentences: &found.sentences,
        mentions: &found.mentions,
        entities: &book.facts,
    };
    let pairs = asked_pairs(&found.mentions);
    let has_row = |entity: u32| book.facts[entity as usize].row.is_some();
    let is_new: Vec<bool> = pairs
        .iter()
        .map(|p| !seen.contains(&pair(p.bag.head, p.bag.tail)))
        .collect();
    let positives = pairs.iter().map(|p| p.gold.len()).sum::<usize>() + unknown.len();
    if positives == 0 {
        return Ok(None);
    }
    let total = (System::ALL.len() * pairs.len()) as u64;
    let mut done = 0;
    let mut systems = Vec::new();
    for system in System::ALL {
        let (mut all, mut new) = (Vec::new(), Vec::new());
        for (chunk, is_new) in pairs.chunks(CHUNK).zip(is_new.chunks(CHUNK)) {
            if !tell(done, total) {
                return Ok(None);
            }
            let bags: Vec<&Bag> = chunk.iter().map(|p| &p.bag).collect();
            let cost = |bag: &Bag| bag.mentions.len();
            let answers = ask_by_cost(&bags, cost, |bags| scorer.ask(system, asked_of, bags))?;
            for ((pair, answer), is_new) in chunk.iter().zip(answers).zip(is_new) {
                for class in 1..n_classes as u32 {
                    let candidate = Candidate {
                        score: f64::from(answer.p[class as usize]),
                        positive: pair.gold.contains(&class),
                    };
                    all.push(candidate);
                    new.extend(is_new.then_some(candidate));
                }
            }
            done += chunk.len() as u64;
        }
        let (all, new) = (
            Ranking::with_missing(&all, unknown.len()),
            Ranking::new(&new),
        );
        let at = |share| all.precision_at_share(share).map(|p| p.precision);
        systems.push(MutualScores {
            system: system.name(),
            p_at_10: at(0.1),
            p_at_30: at(0.3),
            p_at_50: at(0.5),
            average_precision: all.average_precision(),
            auc_trapezoid: all.trapezoid_area(),
            max_f1: all.max_f1(),
            average_precision_new_pairs: new.average_precision(),
        });
    }
    tell(total, total);
    let new = || pairs.iter().zip(&is_new).filter(|(_, new)| **new);
    Ok(Some(MutualEvaluation {
        protocol: PROTOCOL.to_owned(),
        split: split.name(),
        pairs: pairs.len(),
        positives,
        pairs_with_vectors: pairs
            .iter()
            .filter(|p| has_row(p.bag.head) && has_row(p.bag.tail))
            .count(),
        new_pairs: new().count(),
        new_positives: new().map(|(p, _)| p.gold.len()).sum(),
        unknown_relations: unknown.len(),
        systems,
    }))
}
