//! Logits of every ordered word pair of a sentence through one hidden layer, and the largest of them for each word.
//!
//! logits(i, j) = W·relu(head_i + tail_j) + b, RIN's pair model (Sun et al. 2020) with its first product already split
//! into what each side contributes. Cells are packed: sentence after sentence, row (head) after row. The hidden layer of
//! a few rows at a time is all that exists of it; the backward passes compute it again.

use super::known::{known1, known2};
use super::matrix::{Matrix, Out, multiply};
use super::padded::PaddedRows;
use super::rows::sums;
use super::simd::{add_column_sums, vectorised};
use super::{check_starts, is_fused, linear, split_sentences, values, values_of};
use candle_core::{CpuStorage, CustomOp3, Layout, Result, Shape, Tensor, bail};
use rayon::prelude::*;
use std::ops::Range;
use std::sync::OnceLock;

/// Cells whose hidden layer is held at once: with 64 floats each, a quarter of a usual second-level cache.
const BLOCK_CELLS: usize = 512;

/// Cells that the plain formula computes at once; its hidden layer is 16 MiB at 64 floats a cell.
const PLAIN_CELLS: usize = 1 << 16;

/// The pair layer on packed words: `head` and `tail` [W, d], `weight` [l, d], `bias` `[l]`; `starts` as in
/// `BatchLayout::word_starts`, counted from 0.
pub struct PairLayer<'a> {
    pub head: &'a Tensor,
    pub tail: &'a Tensor,
    pub weight: &'a Tensor,
    pub bias: &'a Tensor,
    pub starts: &'a [usize],
}

