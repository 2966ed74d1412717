//! Relation logits of ordered word pairs: where the cells lie, and the two pair models.
//!
//! Cells are packed like words: sentence after sentence, row (subject) after row. No cell of padding exists, so none needs
//! to be masked out of a loss.

use super::{RinConfig, Variant, linear};
use crate::model::encoded::BatchLayout;
use crate::model::layers::Linear;
use crate::model::ops::{NEVER, PairLayer, take_rows};
use crate::model::params::{Init, Scope};
use candle_core::{Device, Result, Tensor};

/// Where the cells of a batch lie: cell (i, j) of sentence b is row `starts[b] + i * n_b + j` of `[C, l]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CellLayout {
    word_starts: Vec<usize>,
    starts: Vec<usize>,
}

impl CellLayout {
    pub fn new(layout: &BatchLayout) -> Self {
        Self::from_words(layout.word_starts.clone())
    }

    pub(super) fn from_words(word_starts: Vec<usize>) -> Self {
        let mut starts = vec![0];
        for pair in word_starts.windows(2) {
            let n = pair[1] - pair[0];
            starts.push(starts[starts.len() - 1] + n * n);
        }
        Self {
            word_starts,
            starts,
        }
    }

    pub fn n_sentences(&self) -> usize {
        self.starts.len() - 1
    }
    pub fn n_words(&self, b: usize) -> usize {
        self.word_starts[b + 1] - self.word_starts[b]
    }
    pub fn total_words(&self) -> usize {
        self.word_starts[self.n_sentences()] - self.word_starts[0]
    }
    /// C, the sum of squared sentence lengths.
    pub fn total(&self) -> usize {
        self.starts[self.n_sentences()]
    }
    /// `None` outside the sentence.
    pub fn index(&self, b: usize, head: usize, tail: usize) -> Option<usize> {
        let n = (b < self.n_sentences()).then(|| self.n_words(b))?;
        (head < n && tail < n).then(|| self.starts[b] + head * n + tail)
    }

    /// Packed word of each cell's head and tail, `[C]` each.
    fn words_of_cells(&self, device: &Device) -> Result<(Tensor, Tensor)> {
        let (mut heads, mut tails) = (Vec::with_capacity(self.total()), Vec::new());
        tails.reserve(self.total());
        for b in 0..self.n_sentences() {
            let words = self.words(b);
            for i in words.clone() {
                heads.extend(std::iter::repeat_n(i as u32, words.len()));
                tails.extend(words.clone().map(|j| j as u32));
            }
        }
        let n = self.total();
        Ok((
            Tensor::from_vec(heads, n, device)?,
            Tensor::from_vec(tails, n, device)?,
        ))
    }

    /// First word of each sentence, counted from the first word of the layout, and W at the end.
    fn sentence_starts(&self) -> Vec<usize> {
        let first = self.word_starts[0];
        self.word_starts.iter().map(|start| start - first).collect()
    }

    /// Words of sentence `b`, counted from the first word of the layout.
    pub(super) fn words(&self, b: usize) -> std::ops::Range<usize> {
        self.word_starts[b] - self.word_starts[0]..self.word_starts[b + 1] - self.word_starts[0]
    }
}

