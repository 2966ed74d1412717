//! One direction of an LSTM over packed sentences, zero initial state (Hochreiter and Schmidhuber 1997; Gers 2000).
//!
//! Gates lie in the order i, f, g, o. With z = x-projection + W_h·h: c = σ(z_f + forget bias)·c + σ(z_i)·tanh(z_g),
//! h = σ(z_o)·tanh(c). TensorFlow's cell adds a forget bias of 1; PyTorch's adds 0. The backward pass runs the forward
//! again per sentence and then through time.

use super::matrix::{Matrix, Out, current_pool, multiply};
use super::simd::{add_scaled, sigmoid, tanh, vectorised};
use super::{check_starts, is_fused, split_sentences, take_rows, values, values_of};
use candle_core::{CpuStorage, CustomOp2, D, Layout, Result, Shape, Tensor};
use candle_nn::ops::sigmoid as candle_sigmoid;
use rayon::prelude::*;

/// Which word of a sentence comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    Forward,
    Backward,
}

impl Direction {
    /// Row of step `step` in a sentence of `n` rows.
    #[inline(always)]
    fn row(self, step: usize, n: usize) -> usize {
        match self {
            Direction::Forward => step,
            Direction::Backward => n - 1 - step,
        }
    }
}

/// x [W, 4h]: input projections with bias, rows packed by `starts` (length B + 1); w_h [4h, h]. Gives hidden states
/// [W, h], row by row at the word they belong to in either direction.
pub fn lstm(
    x: &Tensor,
    w_h: &Tensor,
    starts: &[usize],
    direction: Direction,
    forget_bias: f64,
) -> Result<Tensor> {
    let ((n_rows, gates), (gates_h, hidden)) = (x.dims2()?, w_h.dims2()?);
    if gates != gates_h || gates != 4 * hidden || hidden == 0 {
        candle_core::bail!("lstm: x {:?} and w_h {:?} do not fit", x.dims(), w_h.dims());
    }
    check_starts(starts, n_rows, "lstm")?;
    if !is_fused(x) {
        return lstm_by_steps(x, w_h, starts, direction, forget_bias);
    }
    let op = Lstm {
        starts: starts.to_vec(),
        direction,
        forget_bias: forget_bias as f32,
        hidden,
    };
    x.contiguous()?.apply_op2(&w_h.contiguous()?, op)
}

struct Lstm {
    starts: Vec<usize>,
    direction: Direction,
    forget_bias: f32,
    hidden: usize,
}

vectorised! {
    /// One sentence: `gates` [n, 4h] holds the projections and receives the gates after their nonlinearity; `cells` and
    /// `out` [n, h] receive cell and hidden states. `w` is W_h transposed, [h, 4h].
    fn run_sentence(
        gates: &mut [f32],
        cells: &mut [f32],
        out: &mut [f32],
        w: &[f32],
        direction: Direction,
        forget_bias: f32,
        hidden: usize,
    ) {
        let n = out.len() / hidden;
        let mut h = vec![0f32; hidden];
        let mut c = vec![0f32; hidden];
        for step in 0..n {
            let row = direction.row(step, n);
            let gates = &mut gates[row * 4 * hidden..(row + 1) * 4 * hidden];
            for (h, w) in h.iter().zip(w.chunks_exact(4 * hidden)) {
                add_scaled(gates, *h, w);
            }
            let (i, rest) = gates.split_at_mut(hidden);
            let (f, rest) = rest.split_at_mut(hidden);
            let (g, o) = rest.split_at_mut(hidden);
            for j in 0..hidden {
                i[j] = sigmoid(i[j]);
                f[j] = sigmoid(f[j] + forget_bias);
                g[j] = tanh(g[j]);
                o[j] = sigmoid(o[j]);
                c[j] = f[j] * c[j] + i[j] * g[j];
                h[j] = o[j] * tanh(c[j]);
            }
            cells[row * hidden..(row + 1) * hidden].copy_from_slice(&c);
            out[row * hidden..(row + 1) * hidden].copy_from_slice(&h);
        }
    }
}

