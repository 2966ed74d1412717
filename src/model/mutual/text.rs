//! The bag's text: words and positions -> sentence vectors -> selective attention -> z_RE.
//!
//! Words come in as fixed vectors (see [`crate::model::words`]). Sentences are packed end to end, so no padding is computed.

use super::attention::{Places, Query, attend};
use super::config::{MutualConfig, TextBase};
use super::pool::{pieces, range_max, windows};
use crate::model::hrere::{BagBatch, MarkedSentence};
use crate::model::layers::{Embedding, Linear, seen};
use crate::model::mode::Mode;
use crate::model::ops::take_rows;
use crate::model::params::{Init, Scope};
use candle_core::{DType, Result, Tensor};
use candle_nn::ops::sigmoid;

/// Words further from a mention's first word share one position embedding; tables have 2 * REACH + 1 rows.
const REACH: i64 = 120;

pub struct TextSide {
    config: MutualConfig,
    project: Option<Tensor>,
    head_positions: Embedding,
    tail_positions: Embedding,
    encoder: Encoder,
    /// W and b: the classes' queries in attention and the last layer at once.
    classes: Linear,
}

enum Encoder {
    Convolution(Linear),
    /// Rows stacked r, z, n as in PyTorch; from the input and from the state.
    Gru(Linear, Linear),
}

impl TextSide {
    /// Parameters `project`, `{head,tail}_positions`, `conv` or `gru.{input,state}`, `classes` of `scope`.
    pub fn new(scope: &Scope, config: &MutualConfig, n_classes: usize) -> Result<Self> {
        let input = config.input_dim();
        let table = |name: &str| {
            let n = 2 * REACH as usize + 1;
            let init = Init::glorot(n, config.position_dim);
            Embedding::new(&scope.pp(name), n, config.position_dim, init)
        };
        let project = match config.project {
            0 => None,
            to => {
                let init = Init::glorot(config.word_dim, to);
                Some(scope.get((to, config.word_dim), "project", init)?)
            }
        };
        let linear = |name: &str, from: usize, to: usize| {
            Linear::new(&scope.pp(name), from, to, Init::glorot(from, to))
        };
        let encoder = match config.text {
            TextBase::Pcnn | TextBase::Cnn => {
                Encoder::Convolution(linear("conv", 3 * input, config.filters)?)
            }
            TextBase::Gru => Encoder::Gru(
                linear("gru.input", input, 3 * config.hidden)?,
                linear("gru.state", config.hidden, 3 * config.hidden)?,
            ),
        };
        Ok(Self {
            project,
            head_positions: table("head_positions")?,
            tail_positions: table("tail_positions")?,
            encoder,
            classes: linear("classes", config.sentence_dim(), n_classes)?,
            config: config.clone(),
        })
    }

    /// z_RE [B, C] and, under [`Query::Each`], each class's weight of each place [B, C, T].
    pub fn forward(
        &self,
        batch: &BagBatch,
        query: Query,
        mode: Mode,
    ) -> Result<(Tensor, Option<Tensor>)> {
        let sentences = self.sentences(batch, mode)?;
        let (rows, mask) = batch.bag_tensors(sentences.device())?;
        let places = Places { rows, mask };
        let dropout = self.config.dropout;
        attend(&sentences, &self.classes, &places, query, dropout, mode)
    }

    /// One vector a sentence of the batch: [S, D].
    fn sentences(&self, batch: &BagBatch, mode: Mode) -> Result<Tensor> {
        let lengths = batch.lengths(self.config.max_words);
        let mut starts = vec![0];
        for n in &lengths {
            starts.push(starts[starts.len() - 1] + n);
        }
        let x = self.words(batch, &lengths, mode)?;
        let vectors = match &self.encoder {
            Encoder::Convolution(filters) => {
                let conv = filters.forward(&windows(&x, &starts)?, mode)?;
                let ranges: Vec<_> = batch
                    .sentences()
                    .iter()
                    .zip(&starts)
                    .zip(&lengths)
                    .flat_map(|((sentence, start), n)| self.ranges(sentence, *start, *n))
                    .collect();
                let pooled = range_max(&conv, &ranges)?.relu()?;
                pooled.reshape((lengths.len(), self.config.sentence_dim()))?
            }
            Encoder::Gru(input, state) => {
                let from_input = input.forward(&x, mode)?;
                last_states(&from_input, state, &starts, mode)?
            }
        };
        mode.dropout(&vectors, self.config.dropout)
    }

    /// Rows of the packed batch that one value of each filter is taken from.
    fn ranges(
        &self,
        sentence: &MarkedSentence,
        start: usize,
        n: usize,
    ) -> Vec<std::ops::Range<usize>> {
        let own = match self.config.text {
            TextBase::Pcnn => pieces(n, sentence.head.start(), sentence.tail.start()).to_vec(),
            TextBase::Cnn | TextBase::Gru => std::iter::once(0..n).collect(),
        };
        own.into_iter()
            .map(|r| r.start + start..r.end + start)
            .collect()
    }

    /// Packed words with their positions: [N, input].
    fn words(&self, batch: &BagBatch, lengths: &[usize], mode: Mode) -> Result<Tensor> {
        let (s, l, width) = batch.words().dims3()?;
        let (mut kept, mut head, mut tail) = (Vec::new(), Vec::new(), Vec::new());
        for (row, (sentence, n)) in batch.sentences().iter().zip(lengths).enumerate() {
            for i in 0..*n {
                kept.push((row * l + i) as u32);
                head.push(position(i, sentence.head.start()));
                tail.push(position(i, sentence.tail.start()));
            }
        }
        let words = batch.words().reshape((s * l, width))?;
        let mut words = take_rows(&words, kept)?;
        if let Some(project) = &self.project {
            words = words.matmul(&seen(project, mode).t()?)?;
        }
        let head = self.head_positions.forward(head, mode)?;
        let tail = self.tail_positions.forward(tail, mode)?;
        Tensor::cat(&[words, head, tail], 1)
    }
}

