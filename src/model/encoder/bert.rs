//! BERT over packed sentences (Devlin et al. 2019): post-norm transformer layers, parameters under Hugging Face names.
//!
//! One forward pass for training and inference; the last two layers' states are given. Importing published weights:
//! `import`. The fused operations it runs on: `crate::model::ops`.

use crate::model::batch::{Batch, DEFAULT_MAX_PIECES};
use crate::model::encoded::{BatchLayout, Encoded};
use crate::model::layers::{Embedding, LayerNorm, Linear, seen};
use crate::model::mode::Mode;
use crate::model::ops::{self, BlockParameters, EncoderBlock, Products};
use crate::model::params::{Init, Scope};
use candle_core::{Device, Result, Tensor, bail};
use candle_transformers::models::bert::{Config, HiddenAct};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::sync::{Arc, OnceLock};

/// Which vector stands for the whole sentence (kernel head's E_a; its specs, section 1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SentenceVector {
    /// tanh(W·`[CLS]` + b): the released code.
    #[default]
    Pooled,
    /// The top layer at `[CLS]`: the paper's words.
    ClsLast,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BertConfig {
    /// config.json as published.
    pub hf: Value,
    /// Pieces of a sentence at most, `[CLS]` and `[SEP]` included.
    #[serde(default = "max_pieces")]
    pub max_pieces: usize,
    #[serde(default)]
    pub sentence: SentenceVector,
}

fn max_pieces() -> usize {
    DEFAULT_MAX_PIECES
}

impl BertConfig {
    pub fn new(hf: Value) -> Self {
        Self {
            hf,
            max_pieces: max_pieces(),
            sentence: SentenceVector::default(),
        }
    }

    /// Sizes and rates of the model. The message of an error says which key is wrong.
    pub fn sizes(&self) -> std::result::Result<Config, String> {
        let mut hf = self.hf.clone();
        if let Some(kind) = hf.get("model_type").and_then(Value::as_str)
            && kind != "bert"
        {
            return Err(format!(
                "model_type is `{kind}`; only `bert` encoders can be read"
            ));
        }
        // Two of Hugging Face's names for the tanh approximation.
        if let Some(Value::String(name)) = hf.get_mut("hidden_act")
            && ["gelu_new", "gelu_pytorch_tanh"].contains(&name.as_str())
        {
            *name = "geluapproximate".to_owned();
        }
        let config: Config = serde_json::from_value(hf).map_err(|e| e.to_string())?;
        if config.num_hidden_layers == 0 || config.max_position_embeddings < 3 {
            return Err("num_hidden_layers or max_position_embeddings is too small".to_owned());
        }
        match config.num_attention_heads {
            n if n > 0 && config.hidden_size.is_multiple_of(n) => Ok(config),
            n => Err(format!(
                "hidden_size {} is not a multiple of num_attention_heads {n}",
                config.hidden_size
            )),
        }
    }

    fn attention_dropout(&self) -> f64 {
        let key = "attention_probs_dropout_prob";
        self.hf.get(key).and_then(Value::as_f64).unwrap_or(0.0)
    }
}

struct Layer {
    query: Linear,
    key: Linear,
    value: Linear,
    attention_out: Linear,
    attention_norm: LayerNorm,
    widen: Linear,
    narrow: Linear,
    norm: LayerNorm,
    /// The form that inference takes; made when first asked for.
    block: OnceLock<Option<Arc<EncoderBlock>>>,
}

pub struct BertEncoder {
    words: Embedding,
    positions: Embedding,
    token_type: Embedding,
    norm: LayerNorm,
    layers: Vec<Layer>,
    pooler: Linear,
    config: Config,
    attention_dropout: f64,
    max_pieces: usize,
    sentence: SentenceVector,
    products: Products,
    device: Device,
}

impl BertEncoder {
    pub fn new(bert: &BertConfig, scope: &Scope) -> Result<Self> {
        let config = match bert.sizes() {
            Ok(config) => config,
            Err(reason) => bail!("encoder config: {reason}"),
        };
        let init = Init::Normal {
            std: config.initializer_range,
        };
        let (h, eps) = (config.hidden_size, config.layer_norm_eps);
        let embeddings = scope.pp("embeddings");
        let table = |name: &str, n| Embedding::new(&embeddings.pp(name), n, h, init);
        Ok(Self {
            words: table("word_embeddings", config.vocab_size)?,
            positions: table("position_embeddings", config.max_position_embeddings)?,
            token_type: table("token_type_embeddings", config.type_vocab_size)?,
            norm: LayerNorm::new(&embeddings.pp("LayerNorm"), h, eps)?,
            layers: (0..config.num_hidden_layers)
                .map(|i| Layer::new(&config, &scope.pp("encoder.layer").pp(i), init))
                .collect::<Result<_>>()?,
            pooler: Linear::new(&scope.pp("pooler.dense"), h, h, init)?,
            attention_dropout: bert.attention_dropout(),
            max_pieces: bert.max_pieces.min(config.max_position_embeddings),
            sentence: bert.sentence,
            products: Products::F32,
            device: scope.device().clone(),
            config,
        })
    }

    /// How inference multiplies, from the next pass on.
    pub fn set_products(&mut self, products: Products) {
        self.products = products;
        for layer in &mut self.layers {
            layer.block = OnceLock::new();
        }
    }

    pub fn width(&self) -> usize {
        self.config.hidden_size
    }
    pub fn max_pieces(&self) -> usize {
        self.max_pieces
    }
    /// The input table [pieces, h].
    pub fn piece_vectors(&self) -> &Tensor {
        &self.words.weight
    }