/// Maximum over each group of rows of `values` [N, l]: [groups, l]. `longest`: rows in the longest group; groups may not
/// be empty. The groups are padded with their own first row, kept from winning (and from the gradient) by [`NEVER`].
fn group_max<G>(values: &Tensor, groups: &[G], longest: usize) -> Result<Tensor>
where
    G: Iterator<Item = usize> + Clone,
{
    let l = values.dim(1)?;
    let mut rows = Vec::with_capacity(groups.len() * longest);
    let mut penalty = vec![0f32; groups.len() * longest];
    let mut is_padded = false;
    for (g, group) in groups.iter().enumerate() {
        let first = group.clone().next().unwrap_or(0) as u32;
        rows.extend(group.clone().map(|row| row as u32));
        let (used, end) = (rows.len(), (g + 1) * longest);
        is_padded |= used < end;
        penalty[used..end].fill(NEVER);
        rows.resize(end, first);
    }
    let mut padded = take_rows(values, rows)?.reshape((groups.len(), longest, l))?;
    if is_padded {
        let penalty = Tensor::from_vec(penalty, (groups.len(), longest, 1), values.device())?;
        padded = padded.broadcast_add(&penalty.to_dtype(values.dtype())?)?;
    }
    // Not `max`: its gradient goes to every tied entry, and pairs whose features the relu has all cut to zero are tied.
    let best = padded.detach().argmax_keepdim(1)?;
    padded.gather(&best, 1)?.squeeze(1)
}

/// What a word contributes to a pair as its head and as its tail; packed words.
pub(super) struct PairSides {
    /// Slides: [W, l] with b_p. Emnlp: [W, d] with b_m.
    head: Tensor,
    tail: Tensor,
}

pub(super) enum PairModel {
    /// W_p relu((W_m h) ++ (W_r2 h')) + b_p. The relu acts on each half alone, so the logits of a pair are a sum of
    /// a term of its head and one of its tail, and the maximum over tails needs no pairs at all.
    Slides {
        /// W_m, W_r2: [a, d]
        head: Tensor,
        tail: Tensor,
        /// W_p `[l, 2a]`, b_p `[l]`
        out: Tensor,
        bias: Tensor,
    },
    /// W_r relu(W_m[h;h'] + b_m) + b_r, with W_m[h;h'] = A h + B h'.
    Emnlp {
        /// W_m `[d, 2d]`, b_m `[d]`
        hidden: Tensor,
        bias: Tensor,
        /// W_r, b_r
        out: Linear,
    },
}

impl PairModel {
    /// Slides: `head.weight`, `tail.weight`, `out.{weight,bias}`. Emnlp: `hidden.{weight,bias}`, `out.{weight,bias}`.
    pub(super) fn new(scope: &Scope, config: &RinConfig, d: usize, l: usize) -> Result<Self> {
        Ok(match config.variant {
            Variant::Slides => {
                let a = config.pair_width.unwrap_or(d);
                let (side, out) = (Init::fan_in(d), Init::fan_in(2 * a));
                Self::Slides {
                    head: scope.pp("head").get((a, d), "weight", side)?,
                    tail: scope.pp("tail").get((a, d), "weight", side)?,
                    out: scope.pp("out").get((l, 2 * a), "weight", out)?,
                    bias: scope.pp("out").get(l, "bias", out)?,
                }
            }
            Variant::Emnlp => {
                let (hidden, init) = (scope.pp("hidden"), Init::fan_in(2 * d));
                Self::Emnlp {
                    hidden: hidden.get((d, 2 * d), "weight", init)?,
                    bias: hidden.get(d, "bias", init)?,
                    out: linear(&scope.pp("out"), d, l)?,
                }
            }
        })
    }

    pub(super) fn detached(&self) -> Self {
        match self {
            Self::Slides {
                head,
                tail,
                out,
                bias,
            } => Self::Slides {
                head: head.detach(),
                tail: tail.detach(),
                out: out.detach(),
                bias: bias.detach(),
            },
            Self::Emnlp { hidden, bias, out } => Self::Emnlp {
                hidden: hidden.detach(),
                bias: bias.detach(),
                out: out.detached(),
            },
        }
    }

    /// Floats that one cell costs while its logits are computed.
    pub(super) fn floats_per_cell(&self) -> usize {
        match self {
            Self::Slides { bias, .. } => bias.elem_count(),
            Self::Emnlp { out, .. } => out.bias.elem_count(),
        }
    }