/// Row of the position table for word `i` and a mention that starts at `start`.
fn position(i: usize, start: usize) -> u32 {
    ((i as i64 - start as i64).clamp(-REACH, REACH) + REACH) as u32
}

/// The GRU's state after each sentence's last word: [S, d]. `from_input` [N, 3 d] is W_i x + b_i of every word. Longer
/// sentences go first, so that each step works on those that still have a word.
fn last_states(
    from_input: &Tensor,
    state: &Linear,
    starts: &[usize],
    mode: Mode,
) -> Result<Tensor> {
    let device = from_input.device();
    let lengths: Vec<usize> = starts.windows(2).map(|s| s[1] - s[0]).collect();
    let mut order: Vec<usize> = (0..lengths.len()).collect();
    order.sort_by_key(|s| std::cmp::Reverse(lengths[*s]));
    let d = from_input.dim(1)? / 3;
    let mut h = Tensor::zeros((order.len(), d), DType::F32, device)?;
    let mut ended = Vec::new();
    let longest = order.first().map_or(0, |s| lengths[*s]);
    for t in 0..longest {
        let n = order.iter().take_while(|s| lengths[**s] > t).count();
        let before = h.dim(0)?;
        if n < before {
            ended.push(h.narrow(0, n, before - n)?);
            h = h.narrow(0, 0, n)?;
        }
        let rows: Vec<u32> = order[..n].iter().map(|s| (starts[*s] + t) as u32).collect();
        let x = from_input.index_select(&Tensor::from_vec(rows, n, device)?, 0)?;
        let s = state.forward(&h.contiguous()?, mode)?;
        let gates = sigmoid(&(x.narrow(1, 0, 2 * d)? + s.narrow(1, 0, 2 * d)?)?)?;
        let (r, z) = (gates.narrow(1, 0, d)?, gates.narrow(1, d, d)?);
        let new = (x.narrow(1, 2 * d, d)? + (r * s.narrow(1, 2 * d, d)?)?)?.tanh()?;
        h = (&new + (z * (&h - &new)?)?)?;
    }
    ended.push(h);
    // Shortest last in `ended` order: the states lie from the shortest sentence's group back to the longest.
    ended.reverse();
    let states = Tensor::cat(&ended, 0)?;
    let mut place = vec![0u32; order.len()];
    for (row, sentence) in order.iter().enumerate() {
        place[*sentence] = row as u32;
    }
    let n = place.len();
    states.index_select(&Tensor::from_vec(place, n, device)?, 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::ops::testing::{assert_near, check_op};
    use candle_core::Device;

    fn gru(x: &[Tensor]) -> Linear {
        Linear {
            weight: x[1].clone(),
            bias: x[2].clone(),
        }
    }

    /// Sentence by sentence, word by word.
    fn plain(x: &[Tensor], starts: &[usize]) -> Result<Tensor> {
        let d = x[0].dim(1)? / 3;
        let mut out = Vec::new();
        for s in starts.windows(2) {
            let mut h = Tensor::zeros((1, d), DType::F32, &Device::Cpu)?;
            for i in s[0]..s[1] {
                let own = x[0].narrow(0, i, 1)?;
                let from_state = h.matmul(&x[1].t()?)?.broadcast_add(&x[2])?;
                let part = |k: usize| -> Result<(Tensor, Tensor)> {
                    Ok((own.narrow(1, k * d, d)?, from_state.narrow(1, k * d, d)?))
                };
                let ((ri, rs), (zi, zs), (ni, ns)) = (part(0)?, part(1)?, part(2)?);
                let (r, z) = (sigmoid(&(ri + rs)?)?, sigmoid(&(zi + zs)?)?);
                let new = (ni + (r * ns)?)?.tanh()?;
                h = (((1.0 - &z)? * new)? + (z * h)?)?;
            }
            out.push(h);
        }
        Tensor::cat(&out, 0)
    }

    #[test]
    fn last_states_of_packed_sentences_are_those_of_each_alone() -> Result<()> {
        let starts = [0, 2, 5, 6, 8];
        let fused = |x: &[Tensor]| last_states(&x[0], &gru(x), &starts, Mode::Infer);
        let shapes: [&[usize]; 3] = [&[8, 6], &[6, 2], &[6]];
        let x = shapes
            .iter()
            .map(|s| crate::model::ops::testing::random(s, 3))
            .collect::<Result<Vec<_>>>()?;
        assert_near("inference", &fused(&x)?, &plain(&x, &starts)?)?;
        check_op(
            "gru",
            &shapes,
            |x| {
                let rng = std::cell::RefCell::new(rand::SeedableRng::seed_from_u64(1));
                last_states(&x[0], &gru(x), &starts, Mode::Train(&rng))
            },
            |x| plain(x, &starts),
        )
    }

    #[test]
    fn positions_count_from_the_first_word() {
        for (i, start, expected) in [(0, 2, 118), (2, 2, 120), (5, 2, 123), (300, 0, 240)] {
            assert_eq!(position(i, start), expected);
        }
        assert_eq!(position(0, 400), 0);
    }
}
