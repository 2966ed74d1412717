//! Sentences packed end to end for an encoder.
//!
//! A sentence with more pieces than the encoder takes is cut at a word boundary, and [`Batch::covered`] says how many
//! words are left. Heads read where things lie from [`super::encoded::Encoded::layout`], never from here.

use super::encoded::BatchLayout;
use super::shapes::Shape;
use super::tokens::WordPieces;
use std::sync::Arc;

/// Pieces of a sentence, `[CLS]` and `[SEP]` included, unless configured otherwise.
pub const DEFAULT_MAX_PIECES: usize = 256;

#[derive(Clone, Debug)]
pub struct Batch {
    /// Piece numbers, `[P]`.
    pub ids: Vec<u32>,
    /// Each piece's place in its sentence from 0, `[P]`.
    pub positions: Vec<u32>,
    /// [`Shape`] of each piece's word, `[P]`.
    pub shapes: Vec<u32>,
    pub layout: Arc<BatchLayout>,
    /// Leading words of each sentence that fit, `[B]`.
    pub covered: Vec<usize>,
}

impl Batch {
    /// One sentence is any sequence of words. `max_pieces` counts the frame's two pieces; it is taken as 3 at least, so
    /// that a first word always fits. A single word of more pieces than a sentence may have keeps its first ones.
    pub fn new<'a, Words>(
        sentences: impl IntoIterator<Item = Words>,
        pieces: &WordPieces,
        max_pieces: usize,
    ) -> Self
    where
        Words: IntoIterator<Item = &'a str>,
    {
        let mut packing = Packing::default();
        for words in sentences {
            packing.add(words, pieces, max_pieces.max(3));
        }
        Self {
            ids: packing.ids,
            positions: packing.positions,
            shapes: packing.shapes,
            layout: Arc::new(packing.layout),
            covered: packing.covered,
        }
    }

    pub fn n_sentences(&self) -> usize {
        self.covered.len()
    }
}

struct Packing {
    ids: Vec<u32>,
    positions: Vec<u32>,
    shapes: Vec<u32>,
    layout: BatchLayout,
    covered: Vec<usize>,
}

impl Default for Packing {
    fn default() -> Self {
        Self {
            ids: Vec::new(),
            positions: Vec::new(),
            shapes: Vec::new(),
            layout: BatchLayout {
                word_starts: vec![0],
                piece_starts: vec![0],
                word_pieces: Vec::new(),
            },
            covered: Vec::new(),
        }
    }
}

impl Packing {
    fn add<'a>(
        &mut self,
        words: impl IntoIterator<Item = &'a str>,
        pieces: &WordPieces,
        max_pieces: usize,
    ) {
        let (start, first_word) = (self.ids.len(), self.layout.word_pieces.len());
        let frame = pieces.frame();
        let capacity = max_pieces - frame.map_or(0, |_| 2);
        let unshaped = frame.map(|_| Shape::Frame as u32);
        self.ids.extend(frame.map(|(cls, _)| cls));
        self.shapes.extend(unshaped);
        let mut used = 0;
        for word in words {
            let ids = pieces.pieces(word);
            let ids = &ids[..ids.len().min(capacity)];
            if used + ids.len() > capacity {
                break;
            }
            used += ids.len();
            let from = self.ids.len();
            self.ids.extend_from_slice(ids);
            let shape = Shape::of(word) as u32;
            self.shapes.extend(std::iter::repeat_n(shape, ids.len()));
            self.layout.word_pieces.push(from..self.ids.len());
        }
        self.ids.extend(frame.map(|(_, sep)| sep));
        self.shapes.extend(unshaped);
        self.positions.extend(0..(self.ids.len() - start) as u32);
        self.layout.piece_starts.push(self.ids.len());
        let n_words = self.layout.word_pieces.len();
        self.layout.word_starts.push(n_words);
        self.covered.push(n_words - first_word);
    }
}

/// Sentence numbers in batches of similar length, each of at most `max_total` (a sentence longer than that is alone).
/// `lengths` in words or pieces. Shortest first; equal lengths keep their order.
pub fn group_by_length(lengths: &[usize], max_total: usize) -> Vec<Vec<usize>> {
    let mut order: Vec<usize> = (0..lengths.len()).collect();
    order.sort_by_key(|i| lengths[*i]);
    let mut groups: Vec<Vec<usize>> = Vec::new();
    let mut total = 0;
    for i in order {
        match groups.last_mut() {
            Some(group) if total + lengths[i] <= max_total => {
                group.push(i);
                total += lengths[i];
            }
            _ => {
                groups.push(vec![i]);
                total = lengths[i];
            }
        }
    }
    groups
}

#[cfg(test)]
mod tests {
    use super::super::tokens::tests::bert;
    use super::*;

    #[test]
    fn sentences_stand_end_to_end() {
        let sentences = [vec!["Marie", "was", "born"], vec![], vec!["Paris"]];
        let batch = Batch::new(sentences, &bert(), 10);
        assert_eq!(batch.ids, [2, 14, 15, 11, 12, 3, 2, 3, 2, 8, 3]);
        assert_eq!(batch.positions, [0, 1, 2, 3, 4, 5, 0, 1, 0, 1, 2]);
        assert_eq!(batch.shapes, [0, 5, 5, 4, 4, 0, 0, 0, 0, 5, 0]);
        assert_eq!(batch.covered, [3, 0, 1]);
        assert_eq!(
            *batch.layout,
            BatchLayout {
                word_starts: vec![0, 3, 3, 4],
                piece_starts: vec![0, 6, 8, 11],
                word_pieces: vec![1..3, 3..4, 4..5, 9..10],
            }
        );
    }

    #[test]
    fn long_sentences_are_cut_at_a_word() {
        let check = |words: &[&str], max_pieces, ids: &[u32], covered| {
            let batch = Batch::new([words.iter().copied()], &bert(), max_pieces);
            assert_eq!(batch.ids, ids, "{words:?} in {max_pieces}");
            assert_eq!(batch.covered, [covered], "{words:?} in {max_pieces}");
        };
        check(&["Paris", "Marie", "was"], 6, &[2, 8, 14, 15, 11, 3], 3);
        check(&["Paris", "Marie", "was"], 5, &[2, 8, 14, 15, 3], 2);
        check(&["Paris", "Marie", "was"], 4, &[2, 8, 3], 1);
        check(&["Marie"], 0, &[2, 14, 3], 1);
        check(&["abab"], 5, &[2, 4, 6, 5, 3], 1);
    }

    #[test]
    fn a_hostile_sentence_is_read_no_further_than_needed() {
        let endless = std::iter::repeat("Paris");
        let batch = Batch::new([endless], &bert(), 256);
        assert_eq!(batch.covered, [254]);
    }

    #[test]
    fn groups_hold_every_sentence_once_and_keep_the_limit() {
        let lengths = [5, 1, 9, 1, 4, 30];
        assert_eq!(
            group_by_length(&lengths, 10),
            [vec![1, 3, 4], vec![0], vec![2], vec![5]]
        );
        assert!(group_by_length(&[], 10).is_empty());
    }
}