    pub fn forward(&self, batch: &Batch, mode: Mode) -> Result<Encoded> {
        let layout = &batch.layout;
        let mut low = self.embed(batch, mode)?; // [P, h]
        let mut top = low.clone();
        for layer in &self.layers {
            low = top;
            top = self.run_layer(layer, &low, layout, mode)?;
        }
        let first = |rows: &mut dyn Iterator<Item = usize>| -> Result<Tensor> {
            let rows: Vec<u32> = rows.map(|row| row as u32).collect();
            top.index_select(&Tensor::new(rows.as_slice(), &self.device)?, 0)
        };
        let words = first(&mut layout.word_pieces.iter().map(|pieces| pieces.start))?; // [W, h]
        let n_sentences = layout.n_sentences();
        let cls = first(&mut layout.piece_starts.iter().copied().take(n_sentences))?; // [B, h]
        let sent = match self.sentence {
            SentenceVector::Pooled => self.pooler.forward(&cls, mode)?.tanh()?,
            SentenceVector::ClsLast => cls,
        };
        Ok(Encoded {
            layout: layout.clone(),
            words,
            piece_low: low,
            piece_top: top,
            sent,
        })
    }

    fn embed(&self, batch: &Batch, mode: Mode) -> Result<Tensor> {
        let ids = Tensor::new(batch.ids.as_slice(), &self.device)?;
        let positions = Tensor::new(batch.positions.as_slice(), &self.device)?;
        // Every piece is of type 0: its row joins the positions' table.
        let token_type = seen(&self.token_type.weight, mode).narrow(0, 0, 1)?;
        let positions = self.positions.forward(&positions, mode)?;
        let x = (self.words.forward(&ids, mode)? + positions.broadcast_add(&token_type)?)?;
        mode.dropout(
            &self.norm.forward(&x, mode)?,
            self.config.hidden_dropout_prob,
        )
    }

    /// x [P, h] -> [P, h].
    fn run_layer(
        &self,
        layer: &Layer,
        x: &Tensor,
        layout: &Arc<BatchLayout>,
        mode: Mode,
    ) -> Result<Tensor> {
        if let Some(block) = self.block(layer, x, mode)? {
            return block.forward(x, layout);
        }
        let dropout = self.config.hidden_dropout_prob;
        let context = ops::packed_attention(
            &layer.query.forward(x, mode)?,
            &layer.key.forward(x, mode)?,
            &layer.value.forward(x, mode)?,
            layout,
            self.config.num_attention_heads,
            mode.draw_dropout(self.attention_dropout),
        )?;
        let attended = layer.attention_out.forward(&context, mode)?;
        let attended = layer
            .attention_norm
            .forward_sum(&attended, dropout, x, mode)?;
        let wide = self.activate(&layer.widen.forward(&attended, mode)?)?; // [P, 4h]
        let narrow = layer.narrow.forward(&wide, mode)?;
        layer.norm.forward_sum(&narrow, dropout, &attended, mode)
    }

    /// The layer as inference runs it, where nothing of it can change or is recorded.
    fn block<'a>(
        &self,
        layer: &'a Layer,
        x: &Tensor,
        mode: Mode,
    ) -> Result<Option<&'a Arc<EncoderBlock>>> {
        let has_form = matches!(self.config.hidden_act, HiddenAct::Gelu);
        if mode.is_train() || !has_form || layer.is_recorded() || x.track_op() {
            return Ok(None);
        }
        if let Some(block) = layer.block.get() {
            return Ok(block.as_ref());
        }
        let heads = self.config.num_attention_heads;
        let made = EncoderBlock::new(&layer.parameters(heads), self.products)?.map(Arc::new);
        Ok(layer.block.get_or_init(|| made).as_ref())
    }

    fn activate(&self, x: &Tensor) -> Result<Tensor> {
        match self.config.hidden_act {
            HiddenAct::Gelu => ops::gelu(x),
            HiddenAct::GeluApproximate => x.gelu(),
            HiddenAct::Relu => x.relu(),
        }
    }
}

impl Layer {
    fn new(config: &Config, scope: &Scope, init: Init) -> Result<Self> {
        let (h, wide, eps) = (
            config.hidden_size,
            config.intermediate_size,
            config.layer_norm_eps,
        );
        let attention = scope.pp("attention");
        let square = |name: &str| Linear::new(&attention.pp(name), h, h, init);
        Ok(Self {
            query: square("self.query")?,
            key: square("self.key")?,
            value: square("self.value")?,
            attention_out: square("output.dense")?,
            attention_norm: LayerNorm::new(&attention.pp("output.LayerNorm"), h, eps)?,
            widen: Linear::new(&scope.pp("intermediate.dense"), h, wide, init)?,
            narrow: Linear::new(&scope.pp("output.dense"), wide, h, init)?,
            norm: LayerNorm::new(&scope.pp("output.LayerNorm"), h, eps)?,
            block: OnceLock::new(),
        })
    }

    /// Whether some parameter is still a variable.
    fn is_recorded(&self) -> bool {
        let p = self.parameters(1);
        let linear = [p.attention_out, p.widen, p.narrow];
        let norms = [p.attention_norm, p.norm];
        let mut all = p.inputs.iter().chain(&linear).chain(&norms);
        all.any(|(weight, bias)| weight.track_op() || bias.track_op())
    }

    fn parameters(&self, n_heads: usize) -> BlockParameters<'_> {
        fn of(linear: &Linear) -> (&Tensor, &Tensor) {
            (&linear.weight, &linear.bias)
        }
        BlockParameters {
            inputs: [of(&self.query), of(&self.key), of(&self.value)],
            attention_out: of(&self.attention_out),
            attention_norm: (&self.attention_norm.weight, &self.attention_norm.bias),
            widen: of(&self.widen),
            narrow: of(&self.narrow),
            norm: (&self.norm.weight, &self.norm.bias),
            eps: self.norm.eps,
            n_heads,
        }
    }
}
