//! The text side: bags of sentences -> z_L (Xu & Barbosa 2019).
//!
//! Parameters, under the caller's scope: `pos.{head,tail}`, `lstm.{fwd,bwd}.*` or `linear.*` (shared), `word_att.w`,
//! `sent_att.{a,q}`, `mlp.{norm1,dense1,norm2,dense2}.*`.

use super::batch::{BagBatch, REACH, position};
use super::config::{HrereConfig, Positions, TextSide};
use super::layers::{BatchNorm, Dense, sentence_attention, word_attention, zeros_like_rows};
use super::lstm::{Direction, Lstm, Steps};
use crate::domain::TokenSpan;
use crate::model::mode::Mode;
use crate::model::params::{Init, Scope};
use candle_core::{Result, Tensor, bail};

/// TensorFlow's cell adds 1 to the forget gate.
const FORGET: f64 = 1.0;

enum Reader {
    Bilstm { fwd: Lstm, bwd: Lstm },
    Shared(Dense),
}

pub struct TextModel {
    config: HrereConfig,
    /// [201, position_dim] each.
    position_head: Tensor,
    position_tail: Tensor,
    reader: Reader,
    word_query: Tensor,
    sentence_diagonal: Tensor,
    sentence_query: Tensor,
    norm1: BatchNorm,
    dense1: Dense,
    norm2: BatchNorm,
    dense2: Dense,
}

/// What the text side says of a batch of B bags over S sentences.
pub struct TextOutput {
    /// z_L [B, R + 1].
    pub logits: Tensor,
    /// Sentence weights [B, T]; a bag's places in its own order, 0 where a bag is shorter.
    pub beta: Tensor,
    /// Word weights [S, L] with L the longest sentence read; 0 on padding.
    pub alpha: Tensor,
}

impl TextModel {
    /// Takes or draws the parameters of `scope` (`hrere`). `n_classes` counts NA.
    pub fn new(scope: Scope<'_>, config: &HrereConfig, n_classes: usize) -> Result<Self> {
        if let Err(problem) = config.check() {
            bail!("{problem}");
        }
        let (d, d_in) = (config.hidden, config.word_dim + 2 * config.position_dim);
        let table = |name: &str| -> Result<Tensor> {
            // The paper says "random"; this is the released code's range.
            let init = Init::Uniform {
                low: 0.0,
                high: 1.0,
            };
            let table = scope
                .pp("pos")
                .get((2 * REACH + 1, config.position_dim), name, init)?;
            Ok(match config.positions {
                Positions::Trained => table,
                Positions::Fixed => table.detach(),
            })
        };
        let reader = match config.text {
            TextSide::Bilstm => Reader::Bilstm {
                fwd: Lstm::new(scope.pp("lstm.fwd"), d_in, d, FORGET)?,
                bwd: Lstm::new(scope.pp("lstm.bwd"), d_in, d, FORGET)?,
            },
            TextSide::Shared => Reader::Shared(Dense::new(scope.pp("linear"), d_in, d)?),
        };
        let vector = |at: &str, name: &str| scope.pp(at).get(d, name, Init::glorot(d, 1));
        let mlp = scope.pp("mlp");
        Ok(Self {
            position_head: table("head")?,
            position_tail: table("tail")?,
            reader,
            word_query: vector("word_att", "w")?,
            sentence_diagonal: vector("sent_att", "a")?,
            sentence_query: vector("sent_att", "q")?,
            norm1: BatchNorm::new(mlp.pp("norm1"), d)?,
            dense1: Dense::new(mlp.pp("dense1"), d, config.dense)?,
            norm2: BatchNorm::new(mlp.pp("norm2"), config.dense)?,
            dense2: Dense::new(mlp.pp("dense2"), config.dense, n_classes)?,
            config: config.clone(),
        })
    }

    pub fn config(&self) -> &HrereConfig {
        &self.config
    }

    /// Runs a batch. Each distinct sentence is read once, however many places it has in bags.
    pub fn forward(&self, batch: &BagBatch, mode: Mode<'_>) -> Result<TextOutput> {
        let lengths = batch.lengths(self.config.max_words);
        let inputs = self.inputs(batch, &lengths)?;
        let inputs = mode.dropout(&inputs, self.config.dropout_input)?;
        let h = self.states(&inputs, &lengths, mode)?; // [P, d]
        let (h, mask) = padded(&h, &lengths)?; // [S, L, d]
        let (s, alpha) = word_attention(&h, &mask, &self.word_query)?;
        let (rows, places) = batch.bag_tensors(s.device())?;
        let (a, q) = (&self.sentence_diagonal, &self.sentence_query);
        let (v, beta) = sentence_attention(&s, a, q, &rows, &places)?; // [B, d]
        let x = mode.dropout(&v.relu()?, self.config.dropout_dense)?;
        let x = self.dense1.forward(&self.norm1.forward(&x, mode)?)?;
        let x = self.norm2.forward(&x, mode)?.relu()?;
        let x = mode.dropout(&x, self.config.dropout_dense)?;
        Ok(TextOutput {
            logits: self.dense2.forward(&x)?,
            beta,
            alpha,
        })
    }