impl PairLayer<'_> {
    /// All cells, [C, l].
    pub fn logits(&self) -> Result<Tensor> {
        self.check()?;
        if !is_fused(self.head) {
            return self.logits_of_cells();
        }
        self.apply(AllPairs {
            starts: self.starts.to_vec(),
        })
    }

    /// For each word the largest logits over all tails of its sentence (itself included), [W, l]. The gradient goes to
    /// the first of equal ones: pairs whose hidden values the relu has all cut to zero are equal.
    pub fn best_as_head(&self) -> Result<Tensor> {
        self.check()?;
        if !is_fused(self.head) {
            return self.best_of_cells();
        }
        self.apply(BestPairs {
            starts: self.starts.to_vec(),
            best: OnceLock::new(),
        })
    }

    /// For each word the largest logits over all heads of its sentence, [W, l].
    pub fn best_as_tail(&self) -> Result<Tensor> {
        PairLayer {
            head: self.tail,
            tail: self.head,
            ..*self
        }
        .best_as_head()
    }

    fn check(&self) -> Result<()> {
        let ((n_words, d), (l, d_out)) = (self.head.dims2()?, self.weight.dims2()?);
        if self.tail.dims() != [n_words, d] || d != d_out || self.bias.dims() != [l] {
            bail!(
                "pair layer: head {:?}, tail {:?}, weight {:?}, bias {:?} do not fit",
                self.head.dims(),
                self.tail.dims(),
                self.weight.dims(),
                self.bias.dims()
            );
        }
        check_starts(self.starts, n_words, "pair layer")
    }

    fn apply<O: CustomOp3 + 'static + Send + Sync>(&self, op: O) -> Result<Tensor> {
        let weight = Tensor::cat(&[self.weight, &self.bias.unsqueeze(1)?], 1)?;
        self.head
            .contiguous()?
            .apply_op3(&self.tail.contiguous()?, &weight, op)
    }

    /// [`logits`](Self::logits) on any device.
    fn logits_of_cells(&self) -> Result<Tensor> {
        let cells: Vec<(u32, u32)> = self
            .starts
            .windows(2)
            .flat_map(|s| (s[0]..s[1]).flat_map(move |i| (s[0]..s[1]).map(move |j| (i, j))))
            .map(|(i, j)| (i as u32, j as u32))
            .collect();
        let device = self.head.device();
        let mut parts = Vec::new();
        for cells in cells.chunks(PLAIN_CELLS) {
            let hidden = self.hidden(cells)?;
            parts.push(linear(&hidden, self.weight, self.bias)?);
        }
        if parts.is_empty() {
            return Tensor::zeros((0, self.bias.elem_count()), self.head.dtype(), device);
        }
        Tensor::cat(&parts, 0)
    }

    /// relu(head + tail) of some cells, [cells, d].
    fn hidden(&self, cells: &[(u32, u32)]) -> Result<Tensor> {
        let heads: Vec<u32> = cells.iter().map(|c| c.0).collect();
        let tails: Vec<u32> = cells.iter().map(|c| c.1).collect();
        let take = |x: &Tensor, rows: &[u32]| {
            let rows = Tensor::from_slice(rows, rows.len(), x.device())?;
            x.detach().contiguous()?.index_select(&rows, 0)
        };
        let hidden = (take(self.head, &heads)? + take(self.tail, &tails)?)?.relu()?;
        let (value, n_words) = (hidden.clone(), self.head.dim(0)?);
        known2([self.head, self.tail], value, move |grad| {
            let passed = (grad * hidden.gt(0.0)?.to_dtype(grad.dtype())?)?;
            let of = |rows: &[u32]| sums(&passed, rows, n_words);
            Ok([of(&heads)?, of(&tails)?])
        })
    }

    /// [`best_as_head`](Self::best_as_head) on any device.
    fn best_of_cells(&self) -> Result<Tensor> {
        let (logits, device) = (self.logits_of_cells()?, self.head.device());
        // Each head's cells: as many as its sentence has words.
        let lengths = self.starts.windows(2).map(|s| s[1] - s[0]);
        let of_heads = lengths.flat_map(|n| std::iter::repeat_n(n, n));
        let of_heads = PaddedRows::of_lengths(of_heads);
        let (n_words, longest) = (of_heads.n_groups, of_heads.longest);
        if n_words == 0 {
            return Ok(logits);
        }
        let cells = Tensor::from_vec(of_heads.packed_row, n_words * longest, device)?;
        let places = Tensor::from_vec(of_heads.place, logits.dim(0)?, device)?;
        let beyond = Tensor::from_vec(of_heads.mask, (n_words, longest, 1), device)?;
        let rows = logits.detach().index_select(&cells, 0)?;
        let rows = rows.reshape((n_words, longest, ()))?;
        let rows = rows.broadcast_add(&beyond.to_dtype(rows.dtype())?)?;
        // Not `max`: its gradient goes to every equal entry.
        let best = rows.argmax_keepdim(1)?;
        let (value, shape) = (rows.gather(&best, 1)?.squeeze(1)?, rows.shape().clone());
        known1(&logits, value, move |grad| {
            let none = Tensor::zeros(&shape, grad.dtype(), grad.device())?;
            let d_rows = none.scatter_add(&best, &grad.unsqueeze(1)?, 1)?;
            d_rows.flatten(0, 1)?.index_select(&places, 0)
        })
    }
}

/// Head and tail sides of a sentence or block and the output layer, whose rows are weight and bias side by side.
#[derive(Clone, Copy)]
struct Sides<'a> {
    head: &'a [f32],
    tail: &'a [f32],
    weight: &'a [f32],
    d: usize,
    l: usize,
}

impl<'a> Sides<'a> {
    fn new(head: &'a [f32], tail: &'a [f32], weight: &'a [f32], dims: (usize, usize)) -> Self {
        let (l, d) = (dims.0, dims.1 - 1);
        Self {
            head,
            tail,
            weight,
            d,
            l,
        }
    }
    fn of_words(&self, words: Range<usize>) -> Self {
        let place = words.start * self.d..words.end * self.d;
        Self {
            head: &self.head[place.clone()],
            tail: &self.tail[place],
            ..*self
        }
    }
    fn n_tails(&self) -> usize {
        self.tail.len() / self.d
    }
    /// Some heads against all tails.
    fn of_heads(&self, heads: Range<usize>) -> Self {
        Self {
            head: &self.head[heads.start * self.d..heads.end * self.d],
            ..*self
        }
    }
    /// Heads in blocks of about [`BLOCK_CELLS`] cells.
    fn blocks(&self) -> impl Iterator<Item = Range<usize>> + use<> {
        let (n_heads, step) = (self.head.len() / self.d, rows_of_block(self.n_tails()));
        (0..n_heads)
            .step_by(step)
            .map(move |from| from..(from + step).min(n_heads))
    }
    fn weights(&self) -> Matrix<'a> {
        Matrix::new(self.weight, self.l, self.d, self.d + 1)
    }

    /// relu(head + tail) of every cell, [cells, d].
    fn hidden(&self, hidden: &mut Vec<f32>) {
        hidden.clear();
        hidden.resize(self.head.len() / self.d * self.tail.len(), 0.0);
        relu_sums(hidden, self.head, self.tail, self.d);
    }

    /// Logits [cells, l]; `hidden` is work space and keeps the hidden layer.
    fn logits(&self, hidden: &mut Vec<f32>, out: &mut [f32]) {
        self.hidden(hidden);
        for cell in out.chunks_exact_mut(self.l) {
            for (o, row) in cell.iter_mut().zip(self.weight.chunks_exact(self.d + 1)) {
                *o = row[self.d];
            }
        }
        let n_cells = hidden.len() / self.d;
        multiply(
            Out::add_to(out, self.l),
            1.0,
            Matrix::new(hidden, n_cells, self.d, self.d),
            self.weights().transposed(),
            gemm::Parallelism::None,
        );
    }
}

