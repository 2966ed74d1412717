//! An LSTM over packed sentences, with its own backward pass (golden `lstm_bi`).
//!
//! ```text
//! a = W_x x + W_h h' + b      rows of a stacked i, f, g, o
//! c = sigmoid(a_f + forget) * c' + sigmoid(a_i) * tanh(a_g)
//! h = sigmoid(a_o) * tanh(c)
//! ```
//!
//! One bias vector; `forget` is a constant (TensorFlow's cell, which HRERE uses, adds 1). W_x x + b of all words is one
//! matrix product. Sentences are ranked by length and step t runs the rows that still have a word, so padding is never
//! computed and the backward direction starts at each sentence's last real word by construction.
//!
//! The recurrence is one operation of the graph. Recorded step by step it would cost hundreds of nodes, and each
//! step's slice of the projections would send back a gradient as large as all of them. Forward and backward are written
//! with tensor operations, so they run on any device.

use super::layers::zeros_like_rows;
use crate::model::ops::known2;
use crate::model::params::{Init, Scope};
use candle_core::{D, Device, Result, Tensor, bail};
use candle_nn::ops::sigmoid;

/// Reading order.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Direction {
    Forward,
    /// From each sentence's last real word to its first.
    Backward,
}

/// Where the words of a batch of sentences lie when they are run step by step.
///
/// Packed order is sentence-major (all words of sentence 0, then of sentence 1, ..); step order is step-major over
/// sentences ranked by length, longest first.
pub struct Steps {
    /// Packed word of each place in step order, `[P]` of u32.
    to_steps: Tensor,
    /// Place in step order of each packed word, `[P]` of u32.
    to_packed: Tensor,
    /// Rows that run at each step; never rising.
    counts: Vec<usize>,
}

impl Steps {
    /// `lengths` are the words of each sentence, each at least 1.
    pub fn new(lengths: &[usize], direction: Direction, device: &Device) -> Result<Self> {
        let starts: Vec<usize> = lengths
            .iter()
            .scan(0, |next, n| {
                let start = *next;
                *next += n;
                Some(start)
            })
            .collect();
        let mut ranked: Vec<usize> = (0..lengths.len()).collect();
        ranked.sort_by_key(|&s| std::cmp::Reverse(lengths[s]));
        let longest = ranked.first().map_or(0, |&s| lengths[s]);
        let (mut places, mut counts) = (Vec::new(), Vec::with_capacity(longest));
        for step in 0..longest {
            let running = ranked.partition_point(|&s| lengths[s] > step);
            places.extend(ranked[..running].iter().map(|&s| match direction {
                Direction::Forward => starts[s] + step,
                Direction::Backward => starts[s] + lengths[s] - 1 - step,
            }));
            counts.push(running);
        }
        if places.is_empty() {
            bail!("an LSTM needs at least one word");
        }
        let mut back = vec![0u32; places.len()];
        for (place, &word) in (0u32..).zip(&places) {
            back[word] = place;
        }
        let places: Vec<u32> = places.iter().map(|&p| p as u32).collect();
        let n = places.len();
        Ok(Self {
            to_steps: Tensor::from_vec(places, n, device)?,
            to_packed: Tensor::from_vec(back, n, device)?,
            counts,
        })
    }
}

/// One direction's weights.
pub struct Lstm {
    /// [4d, d_in]
    pub w_x: Tensor,
    /// [4d, d]
    pub w_h: Tensor,
    /// `[4d]`
    pub bias: Tensor,
    /// Added to the forget gate's pre-activation.
    forget: f64,
}

impl Lstm {
    /// `w_x`, `w_h` and `bias` of `scope`. TensorFlow's cell has one kernel [d_in + d, 4d]; both parts start from its Glorot bound.
    pub fn new(scope: Scope<'_>, d_in: usize, d: usize, forget: f64) -> Result<Self> {
        let init = Init::glorot(d_in + d, 4 * d);
        Ok(Self {
            w_x: scope.get((4 * d, d_in), "w_x", init)?,
            w_h: scope.get((4 * d, d), "w_h", init)?,
            bias: scope.get(4 * d, "bias", Init::ZEROS)?,
            forget,
        })
    }

