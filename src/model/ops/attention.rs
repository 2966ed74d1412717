//! Multi-head self-attention over packed sentences: no padding, no mask, each sentence sees itself only.
//!
//! softmax(Q·Kᵀ / sqrt(d))·V per sentence and head (Vaswani et al. 2017, equation 1). The backward pass computes the
//! probabilities again instead of keeping them: a score matrix is as large as all hidden states of a long sentence.

use super::activation::{softmax_rows, softmax_rows_backward, softmax_slope};
use super::dropout::{Dropout, Mask, apply_mask};
use super::known::known3;
use super::matrix::{Matrix, Out, multiply};
use super::padded::Padding;
use super::{check_starts, is_fused, split_sentences, values, values_of};
use crate::model::encoded::BatchLayout;
use candle_core::{CpuStorage, CustomOp3, Layout, Result, Shape, Tensor};
use candle_nn::ops::softmax_last_dim;
use gemm::Parallelism;
use rayon::prelude::*;
use std::sync::Arc;

/// The part of a dropout's mask that one sentence and head has: its probabilities, row after row.
fn part_mask(dropout: Dropout, sentence: usize, head: usize) -> Mask {
    dropout.mask(((sentence as u64) << 20) ^ head as u64)
}

/// q, k, v [P, h], rows packed as `layout.piece_starts` says; `n_heads` divides h. Gives [P, h]. `padding` is the
/// layout's; only what has no fused form needs it.
pub fn packed_attention(
    q: &Tensor,
    k: &Tensor,
    v: &Tensor,
    layout: &Arc<BatchLayout>,
    padding: Option<&Arc<Padding>>,
    n_heads: usize,
    dropout: Option<Dropout>,
) -> Result<Tensor> {
    let (n_pieces, width) = q.dims2()?;
    if k.dims() != q.dims() || v.dims() != q.dims() || n_heads == 0 || width % n_heads != 0 {
        candle_core::bail!(
            "attention: q {:?}, k {:?}, v {:?} with {n_heads} heads do not fit",
            q.dims(),
            k.dims(),
            v.dims()
        );
    }
    check_starts(&layout.piece_starts, n_pieces, "attention")?;
    let dropout = dropout.filter(|d| d.probability > 0.0);
    if !is_fused(q) {
        let Some(padding) = padding else {
            candle_core::bail!("attention without a fused form: no padding is given");
        };
        return padded_attention([q, k, v], layout, padding, n_heads, dropout);
    }
    let op = PackedAttention {
        layout: layout.clone(),
        n_heads,
        width,
        dropout,
    };
    q.contiguous()?
        .apply_op3(&k.contiguous()?, &v.contiguous()?, op)
}

struct PackedAttention {
    layout: Arc<BatchLayout>,
    n_heads: usize,
    width: usize,
    dropout: Option<Dropout>,
}

