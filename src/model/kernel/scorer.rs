//! Inference with kernels folded once: `W_h W_t^T` replaces two projections a relation (specs/kernel_head section 5).
//!
//! `S = (E_b M + c) E_p^T + E_b a + b_h.b_t` with `M = W_h W_t^T`, `c = W_t b_h`, `a = W_h b_t`, all times the scale. One GEMM
//! projects the span pieces of many sentences for all relations. A scorer is a snapshot: make a new one after training on.

use super::Kernel;
use super::grid::{self, Grid, pieces_of, position, union};
use crate::domain::TokenSpan;
use crate::model::encoded::Encoded;
use crate::model::ops::{FixedLinear, is_fused, sigmoid_in_place};
use candle_core::{DType, Result, Tensor, bail};
use std::ops::Range;

/// Floats that the projected pieces of one run of sentences may take: 64 MiB in f32.
const RUN_FLOATS: usize = 16 << 20;

/// Scores every ordered pair of given spans.
pub struct KernelScorer {
    n_relations: usize,
    form: Form,
}

enum Form {
    Folded(Folded),
    /// Low rank: folding would undo what the rank saves.
    Factored(Kernel),
}

struct Folded {
    /// x -> x M + c of all relations, [R * h] outputs.
    kernels: FixedLinear,
    row: Option<RowTerm>,
}

/// What the tail's bias adds to a row of cells.
struct RowTerm {
    /// a, [h, R]
    weight: Tensor,
    /// b_h.b_t, `[R]`
    constant: Tensor,
}

/// Probabilities of one sentence's ordered span pairs. The diagonal is meaningless.
#[derive(Clone, Debug, PartialEq)]
pub struct PairScores {
    pub n_spans: usize,
    pub n_relations: usize,
    /// [n_spans, n_spans, n_relations], heads first.
    pub values: Vec<f32>,
}

impl PairScores {
    /// Probabilities of all relations of a pair; indices are those of the given spans.
    pub fn pair(&self, head: usize, tail: usize) -> &[f32] {
        let start = (head * self.n_spans + tail) * self.n_relations;
        &self.values[start..start + self.n_relations]
    }
}

/// Logits of one sentence: cell (row, column) of relation i at `i * relation + row * row_stride + column`, rows and columns in the grid's order.
struct Sheet {
    values: Vec<f32>,
    relation_stride: usize,
    row_stride: usize,
}

impl Kernel {
    pub fn scorer(&self) -> Result<KernelScorer> {
        let (_, h, rank) = self.head.weight.dims3()?;
        let form = if 2 * rank <= h {
            Form::Factored(self.detached())
        } else {
            Form::Folded(Folded::new(&self.detached())?)
        };
        Ok(KernelScorer {
            n_relations: self.n_relations(),
            form,
        })
    }
}

impl Folded {
    fn new(kernel: &Kernel) -> Result<Self> {
        let (head, tail) = (&kernel.head.weight, &kernel.tail.weight);
        let (relations, h, _) = head.dims3()?;
        // Mᵀ = W_t W_h^T, relation after relation: the rows of a linear layer's weight.
        let kernels = (tail.matmul(&head.transpose(1, 2)?)? * kernel.scale)?;
        let kernels = kernels.reshape((relations * h, h))?;
        let (bias, row) = match (&kernel.head.bias, &kernel.tail.bias) {
            (Some(bias_h), Some(bias_t)) => {
                let left = tail.matmul(&bias_h.unsqueeze(2)?)?.flatten_all()?;
                let row = head.matmul(&bias_t.unsqueeze(2)?)?.squeeze(2)?;
                let row = RowTerm {
                    weight: (row.t()? * kernel.scale)?.contiguous()?,
                    constant: ((bias_h * bias_t)?.sum(1)? * kernel.scale)?,
                };
                ((left * kernel.scale)?, Some(row))
            }
            _ => {
                let none = Tensor::zeros(relations * h, kernels.dtype(), kernels.device())?;
                (none, None)
            }
        };
        Ok(Self {
            kernels: FixedLinear::new(&kernels, &bias)?,
            row,
        })
    }

    /// Logits of each grid, stored [rows, R, columns].
    fn sheets(&self, encoded: &Encoded, grids: &[Grid], relations: usize) -> Result<Vec<Sheet>> {
        let heads = grid::head_features(encoded, grids)?.detach();
        let tails = grid::tail_features(encoded, grids)?.detach();
        let h = heads.dim(1)?;
        let left = self.kernels.apply(&heads)?;
        let row = match &self.row {
            Some(row) => Some(heads.matmul(&row.weight)?.broadcast_add(&row.constant)?),
            None => None,
        };
        let (mut from_head, mut from_tail) = (0, 0);
        let mut logits = Vec::with_capacity(grids.len());
        for grid in grids {
            let (s, t) = (grid.heads.len(), grid.tails.len());
            let left = left.narrow(0, from_head, s)?.reshape((s * relations, h))?;
            let tails = tails.narrow(0, from_tail, t)?;
            let mut cells = left.matmul(&tails.t()?)?;
            if let Some(row) = &row {
                let row = row.narrow(0, from_head, s)?.reshape((s * relations, 1))?;
                cells = cells.broadcast_add(&row)?;
            }
            (from_head, from_tail) = (from_head + s, from_tail + t);
            logits.push(cells.to_dtype(DType::F32)?.flatten_all()?);
        }
        let sheets = values_of_each(&logits)?.into_iter().zip(grids);
        let sheets = sheets.map(|(values, grid)| Sheet {
            values,
            relation_stride: grid.tails.len(),
            row_stride: relations * grid.tails.len(),
        });
        Ok(sheets.collect())
    }
}

