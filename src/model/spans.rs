//! The span head: is this run of words an entity, and of which type?
//!
//! Ours, after the span classifiers of the field (Zhong & Chen 2021, section 3.1: a span is its two end words and its
//! width): `logits = W_o · gelu(W_s h_start + W_e h_end + v_width)`, softmax over "none" and the entity types. RIN's tags
//! propose spans (`decode::likely_spans`), this head decides. Without typed entities it has one unnamed type.
//! A corpus may type only some of its entities: an untyped one is taught as "any type, but not none".

use super::encoded::Encoded;
use super::layers::{Embedding, Linear};
use super::mode::Mode;
use super::ops;
use super::params::{Init, Scope};
use crate::domain::TokenSpan;
use candle_core::{D, Result, Tensor};
use serde::{Deserialize, Serialize};

/// Widths from this one on share a vector.
const WIDTHS: usize = 12;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SpanConfig {
    /// Width of the hidden layer.
    pub hidden: usize,
    /// On words and on the hidden layer.
    pub dropout: f64,
    /// Spans beside the gold ones that a training sentence shows at most: the likeliest wrong ones of RIN's tags ...
    pub hard_negatives: usize,
    /// ... and spans drawn at random, half of them gold spans with one border moved.
    pub random_negatives: usize,
    /// Of the likeliest wrong spans this many are entities for the kernel head too: pairs with them are unrelated.
    pub distractors: usize,
}

impl Default for SpanConfig {
    fn default() -> Self {
        Self {
            hidden: 128,
            dropout: 0.1,
            hard_negatives: 12,
            random_negatives: 12,
            distractors: 4,
        }
    }
}

/// A span of sentence `sentence` of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatchSpan {
    pub sentence: usize,
    pub span: TokenSpan,
}

/// What a training span is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SpanTarget {
    None,
    /// An entity whose type is not known.
    Entity,
    /// Position in the model's list of entity types.
    Type(usize),
}

/// What the head says of a span.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SpanScore {
    /// Probability that the span is an entity, of whatever type.
    pub p: f32,
    /// The likeliest type; `None` for a model without named types.
    pub kind: Option<usize>,
}

/// Parameters below the given scope: `start`, `end`, `width`, `out`.
pub struct Spans {
    config: SpanConfig,
    start: Linear,
    end: Linear,
    width: Embedding,
    out: Linear,
    n_types: usize,
}

impl Spans {
    /// `d`: width of the encoder's words; `n_types`: named entity types, may be 0.
    pub fn new(scope: &Scope, config: &SpanConfig, d: usize, n_types: usize) -> Result<Self> {
        let (hidden, init) = (config.hidden, Init::fan_in(d));
        let classes = 1 + n_types.max(1);
        Ok(Self {
            config: config.clone(),
            start: Linear::new(&scope.pp("start"), d, hidden, init)?,
            end: Linear::new(&scope.pp("end"), d, hidden, init)?,
            width: Embedding::new(
                &scope.pp("width"),
                WIDTHS,
                hidden,
                Init::Normal { std: 0.02 },
            )?,
            out: Linear::new(&scope.pp("out"), hidden, classes, Init::fan_in(hidden))?,
            n_types,
        })
    }

    pub fn config(&self) -> &SpanConfig {
        &self.config
    }

    /// Logits of "none" and each type, [m, 1 + types]. Spans must lie inside the words that the encoder saw; m > 0.
    pub fn logits(&self, encoded: &Encoded, spans: &[BatchSpan], mode: Mode) -> Result<Tensor> {
        let starts = &encoded.layout.word_starts;
        let rows = |word: fn(TokenSpan) -> usize| {
            let row = |s: &BatchSpan| (starts[s.sentence] + word(s.span)) as u32;
            spans.iter().map(row).collect::<Vec<u32>>()
        };
        let widths: Vec<u32> = spans
            .iter()
            .map(|s| s.span.len().min(WIDTHS) as u32 - 1)
            .collect();
        let words = mode.dropout(&encoded.words, self.config.dropout)?;
        let side = |linear: &Linear, word| -> Result<Tensor> {
            ops::take_rows(&linear.forward(&words, mode)?, rows(word))
        };
        let sum = (side(&self.start, TokenSpan::start)? + side(&self.end, TokenSpan::last)?)?;
        let hidden = ops::gelu(&(sum + self.width.forward(widths, mode)?)?)?;
        let hidden = mode.dropout(&hidden, self.config.dropout)?;
        self.out.forward(&hidden, mode)
    }

    /// Mean over spans of -log P(allowed classes); a scalar. `spans` and `targets` are of one length, not 0.
    pub fn loss(
        &self,
        encoded: &Encoded,
        spans: &[BatchSpan],
        targets: &[SpanTarget],
        mode: Mode,
    ) -> Result<Tensor> {
        let logits = self.logits(encoded, spans, mode)?;
        let classes = logits.dim(1)?;
        let mut allowed = vec![false; targets.len() * classes];
        for (row, target) in allowed.chunks_exact_mut(classes).zip(targets) {
            match *target {
                SpanTarget::None => row[0] = true,
                SpanTarget::Type(kind) if kind + 1 < classes => row[kind + 1] = true,
                SpanTarget::Type(_) | SpanTarget::Entity => row[1..].fill(true),
            }
        }
        ops::allowed_loss(&logits, &allowed)? / targets.len() as f64
    }

    /// One score a span, in order.
    pub fn predict(&self, encoded: &Encoded, spans: &[BatchSpan]) -> Result<Vec<SpanScore>> {
        if spans.is_empty() {
            return Ok(Vec::new());
        }
        let logits = self.logits(encoded, spans, Mode::Infer)?.detach();
        let p: Vec<Vec<f32>> = candle_nn::ops::softmax(&logits, D::Minus1)?
            .to_dtype(candle_core::DType::F32)?
            .to_vec2()?;
        Ok(p.iter().map(|p| self.score(p)).collect())
    }

    fn score(&self, p: &[f32]) -> SpanScore {
        let best = (1..p.len()).fold(1, |best, i| if p[i] > p[best] { i } else { best });
        SpanScore {
            p: (1.0 - p[0]).clamp(0.0, 1.0),
            kind: (self.n_types > 0).then(|| best - 1),
        }
    }
}

#[cfg(test)]
#[path = "spans_tests.rs"]
mod tests;