impl PackedAttention {
    fn starts(&self) -> &[usize] {
        &self.layout.piece_starts
    }
    fn head_width(&self) -> usize {
        self.width / self.n_heads
    }
    fn scale(&self) -> f32 {
        1.0 / (self.head_width() as f32).sqrt()
    }
    /// Head `head`'s columns of `n` rows.
    fn columns<'a>(&self, rows: &'a [f32], n: usize, head: usize) -> Matrix<'a> {
        Matrix::new(
            &rows[head * self.head_width()..],
            n,
            self.head_width(),
            self.width,
        )
    }
    /// The same columns as a product's destination.
    fn out<'a>(&self, rows: &'a mut [f32], head: usize) -> Out<'a> {
        Out::overwrite(&mut rows[head * self.head_width()..], self.width)
    }
    fn rows<'a>(&self, all: &'a [f32], b: usize) -> &'a [f32] {
        &all[self.starts()[b] * self.width..self.starts()[b + 1] * self.width]
    }

    /// Probabilities [n, n] of one sentence and head, before dropout.
    fn probabilities(&self, q: &[f32], k: &[f32], head: usize, n: usize, cells: &mut [f32]) {
        multiply(
            Out::overwrite(cells, n),
            self.scale(),
            self.columns(q, n, head),
            self.columns(k, n, head).transposed(),
            Parallelism::None,
        );
        softmax_rows(cells, n);
    }

    fn sentence_forward(&self, b: usize, q: &[f32], k: &[f32], v: &[f32], out: &mut [f32]) {
        let n = self.starts()[b + 1] - self.starts()[b];
        if n == 0 {
            return;
        }
        let mut cells = vec![0.0; n * n];
        for head in 0..self.n_heads {
            self.probabilities(q, k, head, n, &mut cells);
            if let Some(dropout) = self.dropout {
                apply_mask(&mut cells, 0, part_mask(dropout, b, head));
            }
            multiply(
                self.out(out, head),
                1.0,
                Matrix::new(&cells, n, n, n),
                self.columns(v, n, head),
                Parallelism::None,
            );
        }
    }

    /// With D = probabilities after dropout: dV = Dᵀ·dO, dD = dO·Vᵀ, dS = softmax'(mask·dD) / sqrt(d), dQ = dS·K, dK = dSᵀ·Q.
    fn sentence_backward(&self, b: usize, inputs: [&[f32]; 3], grad: &[f32], out: [&mut [f32]; 3]) {
        let n = self.starts()[b + 1] - self.starts()[b];
        if n == 0 {
            return;
        }
        let ([q, k, v], [dq, dk, dv]) = (inputs, out);
        let mut probabilities = vec![0.0; n * n];
        let mut dropped = vec![0.0; n * n];
        let mut slopes = vec![0.0; n * n];
        for head in 0..self.n_heads {
            self.probabilities(q, k, head, n, &mut probabilities);
            multiply(
                Out::overwrite(&mut slopes, n),
                1.0,
                self.columns(grad, n, head),
                self.columns(v, n, head).transposed(),
                Parallelism::None,
            );
            dropped.copy_from_slice(&probabilities);
            if let Some(dropout) = self.dropout {
                apply_mask(&mut dropped, 0, part_mask(dropout, b, head));
                apply_mask(&mut slopes, 0, part_mask(dropout, b, head));
            }
            let product = |out, a: Matrix, b| multiply(out, 1.0, a, b, Parallelism::None);
            let square = |cells| Matrix::new(cells, n, n, n);
            product(
                self.out(dv, head),
                square(&dropped).transposed(),
                self.columns(grad, n, head),
            );
            softmax_rows_backward(&probabilities, &mut slopes, n, self.scale());
            product(
                self.out(dq, head),
                square(&slopes),
                self.columns(k, n, head),
            );
            product(
                self.out(dk, head),
                square(&slopes).transposed(),
                self.columns(q, n, head),
            );
        }
    }
}

impl CustomOp3 for PackedAttention {
    fn name(&self) -> &'static str {
        "packed-attention"
    }

    fn cpu_fwd(
        &self,
        q: &CpuStorage,
        q_layout: &Layout,
        k: &CpuStorage,
        k_layout: &Layout,
        v: &CpuStorage,
        v_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let (q, k) = (values(q, q_layout)?, values(k, k_layout)?);
        let v = values(v, v_layout)?;
        let mut out = vec![0.0; q.len()];
        split_sentences(&mut out, self.starts(), self.width)
            .into_par_iter()
            .enumerate()
            .for_each(|(b, out)| {
                let [q, k, v] = [q, k, v].map(|x| self.rows(x, b));
                self.sentence_forward(b, q, k, v, out);
            });
        Ok((CpuStorage::F32(out), q_layout.shape().clone()))
    }

    fn bwd(
        &self,
        q: &Tensor,
        k: &Tensor,
        v: &Tensor,
        _out: &Tensor,
        grad: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let grad = grad.contiguous()?;
        let (q_values, k_values, v_values) = (values_of(q)?, values_of(k)?, values_of(v)?);
        let (q_rows, k_rows, v_rows): (&[f32], &[f32], &[f32]) = (&q_values, &k_values, &v_values);
        let grad_values = values_of(&grad)?;
        let grads: &[f32] = &grad_values;
        let mut out = [(); 3].map(|()| vec![0.0; grads.len()]);
        let [dq, dk, dv] = &mut out;
        let parts = |x| split_sentences(x, self.starts(), self.width).into_par_iter();
        parts(dq)
            .zip(parts(dk))
            .zip(parts(dv))
            .enumerate()
            .for_each(|(b, ((dq, dk), dv))| {
                let inputs = [q_rows, k_rows, v_rows].map(|x| self.rows(x, b));
                self.sentence_backward(b, inputs, self.rows(grads, b), [dq, dk, dv]);
            });
        let tensor = |values| Tensor::from_vec(values, q.shape(), q.device()).map(Some);
        let [dq, dk, dv] = out;
        Ok((tensor(dq)?, tensor(dk)?, tensor(dv)?))
    }
}

