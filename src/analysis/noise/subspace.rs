//! The few directions in which feature vectors differ most, as coordinates of mean 0, variance 1 and no correlation.
//!
//! Subspace iteration from a random start (Halko, Martinsson & Tropp 2011, algorithm 4.4): Q <- orth(Zᵀ Z Q), z the features scaled to mean 0 and
//! deviation 1. A penalised regression on whitened coordinates does not care how they are rotated, so no eigenvectors are needed:
//! the coordinates are Z Q L⁻ᵀ with L Lᵀ the covariance of Z Q (Cholesky).

use super::logistic::moments;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};
use rayon::prelude::*;

/// Enough for the subspace; single directions need not settle.
const ITERATIONS: usize = 6;
/// Rows looked at, evenly over all.
const MAX_ROWS: usize = 4_000;
/// Rows summed together; fixed, so that sums do not depend on the number of threads.
const CHUNK: usize = 256;
/// Of the mean variance of the directions; a direction with less is none.
const LEAST: f64 = 1e-9;

/// A matrix, row after row.
#[derive(Clone, Copy)]
struct Rows<'a> {
    values: &'a [f32],
    width: usize,
}

impl<'a> Rows<'a> {
    fn count(&self) -> usize {
        self.values.len().checked_div(self.width).unwrap_or(0)
    }
    fn row(&self, i: usize) -> &'a [f32] {
        &self.values[i * self.width..(i + 1) * self.width]
    }
}

/// A linear map from features to coordinates.
#[derive(Clone, Debug, PartialEq)]
pub struct Subspace {
    mean: Vec<f32>,
    /// `[width, k]`
    axes: Vec<f32>,
    k: usize,
}

impl Subspace {
    /// At most `k` directions; fewer where the rows, or what they differ in, are fewer.
    pub fn fit(rows: &[&[f32]], k: usize, seed: u64) -> Self {
        let (mean, scale) = moments(rows);
        let width = mean.len();
        let step = rows.len().div_ceil(MAX_ROWS).max(1);
        let chosen = rows.iter().step_by(step);
        let k = k.min(width).min(chosen.len().saturating_sub(1));
        let z: Vec<f32> = chosen
            .flat_map(|row| {
                let row = row.iter().zip(&mean).zip(&scale);
                row.map(|((v, m), s)| (v - m) * s)
            })
            .collect();
        let z = Rows { values: &z, width };
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut q: Vec<f32> = (0..width * k)
            .map(|_| StandardNormal.sample(&mut rng))
            .collect();
        orthonormal(&mut q, k);
        for _ in 0..ITERATIONS {
            q = multiply_back(z, &multiply(z, &q, k), k);
            orthonormal(&mut q, k);
        }
        let y = multiply(z, &q, k);
        let whitened = whiten(&covariance(&y, k), k);
        let kept = whitened.first().map_or(0, Vec::len);
        // axes = D Q L⁻ᵀ, D the scale of the features.
        let axes = (0..width).flat_map(|j| {
            let of_feature = &q[j * k..(j + 1) * k];
            let (scale, whitened) = (scale[j], &whitened);
            (0..kept).map(move |c| {
                let sum: f64 = (0..k)
                    .map(|i| f64::from(of_feature[i]) * whitened[i][c])
                    .sum();
                scale * sum as f32
            })
        });
        Self {
            axes: axes.collect(),
            mean,
            k: kept,
        }
    }

    /// How many coordinates there are.
    pub fn n(&self) -> usize {
        self.k
    }

    /// A row's coordinates.
    pub fn project(&self, row: &[f32]) -> Vec<f32> {
        let mut out = vec![0.0; self.k];
        for ((value, mean), axes) in row
            .iter()
            .zip(&self.mean)
            .zip(self.axes.chunks(self.k.max(1)))
        {
            for (sum, axis) in out.iter_mut().zip(axes) {
                *sum += (value - mean) * axis;
            }
        }
        out
    }
}

/// Z Q: [rows, k].
fn multiply(z: Rows, q: &[f32], k: usize) -> Vec<f32> {
    let mut y = vec![0.0; z.count() * k];
    if k == 0 {
        return y;
    }
    y.par_chunks_mut(k).enumerate().for_each(|(i, out)| {
        for (value, q) in z.row(i).iter().zip(q.chunks(k)) {
            for (sum, q) in out.iter_mut().zip(q) {
                *sum += value * q;
            }
        }
    });
    y
}

/// Zᵀ Y: [width, k].
fn multiply_back(z: Rows, y: &[f32], k: usize) -> Vec<f32> {
    let starts: Vec<usize> = (0..z.count()).step_by(CHUNK).collect();
    let parts: Vec<Vec<f32>> = starts
        .par_iter()
        .map(|from| {
            let mut part = vec![0.0; z.width * k];
            for i in *from..(from + CHUNK).min(z.count()) {
                let y = &y[i * k..(i + 1) * k];
                for (value, out) in z.row(i).iter().zip(part.chunks_mut(k.max(1))) {
                    for (sum, y) in out.iter_mut().zip(y) {
                        *sum += value * y;
                    }
                }
            }
            part
        })
        .collect();
    let mut sum = vec![0.0; z.width * k];
    for part in parts {
        for (sum, value) in sum.iter_mut().zip(part) {
            *sum += value;
        }
    }
    sum
}

