//! The kernel head (REDN, Li & Tian 2020): one bilinear kernel a relation scores every token pair, a pair of entity spans is
//! the mean probability over its rectangle (specs/kernel_head).
//!
//! Equations, for relation i, with rows = head tokens and columns = tail tokens:
//! `E_b = E_w + E_a`, `S_i = (E_b W_h[i] + b_h[i]) (E_p W_t[i] + b_t[i])^T * scale`, `P_i = sigmoid(S_i)`. Only tokens inside
//! candidate spans are ever projected. It classifies given pairs and finds no entities: spans come from gold or from RIN.
//!
//! Read next: `targets` (which pairs are trained), `loss`, `scorer` (inference with folded kernels).

mod grid;
mod loss;
mod scorer;
mod targets;
#[cfg(test)]
mod tests;

pub use scorer::{KernelScorer, PairScores};
pub use targets::{KernelPair, KernelTargets};

use super::encoded::Encoded;
use super::ops;
use super::params::{Init, Scope};
use crate::domain::TokenSpan;
use candle_core::{DType, Result, Tensor, bail};
use candle_nn::ops::sigmoid;
use grid::{Grid, pieces_of};
use serde::{Deserialize, Serialize};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scale {
    /// As printed.
    None,
    /// Division by the root of the projections' width, as released: wide products saturate the sigmoid at the start.
    #[default]
    SqrtH,
}