vectorised! {
    /// One sentence back through time: `gates` (after nonlinearity) becomes the gradient of the projections.
    fn run_sentence_backward(
        gates: &mut [f32],
        cells: &[f32],
        grad: &[f32],
        w_h: &[f32],
        direction: Direction,
        hidden: usize,
    ) {
        let n = grad.len() / hidden;
        let mut dh = vec![0f32; hidden];
        let mut dc = vec![0f32; hidden];
        let start = vec![0f32; hidden];
        for step in (0..n).rev() {
            let row = direction.row(step, n);
            add_scaled(&mut dh, 1.0, &grad[row * hidden..(row + 1) * hidden]);
            let cell = &cells[row * hidden..(row + 1) * hidden];
            let before = match step {
                0 => &start[..],
                _ => {
                    let row = direction.row(step - 1, n);
                    &cells[row * hidden..(row + 1) * hidden]
                }
            };
            let gates = &mut gates[row * 4 * hidden..(row + 1) * 4 * hidden];
            let (i, rest) = gates.split_at_mut(hidden);
            let (f, rest) = rest.split_at_mut(hidden);
            let (g, o) = rest.split_at_mut(hidden);
            for j in 0..hidden {
                let squashed = tanh(cell[j]);
                let d = dc[j] + dh[j] * o[j] * (1.0 - squashed * squashed);
                let d_out = dh[j] * squashed * o[j] * (1.0 - o[j]);
                let d_in = d * g[j] * i[j] * (1.0 - i[j]);
                let d_new = d * i[j] * (1.0 - g[j] * g[j]);
                dc[j] = d * f[j];
                f[j] = d * before[j] * f[j] * (1.0 - f[j]);
                i[j] = d_in;
                g[j] = d_new;
                o[j] = d_out;
            }
            dh.fill(0.0);
            for (gate, w) in gates.iter().zip(w_h.chunks_exact(hidden)) {
                add_scaled(&mut dh, *gate, w);
            }
        }
    }
}

impl Lstm {
    /// Gates [W, 4h] after nonlinearity, cells [W, h], hidden states [W, h].
    fn run(&self, x: &[f32], w_h: &[f32]) -> [Vec<f32>; 3] {
        let hidden = self.hidden;
        let mut w = vec![0.0; w_h.len()];
        for (gate, row) in w_h.chunks_exact(hidden).enumerate() {
            for (j, v) in row.iter().enumerate() {
                w[j * 4 * hidden + gate] = *v;
            }
        }
        let n_states = x.len() / 4;
        let (mut gates, mut cells, mut out) =
            (x.to_vec(), vec![0.0; n_states], vec![0.0; n_states]);
        split_sentences(&mut gates, &self.starts, 4 * hidden)
            .into_par_iter()
            .zip(split_sentences(&mut cells, &self.starts, hidden))
            .zip(split_sentences(&mut out, &self.starts, hidden))
            .for_each(|((gates, cells), out)| {
                run_sentence(
                    gates,
                    cells,
                    out,
                    &w,
                    self.direction,
                    self.forget_bias,
                    hidden,
                );
            });
        [gates, cells, out]
    }

    /// Each row's hidden state of the step before; zero at a sentence's first step.
    fn previous(&self, out: &[f32]) -> Vec<f32> {
        let hidden = self.hidden;
        let mut previous = vec![0.0; out.len()];
        for sentence in self.starts.windows(2) {
            let n = sentence[1] - sentence[0];
            for step in 1..n {
                let to = (sentence[0] + self.direction.row(step, n)) * hidden;
                let from = (sentence[0] + self.direction.row(step - 1, n)) * hidden;
                previous[to..to + hidden].copy_from_slice(&out[from..from + hidden]);
            }
        }
        previous
    }
}