    /// Hidden states [P, d] of packed words [P, d_in], both in packed order.
    pub fn forward(&self, words: &Tensor, steps: &Steps) -> Result<Tensor> {
        let projected = words
            .matmul(&self.w_x.t()?)?
            .broadcast_add(&self.bias)?
            .index_select(&steps.to_steps, 0)?;
        let hidden = recurrence(&projected, &self.w_h, &steps.counts, self.forget)?;
        hidden.index_select(&steps.to_packed, 0)
    }
}

/// h [P, d] of `projected` [P, 4d], both in step order.
fn recurrence(projected: &Tensor, w_h: &Tensor, counts: &[usize], forget: f64) -> Result<Tensor> {
    let trained = projected.track_op() || w_h.track_op();
    let (plain, plain_w_h) = (projected.detach(), w_h.detach());
    let w_h_t = plain_w_h.t()?.contiguous()?;
    let d = plain_w_h.dim(1)?;
    let mut trace: Vec<Cell> = Vec::new();
    let mut hidden: Vec<Tensor> = Vec::with_capacity(counts.len());
    let mut cell_state: Option<Tensor> = None;
    let mut start = 0;
    for &n in counts {
        let own = plain.narrow(0, start, n)?;
        start += n;
        let gates = match hidden.last() {
            Some(h) => (own + h.narrow(0, 0, n)?.matmul(&w_h_t)?)?,
            None => own,
        };
        let before = match &cell_state {
            Some(c) => Some(c.narrow(0, 0, n)?),
            None => None,
        };
        let cell = Cell::run(&gates, before, d, forget)?;
        hidden.push((&cell.o * &cell.tanh_c)?);
        cell_state = Some(cell.c.clone());
        if trained {
            trace.push(cell);
        }
    }
    let output = Tensor::cat(&hidden, 0)?.contiguous()?;
    if !trained {
        return Ok(output);
    }
    let recurrence = Recurrence {
        trace,
        hidden,
        counts: counts.to_vec(),
    };
    known2([projected, w_h], output, move |grad| {
        recurrence.back(&plain_w_h, grad)
    })
}

/// One step's activations, each [n, d].
struct Cell {
    i: Tensor,
    f: Tensor,
    g: Tensor,
    o: Tensor,
    /// The state that came in; none at the first step (zero).
    before: Option<Tensor>,
    c: Tensor,
    tanh_c: Tensor,
}

impl Cell {
    fn run(gates: &Tensor, before: Option<Tensor>, d: usize, forget: f64) -> Result<Self> {
        let part = |k: usize| gates.narrow(D::Minus1, k * d, d)?.contiguous();
        let i = sigmoid(&part(0)?)?;
        let f = sigmoid(&(part(1)? + forget)?)?;
        let g = part(2)?.tanh()?;
        let o = sigmoid(&part(3)?)?;
        let fresh = (&i * &g)?;
        let c = match &before {
            Some(before) => ((&f * before)? + fresh)?,
            None => fresh,
        };
        let tanh_c = c.tanh()?;
        Ok(Self {
            i,
            f,
            g,
            o,
            before,
            c,
            tanh_c,
        })
    }

    /// Gradients of the gates [n, 4d] and of the state that came in, from those of h and c.
    fn back(&self, d_h: &Tensor, d_c: Option<&Tensor>) -> Result<(Tensor, Tensor)> {
        let through_h = ((d_h * &self.o)? * one_minus_square(&self.tanh_c)?)?;
        let d_c = match d_c {
            Some(d_c) => (d_c + through_h)?,
            None => through_h,
        };
        let d_o = ((d_h * &self.tanh_c)? * sigmoid_slope(&self.o)?)?;
        let d_i = ((&d_c * &self.g)? * sigmoid_slope(&self.i)?)?;
        let d_g = ((&d_c * &self.i)? * one_minus_square(&self.g)?)?;
        let d_f = match &self.before {
            Some(before) => ((&d_c * before)? * sigmoid_slope(&self.f)?)?,
            None => d_c.zeros_like()?,
        };
        let gates = Tensor::cat(&[d_i, d_f, d_g, d_o], D::Minus1)?;
        Ok((gates, (d_c * &self.f)?))
    }
}

