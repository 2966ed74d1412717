//! Predicted triples as cases for bag models: each sentence alone is the bag of a pair, as HRERE tests.

use crate::domain::{Prediction, RelationId, Scores, Sentence, TokenSpan};
use crate::model::hrere::bags::sentence_bags;
use crate::model::hrere::{Bag, PairMention};
use crate::model::words::BagSentence;
use anyhow::Result;
use rayon::prelude::*;
use std::collections::BTreeSet;
use std::ops::Range;

/// Pairs of a forward pass.
const BATCH: usize = 32;

/// One case a pair of a sentence that has a triple of a known relation, whatever its relations.
#[derive(Default)]
pub struct Cases {
    pub sentences: Vec<BagSentence>,
    /// By (sentence, head, tail).
    pub mentions: Vec<PairMention>,
    /// Place of a prediction in its list, and its cases.
    places: Vec<(usize, Range<usize>)>,
}

impl Cases {
    /// `predictions` are those of `sentences`, in order; `entity` numbers a mention's entity.
    pub fn new(
        sentences: &[&Sentence],
        predictions: &[Prediction],
        max_words: usize,
        knows: impl Fn(RelationId) -> bool,
        mut entity: impl FnMut(&Sentence, TokenSpan) -> u32,
    ) -> Self {
        let mut cases = Self::default();
        for (at, (sentence, prediction)) in sentences.iter().zip(predictions).enumerate() {
            let pairs: BTreeSet<(TokenSpan, TokenSpan)> = prediction
                .triples
                .iter()
                .filter(|t| knows(t.triple.relation))
                .map(|t| (t.triple.head, t.triple.tail))
                .collect();
            if pairs.is_empty() {
                continue;
            }
            let first = cases.mentions.len();
            for (head, tail) in pairs {
                cases.mentions.push(PairMention {
                    sentence: cases.sentences.len(),
                    head_span: head,
                    tail_span: tail,
                    head: entity(sentence, head),
                    tail: entity(sentence, tail),
                    relations: Vec::new(),
                });
            }
            cases.sentences.push(BagSentence::new(sentence, max_words));
            cases.places.push((at, first..cases.mentions.len()));
        }
        cases
    }

    /// Calls `fill` with each triple's scores, relation and case; triples without a case are passed over.
    pub fn fill(
        &self,
        predictions: &mut [Prediction],
        mut fill: impl FnMut(&mut Scores, RelationId, usize),
    ) {
        for (at, range) in &self.places {
            let own = &self.mentions[range.clone()];
            for scored in &mut predictions[*at].triples {
                let triple = scored.triple;
                let spans = |m: &PairMention| (m.head_span, m.tail_span);
                if let Ok(case) = own.binary_search_by_key(&(triple.head, triple.tail), spans) {
                    fill(&mut scored.scores, triple.relation, range.start + case);
                }
            }
        }
    }
}

/// What `ask` says of each mention alone, in order. It is asked with groups of like length, on all cores.
pub fn ask_alone<A: Send>(
    sentences: &[BagSentence],
    mentions: &[PairMention],
    ask: impl Fn(&[&Bag]) -> Result<Vec<A>> + Sync,
) -> Result<Vec<A>> {
    let bags = sentence_bags(mentions);
    let n_words = |bag: &Bag| {
        let mention = bag.mentions.first().and_then(|m| mentions.get(*m));
        let sentence = mention.and_then(|m| sentences.get(m.sentence));
        sentence.map_or(0, |s| s.words().len())
    };
    let bags: Vec<&Bag> = bags.iter().collect();
    ask_by_cost(&bags, n_words, ask)
}

/// What `ask` says of each bag, in order; bags of like cost are asked together.
pub fn ask_by_cost<A: Send>(
    bags: &[&Bag],
    cost: impl Fn(&Bag) -> usize,
    ask: impl Fn(&[&Bag]) -> Result<Vec<A>> + Sync,
) -> Result<Vec<A>> {
    let mut order: Vec<usize> = (0..bags.len()).collect();
    order.sort_by_key(|i| cost(bags[*i]));
    let parts: Vec<Vec<(usize, A)>> = order
        .par_chunks(BATCH)
        .map(|group| {
            let own: Vec<&Bag> = group.iter().map(|i| bags[*i]).collect();
            Ok(group.iter().copied().zip(ask(&own)?).collect())
        })
        .collect::<Result<_>>()?;
    let mut all: Vec<(usize, A)> = parts.into_iter().flatten().collect();
    all.sort_by_key(|(i, _)| *i);
    Ok(all.into_iter().map(|(_, answer)| answer).collect())
}
