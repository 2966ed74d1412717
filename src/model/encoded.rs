//! What every encoder gives and every head reads: packed hidden states and where each sentence, word and piece lies in them.
//!
//! Nothing is padded: sentences stand end to end, so no head can mistake padding for words. A head that wants a padded
//! `[B, n, ..]` view makes its own (specs of RIN: a row of zeros for absent words).

use candle_core::Tensor;
use std::ops::Range;
use std::sync::Arc;

/// Where the sentences of a batch lie in packed tensors.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BatchLayout {
    /// Sentence b owns packed words `word_starts[b]..word_starts[b + 1]`; length B + 1. Only covered words count.
    pub word_starts: Vec<usize>,
    /// Sentence b owns packed pieces `piece_starts[b]..piece_starts[b + 1]`, `[CLS]` and `[SEP]` included; length B + 1.
    pub piece_starts: Vec<usize>,
    /// Packed pieces of each packed word, never empty; length W. Pieces of `[CLS]` and `[SEP]` belong to no word.
    pub word_pieces: Vec<Range<usize>>,
}

impl BatchLayout {
    pub fn n_sentences(&self) -> usize {
        self.word_starts.len() - 1
    }
    /// Words of sentence `b` that the encoder saw.
    pub fn n_words(&self, b: usize) -> usize {
        self.word_starts[b + 1] - self.word_starts[b]
    }
    pub fn total_words(&self) -> usize {
        self.word_pieces.len()
    }
    pub fn total_pieces(&self) -> usize {
        self.piece_starts.last().copied().unwrap_or(0)
    }
    /// Packed pieces from the first piece of word `words.start` to the last of `words.end - 1`; `words` counts words of sentence `b`.
    pub fn pieces(&self, b: usize, words: Range<usize>) -> Range<usize> {
        let first = self.word_starts[b];
        self.word_pieces[first + words.start].start..self.word_pieces[first + words.end - 1].end
    }
}

/// Hidden states of a batch (specs/bank section 2). W words, P pieces, B sentences, width d.
#[derive(Clone)]
pub struct Encoded {
    pub layout: Arc<BatchLayout>,
    /// [W, d]: RIN's H. BERT: top layer at the first piece of each word. BiLSTM: both directions concatenated.
    pub words: Tensor,
    /// [P, d]: the kernel head's E_w. BERT: layer L-1. BiLSTM: embeddings projected to d.
    pub piece_low: Tensor,
    /// [P, d]: the kernel head's E_p. BERT: layer L. BiLSTM: its output.
    pub piece_top: Tensor,
    /// [B, d]: the kernel head's E_a. BERT: pooled `[CLS]` (or its last hidden state). BiLSTM: tanh(W max over words).
    pub sent: Tensor,
}
