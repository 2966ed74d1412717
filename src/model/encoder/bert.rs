//! BERT over packed sentences (Devlin et al. 2019): post-norm transformer layers, parameters under Hugging Face names.
//!
//! One forward pass for training and inference; the last two layers' states are given. Importing published weights:
//! `import`. The fused operations it runs on: `crate::model::ops`.

use crate::model::batch::{Batch, DEFAULT_MAX_PIECES};
use crate::model::encoded::{BatchLayout, Encoded};
use crate::model::layers::{Embedding, LayerNorm, Linear, seen};
use crate::model::mode::Mode;
use crate::model::ops::{self, BlockParameters, EncoderBlock, PaddedBlock, Padding, Products};
use crate::model::params::{Init, Scope};
use crate::model::shapes::N_SHAPES;
use candle_core::{DType, Device, Result, Tensor, bail};
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
    /// Pieces enter with the shape of their word; ours, for tokenizers that ignore case.
    #[serde(default)]
    pub word_shapes: bool,
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
            word_shapes: false,
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
    /// The forms that inference takes; made when first asked for.
    fused: OnceLock<Arc<EncoderBlock>>,
    padded: OnceLock<PaddedBlock>,
}

/// How the layers run.
enum Form {
    /// As training does, whatever records it. Where sentences must be padded, how.
    Recorded(Option<Arc<Padding>>),
    /// On the CPU, where nothing can change or is recorded.
    Fused,
    /// The same on another device, and what the layers compute in.
    Padded(Padding, DType),
}

pub struct BertEncoder {
    words: Embedding,
    positions: Embedding,
    token_type: Embedding,
    shapes: Option<Embedding>,
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
        // Zero at the start: the encoder as published.
        let shapes = || Embedding::new(&scope.pp("shapes"), N_SHAPES, h, Init::ZEROS);
        let shapes = bert.word_shapes.then(shapes);
        Ok(Self {
            words: table("word_embeddings", config.vocab_size)?,
            positions: table("position_embeddings", config.max_position_embeddings)?,
            token_type: table("token_type_embeddings", config.type_vocab_size)?,
            shapes: shapes.transpose()?,
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
            layer.fused = OnceLock::new();
            layer.padded = OnceLock::new();
        }
    }

    pub fn device(&self) -> &Device {
        &self.device
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
        let (form, dtype) = (self.form(&low, layout, mode)?, low.dtype());
        if let Form::Padded(_, dtype) = &form {
            top = top.detach().to_dtype(*dtype)?;
        }
        for layer in &self.layers {
            low = top;
            top = match &form {
                Form::Recorded(padding) => {
                    self.run_layer(layer, &low, layout, padding.as_ref(), mode)?
                }
                Form::Fused => self.fused(layer)?.forward(&low, layout)?,
                Form::Padded(padding, dtype) => {
                    self.padded(layer, *dtype)?.forward(&low, padding)?
                }
            };
        }
        let (low, top) = (low.to_dtype(dtype)?, top.to_dtype(dtype)?);
        let first = |rows: &mut dyn Iterator<Item = usize>| -> Result<Tensor> {
            let rows: Vec<u32> = rows.map(|row| row as u32).collect();
            ops::take_rows(&top, rows)
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
        // Every piece is of type 0: its row joins the positions' table.
        let token_type = seen(&self.token_type.weight, mode).narrow(0, 0, 1)?;
        let positions = self.positions.forward(batch.positions.clone(), mode)?;
        let mut x = (self.words.forward(batch.ids.clone(), mode)?
            + positions.broadcast_add(&token_type)?)?;
        if let Some(shapes) = &self.shapes {
            x = (x + shapes.forward(batch.shapes.clone(), mode)?)?;
        }
        let x = mode.nudge(x, &batch.layout.piece_starts)?;
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
        padding: Option<&Arc<Padding>>,
        mode: Mode,
    ) -> Result<Tensor> {
        let dropout = self.config.hidden_dropout_prob;
        let context = ops::packed_attention(
            &layer.query.forward(x, mode)?,
            &layer.key.forward(x, mode)?,
            &layer.value.forward(x, mode)?,
            layout,
            padding,
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

    /// Which form the layers take on `x`, the embedded pieces.
    fn form(&self, x: &Tensor, layout: &BatchLayout, mode: Mode) -> Result<Form> {
        let has_form = matches!(self.config.hidden_act, HiddenAct::Gelu);
        let recorded = x.track_op() || self.layers.iter().any(Layer::is_recorded);
        let padding = |dtype| Padding::new(layout, dtype, x.device());
        if mode.is_train() || recorded || !has_form {
            let padding = match ops::is_fused(x) {
                true => None,
                false => Some(Arc::new(padding(x.dtype())?)),
            };
            return Ok(Form::Recorded(padding));
        }
        if ops::is_fused(x) {
            return Ok(Form::Fused);
        }
        if x.device().is_cpu() || x.dtype() != DType::F32 {
            return Ok(Form::Recorded(Some(Arc::new(padding(x.dtype())?))));
        }
        let dtype = match self.products {
            Products::Bf16 => DType::BF16,
            Products::F32 | Products::Int8 => DType::F32,
        };
        Ok(Form::Padded(padding(dtype)?, dtype))
    }

    fn fused<'a>(&self, layer: &'a Layer) -> Result<&'a Arc<EncoderBlock>> {
        if let Some(block) = layer.fused.get() {
            return Ok(block);
        }
        let parameters = layer.parameters(self.config.num_attention_heads);
        let made = Arc::new(EncoderBlock::new(&parameters, self.products)?);
        Ok(layer.fused.get_or_init(|| made))
    }

    fn padded<'a>(&self, layer: &'a Layer, dtype: DType) -> Result<&'a PaddedBlock> {
        if let Some(block) = layer.padded.get() {
            return Ok(block);
        }
        let parameters = layer.parameters(self.config.num_attention_heads);
        let made = PaddedBlock::new(&parameters, dtype)?;
        Ok(layer.padded.get_or_init(|| made))
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
            fused: OnceLock::new(),
            padded: OnceLock::new(),
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