fn rows_of_block(n_tails: usize) -> usize {
    (BLOCK_CELLS / n_tails.max(1)).max(1)
}

vectorised! {
    fn relu_sums(hidden: &mut [f32], heads: &[f32], tails: &[f32], d: usize) {
        let mut cells = hidden.chunks_exact_mut(d);
        for head in heads.chunks_exact(d) {
            for (tail, cell) in tails.chunks_exact(d).zip(&mut cells) {
                for ((v, h), t) in cell.iter_mut().zip(head).zip(tail) {
                    let sum = h + t;
                    *v = if sum > 0.0 { sum } else { 0.0 };
                }
            }
        }
    }
}

vectorised! {
    /// Adds the gradient of each cell's hidden layer, where the relu let it through, to its head's and tail's.
    fn scatter_sides(hidden: &[f32], slopes: &[f32], d_heads: &mut [f32], d_tails: &mut [f32], d: usize) {
        let mut cells = hidden.chunks_exact(d).zip(slopes.chunks_exact(d));
        for d_head in d_heads.chunks_exact_mut(d) {
            for (d_tail, (cell, slope)) in d_tails.chunks_exact_mut(d).zip(&mut cells) {
                for (((dh, dt), v), s) in d_head.iter_mut().zip(d_tail).zip(cell).zip(slope) {
                    let passed = if *v > 0.0 { *s } else { 0.0 };
                    *dh += passed;
                    *dt += passed;
                }
            }
        }
    }
}

vectorised! {
    /// `best` and `place` `[l]` of one head's logits [tails, l]; the first of equal values stays.
    fn best_tail(logits: &[f32], best: &mut [f32], place: &mut [u32]) {
        let l = best.len();
        best.copy_from_slice(&logits[..l]);
        place.fill(0);
        for (tail, row) in (0u32..).zip(logits.chunks_exact(l)) {
            for ((b, p), v) in best.iter_mut().zip(place.iter_mut()).zip(row) {
                let larger = *v > *b;
                *p = if larger { tail } else { *p };
                *b = if larger { *v } else { *b };
            }
        }
    }
}

/// Gradients that a backward pass returns, and its parallel loop over sentences; `each` adds to the sentence's part of
/// head and tail gradients and to its own sum of the output layer's.
fn backward_by_sentence(
    args: [&Tensor; 3],
    starts: &[usize],
    each: impl Fn(usize, Sides, &mut [f32], &mut [f32], &mut [f32]) + Sync,
) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
    let [head, tail, weight] = args;
    let (heads, tails, weights) = (values_of(head)?, values_of(tail)?, values_of(weight)?);
    let sides = Sides::new(&heads, &tails, &weights, weight.dims2()?);
    let (mut d_head, mut d_tail) = (vec![0.0; heads.len()], vec![0.0; tails.len()]);
    let partial: Vec<Vec<f32>> = split_sentences(&mut d_head, starts, sides.d)
        .into_par_iter()
        .zip(split_sentences(&mut d_tail, starts, sides.d))
        .enumerate()
        .map(|(b, (d_head, d_tail))| {
            let mut d_weight = vec![0.0; sides.weight.len()];
            let sides = sides.of_words(starts[b]..starts[b + 1]);
            each(b, sides, d_head, d_tail, &mut d_weight);
            d_weight
        })
        .collect();
    let mut d_weight = vec![0.0; sides.weight.len()];
    for part in &partial {
        add_column_sums(&mut d_weight, part);
    }
    let tensor = |values, like: &Tensor| Tensor::from_vec(values, like.shape(), like.device());
    Ok((
        Some(tensor(d_head, head)?),
        Some(tensor(d_tail, tail)?),
        Some(tensor(d_weight, weight)?),
    ))
}