/// The values of flat tensors. From another device they come in one copy: each waits for all that was asked before.
fn values_of_each(parts: &[Tensor]) -> Result<Vec<Vec<f32>>> {
    match parts.first() {
        None => Ok(Vec::new()),
        Some(first) if first.device().is_cpu() => parts.iter().map(Tensor::to_vec1).collect(),
        Some(_) => {
            let all: Vec<f32> = Tensor::cat(parts, 0)?.to_vec1()?;
            let mut left = &all[..];
            let mut take = |n: usize| {
                let (values, rest) = left.split_at(n);
                left = rest;
                values.to_vec()
            };
            Ok(parts.iter().map(|p| take(p.elem_count())).collect())
        }
    }
}

impl KernelScorer {
    /// `spans`: for each sentence of the batch its candidate spans, in words. One entry a sentence, indexed like its spans.
    pub fn score_pairs(
        &self,
        encoded: &Encoded,
        spans: &[Vec<TokenSpan>],
    ) -> Result<Vec<PairScores>> {
        let layout = &encoded.layout;
        if spans.len() != layout.n_sentences() {
            bail!(
                "spans of {} sentences for a batch of {}",
                spans.len(),
                layout.n_sentences()
            );
        }
        let mut out: Vec<PairScores> = spans.iter().map(|s| self.empty(s.len())).collect();
        let mut grids = Vec::new();
        let mut pieces: Vec<Vec<Range<usize>>> = Vec::with_capacity(spans.len());
        for (sentence, spans) in spans.iter().enumerate() {
            let ranges: Vec<_> = spans
                .iter()
                .map(|span| pieces_of(layout, sentence, *span))
                .collect::<Result<_>>()?;
            if !ranges.is_empty() {
                let used = union(ranges.iter().cloned());
                grids.push(Grid {
                    sentence,
                    heads: used.clone(),
                    tails: used,
                });
            }
            pieces.push(ranges);
        }
        let is_factored = matches!(self.form, Form::Factored(_));
        let padded = is_factored && !is_fused(&encoded.piece_top);
        for run in grid::runs(&grids, self.floats_per_piece(), RUN_FLOATS, padded) {
            let grids = &grids[run];
            for (grid, sheet) in grids.iter().zip(self.sheets(encoded, grids)?) {
                self.average(grid, sheet, &pieces[grid.sentence], &mut out[grid.sentence]);
            }
        }
        Ok(out)
    }

    fn floats_per_piece(&self) -> usize {
        match &self.form {
            Form::Folded(folded) => folded.kernels.n_out(),
            Form::Factored(kernel) => 2 * kernel.floats_per_piece(),
        }
    }

    fn empty(&self, n_spans: usize) -> PairScores {
        PairScores {
            n_spans,
            n_relations: self.n_relations,
            values: vec![0.0; n_spans * n_spans * self.n_relations],
        }
    }

    fn sheets(&self, encoded: &Encoded, grids: &[Grid]) -> Result<Vec<Sheet>> {
        match &self.form {
            Form::Folded(folded) => folded.sheets(encoded, grids, self.n_relations),
            Form::Factored(kernel) => {
                let logits = kernel.logits(encoded, grids)?.detach();
                let logits: Vec<Vec<f32>> = logits.to_dtype(DType::F32)?.to_vec2()?;
                let mut from = 0;
                let sheet = |grid: &Grid| {
                    let (s, t) = (grid.heads.len(), grid.tails.len());
                    let cells = from..from + s * t;
                    from = cells.end;
                    let own = logits.iter().flat_map(|cells_of| &cells_of[cells.clone()]);
                    Sheet {
                        values: own.copied().collect(),
                        relation_stride: s * t,
                        row_stride: t,
                    }
                };
                Ok(grids.iter().map(sheet).collect())
            }
        }
    }

    /// Means of probabilities, not of logits, over each pair's rectangle.
    fn average(&self, grid: &Grid, mut sheet: Sheet, spans: &[Range<usize>], out: &mut PairScores) {
        sigmoid_in_place(&mut sheet.values);
        let rows: Vec<_> = spans.iter().map(|s| position(&grid.heads, s)).collect();
        let mut scores = out.values.iter_mut();
        for head in &rows {
            for tail in &rows {
                let cells = (head.len() * tail.len()) as f32;
                for relation in 0..self.n_relations {
                    let sum: f32 = head
                        .clone()
                        .map(|row| {
                            let start = relation * sheet.relation_stride + row * sheet.row_stride;
                            let row = &sheet.values[start + tail.start..start + tail.end];
                            row.iter().sum::<f32>()
                        })
                        .sum();
                    if let Some(score) = scores.next() {
                        *score = sum / cells;
                    }
                }
            }
        }
    }
}