/// Columns of `q` [width, k] made orthonormal, each against those before it, twice for rounding; one that is nothing beside them becomes zero.
fn orthonormal(q: &mut [f32], k: usize) {
    let dot = |q: &[f32], a: usize, b: usize| -> f64 {
        q.chunks(k).map(|r| f64::from(r[a]) * f64::from(r[b])).sum()
    };
    for c in 0..k {
        let before = dot(q, c, c).sqrt();
        for _ in 0..2 {
            for earlier in 0..c {
                let along = dot(q, c, earlier) as f32;
                q.chunks_mut(k).for_each(|r| r[c] -= along * r[earlier]);
            }
        }
        let length = dot(q, c, c).sqrt();
        let scale = match length > 1e-6 * before {
            true => (1.0 / length) as f32,
            false => 0.0,
        };
        q.chunks_mut(k).for_each(|r| r[c] *= scale);
    }
}

/// Of columns of mean 0: `[k][k]`.
fn covariance(y: &[f32], k: usize) -> Vec<Vec<f64>> {
    let mut sums = vec![vec![0f64; k]; k];
    for row in y.chunks(k.max(1)) {
        for (a, sums) in row.iter().zip(&mut sums) {
            for (b, sum) in row.iter().zip(sums) {
                *sum += f64::from(*a) * f64::from(*b);
            }
        }
    }
    let n = (y.len() / k.max(1)).max(1) as f64;
    sums.iter_mut().flatten().for_each(|s| *s /= n);
    sums
}

/// W `[k][kept]` with Wᵀ C W = 1: the columns of L⁻ᵀ; columns without variance of their own are left out.
fn whiten(covariance: &[Vec<f64>], k: usize) -> Vec<Vec<f64>> {
    let mean = (0..k).map(|i| covariance[i][i]).sum::<f64>() / k.max(1) as f64;
    // Gram-Schmidt in the metric of the covariance: each column less what those before it say of it.
    let inner = |a: &[f64], b: &[f64]| -> f64 {
        let along = |i: usize| -> f64 { (0..k).map(|j| covariance[i][j] * b[j]).sum() };
        (0..k).map(|i| a[i] * along(i)).sum()
    };
    let mut columns: Vec<Vec<f64>> = Vec::new();
    for i in 0..k {
        let mut column = vec![0.0; k];
        column[i] = 1.0;
        for _ in 0..2 {
            for earlier in &columns {
                let along = inner(&column, earlier);
                for (c, e) in column.iter_mut().zip(earlier) {
                    *c -= along * e;
                }
            }
        }
        let variance = inner(&column, &column);
        if variance > LEAST * mean && variance > 0.0 {
            column.iter_mut().for_each(|c| *c /= variance.sqrt());
            columns.push(column);
        }
    }
    (0..k)
        .map(|i| columns.iter().map(|c| c[i]).collect())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Ten features made of three hidden ones of falling size, and a little noise.
    fn rows(n: usize) -> (Vec<f32>, Vec<[f32; 3]>) {
        let mut rng = ChaCha8Rng::seed_from_u64(3);
        let mut normal = || -> f32 { StandardNormal.sample(&mut rng) };
        let (mut values, mut hidden) = (Vec::new(), Vec::new());
        for _ in 0..n {
            let h = [normal(), normal(), normal()];
            for j in 0..10 {
                let own = h[j % 3] * if j % 3 == 2 { 0.3 } else { 2.0 };
                values.push(5.0 + own + 0.2 * h[(j + 1) % 3] + 0.05 * normal());
            }
            hidden.push(h);
        }
        (values, hidden)
    }

    #[test]
    fn coordinates_are_white_and_hold_what_varies() {
        let (values, hidden) = rows(600);
        let rows: Vec<&[f32]> = values.chunks(10).collect();
        let space = Subspace::fit(&rows, 3, 1);
        assert_eq!(space.n(), 3);
        let y: Vec<f32> = rows.iter().flat_map(|row| space.project(row)).collect();
        for (a, row) in covariance(&y, 3).iter().enumerate() {
            for (b, value) in row.iter().enumerate() {
                let expected = f64::from(u8::from(a == b));
                assert!((value - expected).abs() < 1e-3, "{a} {b}: {value}");
            }
        }
        let means: Vec<f32> = (0..3)
            .map(|c| y.iter().skip(c).step_by(3).sum::<f32>() / 600.0)
            .collect();
        assert!(means.iter().all(|m| m.abs() < 1e-3), "{means:?}");
        // Each hidden number is a sum of the coordinates: its correlations with them have squares that add up to one.
        for h in 0..3 {
            let share: f32 = (0..3)
                .map(|c| {
                    let along = (0..600).map(|i| y[i * 3 + c] * hidden[i][h]);
                    (along.sum::<f32>() / 600.0).powi(2)
                })
                .sum();
            let own = hidden.iter().map(|v| v[h] * v[h]).sum::<f32>() / 600.0;
            assert!(share / own > 0.97, "{h}: {share} of {own}");
        }
        assert_eq!(space, Subspace::fit(&rows, 3, 1));
    }

    #[test]
    fn there_are_no_more_coordinates_than_directions() {
        let same = [1.0, 2.0, 1.0, 2.0, 1.0, 2.0];
        let fit = |values: &[f32], width, k| {
            let rows: Vec<&[f32]> = values.chunks(width).collect();
            Subspace::fit(&rows, k, 1)
        };
        let none = fit(&same, 2, 2);
        assert_eq!((none.n(), none.project(&[1.0, 2.0])), (0, vec![]));
        // Two features that say the same: one direction.
        let line = [1.0, 2.0, 2.0, 4.0, 3.0, 6.0, 5.0, 10.0];
        assert_eq!(fit(&line, 2, 2).n(), 1);
        assert_eq!(fit(&[], 2, 2).n(), 0);
        assert_eq!(fit(&[1.0, 2.0], 2, 2).n(), 0);
    }
}