/// First cell of each sentence, and C at the end.
fn cell_starts(starts: &[usize]) -> Vec<usize> {
    let mut cells = vec![0];
    cells.extend(starts.windows(2).scan(0, |end, s| {
        *end += (s[1] - s[0]) * (s[1] - s[0]);
        Some(*end)
    }));
    cells
}

struct AllPairs {
    starts: Vec<usize>,
}

impl CustomOp3 for AllPairs {
    fn name(&self) -> &'static str {
        "pair-logits"
    }

    fn cpu_fwd(
        &self,
        head: &CpuStorage,
        head_layout: &Layout,
        tail: &CpuStorage,
        tail_layout: &Layout,
        weight: &CpuStorage,
        weight_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let (head, tail) = (values(head, head_layout)?, values(tail, tail_layout)?);
        let weight = values(weight, weight_layout)?;
        let sides = Sides::new(head, tail, weight, weight_layout.shape().dims2()?);
        let cells = cell_starts(&self.starts);
        let n_cells = cells[cells.len() - 1];
        let mut out = vec![0.0; n_cells * sides.l];
        let mut blocks = Vec::new();
        for (b, out) in split_sentences(&mut out, &cells, sides.l)
            .into_iter()
            .enumerate()
        {
            let sides = sides.of_words(self.starts[b]..self.starts[b + 1]);
            let step = rows_of_block(sides.n_tails()) * sides.n_tails() * sides.l;
            let heads = sides.blocks().map(move |heads| sides.of_heads(heads));
            blocks.extend(heads.zip(out.chunks_mut(step.max(1))));
        }
        blocks
            .into_par_iter()
            .for_each_init(Vec::new, |hidden, (sides, out)| sides.logits(hidden, out));
        Ok((CpuStorage::F32(out), Shape::from((n_cells, sides.l))))
    }

    /// With z the hidden layer: dW = Gᵀ·z, db = Σ G, dz = G·W where z > 0; a side's gradient is the sum of its cells'.
    fn bwd(
        &self,
        head: &Tensor,
        tail: &Tensor,
        weight: &Tensor,
        _out: &Tensor,
        grad: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let grad = grad.contiguous()?;
        let (grads, cells) = (values_of(&grad)?, cell_starts(&self.starts));
        let grads: &[f32] = &grads;
        backward_by_sentence(
            [head, tail, weight],
            &self.starts,
            |b, sides, dh, dt, dw| {
                let (mut hidden, mut slopes) = (Vec::new(), Vec::new());
                let (d, l, n) = (sides.d, sides.l, sides.n_tails());
                let mut bias_sums = vec![0.0; l];
                for heads in sides.blocks() {
                    let block = sides.of_heads(heads.clone());
                    let first = cells[b] + heads.start * n;
                    let n_cells = heads.len() * n;
                    let grad = &grads[first * l..(first + n_cells) * l];
                    block.hidden(&mut hidden);
                    slopes.resize(hidden.len(), 0.0);
                    let product = |out, a, b| multiply(out, 1.0, a, b, gemm::Parallelism::None);
                    let grad_rows = Matrix::new(grad, n_cells, l, l);
                    product(
                        Out::add_to(dw, d + 1),
                        grad_rows.transposed(),
                        Matrix::new(&hidden, n_cells, d, d),
                    );
                    add_column_sums(&mut bias_sums, grad);
                    product(Out::overwrite(&mut slopes, d), grad_rows, sides.weights());
                    let dh = &mut dh[heads.start * d..heads.end * d];
                    scatter_sides(&hidden, &slopes, dh, dt, d);
                }
                for (row, sum) in dw.chunks_exact_mut(d + 1).zip(bias_sums) {
                    row[d] = sum;
                }
            },
        )
    }
}

