//! One batch of bags, checked once: distinct sentences, the bags made of them, and where each word is.
//!
//! A "sentence" here is a sentence *with one ordered pair marked in it*: position features depend on the pair, so the
//! same text with two pairs is two rows.

use super::HrereError;
use super::bags::{Bag, PairMention};
use crate::domain::TokenSpan;
use candle_core::{Device, Result, Tensor, bail};
use std::collections::{BTreeMap, HashMap};

/// Positions beyond this many words from a span share one embedding; tables have 2 * REACH + 1 rows.
pub const REACH: usize = 100;

/// Row of the position table for word `i` and a span of words: signed distance to the nearer end, 0 inside, clipped
/// to ±100, plus 100. A word before the span is negative.
pub fn position(i: usize, span: TokenSpan) -> u32 {
    let distance = if i < span.start() {
        i as i64 - span.start() as i64
    } else if i > span.last() {
        i as i64 - span.last() as i64
    } else {
        0
    };
    let reach = REACH as i64;
    (distance.clamp(-reach, reach) + reach) as u32
}

/// A sentence of the batch: words that are not padding, and the marked pair. Spans may lie beyond the words kept.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct MarkedSentence {
    pub n_words: usize,
    pub head: TokenSpan,
    pub tail: TokenSpan,
}

/// One bag: rows of [`BagBatch::sentences`], repetition allowed, and the pair's rows in the knowledge-base tables
/// where both entities have one.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct BagRows {
    pub sentences: Vec<usize>,
    pub pair: Option<(u32, u32)>,
}

/// A batch that [`super::TextModel`] can run.
#[derive(Clone)]
pub struct BagBatch {
    words: Tensor,
    sentences: Vec<MarkedSentence>,
    bags: Vec<BagRows>,
}

impl BagBatch {
    /// `words` [S, L, word_dim] holds the vectors of the distinct sentences, padded to L; what stands in the padding does
    /// not matter. The vectors are fixed input: the paper uses GloVe 840B.300d, we use what the caller has, for example
    /// the mean of an encoder's input embeddings over a word's pieces.
    pub fn new(
        words: Tensor,
        sentences: Vec<MarkedSentence>,
        bags: Vec<BagRows>,
    ) -> std::result::Result<Self, HrereError> {
        let dims = words.dims();
        if dims.len() != 3 || dims[0] != sentences.len() || sentences.is_empty() {
            return Err(HrereError::Words {
                found: dims.to_vec(),
                sentences: sentences.len(),
            });
        }
        let l = dims[1];
        for (row, sentence) in sentences.iter().enumerate() {
            if sentence.n_words == 0 || sentence.n_words > l {
                return Err(HrereError::Length {
                    row,
                    found: sentence.n_words,
                    most: l,
                });
            }
        }
        if bags.is_empty() {
            return Err(HrereError::NoBags);
        }
        for (bag, rows) in bags.iter().enumerate() {
            let missing = rows.sentences.iter().find(|&&r| r >= sentences.len());
            if rows.sentences.is_empty() || missing.is_some() {
                return Err(HrereError::BagRows {
                    bag,
                    missing: missing.copied(),
                    sentences: sentences.len(),
                });
            }
        }
        Ok(Self {
            words,
            sentences,
            bags,
        })
    }

    pub fn n_bags(&self) -> usize {
        self.bags.len()
    }
    pub fn bags(&self) -> &[BagRows] {
        &self.bags
    }
    pub fn sentences(&self) -> &[MarkedSentence] {
        &self.sentences
    }
    /// [S, L, word_dim], padded.
    pub fn words(&self) -> &Tensor {
        &self.words
    }

    /// Words read of each sentence.
    pub fn lengths(&self, max_words: usize) -> Vec<usize> {
        let kept = self.sentences.iter().map(|s| s.n_words.min(max_words));
        kept.collect()
    }

    /// [B, T] sentence rows and the u8 mask of places that count; T is the largest bag.
    pub fn bag_tensors(&self, device: &Device) -> Result<(Tensor, Tensor)> {
        let t = self
            .bags
            .iter()
            .map(|b| b.sentences.len())
            .max()
            .unwrap_or(0);
        let shape = (self.bags.len(), t);
        let (mut rows, mut mask) = (Vec::new(), Vec::new());
        for bag in &self.bags {
            for place in 0..t {
                let row = bag.sentences.get(place);
                rows.push(row.map_or(0, |&r| r as u32));
                mask.push(u8::from(row.is_some()));
            }
        }
        Ok((
            Tensor::from_vec(rows, shape, device)?,
            Tensor::from_vec(mask, shape, device)?,
        ))
    }
}

