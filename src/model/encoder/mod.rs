//! Sentences → hidden states. One forward pass for training and inference.

pub mod bert;
pub mod hf;

use super::batch::Batch;
use super::encoded::Encoded;
use super::mode::Mode;
use super::params::Scope;
use candle_core::{Result, Tensor};
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EncoderConfig {
    Bert(bert::BertConfig),
}

pub enum Encoder {
    Bert(bert::Bert),
}

impl Encoder {
    pub fn new(scope: &Scope, config: &EncoderConfig) -> Result<Self> {
        match config {
            EncoderConfig::Bert(config) => Ok(Self::Bert(bert::Bert::new(scope, config)?)),
        }
    }
    pub fn forward(&self, batch: &Batch, mode: Mode) -> Result<Encoded> {
        match self {
            Self::Bert(bert) => bert.forward(batch, mode),
        }
    }
    pub fn width(&self) -> usize {
        match self {
            Self::Bert(bert) => bert.width(),
        }
    }
    /// Longest sentence in pieces, [CLS] and [SEP] included.
    pub fn max_pieces(&self) -> usize {
        match self {
            Self::Bert(bert) => bert.max_pieces(),
        }
    }
    /// [vocabulary, width]: input vectors of word pieces.
    pub fn piece_vectors(&self) -> &Tensor {
        match self {
            Self::Bert(bert) => bert.piece_vectors(),
        }
    }
}

#[cfg(test)]
mod tests;