struct BestPairs {
    starts: Vec<usize>,
    /// [W, l]: which tail of its sentence won; set by the forward pass.
    best: OnceLock<Vec<u32>>,
}

impl CustomOp3 for BestPairs {
    fn name(&self) -> &'static str {
        "best-pairs"
    }

    fn cpu_fwd(
        &self,
        head: &CpuStorage,
        head_layout: &Layout,
        tail: &CpuStorage,
        tail_layout: &Layout,
        weight: &CpuStorage,
        weight_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let (head, tail) = (values(head, head_layout)?, values(tail, tail_layout)?);
        let weight = values(weight, weight_layout)?;
        let sides = Sides::new(head, tail, weight, weight_layout.shape().dims2()?);
        let (l, n_words) = (sides.l, self.starts[self.starts.len() - 1]);
        let (mut out, mut places) = (vec![0.0; n_words * l], vec![0u32; n_words * l]);
        let mut blocks = Vec::new();
        let (mut out_left, mut places_left) = (&mut out[..], &mut places[..]);
        for words in self.starts.windows(2) {
            let sides = sides.of_words(words[0]..words[1]);
            for heads in sides.blocks() {
                let (out, out_rest) = out_left.split_at_mut(heads.len() * l);
                let (places, places_rest) = places_left.split_at_mut(heads.len() * l);
                (out_left, places_left) = (out_rest, places_rest);
                blocks.push((sides.of_heads(heads), out, places));
            }
        }
        blocks.into_par_iter().for_each_init(
            || (Vec::new(), Vec::new()),
            |(hidden, logits), (sides, out, places)| {
                let row = sides.n_tails() * l;
                logits.resize(out.len() / l * row, 0.0);
                sides.logits(hidden, logits);
                let words = out.chunks_exact_mut(l).zip(places.chunks_exact_mut(l));
                for ((best, place), logits) in words.zip(logits.chunks_exact(row)) {
                    best_tail(logits, best, place);
                }
            },
        );
        self.best.get_or_init(|| places);
        Ok((CpuStorage::F32(out), Shape::from((n_words, l))))
    }

    fn bwd(
        &self,
        head: &Tensor,
        tail: &Tensor,
        weight: &Tensor,
        _out: &Tensor,
        grad: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let Some(places) = self.best.get() else {
            bail!("best-pairs: backward before forward")
        };
        let grad = grad.contiguous()?;
        let grads = values_of(&grad)?;
        let grads: &[f32] = &grads;
        backward_by_sentence(
            [head, tail, weight],
            &self.starts,
            |b, sides, dh, dt, dw| {
                let l = sides.l;
                let words = self.starts[b] * l..self.starts[b + 1] * l;
                best_backward(&sides, &grads[words.clone()], &places[words], dh, dt, dw);
            },
        )
    }
}

/// One sentence: only the winning cell of each word and relation has a gradient.
fn best_backward(
    sides: &Sides,
    grads: &[f32],
    places: &[u32],
    d_heads: &mut [f32],
    d_tails: &mut [f32],
    d_weight: &mut [f32],
) {
    let (d, l) = (sides.d, sides.l);
    let rows = grads.chunks_exact(l).zip(places.chunks_exact(l));
    let heads = sides.head.chunks_exact(d).zip(d_heads.chunks_exact_mut(d));
    for ((grads, places), (head, d_head)) in rows.zip(heads) {
        for (k, (grad, place)) in grads.iter().zip(places).enumerate() {
            let at = *place as usize * d..(*place as usize + 1) * d;
            let row = k * (d + 1)..(k + 1) * (d + 1);
            winner_backward(
                *grad,
                head,
                &sides.tail[at.clone()],
                &sides.weight[row.clone()],
                d_head,
                &mut d_tails[at],
                &mut d_weight[row],
            );
        }
    }
}

vectorised! {
    fn winner_backward(
        grad: f32,
        head: &[f32],
        tail: &[f32],
        weight: &[f32],
        d_head: &mut [f32],
        d_tail: &mut [f32],
        d_weight: &mut [f32],
    ) {
        let d = head.len();
        let sides = head.iter().zip(tail).zip(&weight[..d]);
        let slopes = d_head.iter_mut().zip(d_tail).zip(d_weight.iter_mut());
        for (((h, t), w), ((dh, dt), dw)) in sides.zip(slopes) {
            let sum = h + t;
            let (passed, hidden) = if sum > 0.0 { (grad * w, grad * sum) } else { (0.0, 0.0) };
            *dh += passed;
            *dt += passed;
            *dw += hidden;
        }
        d_weight[d] += grad;
    }
}

