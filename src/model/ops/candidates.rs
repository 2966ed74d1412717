//! Softmax cross-entropy of queries against every candidate vector (1-vs-all training), and plain scores.
//!
//! ```text
//! s_ic = q_i . e_c      L = w sum_i sum_{a in A_i} (log sum_c exp s_ic - s_ia)
//! ds_ic = w (n_i p_ic - [c in A_i])      dE = ds^T Q      dQ = ds E
//! ```
//!
//! Candidates are cut into tiles of fixed size; a tile is one task from its scores to its gradient, so the score matrix is
//! written once, exponentials are taken once, and no sum depends on the number of threads.

use super::matrix::{Matrix, Out, multiply};
use super::simd::{self, vectorised};
use gemm::Parallelism;
use rayon::prelude::*;

/// Candidates of a tile: with 256 queries its scores take 1 MB.
const TILE: usize = 1024;

/// The right answers of a batch of queries.
pub(in crate::model) struct Answers {
    /// (candidate, query), sorted: tiles find theirs by bisection.
    pairs: Vec<(u32, u32)>,
    /// Answers of each query.
    counts: Vec<f32>,
}

impl Answers {
    /// Answers of each query in turn; candidates must exist.
    pub(in crate::model) fn new<'a>(of_queries: impl IntoIterator<Item = &'a [u32]>) -> Self {
        let (mut pairs, mut counts) = (Vec::new(), Vec::new());
        for (query, answers) in (0u32..).zip(of_queries) {
            pairs.extend(answers.iter().map(|&candidate| (candidate, query)));
            counts.push(answers.len() as f32);
        }
        pairs.sort_unstable();
        Self { pairs, counts }
    }
    pub(in crate::model) fn len(&self) -> usize {
        self.pairs.len()
    }
    fn of_tile(&self, tile: usize) -> impl Iterator<Item = (usize, usize)> + '_ {
        let place = |first: usize| self.pairs.partition_point(|p| (p.0 as usize) < first);
        let own = &self.pairs[place(tile * TILE)..place((tile + 1) * TILE)];
        own.iter()
            .map(move |&(candidate, query)| (candidate as usize - tile * TILE, query as usize))
    }
}

/// One tile's scores, later their gradient.
#[derive(Default)]
struct Tile {
    /// [queries, candidates of the tile]
    scores: Vec<f32>,
    /// Largest score of each query, and the sum of exp(score - largest).
    top: Vec<f32>,
    total: Vec<f32>,
    answer_scores: f64,
    /// This tile's part of dQ.
    d_queries: Vec<f32>,
}

/// Buffers of a training run.
#[derive(Default)]
pub(in crate::model) struct CandidateSoftmax {
    tiles: Vec<Tile>,
    /// dE [candidates, width] of the last batch.
    pub(in crate::model) d_candidates: Vec<f32>,
    /// dQ [queries, width] of the last batch.
    pub(in crate::model) d_queries: Vec<f32>,
}

impl CandidateSoftmax {
    /// L with w = `weight`; leaves its gradients in `d_candidates` and `d_queries`. `queries` is [n, width] with n the
    /// answers' queries, `candidates` [c, width].
    pub(in crate::model) fn loss(
        &mut self,
        queries: &[f32],
        candidates: &[f32],
        width: usize,
        answers: &Answers,
        weight: f32,
    ) -> f64 {
        let n = answers.counts.len();
        self.tiles
            .resize_with(candidates.len().div_ceil(TILE * width), Tile::default);
        self.d_candidates.resize(candidates.len(), 0.0);
        self.d_queries.resize(n * width, 0.0);
        let query_matrix = Matrix::new(queries, n, width, width);
        self.tiles
            .par_iter_mut()
            .zip(candidates.par_chunks(TILE * width))
            .enumerate()
            .for_each(|(at, (tile, own))| tile.scores(at, query_matrix, own, width, answers));
        let log_totals: Vec<f64> = (0..n).map(|query| self.log_total(query)).collect();
        self.tiles
            .par_iter_mut()
            .zip(candidates.par_chunks(TILE * width))
            .zip(self.d_candidates.par_chunks_mut(TILE * width))
            .enumerate()
            .for_each(|(at, ((tile, own), d_own))| {
                tile.slopes(at, &log_totals, answers, weight);
                tile.gradients(query_matrix, own, width, d_own);
            });
        let parts: Vec<&[f32]> = self.tiles.iter().map(|t| &t.d_queries[..]).collect();
        let rows = self.d_queries.par_chunks_mut(width).enumerate();
        rows.with_min_len(32).for_each(|(row, sum)| {
            sum.fill(0.0);
            for part in &parts {
                simd::add_scaled(sum, 1.0, &part[row * width..(row + 1) * width]);
            }
        });
        let expected = log_totals.iter().zip(&answers.counts);
        let expected: f64 = expected.map(|(log, n)| log * f64::from(*n)).sum();
        let reached: f64 = self.tiles.iter().map(|t| t.answer_scores).sum();
        f64::from(weight) * (expected - reached)
    }