fn one_minus_square(x: &Tensor) -> Result<Tensor> {
    x.sqr()?.affine(-1.0, 1.0)
}

fn sigmoid_slope(s: &Tensor) -> Result<Tensor> {
    s * s.affine(-1.0, 1.0)?
}

/// The recurrence as one node: its value was computed beforehand, its gradient is back-propagation through time.
struct Recurrence {
    trace: Vec<Cell>,
    hidden: Vec<Tensor>,
    counts: Vec<usize>,
}

impl Recurrence {
    fn back(&self, w_h: &Tensor, d_output: &Tensor) -> Result<[Tensor; 2]> {
        let mut d_gates: Vec<Tensor> = Vec::with_capacity(self.counts.len());
        let mut later: Option<(Tensor, Tensor)> = None; // gradients of h and c, rows of the next step
        let mut end = d_output.dim(0)?;
        for (cell, &n) in self.trace.iter().zip(&self.counts).rev() {
            let own = d_output.narrow(0, end - n, n)?;
            end -= n;
            let (d_h, d_c) = match later {
                Some((d_h, d_c)) => ((own + grown(&d_h, n)?)?, Some(grown(&d_c, n)?)),
                None => (own.contiguous()?, None),
            };
            let (gates, d_before) = cell.back(&d_h, d_c.as_ref())?;
            later = Some((gates.matmul(w_h)?, d_before));
            d_gates.push(gates);
        }
        d_gates.reverse();
        let d_projected = Tensor::cat(&d_gates, 0)?;
        let first = self.counts.first().copied().unwrap_or(0);
        let rest = d_projected.dim(0)? - first;
        if rest == 0 {
            return Ok([d_projected, w_h.zeros_like()?]); // one step: W_h was not used
        }
        let before: Vec<Tensor> = self
            .hidden
            .iter()
            .zip(&self.counts[1..])
            .map(|(h, &n)| h.narrow(0, 0, n))
            .collect::<Result<_>>()?;
        let before = Tensor::cat(&before, 0)?;
        let d_w_h = d_projected
            .narrow(0, first, rest)?
            .t()?
            .contiguous()?
            .matmul(&before)?;
        Ok([d_projected, d_w_h])
    }
}