    /// Packed inputs [P, word_dim + 2 position_dim]: word vector ++ position to head ++ position to tail.
    fn inputs(&self, batch: &BagBatch, lengths: &[usize]) -> Result<Tensor> {
        let (s, l, width) = batch.words().dims3()?;
        if width != self.config.word_dim {
            bail!(
                "word vectors have width {width}, expected {} (hrere.word_dim)",
                self.config.word_dim
            );
        }
        let device = batch.words().device();
        let packed = |row_of: &dyn Fn(usize, usize) -> u32| -> Result<Tensor> {
            let rows: Vec<u32> = lengths
                .iter()
                .enumerate()
                .flat_map(|(s, &n)| (0..n).map(move |i| row_of(s, i)))
                .collect();
            let n = rows.len();
            Tensor::from_vec(rows, n, device)
        };
        let to = |span: fn(&super::MarkedSentence) -> TokenSpan| {
            packed(&|s, i| position(i, span(&batch.sentences()[s])))
        };
        let words = batch
            .words()
            .reshape((s * l, width))?
            .index_select(&packed(&|s, i| (s * l + i) as u32)?, 0)?;
        let head = self.position_head.index_select(&to(|s| s.head)?, 0)?;
        let tail = self.position_tail.index_select(&to(|s| s.tail)?, 0)?;
        Tensor::cat(&[words, head, tail], 1)
    }

    /// h_i of all packed words, [P, d].
    fn states(&self, inputs: &Tensor, lengths: &[usize], mode: Mode<'_>) -> Result<Tensor> {
        match &self.reader {
            Reader::Shared(linear) => linear.forward(inputs)?.tanh(),
            Reader::Bilstm { fwd, bwd } => {
                let run = |lstm: &Lstm, direction| {
                    let steps = Steps::new(lengths, direction, inputs.device())?;
                    let hidden = lstm.forward(inputs, &steps)?;
                    mode.dropout(&hidden, self.config.dropout_hidden)
                };
                let forward = run(fwd, Direction::Forward)?;
                (forward + run(bwd, Direction::Backward)?)?.tanh()
            }
        }
    }

    /// All parameters that learn: theta of the L2 term.
    pub fn weights(&self) -> Vec<&Tensor> {
        let mut out = vec![
            &self.word_query,
            &self.sentence_diagonal,
            &self.sentence_query,
        ];
        if self.config.positions == Positions::Trained {
            out.extend([&self.position_head, &self.position_tail]);
        }
        match &self.reader {
            Reader::Shared(linear) => out.extend([&linear.weight, &linear.bias]),
            Reader::Bilstm { fwd, bwd } => {
                for lstm in [fwd, bwd] {
                    out.extend([&lstm.w_x, &lstm.w_h, &lstm.bias]);
                }
            }
        }
        for dense in [&self.dense1, &self.dense2] {
            out.extend([&dense.weight, &dense.bias]);
        }
        for norm in [&self.norm1, &self.norm2] {
            out.extend([&norm.gamma, &norm.beta]);
        }
        out
    }
}

/// Packed [P, d] to [S, L, d] with zeros as padding, and the u8 mask [S, L] of real words.
fn padded(packed: &Tensor, lengths: &[usize]) -> Result<(Tensor, Tensor)> {
    let (p, d) = packed.dims2()?;
    let (s, l) = (lengths.len(), lengths.iter().copied().max().unwrap_or(0));
    let (mut rows, mut mask) = (Vec::with_capacity(s * l), Vec::with_capacity(s * l));
    let mut start = 0u32;
    for &n in lengths {
        rows.extend((0..l as u32).map(|i| if i < n as u32 { start + i } else { p as u32 }));
        mask.extend((0..l).map(|i| u8::from(i < n)));
        start += n as u32;
    }
    let rows = Tensor::from_vec(rows, s * l, packed.device())?;
    let with_zero = Tensor::cat(&[packed, &zeros_like_rows(packed, 1)?], 0)?;
    let h = with_zero.index_select(&rows, 0)?.reshape((s, l, d))?;
    Ok((h, Tensor::from_vec(mask, (s, l), packed.device())?))
}