/// On any device, on sentences padded to the longest; the backward pass is [`PackedAttention::sentence_backward`]'s.
fn padded_attention(
    [q, k, v]: [&Tensor; 3],
    layout: &BatchLayout,
    padding: &Arc<Padding>,
    n_heads: usize,
    dropout: Option<Dropout>,
) -> Result<Tensor> {
    if padding.longest == 0 {
        return q.zeros_like();
    }
    let heads = Heads::of(padding, q, n_heads);
    let scale = 1.0 / (heads.width as f64).sqrt();
    let (queries, keys) = ((heads.spread(q)? * scale)?, heads.spread(k)?);
    let values = heads.spread(v)?;
    let scores = padding.masked(&queries.matmul(&keys.t()?)?)?;
    let probabilities = softmax_last_dim(&scores)?;
    let mask = match dropout {
        None => None,
        Some(dropout) => {
            let mask = padded_mask(dropout, &layout.piece_starts, n_heads, padding.longest);
            let mask = Tensor::from_vec(mask, scores.shape(), q.device())?;
            Some(mask.to_dtype(q.dtype())?)
        }
    };
    let masked = move |cells: &Tensor| match &mask {
        Some(mask) => cells * mask,
        None => Ok(cells.clone()),
    };
    let dropped = masked(&probabilities)?;
    let value = heads.gather(&dropped.matmul(&values)?)?;
    known3([q, k, v], value, move |grad| {
        let grad = heads.spread(grad)?;
        let d_values = dropped.t()?.matmul(&grad)?;
        let d_cells = masked(&grad.matmul(&values.t()?)?)?;
        let d_scores = softmax_slope(&probabilities, &d_cells)?;
        let d_queries = (d_scores.matmul(&keys)? * scale)?;
        let d_keys = d_scores.t()?.matmul(&queries)?;
        Ok([
            heads.gather(&d_queries)?,
            heads.gather(&d_keys)?,
            heads.gather(&d_values)?,
        ])
    })
}

/// Between packed rows [P, h] and heads of padded sentences [B, heads, n, d]. Nothing is recorded.
struct Heads {
    padding: Arc<Padding>,
    n: usize,
    width: usize,
}

impl Heads {
    fn of(padding: &Arc<Padding>, rows: &Tensor, n: usize) -> Self {
        Self {
            padding: Arc::clone(padding),
            n,
            width: rows.dims().last().map_or(0, |h| h / n),
        }
    }

    fn spread(&self, rows: &Tensor) -> Result<Tensor> {
        let (b, n) = (self.padding.n_sentences, self.padding.longest);
        self.padding
            .spread(&rows.detach())?
            .reshape((b, n, self.n, self.width))?
            .transpose(1, 2)?
            .contiguous()
    }

    fn gather(&self, heads: &Tensor) -> Result<Tensor> {
        let rows = self.padding.n_sentences * self.padding.longest;
        let padded = heads
            .transpose(1, 2)?
            .reshape((rows, self.n * self.width))?;
        self.padding.gather(&padded)
    }
}