    /// `features`: [W, d].
    pub(super) fn sides(&self, features: &Tensor) -> Result<PairSides> {
        match self {
            Self::Slides {
                head,
                tail,
                out,
                bias,
            } => {
                let a = head.dim(0)?;
                let side = |weight: &Tensor, from| -> Result<Tensor> {
                    let half = out.narrow(1, from, a)?.contiguous()?;
                    features.matmul(&weight.t()?)?.relu()?.matmul(&half.t()?)
                };
                Ok(PairSides {
                    head: side(head, 0)?.broadcast_add(bias)?,
                    tail: side(tail, a)?,
                })
            }
            Self::Emnlp { hidden, bias, .. } => {
                let d = bias.elem_count();
                let side = |from| features.matmul(&hidden.narrow(1, from, d)?.contiguous()?.t()?);
                Ok(PairSides {
                    head: side(0)?.broadcast_add(bias)?,
                    tail: side(d)?,
                })
            }
        }
    }

    /// Logits of chosen pairs: `heads` and `tails` are packed words `[m]`; returns `[m, l]`.
    pub(super) fn at(&self, sides: &PairSides, heads: &Tensor, tails: &Tensor) -> Result<Tensor> {
        let sum = (sides.head.index_select(heads, 0)? + sides.tail.index_select(tails, 0)?)?;
        match self {
            Self::Slides { .. } => Ok(sum),
            Self::Emnlp { out, .. } => out.apply(&sum.relu()?),
        }
    }

    /// Logits of all cells, [C, l].
    pub(super) fn all(&self, sides: &PairSides, cells: &CellLayout) -> Result<Tensor> {
        match self {
            Self::Slides { .. } => {
                let (heads, tails) = cells.words_of_cells(sides.head.device())?;
                self.at(sides, &heads, &tails)
            }
            Self::Emnlp { out, .. } => hidden_layer(sides, out, &cells.sentence_starts()).logits(),
        }
    }

    /// For each word the largest logit over all tails of its sentence (itself included), [W, l].
    ///
    /// The papers take the maximum of probabilities; the sigmoid is monotone, so taking it after gives the same value and
    /// gradient, with fewer ties in f32.
    pub(super) fn best_as_head(&self, sides: &PairSides, cells: &CellLayout) -> Result<Tensor> {
        match self {
            Self::Slides { .. } => &sides.head + self.best_side(&sides.tail, cells)?,
            Self::Emnlp { out, .. } => {
                hidden_layer(sides, out, &cells.sentence_starts()).best_as_head()
            }
        }
    }

    /// For each word the largest logit over all heads of its sentence, [W, l].
    pub(super) fn best_as_tail(&self, sides: &PairSides, cells: &CellLayout) -> Result<Tensor> {
        match self {
            Self::Slides { .. } => &sides.tail + self.best_side(&sides.head, cells)?,
            Self::Emnlp { out, .. } => {
                hidden_layer(sides, out, &cells.sentence_starts()).best_as_tail()
            }
        }
    }

    /// Each sentence's maximum of `side`, given to each of its words.
    fn best_side(&self, side: &Tensor, cells: &CellLayout) -> Result<Tensor> {
        let sentences = (0..cells.n_sentences()).filter(|&b| cells.n_words(b) > 0);
        let groups: Vec<_> = sentences.clone().map(|b| cells.words(b)).collect();
        let longest = groups.iter().map(ExactSizeIterator::len).max().unwrap_or(0);
        let owner: Vec<u32> = groups
            .iter()
            .enumerate()
            .flat_map(|(g, words)| words.clone().map(move |_| g as u32))
            .collect();
        let owner = Tensor::from_vec(owner, cells.total_words(), side.device())?;
        group_max(side, &groups, longest)?.index_select(&owner, 0)
    }
}

fn hidden_layer<'a>(sides: &'a PairSides, out: &'a Linear, starts: &'a [usize]) -> PairLayer<'a> {
    PairLayer {
        head: &sides.head,
        tail: &sides.tail,
        weight: &out.weight,
        bias: &out.bias,
        starts,
    }
}
