//! RIN: entity tags and word-pair relation probabilities of one sentence, refined together over K rounds.
//!
//! Sources: the RIN slides (arXiv v1), here [`Variant::Slides`], and Sun et al., EMNLP 2020, with its released code, here
//! [`Variant::Emnlp`]. They are two models under one name; specs/rin compares them. A sentence never sees another of
//! its batch. [`forward`](Rin::forward) is for training, [`predict`](Rin::predict) for everything else.
//!
//! Read next: `pairs` (the pair models), `gru`, `loss`, `targets`, `predict`; then [`super::decode`].

#[cfg(test)]
mod golden_tests;
mod gru;
mod loss;
mod pairs;
mod predict;
mod targets;
#[cfg(test)]
mod tests;

pub use loss::RinLoss;
pub use pairs::CellLayout;
pub use predict::{RinRequest, RinSentence};
pub use targets::{Lost, RinTargets};

use super::decode::{Anchor, N_TAGS};
use super::encoded::Encoded;
use super::layers::Linear;
use super::mode::Mode;
use super::ops::softmax;
use super::params::{Init, Scope};
use candle_core::{Result, Tensor};
use candle_nn::ops::sigmoid;
use gru::Gru;
use pairs::{PairModel, PairSides};
use serde::{Deserialize, Serialize};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Variant {
    /// Feature extractors, a separable pair model, W_a before the cells (specs/rin section 3).
    #[default]
    Slides,
    /// Predictions fed straight to the cells, one hidden pair layer (section 4).
    Emnlp,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GruKind {
    /// As printed: no biases, reset gate before the matrix, z weighs the new state.
    Paper,
    /// As released: r,z,n with biases, reset gate after the matrix, z weighs the old state.
    Code,
}

/// Which words' maxima over pairs are fed back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Evidence {
    /// The word as subject only (both papers): a word that is only ever an object gets no relation evidence.
    #[default]
    Rows,
    /// As subject and as object; ours.
    BothAxes,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RinConfig {
    pub variant: Variant,
    /// K: how often predictions are fed back before the last prediction. 0 is the plain shared baseline.
    pub rounds: usize,
    pub anchor: Anchor,
    pub evidence: Evidence,
    /// On the encoder's output.
    pub dropout: f64,
    /// None: the variant's own (slides: paper, emnlp: code).
    pub gru: Option<GruKind>,
    /// Width of the features that the rounds refine; none: the encoder's. The papers' encoder is 100 wide, at the 384 or 768 of BERT
    /// the rounds cost as much as the encoder. Slides: what the feature extractors give. Emnlp: a linear layer goes before (ours).
    pub width: Option<usize>,
    /// Width of the slides' pair features, head and tail each; none: `width`. The emnlp variant always uses `width`.
    pub pair_width: Option<usize>,
}

impl Default for RinConfig {
    fn default() -> Self {
        Self {
            variant: Variant::Slides,
            rounds: 3,
            anchor: Anchor::Last,
            evidence: Evidence::Rows,
            dropout: 0.1,
            gru: None,
            width: None,
            pair_width: None,
        }
    }
}

/// Parameters below the given scope: `fr`, `fe`, `int` (slides) or `input` (emnlp with a width), `tag`, `pair`, `gru_re`, `gru_ner`.
pub struct Rin {
    config: RinConfig,
    n_relations: usize,
    /// Slides only.
    slides: Option<SlidesLayers>,
    /// Emnlp with a width of its own only.
    input: Option<Linear>,
    tag: Linear,
    pair: PairModel,
    gru_relation: Gru,
    gru_entity: Gru,
}

struct SlidesLayers {
    /// W_r1, W_e: the feature extractors.
    relation: Linear,
    entity: Linear,
    /// W_a.
    interact: Linear,
}

/// Features after some rounds; [W, width] each.
struct State {
    relation: Tensor,
    entity: Tensor,
    /// Slides: the encoder's output [W, d], unchanged over rounds. Emnlp: the running sum S.
    shared: Tensor,
}

/// What training needs of a batch: the predictions of the last round, as logits.
pub struct RinOutput {
    /// [W, 5], packed words.
    pub tag_logits: Tensor,
    /// [C, l], packed cells: see `cells`.
    pub cell_logits: Tensor,
    pub cells: CellLayout,
}

impl Rin {
    /// `d`: width of the encoder's words.
    pub fn new(scope: &Scope, config: &RinConfig, d: usize, n_relations: usize) -> Result<Self> {
        let axes = match config.evidence {
            Evidence::Rows => 1,
            Evidence::BothAxes => 2,
        };
        let evidence = axes * n_relations;
        let width = config.width.unwrap_or(d);
        let (slides, default_gru, relation_input, entity_input) = match config.variant {
            Variant::Slides => {
                let layers = SlidesLayers {
                    relation: linear(&scope.pp("fr"), d, width)?,
                    entity: linear(&scope.pp("fe"), d, width)?,
                    interact: linear(&scope.pp("int"), evidence + N_TAGS + d, width)?,
                };
                (Some(layers), GruKind::Paper, width, width)
            }
            Variant::Emnlp => (None, GruKind::Code, evidence, N_TAGS),
        };
        let gru = config.gru.unwrap_or(default_gru);
        let input = match (config.variant, config.width) {
            (Variant::Emnlp, Some(width)) => Some(linear(&scope.pp("input"), d, width)?),
            _ => None,
        };
        Ok(Self {
            config: config.clone(),
            n_relations,
            slides,
            input,
            tag: linear(&scope.pp("tag"), width, N_TAGS)?,
            pair: PairModel::new(&scope.pp("pair"), config, width, n_relations)?,
            gru_relation: Gru::new(&scope.pp("gru_re"), gru, relation_input, width)?,
            gru_entity: Gru::new(&scope.pp("gru_ner"), gru, entity_input, width)?,
        })
    }

    pub fn config(&self) -> &RinConfig {
        &self.config
    }
    pub fn n_relations(&self) -> usize {
        self.n_relations
    }

    /// The last round's predictions for a whole batch. Holds [C, l] logits, C the sum of squared sentence lengths:
    /// for long sentences outside training use [`predict`](Self::predict).
    pub fn forward(&self, encoded: &Encoded, mode: Mode) -> Result<RinOutput> {
        let cells = CellLayout::new(&encoded.layout);
        let words = mode.dropout(&encoded.words, self.config.dropout)?;
        let mut state = self.start(&words)?;
        for _ in 0..self.config.rounds {
            state = self.round(&state, &cells)?;
        }
        let sides = self.pair.sides(&state.relation)?;
        Ok(RinOutput {
            tag_logits: self.tag.apply(&state.entity)?,
            cell_logits: self.pair.all(&sides, &cells)?,
            cells,
        })
    }

    /// The same head on constants: no operation on it is recorded, so nothing but results stays in memory.
    fn detached(&self) -> Self {
        Self {
            config: self.config.clone(),
            n_relations: self.n_relations,
            slides: self.slides.as_ref().map(|layers| SlidesLayers {
                relation: layers.relation.detached(),
                entity: layers.entity.detached(),
                interact: layers.interact.detached(),
            }),
            input: self.input.as_ref().map(Linear::detached),
            tag: self.tag.detached(),
            pair: self.pair.detached(),
            gru_relation: self.gru_relation.detached(),
            gru_entity: self.gru_entity.detached(),
        }
    }

    fn start(&self, words: &Tensor) -> Result<State> {
        if let Some(layers) = &self.slides {
            return Ok(State {
                relation: layers.relation.apply(words)?.relu()?,
                entity: layers.entity.apply(words)?.relu()?,
                shared: words.clone(),
            });
        }
        let words = match &self.input {
            Some(input) => input.apply(words)?,
            None => words.clone(),
        };
        Ok(State {
            relation: words.clone(),
            entity: words.clone(),
            shared: words,
        })
    }

    /// Predict, feed the predictions back, update both features.
    fn round(&self, state: &State, cells: &CellLayout) -> Result<State> {
        let tags = softmax(&self.tag.apply(&state.entity)?)?;
        let sides = self.pair.sides(&state.relation)?;
        let evidence = self.evidence(&sides, cells)?;
        match &self.slides {
            Some(layers) => {
                let input = Tensor::cat(&[&evidence, &tags, &state.shared], 1)?;
                let input = layers.interact.apply(&input)?.relu()?;
                Ok(State {
                    relation: self.gru_relation.step(&input, &state.relation)?,
                    entity: self.gru_entity.step(&input, &state.entity)?,
                    shared: state.shared.clone(),
                })
            }
            None => {
                let relation = self.gru_relation.step(&evidence, &state.shared)?;
                let entity = self.gru_entity.step(&tags, &state.shared)?;
                Ok(State {
                    shared: ((&state.shared + &entity)? + &relation)?,
                    relation,
                    entity,
                })
            }
        }
    }

    /// yhat: for each word and relation the best pair's probability, [W, l] or [W, 2l].
    fn evidence(&self, sides: &PairSides, cells: &CellLayout) -> Result<Tensor> {
        let rows = sigmoid(&self.pair.best_as_head(sides, cells)?)?;
        match self.config.evidence {
            Evidence::Rows => Ok(rows),
            Evidence::BothAxes => {
                let columns = sigmoid(&self.pair.best_as_tail(sides, cells)?)?;
                Tensor::cat(&[rows, columns], 1)
            }
        }
    }
}

fn linear(scope: &Scope, input: usize, output: usize) -> Result<Linear> {
    let init = Init::fan_in(input);
    Ok(Linear {
        weight: scope.get((output, input), "weight", init)?,
        bias: scope.get(output, "bias", init)?,
    })
}