/// Fixed word vectors of the caller's sentences: GloVe in the paper; here for example the mean of an encoder's input
/// embeddings over each word's pieces.
pub trait WordVectors: Sync {
    /// Vectors [S, L, word_dim] of the given sentences' first `max_words` words (what stands in the padding does not
    /// matter), and how many words of each they hold, at least 1.
    fn look_up(&self, sentences: &[usize], max_words: usize) -> Result<(Tensor, Vec<usize>)>;
    /// Words of a sentence, for batches of like cost; a guess will do.
    fn n_words(&self, sentence: usize) -> usize;
    /// Names a sentence for a person.
    fn describe(&self, sentence: usize) -> String;
}

/// Everything a bag's numbers refer to.
#[derive(Clone, Copy)]
pub struct BagSource<'a> {
    pub mentions: &'a [PairMention],
    pub vectors: &'a dyn WordVectors,
    /// Entity to row of the knowledge-base tables; an entity that is not there has no vector.
    pub kb_rows: &'a HashMap<u32, u32>,
}

impl BagSource<'_> {
    /// The batch of `bags`: each mention once, however many places it has.
    pub fn batch(&self, bags: &[&Bag], max_words: usize) -> Result<BagBatch> {
        let mut places: BTreeMap<usize, usize> = BTreeMap::new();
        for mention in bags.iter().flat_map(|bag| &bag.mentions) {
            places.insert(*mention, 0);
        }
        let mut mentions = Vec::with_capacity(places.len());
        for (row, (index, place)) in places.iter_mut().enumerate() {
            let Some(mention) = self.mentions.get(*index) else {
                bail!("mention {index} of {}", self.mentions.len());
            };
            *place = row;
            mentions.push(mention);
        }
        let sentences: Vec<usize> = mentions.iter().map(|m| m.sentence).collect();
        let (words, lengths) = self.vectors.look_up(&sentences, max_words)?;
        let marked = mentions
            .iter()
            .zip(lengths)
            .map(|(m, n_words)| MarkedSentence {
                n_words,
                head: m.head_span,
                tail: m.tail_span,
            });
        let row = |entity: u32| self.kb_rows.get(&entity).copied();
        let bags = bags.iter().map(|bag| BagRows {
            sentences: bag.mentions.iter().map(|m| places[m]).collect(),
            pair: row(bag.head).zip(row(bag.tail)),
        });
        BagBatch::new(words, marked.collect(), bags.collect()).map_err(candle_core::Error::wrap)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use candle_core::DType;

    fn span(start: usize, end: usize) -> TokenSpan {
        TokenSpan::new(start, end).unwrap()
    }

    #[test]
    fn positions_count_from_the_nearer_end_of_the_span() {
        for (i, expected) in [(0, 98), (1, 99), (2, 100), (4, 100), (5, 101), (300, 200)] {
            assert_eq!(position(i, span(2, 5)), expected, "word {i}");
        }
        assert_eq!(position(0, span(500, 501)), 0);
    }

    #[test]
    fn a_batch_that_cannot_run_is_refused_with_its_place() {
        let words = || Tensor::zeros((2, 4, 3), DType::F32, &Device::Cpu).unwrap();
        let sentence = |n_words| MarkedSentence {
            n_words,
            head: span(0, 1),
            tail: span(1, 2),
        };
        let bag = |sentences: &[usize]| BagRows {
            sentences: sentences.to_vec(),
            pair: None,
        };
        let good = || vec![sentence(4), sentence(1)];
        assert!(BagBatch::new(words(), good(), vec![bag(&[1, 1, 0])]).is_ok());
        let cases = [
            (
                BagBatch::new(words(), vec![sentence(4)], vec![bag(&[0])]),
                "[2, 4, 3]",
            ),
            (
                BagBatch::new(words(), vec![sentence(4), sentence(0)], vec![bag(&[0])]),
                "sentence 1 of the batch has 0",
            ),
            (
                BagBatch::new(words(), vec![sentence(5), sentence(1)], vec![bag(&[0])]),
                "sentence 0 of the batch has 5",
            ),
            (BagBatch::new(words(), good(), vec![]), "no bags"),
            (
                BagBatch::new(words(), good(), vec![bag(&[0]), bag(&[])]),
                "bag 1 of the batch is empty",
            ),
            (
                BagBatch::new(words(), good(), vec![bag(&[2])]),
                "bag 0 of the batch names sentence 2",
            ),
        ];
        for (result, expected) in cases {
            let message = result.err().map(|e| e.to_string()).unwrap_or_default();
            assert!(message.contains(expected), "{message} lacks {expected}");
        }
    }
}
