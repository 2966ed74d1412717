//! BERT (Devlin et al. 2019) over packed pieces, trainable, under Hugging Face's parameter names.
//!
//! candle-transformers' BERT is inference only (its layer norm has no gradient, its dropout is the identity); it serves as
//! the oracle of the parity test. Only the last two layers' hidden states are kept.

use crate::model::batch::Batch;
use crate::model::encoded::Encoded;
use crate::model::mode::Mode;
use crate::model::ops::{gelu, layer_norm, n_attention_weights, packed_attention};
use crate::model::params::{Init, Scope};
use candle_core::{Result, Tensor, bail};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// The part of Hugging Face's config.json that shapes the computation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BertConfig {
    pub vocab_size: usize,
    pub hidden_size: usize,
    pub num_hidden_layers: usize,
    pub num_attention_heads: usize,
    pub intermediate_size: usize,
    #[serde(default = "default_activation")]
    pub hidden_act: String,
    #[serde(default)]
    pub hidden_dropout_prob: f64,
    #[serde(default)]
    pub attention_probs_dropout_prob: f64,
    pub max_position_embeddings: usize,
    pub type_vocab_size: usize,
    #[serde(default = "default_eps")]
    pub layer_norm_eps: f64,
}

fn default_activation() -> String {
    "gelu".to_owned()
}
fn default_eps() -> f64 {
    1e-12
}

struct Linear {
    weight: Tensor,
    bias: Tensor,
}

impl Linear {
    fn new(scope: &Scope, input: usize, output: usize) -> Result<Self> {
        let weight = scope.get((output, input), "weight", Init::Normal { std: 0.02 })?;
        Ok(Self {
            weight,
            bias: scope.get(output, "bias", Init::ZEROS)?,
        })
    }
    /// [N, input] -> [N, output]
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        x.matmul(&self.weight.t()?)?.broadcast_add(&self.bias)
    }
}

struct Norm {
    weight: Tensor,
    bias: Tensor,
    eps: f64,
}

impl Norm {
    fn new(scope: &Scope, width: usize, eps: f64) -> Result<Self> {
        let scope = scope.pp("LayerNorm");
        Ok(Self {
            weight: scope.get(width, "weight", Init::ONES)?,
            bias: scope.get(width, "bias", Init::ZEROS)?,
            eps,
        })
    }
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        layer_norm(x, &self.weight, &self.bias, self.eps)
    }
}

struct Layer {
    /// query, key and value.
    projections: [Linear; 3],
    attention_out: Linear,
    attention_norm: Norm,
    intermediate: Linear,
    output: Linear,
    output_norm: Norm,
}

pub struct Bert {
    config: BertConfig,
    words: Tensor,
    positions: Tensor,
    types: Tensor,
    norm: Norm,
    layers: Vec<Layer>,
    pooler: Linear,
}

impl Bert {
    /// Fails on an activation other than "gelu", on fewer than two layers, and on parameters of another shape.
    pub fn new(scope: &Scope, config: &BertConfig) -> Result<Self> {
        let (h, f, eps) = (
            config.hidden_size,
            config.intermediate_size,
            config.layer_norm_eps,
        );
        if config.hidden_act != "gelu" {
            bail!(
                "encoder activation `{}` is not supported, expected `gelu`",
                config.hidden_act
            );
        }
        if config.num_hidden_layers < 2
            || config.num_attention_heads == 0
            || h % config.num_attention_heads != 0
        {
            bail!(
                "an encoder of {} layers, width {h}, {} heads is not supported",
                config.num_hidden_layers,
                config.num_attention_heads
            );
        }
        let embeddings = scope.pp("embeddings");
        let table = |rows: usize, name: &str| {
            embeddings
                .pp(name)
                .get((rows, h), "weight", Init::Normal { std: 0.02 })
        };
        let layer = |i: usize| {
            let scope = scope.pp("encoder.layer").pp(i);
            let attention = scope.pp("attention");
            let projection = |name: &str| Linear::new(&attention.pp("self").pp(name), h, h);
            Ok(Layer {
                projections: [
                    projection("query")?,
                    projection("key")?,
                    projection("value")?,
                ],
                attention_out: Linear::new(&attention.pp("output.dense"), h, h)?,
                attention_norm: Norm::new(&attention.pp("output"), h, eps)?,
                intermediate: Linear::new(&scope.pp("intermediate.dense"), h, f)?,
                output: Linear::new(&scope.pp("output.dense"), f, h)?,
                output_norm: Norm::new(&scope.pp("output"), h, eps)?,
            })
        };
        Ok(Self {
            words: table(config.vocab_size, "word_embeddings")?,
            positions: table(config.max_position_embeddings, "position_embeddings")?,
            types: table(config.type_vocab_size, "token_type_embeddings")?,
            norm: Norm::new(&embeddings, h, eps)?,
            layers: (0..config.num_hidden_layers)
                .map(layer)
                .collect::<Result<_>>()?,
            pooler: Linear::new(&scope.pp("pooler.dense"), h, h)?,
            config: config.clone(),
        })
    }