    /// log sum_c exp s_ic over all tiles.
    fn log_total(&self, query: usize) -> f64 {
        let tops = self.tiles.iter().map(|t| t.top[query]);
        let top = f64::from(tops.fold(f32::NEG_INFINITY, f32::max));
        let of_tile = |t: &Tile| f64::from(t.total[query]) * (f64::from(t.top[query]) - top).exp();
        top + self.tiles.iter().map(of_tile).sum::<f64>().ln()
    }
}

impl Tile {
    fn scores(&mut self, at: usize, queries: Matrix, own: &[f32], width: usize, answers: &Answers) {
        let (n, cols) = (answers.counts.len(), own.len() / width);
        self.scores.resize(n * cols, 0.0);
        self.top.resize(n, 0.0);
        self.total.resize(n, 0.0);
        let candidates = Matrix::new(own, cols, width, width).transposed();
        let out = Out::overwrite(&mut self.scores, cols);
        multiply(out, 1.0, queries, candidates, Parallelism::None);
        let of_answer = |(col, query): (usize, usize)| f64::from(self.scores[query * cols + col]);
        self.answer_scores = answers.of_tile(at).map(of_answer).sum();
        exponentials(&mut self.scores, &mut self.top, &mut self.total, cols);
    }

    /// ds in place of the exponentials.
    fn slopes(&mut self, at: usize, log_totals: &[f64], answers: &Answers, weight: f32) {
        let cols = self.scores.len() / self.top.len().max(1);
        let factors: Vec<f32> = (self.top.iter().zip(log_totals).zip(&answers.counts))
            .map(|((top, log), n)| weight * n * (f64::from(*top) - log).exp() as f32)
            .collect();
        scale_rows(&mut self.scores, &factors, cols);
        for (col, query) in answers.of_tile(at) {
            self.scores[query * cols + col] -= weight;
        }
    }

    fn gradients(&mut self, queries: Matrix, own: &[f32], width: usize, d_own: &mut [f32]) {
        let (n, cols) = (self.top.len(), own.len() / width);
        self.d_queries.resize(n * width, 0.0);
        let slopes = Matrix::new(&self.scores, n, cols, cols);
        multiply(
            Out::overwrite(d_own, width),
            1.0,
            slopes.transposed(),
            queries,
            Parallelism::None,
        );
        multiply(
            Out::overwrite(&mut self.d_queries, width),
            1.0,
            slopes,
            Matrix::new(own, cols, width, width),
            Parallelism::None,
        );
    }
}

/// Scores [queries, candidates] of every query with every candidate, both rows of `width`.
pub(in crate::model) fn candidate_scores(
    queries: &[f32],
    candidates: &[f32],
    width: usize,
    out: &mut [f32],
) {
    let (n, c) = (queries.len() / width, candidates.len() / width);
    let candidates = Matrix::new(candidates, c, width, width).transposed();
    let queries = Matrix::new(queries, n, width, width);
    multiply(
        Out::overwrite(out, c),
        1.0,
        queries,
        candidates,
        Parallelism::None,
    );
}

/// Places of a row above and equal to `than`.
pub(in crate::model) fn above_and_equal(row: &[f32], than: f32) -> (u32, u32) {
    let mut counts = [0u32; 2];
    count(row, than, &mut counts);
    (counts[0], counts[1])
}

/// `sums += g²; values -= rate g / (sqrt(sums) + 1e-10)` (Adagrad, Duchi et al. 2011).
pub(in crate::model) fn adagrad(values: &mut [f32], sums: &mut [f32], gradient: &[f32], rate: f32) {
    adagrad_step(values, sums, gradient, rate);
}