impl CustomOp2 for Lstm {
    fn name(&self) -> &'static str {
        "lstm"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        x_layout: &Layout,
        w_h: &CpuStorage,
        w_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let [_, _, out] = self.run(values(x, x_layout)?, values(w_h, w_layout)?);
        let shape = Shape::from((x_layout.dims()[0], self.hidden));
        Ok((CpuStorage::F32(out), shape))
    }

    fn bwd(
        &self,
        x: &Tensor,
        w_h: &Tensor,
        _out: &Tensor,
        grad: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let grad = grad.contiguous()?;
        let (x_values, w_values, grad_values) = (values_of(x)?, values_of(w_h)?, values_of(&grad)?);
        let (xs, ws, grads): (&[f32], &[f32], &[f32]) = (&x_values, &w_values, &grad_values);
        let hidden = self.hidden;
        let [mut gates, mut cells, out] = self.run(xs, ws);
        split_sentences(&mut gates, &self.starts, 4 * hidden)
            .into_par_iter()
            .zip(split_sentences(&mut cells, &self.starts, hidden))
            .enumerate()
            .for_each(|(b, (gates, cells))| {
                let grad = &grads[self.starts[b] * hidden..self.starts[b + 1] * hidden];
                run_sentence_backward(gates, cells, grad, ws, self.direction, hidden);
            });
        let n_rows = out.len() / hidden;
        let mut dw = vec![0.0; ws.len()];
        multiply(
            Out::overwrite(&mut dw, hidden),
            1.0,
            Matrix::new(&gates, n_rows, 4 * hidden, 4 * hidden).transposed(),
            Matrix::new(&self.previous(&out), n_rows, hidden, hidden),
            current_pool(),
        );
        Ok((
            Some(Tensor::from_vec(gates, x.shape(), x.device())?),
            Some(Tensor::from_vec(dw, w_h.shape(), x.device())?),
        ))
    }
}

/// The same by plain candle operations, one step of all sentences at a time.
fn lstm_by_steps(
    x: &Tensor,
    w_h: &Tensor,
    starts: &[usize],
    direction: Direction,
    forget_bias: f64,
) -> Result<Tensor> {
    let (hidden, device) = (w_h.dim(1)?, x.device());
    let lengths: Vec<usize> = starts.windows(2).map(|s| s[1] - s[0]).collect();
    let longest = lengths.iter().copied().max().unwrap_or(0);
    if longest == 0 {
        return Tensor::zeros((0, hidden), x.dtype(), device);
    }
    let state = || Tensor::zeros((lengths.len(), hidden), x.dtype(), device);
    let (mut h, mut c, mut steps) = (state()?, state()?, Vec::with_capacity(longest));
    for step in 0..longest {
        // A sentence that has ended reads some row of its own or another's; what it computes is never selected.
        let rows: Vec<u32> = lengths
            .iter()
            .zip(starts)
            .map(|(n, start)| {
                let inside = step.min(n.saturating_sub(1));
                let row = if *n == 0 {
                    0
                } else {
                    direction.row(inside, *n)
                };
                (start + row).min(x.dims()[0] - 1) as u32
            })
            .collect();
        let gates = (take_rows(x, rows)? + h.matmul(&w_h.t()?)?)?;
        let gate = |k: usize| gates.narrow(D::Minus1, k * hidden, hidden);
        c = ((candle_sigmoid(&(gate(1)? + forget_bias)?)? * &c)?
            + (candle_sigmoid(&gate(0)?)? * gate(2)?.tanh()?)?)?;
        h = (candle_sigmoid(&gate(3)?)? * c.tanh()?)?;
        steps.push(h.clone());
    }
    let n_sentences = lengths.len();
    let places: Vec<u32> = lengths
        .iter()
        .enumerate()
        .flat_map(|(b, n)| {
            (0..*n).map(move |row| (direction.row(row, *n) * n_sentences + b) as u32)
        })
        .collect();
    take_rows(&Tensor::cat(&steps, 0)?, places)
}

#[cfg(test)]
mod tests {
    use super::super::testing::*;
    use super::*;

    #[test]
    fn value_gradients_and_bits() -> Result<()> {
        let table: &[(&[usize], usize)] = &[(&[0, 1], 1), (&[0, 3, 3, 8], 5), (&[0, 20, 31], 18)];
        for &(starts, hidden) in table {
            for direction in [Direction::Forward, Direction::Backward] {
                for forget_bias in [0.0, 1.0] {
                    check_op(
                        &format!("lstm {starts:?} {direction:?} {forget_bias}"),
                        &[
                            &[*starts.last().unwrap(), 4 * hidden],
                            &[4 * hidden, hidden],
                        ],
                        |v| lstm(&v[0], &v[1], starts, direction, forget_bias),
                        |v| lstm_by_steps(&v[0], &v[1], starts, direction, forget_bias),
                    )?;
                }
            }
        }
        Ok(())
    }
}
