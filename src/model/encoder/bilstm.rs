//! A small encoder that is trained from nothing: word vectors from their pieces, then one BiLSTM layer.
//!
//! A word's vector is the mean of its pieces' embeddings, so a word never seen is made of parts that were. To heads each
//! word is one piece (specs of the bank, section 2): `piece_low` projects the word vectors, `piece_top` is the BiLSTM's
//! output, and there is no `[CLS]`: `sent` = tanh(W·max over words + b). Sizes as RIN's (Sun et al. 2020): 100, 50 each way.

use crate::model::batch::{Batch, DEFAULT_MAX_PIECES};
use crate::model::encoded::{BatchLayout, Encoded};
use crate::model::layers::lstm::BiLstm;
use crate::model::layers::{Embedding, Linear};
use crate::model::mode::Mode;
use crate::model::params::{Init, Scope};
use candle_core::{Device, Result, Tensor, bail};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BiLstmConfig {
    /// Rows of the piece table: [`crate::model::tokens::WordPieces::n_ids`].
    pub n_pieces: usize,
    #[serde(default = "hundred")]
    pub piece_width: usize,
    /// Width of the output, both directions together; even.
    #[serde(default = "hundred")]
    pub width: usize,
    #[serde(default = "tenth")]
    pub dropout: f64,
    #[serde(default = "max_pieces")]
    pub max_pieces: usize,
}

fn hundred() -> usize {
    100
}
fn tenth() -> f64 {
    0.1
}
fn max_pieces() -> usize {
    DEFAULT_MAX_PIECES
}

impl BiLstmConfig {
    pub fn new(n_pieces: usize) -> Self {
        Self {
            n_pieces,
            piece_width: hundred(),
            width: hundred(),
            dropout: tenth(),
            max_pieces: max_pieces(),
        }
    }
}

pub struct BiLstmEncoder {
    config: BiLstmConfig,
    embeddings: Embedding,
    lstm: BiLstm,
    low: Linear,
    sent: Linear,
    device: Device,
}

impl BiLstmEncoder {
    /// Parameters `embeddings.weight`, `lstm.{forward,backward}.*`, `low.*`, `sent.*` under `scope`.
    pub fn new(config: &BiLstmConfig, scope: &Scope) -> Result<Self> {
        let (words, width) = (config.piece_width, config.width);
        if width == 0 || width % 2 != 0 || words == 0 {
            bail!(
                "a BiLSTM encoder needs an even width and a piece width, got {width} and {words}"
            );
        }
        let table = Init::Uniform {
            low: -0.5,
            high: 0.5,
        };
        Ok(Self {
            config: config.clone(),
            embeddings: Embedding::new(&scope.pp("embeddings"), config.n_pieces, words, table)?,
            lstm: BiLstm::new(&scope.pp("lstm"), words, width / 2, 0.0)?,
            low: Linear::new(&scope.pp("low"), words, width, Init::glorot(words, width))?,
            sent: Linear::new(&scope.pp("sent"), width, width, Init::glorot(width, width))?,
            device: scope.device().clone(),
        })
    }

    pub fn device(&self) -> &Device {
        &self.device
    }
    pub fn width(&self) -> usize {
        self.config.width
    }
    pub fn max_pieces(&self) -> usize {
        self.config.max_pieces
    }
    /// The input table [pieces, piece_width].
    pub fn piece_vectors(&self) -> &Tensor {
        &self.embeddings.weight
    }

    pub fn forward(&self, batch: &Batch, mode: Mode) -> Result<Encoded> {
        let layout = one_piece_a_word(&batch.layout);
        let vectors = self.word_vectors(batch, mode)?; // [W, piece_width]
        let vectors = mode.nudge(vectors, &layout.word_starts)?;
        let vectors = mode.dropout(&vectors, self.config.dropout)?;
        let words = self
            .lstm
            .forward_packed(&vectors, &layout.word_starts, mode)?; // [W, d]
        let most = max_over_words(&words, &layout.word_starts)?; // [B, d]
        Ok(Encoded {
            piece_low: self.low.forward(&vectors, mode)?,
            piece_top: words.clone(),
            sent: self.sent.forward(&most, mode)?.tanh()?,
            words,
            layout,
        })
    }

    /// Mean of each word's piece embeddings.
    fn word_vectors(&self, batch: &Batch, mode: Mode) -> Result<Tensor> {
        let layout = &batch.layout;
        let (n_pieces, n_words) = (layout.total_pieces(), layout.total_words());
        let mut owner = vec![0u32; n_pieces];
        let mut share = vec![0f32; n_pieces];
        for (word, pieces) in layout.word_pieces.iter().enumerate() {
            owner[pieces.clone()].fill(word as u32);
            share[pieces.clone()].fill(1.0 / pieces.len() as f32);
        }
        let owner = Tensor::from_vec(owner, n_pieces, &self.device)?;
        let share = Tensor::from_vec(share, (n_pieces, 1), &self.device)?;
        let pieces = self
            .embeddings
            .forward(batch.ids.clone(), mode)?
            .broadcast_mul(&share)?;
        let zeros = Tensor::zeros(
            (n_words, self.config.piece_width),
            pieces.dtype(),
            &self.device,
        )?;
        zeros.index_add(&owner, &pieces, 0)
    }
}

/// The heads' layout: every word its own piece, nothing between.
fn one_piece_a_word(layout: &BatchLayout) -> Arc<BatchLayout> {
    Arc::new(BatchLayout {
        word_starts: layout.word_starts.clone(),
        piece_starts: layout.word_starts.clone(),
        word_pieces: (0..layout.total_words()).map(|w| w..w + 1).collect(),
    })
}

/// Largest value in each column over each sentence's words; zeros for a sentence without words. words [W, d] -> [B, d].
fn max_over_words(words: &Tensor, starts: &[usize]) -> Result<Tensor> {
    let ((n_words, width), device) = (words.dims2()?, words.device());
    let n_sentences = starts.len() - 1;
    let longest = starts
        .windows(2)
        .map(|s| s[1] - s[0])
        .max()
        .unwrap_or(0)
        .max(1);
    // Row W is all zeros: the places past a sentence's end, lowered below any LSTM state, which lies in ±1.
    let mut rows = vec![n_words as u32; n_sentences * longest];
    let mut lower = vec![-2f32; n_sentences * longest];
    for (b, sentence) in starts.windows(2).enumerate() {
        for (t, word) in (sentence[0]..sentence[1]).enumerate() {
            rows[b * longest + t] = word as u32;
            lower[b * longest + t] = 0.0;
        }
        if sentence[0] == sentence[1] {
            lower[b * longest] = 0.0;
        }
    }
    let n_rows = rows.len();
    let absent = Tensor::zeros((1, width), words.dtype(), device)?;
    Tensor::cat(&[words, &absent], 0)?
        .index_select(&Tensor::from_vec(rows, n_rows, device)?, 0)?
        .broadcast_add(&Tensor::from_vec(lower, (n_rows, 1), device)?)?
        .reshape((n_sentences, longest, width))?
        .max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn maximum_over_words() -> Result<()> {
        let words = Tensor::new(&[[-0.5f32, 0.1], [-0.25, -0.9], [0.75, -0.5]], &Device::Cpu)?;
        let most = max_over_words(&words, &[0, 2, 2, 3])?;
        assert_eq!(
            most.to_vec2::<f32>()?,
            [[-0.25, 0.1], [0.0, 0.0], [0.75, -0.5]]
        );
        Ok(())
    }
}