    pub fn width(&self) -> usize {
        self.config.hidden_size
    }
    pub fn max_pieces(&self) -> usize {
        self.config.max_position_embeddings
    }
    /// [vocabulary, d]: input vectors of word pieces, HRERE's fixed word vectors.
    pub fn piece_vectors(&self) -> &Tensor {
        &self.words
    }

    /// Fails on a piece outside the vocabulary or a sentence longer than the position table.
    pub fn forward(&self, batch: &Batch, mode: Mode) -> Result<Encoded> {
        let device = self.words.device();
        let layout = &batch.layout;
        let p = batch.ids.len();
        let ids = Tensor::from_vec(batch.ids.clone(), p, device)?;
        let positions = Tensor::from_vec(batch.positions.clone(), p, device)?;
        let x = self
            .words
            .index_select(&ids, 0)?
            .add(&self.positions.index_select(&positions, 0)?)?;
        let x = x.broadcast_add(&self.types.get(0)?)?;
        let mut x = mode.dropout(&self.norm.forward(&x)?, self.config.hidden_dropout_prob)?;
        let starts = Arc::new(layout.piece_starts.clone());
        let mut low = x.clone();
        for layer in &self.layers {
            low = x;
            x = self.layer(layer, &low, &starts, mode)?;
        }
        let first_pieces: Vec<u32> = layout.word_pieces.iter().map(|r| r.start as u32).collect();
        let firsts = Tensor::from_vec(first_pieces, layout.total_words(), device)?;
        let cls: Vec<u32> = layout.piece_starts[..layout.n_sentences()]
            .iter()
            .map(|s| *s as u32)
            .collect();
        let cls = Tensor::from_vec(cls, layout.n_sentences(), device)?;
        Ok(Encoded {
            layout: Arc::clone(layout),
            words: x.index_select(&firsts, 0)?,
            sent: self.pooler.forward(&x.index_select(&cls, 0)?)?.tanh()?,
            piece_low: low,
            piece_top: x,
        })
    }

    fn layer(
        &self,
        layer: &Layer,
        x: &Tensor,
        starts: &Arc<Vec<usize>>,
        mode: Mode,
    ) -> Result<Tensor> {
        let heads = self.config.num_attention_heads;
        let [q, k, v] = &layer.projections;
        // One wide product: the three matrices read the same rows.
        let weight = Tensor::cat(&[&q.weight, &k.weight, &v.weight], 0)?;
        let bias = Tensor::cat(&[&q.bias, &k.bias, &v.bias], 0)?;
        let qkv = x.matmul(&weight.t()?)?.broadcast_add(&bias)?;
        let n_weights = n_attention_weights(starts, heads);
        let keep = mode
            .dropout_factors(n_weights, self.config.attention_probs_dropout_prob)
            .map(Arc::new);
        let attended = packed_attention(&qkv, starts, heads, keep)?;
        let p = self.config.hidden_dropout_prob;
        let attended = mode.dropout(&layer.attention_out.forward(&attended)?, p)?;
        let y = layer.attention_norm.forward(&(attended + x)?)?;
        let hidden = gelu(&layer.intermediate.forward(&y)?)?;
        let hidden = mode.dropout(&layer.output.forward(&hidden)?, p)?;
        layer.output_norm.forward(&(hidden + y)?)
    }
}
