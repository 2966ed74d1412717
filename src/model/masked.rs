//! What a sentence says of a pair when the names are hidden: features for out-of-fold labels.
//!
//! Names let a model repeat what the knowledge base said of the pair. Head and tail are replaced by two fixed words before the
//! encoder reads the sentence, so what is left is how the two are spoken of.

use super::batch::Batch;
use super::encoded::Encoded;
use super::mode::Mode;
use super::sentence::SentenceModel;
use crate::domain::{Sentence, TokenSpan};
use candle_core::Result;
use rayon::prelude::*;
use std::ops::Range;

/// Ordinary words without a meaning here; a tokenizer's unused pieces were never trained.
const NAMES: [&str; 2] = ["Alpha", "Beta"];
/// Pairs encoded together.
const BATCH: usize = 32;

/// An ordered pair of mentions in a sentence.
#[derive(Clone, Copy, Debug)]
pub struct MaskedPair<'a> {
    pub sentence: &'a Sentence,
    pub head: TokenSpan,
    pub tail: TokenSpan,
}

/// A sentence with the two names hidden.
struct Masked<'a> {
    words: Vec<&'a str>,
    /// Where the two stand in `words`.
    head: Range<usize>,
    tail: Range<usize>,
}

impl<'a> Masked<'a> {
    /// Where the spans overlap, the first is hidden and both stand there.
    fn new(pair: &MaskedPair<'a>) -> Self {
        let (h, t) = (pair.head, pair.tail);
        let tail_first = t.start() < h.start();
        let (first, second) = if tail_first { (t, h) } else { (h, t) };
        let names = if tail_first {
            [NAMES[1], NAMES[0]]
        } else {
            NAMES
        };
        let overlap = second.start() < first.end();
        let mut words = Vec::with_capacity(pair.sentence.tokens.len());
        let mut places = [0..0, 0..0];
        for (i, word) in pair.sentence.words().enumerate() {
            if i == first.start() {
                places[0] = words.len()..words.len() + 1;
                words.push(names[0]);
            } else if i == second.start() && !overlap {
                places[1] = words.len()..words.len() + 1;
                words.push(names[1]);
            }
            let inside = |s: TokenSpan| s.start() <= i && i < s.end();
            if !inside(first) && (overlap || !inside(second)) {
                words.push(word);
            }
        }
        if overlap {
            places[1] = places[0].clone();
        }
        let [first, second] = places;
        let (head, tail) = if tail_first {
            (second, first)
        } else {
            (first, second)
        };
        Self { words, head, tail }
    }
}

impl SentenceModel {
    /// Numbers of [`SentenceModel::masked_features`] a pair: four means of each of the encoder's two top layers.
    pub fn masked_width(&self) -> usize {
        8 * self.encoder().width()
    }

    /// [pairs, 8 d]: the means over the head, the tail, what stands between them, and the whole sentence, names hidden, each of the top layer and
    /// of the one below, which training for relations has made forget less. Zeros for what the encoder did not see.
    pub fn masked_features(&self, pairs: &[MaskedPair]) -> Result<Vec<f32>> {
        let parts: Vec<Vec<f32>> = pairs
            .par_chunks(BATCH)
            .map(|pairs| self.masked_batch(pairs))
            .collect::<Result<_>>()?;
        Ok(parts.concat())
    }

    fn masked_batch(&self, pairs: &[MaskedPair]) -> Result<Vec<f32>> {
        let masked: Vec<Masked> = pairs.iter().map(Masked::new).collect();
        let words = masked.iter().map(|m| m.words.iter().copied());
        let batch = Batch::new(words, self.tokens(), self.encoder().max_pieces());
        let mut all = Vec::with_capacity(pairs.len() * self.masked_width());
        if batch.layout.total_words() == 0 {
            all.resize(pairs.len() * self.masked_width(), 0.0);
            return Ok(all);
        }
        let encoded = self.encoder().forward(&batch, Mode::Infer)?;
        let layers = [&encoded.piece_top, &encoded.piece_low];
        let layers = layers.map(|layer| layer.flatten_all()?.to_vec1());
        let [top, low]: [Result<Vec<f32>>; 2] = layers;
        let (layers, width) = ([top?, low?], self.encoder().width());
        for (b, m) in masked.iter().enumerate() {
            let between = m.head.end.min(m.tail.end)..m.head.start.max(m.tail.start);
            for words in [m.head.clone(), m.tail.clone(), between, 0..m.words.len()] {
                for layer in &layers {
                    all.extend(mean(&encoded, layer, b, words.clone(), width));
                }
            }
        }
        Ok(all)
    }
}

/// Mean over the pieces of some words of sentence `b`, those that the encoder saw.
fn mean(encoded: &Encoded, layer: &[f32], b: usize, words: Range<usize>, width: usize) -> Vec<f32> {
    let words = words.start..words.end.min(encoded.layout.n_words(b));
    let mut sum = vec![0.0; width];
    if words.is_empty() {
        return sum;
    }
    let pieces = encoded.layout.pieces(b, words);
    let n = pieces.len() as f32;
    for piece in pieces {
        for (s, v) in sum
            .iter_mut()
            .zip(&layer[piece * width..(piece + 1) * width])
        {
            *s += v / n;
        }
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{ByteSpan, SentenceId, Split};

    #[test]
    fn names_are_hidden_and_found_again() {
        let text = "In Tamm Ada Lum met Boris";
        let places = [(0, 2), (3, 7), (8, 11), (12, 15), (16, 19), (20, 25)];
        let sentence = Sentence {
            id: SentenceId(1),
            native_id: None,
            text: text.to_owned(),
            tokens: places
                .iter()
                .filter_map(|(a, b)| ByteSpan::new(*a, *b))
                .collect(),
            entities: Vec::new(),
            gold: Vec::new(),
            split: Split::Train,
            file: "-".into(),
            line: 1,
        };
        let check =
            |head: (usize, usize), tail: (usize, usize), words: &str, at: [Range<usize>; 2]| {
                let span = |(from, to)| TokenSpan::new(from, to).unwrap();
                let pair = MaskedPair {
                    sentence: &sentence,
                    head: span(head),
                    tail: span(tail),
                };
                let masked = Masked::new(&pair);
                assert_eq!(masked.words.join(" "), words);
                assert_eq!([masked.head, masked.tail], at, "{words}");
            };
        check((2, 4), (1, 2), "In Beta Alpha met Boris", [2..3, 1..2]);
        check((2, 4), (5, 6), "In Tamm Alpha met Beta", [2..3, 4..5]);
        check((2, 4), (3, 5), "In Tamm Alpha met Boris", [2..3, 2..3]);
        check((2, 4), (2, 4), "In Tamm Alpha met Boris", [2..3, 2..3]);
        check((3, 4), (2, 4), "In Tamm Beta met Boris", [2..3, 2..3]);
    }
}