/// The same as one recorded formula: what the tests compare with.
#[cfg(test)]
fn plain_attention(
    [q, k, v]: [&Tensor; 3],
    layout: &BatchLayout,
    n_heads: usize,
    dropout: Option<Dropout>,
) -> Result<Tensor> {
    use super::{padded::PaddedRows, take_rows};
    let (width, device) = (q.dim(1)?, q.device());
    let starts = &layout.piece_starts;
    let rows = PaddedRows::new(starts);
    let (b, n) = (rows.n_groups, rows.longest);
    let mask = Tensor::from_vec(rows.mask, (b, 1, 1, n), device)?;
    let heads = |x: &Tensor| -> Result<Tensor> {
        take_rows(x, rows.packed_row.clone())?
            .reshape((b, n, n_heads, width / n_heads))?
            .transpose(1, 2)?
            .contiguous()
    };
    let scale = 1.0 / ((width / n_heads) as f64).sqrt();
    let scores = (heads(q)? * scale)?.matmul(&heads(k)?.t()?)?;
    let scores = scores.broadcast_add(&mask)?;
    let mut cells = candle_nn::ops::softmax(&scores, candle_core::D::Minus1)?;
    if let Some(dropout) = dropout {
        let mask = padded_mask(dropout, starts, n_heads, n);
        cells = (cells * Tensor::from_vec(mask, scores.shape(), device)?)?;
    }
    let context = cells.matmul(&heads(v)?)?.transpose(1, 2)?;
    take_rows(&context.reshape((b * n, width))?, rows.place)
}

/// The packed form's dropout mask, spread over [B, heads, longest, longest].
fn padded_mask(dropout: Dropout, starts: &[usize], n_heads: usize, longest: usize) -> Vec<f32> {
    let n_sentences = starts.len() - 1;
    let mut mask = vec![0.0; n_sentences * n_heads * longest * longest];
    let squares = mask.par_chunks_exact_mut(longest * longest);
    squares.enumerate().for_each(|(i, square)| {
        let (b, head) = (i / n_heads, i % n_heads);
        let n = starts[b + 1] - starts[b];
        let mut cells = vec![1.0; n * n];
        apply_mask(&mut cells, 0, part_mask(dropout, b, head));
        for (row, cells) in square
            .chunks_exact_mut(longest)
            .zip(cells.chunks_exact(n.max(1)))
        {
            row[..n].copy_from_slice(cells);
        }
    });
    mask
}

#[cfg(test)]
mod tests {
    use super::super::testing::*;
    use super::*;
    use candle_core::{DType, Device};

    fn layout(lengths: &[usize]) -> Arc<BatchLayout> {
        let mut piece_starts = vec![0];
        piece_starts.extend(lengths.iter().scan(0, |end, n| {
            *end += n;
            Some(*end)
        }));
        Arc::new(BatchLayout {
            word_starts: vec![0; lengths.len() + 1],
            piece_starts,
            word_pieces: Vec::new(),
        })
    }

    #[test]
    fn value_gradients_and_bits() -> Result<()> {
        let dropout = Dropout {
            probability: 0.3,
            seed: 5,
        };
        let table: &[(&[usize], usize, usize)] = &[
            (&[1], 1, 4),
            (&[3, 1, 5], 2, 6),
            (&[4, 0, 2], 1, 3),
            (&[40, 7, 33, 21], 4, 32),
        ];
        for &(lengths, n_heads, width) in table {
            let layout = layout(lengths);
            let shape: &[usize] = &[layout.total_pieces(), width];
            for dropout in [None, Some(dropout)] {
                check_op(
                    &format!("attention {lengths:?}, {n_heads} heads, {dropout:?}"),
                    &[shape, shape, shape],
                    |x| packed_attention(&x[0], &x[1], &x[2], &layout, None, n_heads, dropout),
                    |x| plain_attention([&x[0], &x[1], &x[2]], &layout, n_heads, dropout),
                )?;
                let padding = Arc::new(Padding::new(&layout, DType::F32, &Device::Cpu)?);
                check_op(
                    &format!("padded attention {lengths:?}, {n_heads} heads, {dropout:?}"),
                    &[shape, shape, shape],
                    |x| {
                        padded_attention([&x[0], &x[1], &x[2]], &layout, &padding, n_heads, dropout)
                    },
                    |x| plain_attention([&x[0], &x[1], &x[2]], &layout, n_heads, dropout),
                )?;
            }
        }
        Ok(())
    }

    #[test]
    fn a_layout_of_another_batch_is_refused() -> Result<()> {
        let x = random(&[5, 4], 1)?;
        assert!(packed_attention(&x, &x, &x, &layout(&[3, 1]), None, 2, None).is_err());
        assert!(packed_attention(&x, &x, &x, &layout(&[3, 2]), None, 3, None).is_err());
        Ok(())
    }
}