impl Scale {
    /// What products of projections of this width are multiplied by.
    pub fn factor(self, width: usize) -> f64 {
        match self {
            Scale::None => 1.0,
            Scale::SqrtH => 1.0 / (width as f64).sqrt(),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KernelLoss {
    /// As released: each sentence and relation weighs the same, and in it each cell of the mask.
    #[default]
    MaskMean,
    /// As printed, eq. (9) and (10): divided by the relation's positive cells, relations without any left out, summed over relations.
    Eq9,
}

/// Which unrelated pairs a sentence is trained on, besides rejected ones. Text form: `none`, `all`, `sample:12`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum NegPairs {
    /// As published. The head then calls almost every pair related.
    None,
    /// Every ordered pair of distinct spans.
    #[default]
    All,
    /// This many of them, drawn anew each time.
    Sample(usize),
}

impl TryFrom<String> for NegPairs {
    type Error = String;
    fn try_from(text: String) -> std::result::Result<Self, String> {
        let sample = text.strip_prefix("sample:").and_then(|k| k.parse().ok());
        match (text.as_str(), sample) {
            ("none", _) => Ok(Self::None),
            ("all", _) => Ok(Self::All),
            (_, Some(k)) => Ok(Self::Sample(k)),
            _ => Err(format!(
                "neg_pairs is `{text}`, expected `none`, `all` or `sample:<number>`"
            )),
        }
    }
}

impl From<NegPairs> for String {
    fn from(value: NegPairs) -> Self {
        match value {
            NegPairs::None => "none".to_owned(),
            NegPairs::All => "all".to_owned(),
            NegPairs::Sample(k) => format!("sample:{k}"),
        }
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct KernelConfig {
    pub scale: Scale,
    /// Biases on both projections, as released.
    pub bias: bool,
    pub loss: KernelLoss,
    pub neg_pairs: NegPairs,
    /// Width of the projections; none: h, as published. Our extension: long label lists would not fit in memory, and training gives them 64
    /// where nothing is set.
    pub rank: Option<usize>,
}

impl Default for KernelConfig {
    fn default() -> Self {
        Self {
            scale: Scale::SqrtH,
            bias: true,
            loss: KernelLoss::MaskMean,
            neg_pairs: NegPairs::All,
            rank: None,
        }
    }
}

/// Parameters below the given scope: `wh`, `wt` [R, h, r] and, with biases, `bh`, `bt` [R, r]; r = rank or h.
pub struct Kernel {
    config: KernelConfig,
    head: Projection,
    tail: Projection,
    scale: f64,
}

/// x -> x W_i + b_i for every relation i.
struct Projection {
    /// [R, h, r]
    weight: Tensor,
    /// [R, r]
    bias: Option<Tensor>,
}

impl Projection {
    fn new(
        scope: &Scope,
        side: char,
        config: &KernelConfig,
        h: usize,
        n_relations: usize,
    ) -> Result<Self> {
        let (rank, init) = (config.rank.unwrap_or(h), Init::fan_in(h));
        let bias = || scope.get((n_relations, rank), &format!("b{side}"), init);
        Ok(Self {
            weight: scope.get((n_relations, h, rank), &format!("w{side}"), init)?,
            bias: config.bias.then(bias).transpose()?,
        })
    }

    fn detached(&self) -> Self {
        Self {
            weight: self.weight.detach(),
            bias: self.bias.as_ref().map(Tensor::detach),
        }
    }

    /// [S, h] -> [R, S, r]
    fn all(&self, x: &Tensor) -> Result<Tensor> {
        match &self.bias {
            Some(bias) => ops::project(x, &self.weight, bias),
            None => {
                let (relations, _, rank) = self.weight.dims3()?;
                let none = Tensor::zeros((relations, rank), x.dtype(), x.device())?;
                ops::project(x, &self.weight, &none)
            }
        }
    }

    /// [S, h] -> [S, r] for one relation.
    fn one(&self, x: &Tensor, relation: usize) -> Result<Tensor> {
        let projected = x.matmul(&self.weight.get(relation)?)?;
        match &self.bias {
            Some(bias) => projected.broadcast_add(&bias.get(relation)?),
            None => Ok(projected),
        }
    }
}

/// Probabilities of every token pair of one entity pair, for one relation.
#[derive(Clone, Debug, PartialEq)]
pub struct Heat {
    /// Word of the sentence that each row's (head) or column's (tail) piece belongs to.
    pub head_words: Vec<usize>,
    pub tail_words: Vec<usize>,
    /// Row-major; the pair's probability is their mean.
    pub values: Vec<f32>,
}

impl Kernel {
    /// `h`: width of the encoder's pieces.
    pub fn new(scope: &Scope, config: &KernelConfig, h: usize, n_relations: usize) -> Result<Self> {
        let width = config.rank.unwrap_or(h);
        Ok(Self {
            config: config.clone(),
            head: Projection::new(scope, 'h', config, h, n_relations)?,
            tail: Projection::new(scope, 't', config, h, n_relations)?,
            scale: config.scale.factor(width),
        })
    }

    pub fn config(&self) -> &KernelConfig {
        &self.config
    }
    pub fn n_relations(&self) -> usize {
        self.head.weight.dims()[0]
    }

    /// Where the probability of one pair comes from. `head` and `tail` are words of sentence `sentence`.
    pub fn heat(
        &self,
        encoded: &Encoded,
        sentence: usize,
        head: TokenSpan,
        tail: TokenSpan,
        relation: usize,
    ) -> Result<Heat> {
        if relation >= self.n_relations() {
            bail!("relation {relation} of {}", self.n_relations());
        }
        let rows: Vec<usize> = pieces_of(&encoded.layout, sentence, head)?.collect();
        let columns: Vec<usize> = pieces_of(&encoded.layout, sentence, tail)?.collect();
        let words = |span: TokenSpan| -> Vec<usize> {
            let first = encoded.layout.word_starts[sentence];
            let pieces = |word: usize| encoded.layout.word_pieces[first + word].len();
            span.range()
                .flat_map(|word| std::iter::repeat_n(word, pieces(word)))
                .collect()
        };
        let grids = [Grid {
            sentence,
            heads: rows,
            tails: columns,
        }];
        let heads = self
            .head
            .one(&grid::head_features(encoded, &grids)?, relation)?;
        let tails = self
            .tail
            .one(&grid::tail_features(encoded, &grids)?, relation)?;
        let p = sigmoid(&(heads.matmul(&tails.t()?)? * self.scale)?)?;
        Ok(Heat {
            head_words: words(head),
            tail_words: words(tail),
            values: p.to_dtype(DType::F32)?.flatten_all()?.to_vec1()?,
        })
    }

    /// Logits of the cells of some grids: for each relation one grid after another, each [heads, tails]; [R, N].
    fn logits(&self, encoded: &Encoded, grids: &[Grid]) -> Result<Tensor> {
        let heads = self.head.all(&grid::head_features(encoded, grids)?)?;
        let tails = self.tail.all(&grid::tail_features(encoded, grids)?)?;
        let sizes: Vec<(usize, usize)> = grids
            .iter()
            .map(|g| (g.heads.len(), g.tails.len()))
            .collect();
        ops::grid_products(&heads, &tails, &sizes, self.scale)
    }

    /// The same head on constants: no operation on it is recorded.
    fn detached(&self) -> Self {
        Self {
            config: self.config.clone(),
            head: self.head.detached(),
            tail: self.tail.detached(),
            scale: self.scale,
        }
    }

    /// Floats that projecting one piece costs.
    fn floats_per_piece(&self) -> usize {
        let dims = self.head.weight.dims();
        dims[0] * dims[2]
    }
}