vectorised! {
    fn exponentials(scores: &mut [f32], top: &mut [f32], total: &mut [f32], cols: usize) {
        let rows = scores.chunks_exact_mut(cols.max(1));
        for ((row, top), total) in rows.zip(top).zip(total) {
            *top = simd::max(row);
            for x in row.iter_mut() {
                *x = simd::exp(*x - *top);
            }
            *total = simd::sum(row);
        }
    }
}

vectorised! {
    fn scale_rows(scores: &mut [f32], factors: &[f32], cols: usize) {
        for (row, factor) in scores.chunks_exact_mut(cols.max(1)).zip(factors) {
            for x in row {
                *x *= *factor;
            }
        }
    }
}

vectorised! {
    fn count(row: &[f32], than: f32, counts: &mut [u32; 2]) {
        let (mut above, mut equal) = (0u32, 0u32);
        for x in row {
            above += u32::from(*x > than);
            equal += u32::from(*x == than);
        }
        *counts = [above, equal];
    }
}

vectorised! {
    fn adagrad_step(values: &mut [f32], sums: &mut [f32], gradient: &[f32], rate: f32) {
        for ((value, sum), g) in values.iter_mut().zip(sums).zip(gradient) {
            *sum += g * g;
            *value -= rate * g / (sum.sqrt() + 1e-10);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use candle_core::{D, Device, Result, Tensor, Var};

    /// More candidates than a tile holds, so that several tiles meet.
    #[test]
    fn loss_and_gradients_match_the_plain_formula() -> Result<()> {
        let (n, c, width) = (3, TILE + 77, 5);
        let value = |i: usize| ((i * 37 % 101) as f32 - 50.0) / 40.0;
        let queries: Vec<f32> = (0..n * width).map(value).collect();
        let candidates: Vec<f32> = (0..c * width).map(|i| value(i + 11)).collect();
        let answers: [&[u32]; 3] = [&[0, 5, 1030], &[5], &[TILE as u32]];
        let weight = 0.3;
        let q = Var::from_tensor(&Tensor::from_slice(&queries, (n, width), &Device::Cpu)?)?;
        let e = Var::from_tensor(&Tensor::from_slice(&candidates, (c, width), &Device::Cpu)?)?;
        let scores = q.matmul(&e.t()?)?;
        let log_p = candle_nn::ops::log_softmax(&scores, D::Minus1)?;
        let mut picked = vec![0f32; n * c];
        for (i, of_query) in answers.iter().enumerate() {
            of_query
                .iter()
                .for_each(|a| picked[i * c + *a as usize] = -weight);
        }
        let loss = (log_p * Tensor::from_vec(picked, (n, c), &Device::Cpu)?)?.sum_all()?;
        let grads = loss.backward()?;
        let mut softmax = CandidateSoftmax::default();
        let all = Answers::new(answers);
        assert_eq!(all.len(), 5);
        // Twice: buffers of an earlier batch must not show.
        for _ in 0..2 {
            let found = softmax.loss(&queries, &candidates, width, &all, weight);
            assert!((found - f64::from(loss.to_scalar::<f32>()?)).abs() < 1e-4);
        }
        for (found, var) in [(&softmax.d_queries, &q), (&softmax.d_candidates, &e)] {
            let expected: Vec<f32> = grads.get(var).unwrap().flatten_all()?.to_vec1()?;
            assert_eq!(found.len(), expected.len());
            for (f, e) in found.iter().zip(&expected) {
                assert!((f - e).abs() < 1e-5, "{f} {e}");
            }
        }
        Ok(())
    }

    #[test]
    fn counting_adagrad_and_scores_on_known_values() {
        assert_eq!(above_and_equal(&[1.0, 3.0, 3.0, 5.0], 3.0), (1, 2));
        let (mut values, mut sums) = ([1.0f32, 1.0], [0.0f32, 9.0]);
        adagrad(&mut values, &mut sums, &[2.0, -4.0], 0.1);
        assert_eq!(sums, [4.0, 25.0]);
        assert!((values[0] - 0.9).abs() < 1e-6 && (values[1] - 1.08).abs() < 1e-6);
        let mut out = [0.0; 2];
        candidate_scores(&[1.0, 2.0], &[3.0, 4.0, 5.0, 6.0], 2, &mut out);
        assert_eq!(out, [11.0, 17.0]);
    }
}