#[cfg(test)]
mod tests {
    use super::super::take_rows;
    use super::super::testing::*;
    use super::*;

    /// As candle records it.
    fn plain_logits(layer: &PairLayer) -> Result<Tensor> {
        let cells = (layer.starts.windows(2))
            .flat_map(|s| (s[0]..s[1]).flat_map(move |i| (s[0]..s[1]).map(move |j| (i, j))));
        let (heads, tails): (Vec<u32>, Vec<u32>) = cells.map(|(i, j)| (i as u32, j as u32)).unzip();
        let sum = (take_rows(layer.head, heads)? + take_rows(layer.tail, tails)?)?;
        let logits = sum.relu()?.matmul(&layer.weight.t()?)?;
        logits.broadcast_add(layer.bias)
    }

    fn plain_best(layer: &PairLayer) -> Result<Tensor> {
        let logits = plain_logits(layer)?;
        let lengths = || layer.starts.windows(2).map(|s| s[1] - s[0]);
        let (n_words, longest) = (lengths().sum::<usize>(), lengths().max().unwrap_or(0));
        if n_words == 0 {
            return Ok(logits);
        }
        // Each head's cells, its first one again where a sentence is shorter than the longest: no other maximum.
        let mut cells = Vec::with_capacity(n_words * longest);
        let mut from = 0;
        for n in lengths() {
            for _ in 0..n {
                cells.extend((0..longest).map(|j| (from + if j < n { j } else { 0 }) as u32));
                from += n;
            }
        }
        let rows = take_rows(&logits, cells)?.reshape((n_words, longest, ()))?;
        let best = rows.detach().argmax_keepdim(1)?;
        rows.gather(&best, 1)?.squeeze(1)
    }

    #[test]
    fn value_gradients_and_bits() -> Result<()> {
        let table: &[(&[usize], usize, usize)] = &[
            (&[0, 1], 1, 1),
            (&[0, 3, 3, 8], 5, 4),
            (&[0, 40, 47, 80], 19, 24),
        ];
        for &(starts, d, l) in table {
            let n = starts[starts.len() - 1];
            let shapes: [&[usize]; 4] = [&[n, d], &[n, d], &[l, d], &[l]];
            type Op = for<'a, 'b> fn(&'b PairLayer<'a>) -> Result<Tensor>;
            let ops: [(&str, Op, Op); 5] = [
                ("logits", |p| p.logits(), plain_logits),
                ("logits of cells", |p| p.logits_of_cells(), plain_logits),
                ("best tail", |p| p.best_as_head(), plain_best),
                ("best tail of cells", |p| p.best_of_cells(), plain_best),
                (
                    "best head",
                    |p| p.best_as_tail(),
                    |p| {
                        let (head, tail) = (p.tail, p.head);
                        plain_best(&PairLayer { head, tail, ..*p })
                    },
                ),
            ];
            for (name, fused, plain) in ops {
                let layer = |v: &[Tensor], op: Op| {
                    let [head, tail, weight, bias] = [&v[0], &v[1], &v[2], &v[3]];
                    op(&PairLayer {
                        head,
                        tail,
                        weight,
                        bias,
                        starts,
                    })
                };
                check_kinked_op(
                    &format!("pairs {starts:?} {d} {l}: {name}"),
                    &shapes,
                    |v| layer(v, fused),
                    |v| layer(v, plain),
                )?;
            }
        }
        Ok(())
    }

    #[test]
    fn sides_that_do_not_fit_are_refused() -> Result<()> {
        let (x, w, b) = (random(&[3, 4], 1)?, random(&[2, 4], 2)?, random(&[2], 3)?);
        let check = |tail: &Tensor, starts: &[usize]| {
            PairLayer {
                head: &x,
                tail,
                weight: &w,
                bias: &b,
                starts,
            }
            .logits()
            .is_err()
        };
        assert!(!check(&x, &[0, 3]));
        assert!(check(&w, &[0, 3]));
        assert!(check(&x, &[0, 2]));
        Ok(())
    }
}
