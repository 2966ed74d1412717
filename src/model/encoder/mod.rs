//! Words in context: the text side that sentence heads share.
//!
//! Two kinds: a pretrained BERT (`bert`, imported by `import`) and a small BiLSTM trained from nothing (`bilstm`). An
//! encoder knows no head and no relation. What it gives: [`Encoded`].

pub mod bert;
pub mod bilstm;
pub mod import;
#[cfg(test)]
mod tests;

use super::batch::Batch;
use super::encoded::Encoded;
use super::mode::Mode;
pub use super::ops::Products;
use super::params::Scope;
use super::tokens::Frame;
use bert::{BertConfig, BertEncoder};
use bilstm::{BiLstmConfig, BiLstmEncoder};
use candle_core::{Device, Result, Tensor};
use serde::{Deserialize, Serialize};

pub use import::{ImportError, Imported, import_hf};

/// An encoder's kind and sizes, as kept in a checkpoint.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EncoderConfig {
    Bert(BertConfig),
    BiLstm(BiLstmConfig),
}

impl EncoderConfig {
    /// How this encoder's sentences are framed; for loading its tokenizer.
    pub fn frame(&self) -> Frame {
        match self {
            EncoderConfig::Bert(_) => Frame::ClsSep,
            EncoderConfig::BiLstm(_) => Frame::Bare,
        }
    }
}

pub enum Encoder {
    Bert(BertEncoder),
    BiLstm(BiLstmEncoder),
}

impl Encoder {
    /// Takes its parameters from `root` under `enc`.
    pub fn new(config: &EncoderConfig, root: &Scope) -> Result<Self> {
        let scope = root.pp("enc");
        Ok(match config {
            EncoderConfig::Bert(config) => Encoder::Bert(BertEncoder::new(config, &scope)?),
            EncoderConfig::BiLstm(config) => Encoder::BiLstm(BiLstmEncoder::new(config, &scope)?),
        })
    }

    /// Hidden states of a batch made with this encoder's tokenizer and at most [`Encoder::max_pieces`] pieces a
    /// sentence. Read places from the result's layout: a BiLSTM's differs from the batch's. A batch must not be empty.
    pub fn forward(&self, batch: &Batch, mode: Mode) -> Result<Encoded> {
        if batch.layout.total_words() == 0 {
            candle_core::bail!("a batch without words cannot be encoded");
        }
        match self {
            Encoder::Bert(encoder) => encoder.forward(batch, mode),
            Encoder::BiLstm(encoder) => encoder.forward(batch, mode),
        }
    }

    /// How inference multiplies with a BERT's weights, from the next pass on. A BiLSTM knows f32 only.
    pub fn set_products(&mut self, products: Products) {
        if let Encoder::Bert(encoder) = self {
            encoder.set_products(products);
        }
    }

    /// Where it computes.
    pub fn device(&self) -> &Device {
        match self {
            Encoder::Bert(encoder) => encoder.device(),
            Encoder::BiLstm(encoder) => encoder.device(),
        }
    }

    /// d: width of words, pieces and sentence vectors.
    pub fn width(&self) -> usize {
        match self {
            Encoder::Bert(encoder) => encoder.width(),
            Encoder::BiLstm(encoder) => encoder.width(),
        }
    }

    /// Pieces a sentence may have, its frame included.
    pub fn max_pieces(&self) -> usize {
        match self {
            Encoder::Bert(encoder) => encoder.max_pieces(),
            Encoder::BiLstm(encoder) => encoder.max_pieces(),
        }
    }

    /// The embeddings that pieces enter with, [pieces, width of the table]; no context, no position.
    pub fn piece_vectors(&self) -> &Tensor {
        match self {
            Encoder::Bert(encoder) => encoder.piece_vectors(),
            Encoder::BiLstm(encoder) => encoder.piece_vectors(),
        }
    }
}