/// `x` [m, d] with rows of zeros up to `n`.
fn grown(x: &Tensor, n: usize) -> Result<Tensor> {
    let m = x.dim(0)?;
    if m == n {
        return Ok(x.clone());
    }
    Tensor::cat(&[x, &zeros_like_rows(x, n - m)?], 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::hrere::golden_tests::{close, golden, tensor, values};
    use candle_core::Var;
    use serde_json::Value;

    fn lstm(given: &Value, direction: &str, forget: f64) -> Result<Lstm> {
        let var = |name: &str| {
            Ok::<_, candle_core::Error>(
                Var::from_tensor(&tensor(&given[format!("{name}_{direction}").as_str()])?)?
                    .into_inner(),
            )
        };
        Ok(Lstm {
            w_x: var("Wx")?,
            w_h: var("Wh")?,
            bias: var("b")?,
            forget,
        })
    }

    #[test]
    fn both_directions_match_the_golden_file() -> Result<()> {
        let g = golden("lstm_bi");
        let x = tensor(&g["in"]["X"])?;
        let n = x.dim(0)?;
        for forget in [0.0, 1.0] {
            let out = &g["out"][format!("forget_bias_{forget}").as_str()];
            let mut sum = None;
            for (key, direction, expected) in [
                ("f", Direction::Forward, "h_fwd"),
                ("b", Direction::Backward, "h_bwd"),
            ] {
                let steps = Steps::new(&[n], direction, x.device())?;
                let h = lstm(&g["in"], key, forget)?.forward(&x, &steps)?;
                close(expected, &h, &values(&out[expected]), 1e-9)?;
                sum = Some(match sum {
                    None => h,
                    Some(before) => (before + h)?,
                });
            }
            let h = sum.unwrap().tanh()?;
            close("tanh_sum", &h, &values(&out["tanh_sum"]), 1e-9)?;
        }
        Ok(())
    }

    /// A batch of unequal lengths equals its singles, and its gradients are those of the cell recorded step by step.
    #[test]
    fn a_batch_equals_its_singles_in_values_and_gradients() -> Result<()> {
        let g = golden("lstm_bi");
        let x = tensor(&g["in"]["X"])?;
        let lengths = [2usize, 3, 1];
        let rows: Vec<u32> = vec![2, 0, 0, 1, 2, 1];
        let rows = Tensor::from_vec(rows, 6, x.device())?;
        let packed = Var::from_tensor(&x.index_select(&rows, 0)?)?;
        let weight = Tensor::arange(1f64, 13f64, x.device())?.reshape((6, 2))?;
        for (key, direction) in [("f", Direction::Forward), ("b", Direction::Backward)] {
            let net = lstm(&g["in"], key, 1.0)?;
            let steps = Steps::new(&lengths, direction, x.device())?;
            let batched = net.forward(&packed, &steps)?;
            let mut singles = Vec::new();
            let mut start = 0;
            for n in lengths {
                singles.push(recorded(&net, &packed.narrow(0, start, n)?, direction)?);
                start += n;
            }
            let singles = Tensor::cat(&singles, 0)?;
            close("values", &batched, &flat(&singles)?, 1e-12)?;
            let of = |h: &Tensor| (h * &weight)?.sum_all()?.backward();
            let (found, expected) = (of(&batched)?, of(&singles)?);
            for (what, var) in [
                ("x", packed.as_tensor()),
                ("w_x", &net.w_x),
                ("w_h", &net.w_h),
                ("bias", &net.bias),
            ] {
                let expected = flat(expected.get(var).unwrap())?;
                close(what, found.get(var).unwrap(), &expected, 1e-10)?;
            }
        }
        Ok(())
    }

    #[test]
    fn without_trained_weights_nothing_is_recorded() -> Result<()> {
        let g = golden("lstm_bi");
        let x = tensor(&g["in"]["X"])?;
        let mut net = lstm(&g["in"], "f", 0.0)?;
        net.w_x = net.w_x.detach();
        net.w_h = net.w_h.detach();
        net.bias = net.bias.detach();
        let steps = Steps::new(&[3], Direction::Forward, x.device())?;
        let h = net.forward(&x, &steps)?;
        assert!(!h.track_op());
        let out = &g["out"]["forget_bias_0"]["h_fwd"];
        close("h", &h, &values(out), 1e-9)?;
        assert!(Steps::new(&[], Direction::Forward, x.device()).is_err());
        Ok(())
    }

    fn flat(x: &Tensor) -> Result<Vec<f64>> {
        x.flatten_all()?.to_vec1()
    }

    /// The cell as plain recorded operations, for one sentence.
    fn recorded(net: &Lstm, x: &Tensor, direction: Direction) -> Result<Tensor> {
        let n = x.dim(0)?;
        let d = net.w_h.dim(1)?;
        let order: Vec<usize> = match direction {
            Direction::Forward => (0..n).collect(),
            Direction::Backward => (0..n).rev().collect(),
        };
        let mut h = Tensor::zeros((1, d), x.dtype(), x.device())?;
        let mut c = h.clone();
        let mut out = vec![h.clone(); n];
        for t in order {
            let a = (x.narrow(0, t, 1)?.matmul(&net.w_x.t()?)? + h.matmul(&net.w_h.t()?)?)?
                .broadcast_add(&net.bias)?;
            let part = |k: usize| a.narrow(1, k * d, d);
            let keep = sigmoid(&(part(1)? + net.forget)?)?;
            c = ((keep * &c)? + (sigmoid(&part(0)?)? * part(2)?.tanh()?)?)?;
            h = (sigmoid(&part(3)?)? * c.tanh()?)?;
            out[t] = h.clone();
        }
        Tensor::cat(&out, 0)
    }
}
