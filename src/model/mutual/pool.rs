//! Convolution over the words of packed sentences, and the largest value of each filter in each piece (golden `pcnn_pool`).

use candle_core::{DType, Result, Tensor};
use rayon::prelude::*;
use std::ops::Range;

/// Words on each side of a word that its filters see (kernel 3).
const REACH: usize = 1;

/// The words each filter sees at each word: `x` [N, d], packed sentences that start at `starts` (N last), gives
/// [N, 3 d]: previous, own, next word; zeros beyond a sentence's ends. One gather; the filters are then one product.
pub(super) fn windows(x: &Tensor, starts: &[usize]) -> Result<Tensor> {
    let (n, d) = x.dims2()?;
    let beyond = n as u32;
    let mut places = Vec::with_capacity((2 * REACH + 1) * n);
    for sentence in starts.windows(2) {
        for i in sentence[0]..sentence[1] {
            places.push(if i == sentence[0] {
                beyond
            } else {
                i as u32 - 1
            });
            places.push(i as u32);
            places.push(if i + 1 == sentence[1] {
                beyond
            } else {
                i as u32 + 1
            });
        }
    }
    let zero = Tensor::zeros((1, d), x.dtype(), x.device())?;
    let rows = Tensor::cat(&[x, &zero], 0)?;
    let n_places = places.len();
    let places = Tensor::from_vec(places, n_places, x.device())?;
    rows.index_select(&places, 0)?
        .reshape((n, (2 * REACH + 1) * d))
}

/// Words of a sentence up to the first mention's first word, up to the second's, and the rest. A mention beyond the words
/// that were kept counts as the last word; later pieces may be empty.
pub(super) fn pieces(n_words: usize, one: usize, other: usize) -> [Range<usize>; 3] {
    let last = n_words.saturating_sub(1);
    let (first, second) = (one.min(other).min(last), one.max(other).min(last));
    [0..first + 1, first + 1..second + 1, second + 1..n_words]
}

/// The largest value of each column within each range of rows: `x` [N, F] -> [ranges, F]; an empty range gives 0. The
/// gradient goes to the row that was taken, the first of equals.
pub(super) fn range_max(x: &Tensor, ranges: &[Range<usize>]) -> Result<Tensor> {
    let (_, width) = x.dims2()?;
    let values: Vec<f32> = x.detach().to_dtype(DType::F32)?.flatten_all()?.to_vec1()?;
    let mut taken = vec![0u32; ranges.len() * width];
    taken
        .par_chunks_mut(width.max(1))
        .zip(ranges)
        .for_each(|(taken, range)| {
            let Some(first) = range.clone().next() else {
                return;
            };
            let mut best = values[first * width..][..width].to_vec();
            taken.fill(first as u32);
            for row in range.clone().skip(1) {
                let own = &values[row * width..][..width];
                for ((best, taken), own) in best.iter_mut().zip(&mut *taken).zip(own) {
                    let larger = own > best;
                    *best = if larger { *own } else { *best };
                    *taken = if larger { row as u32 } else { *taken };
                }
            }
        });
    let taken = Tensor::from_vec(taken, (ranges.len(), width), x.device())?;
    let found = x.gather(&taken, 0)?;
    if ranges.iter().all(|r| !r.is_empty()) {
        return Ok(found);
    }
    let real: Vec<f32> = ranges
        .iter()
        .map(|r| if r.is_empty() { 0.0 } else { 1.0 })
        .collect();
    let real = Tensor::from_vec(real, (ranges.len(), 1), x.device())?.to_dtype(x.dtype())?;
    found.broadcast_mul(&real)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::golden::{Golden, assert_close};
    use crate::model::ops::testing::check_op;
    use candle_core::{Device, Var};

    #[test]
    fn golden_convolution_pieces_and_pool() -> Result<()> {
        let golden = Golden::load("pcnn_pool");
        let (x, w) = (golden.tensor("/in/X"), golden.tensor("/in/W"));
        let n = x.dim(0)?;
        let filters = w.dim(0)?;
        let w = w.reshape((filters, w.elem_count() / filters))?;
        let windows = windows(&x, &[0, n])?;
        let conv = windows
            .matmul(&w.t()?)?
            .broadcast_add(&golden.tensor("/in/b"))?;
        assert_close(&conv, &golden.tensor("/out/conv"), "conv");
        let number = |name: &str| golden.number(&format!("/in/{name}")) as usize;
        let pieces = pieces(number("length"), number("pos1"), number("pos2"));
        let segments: Vec<usize> = golden.parse("/out/segments");
        for (i, expected) in segments.into_iter().enumerate() {
            let found = pieces.iter().position(|p| p.contains(&i));
            assert_eq!(found.map_or(0, |p| p + 1), expected, "word {i}");
        }
        // Filter by filter, as the golden file orders them.
        let pooled = range_max(&conv, &pieces)?.t()?.flatten_all()?;
        assert_close(&pooled, &golden.tensor("/out/pooled"), "pooled");
        assert_close(&pooled.relu()?, &golden.tensor("/out/out"), "out");
        Ok(())
    }

    #[test]
    fn pieces_cover_the_words_wherever_the_mentions_are() {
        for n in 1..6 {
            for one in 0..8 {
                for other in 0..8 {
                    let pieces = pieces(n, one, other);
                    let words: Vec<usize> = pieces.iter().cloned().flatten().collect();
                    assert_eq!(words, (0..n).collect::<Vec<_>>(), "{n} {one} {other}");
                }
            }
        }
    }

    #[test]
    fn gradients_agree_with_slopes() -> Result<()> {
        let starts = [0, 3, 4, 7];
        check_op(
            "windows",
            &[&[7, 2]],
            |x| windows(&x[0], &starts),
            |x| {
                let zero = Tensor::zeros((1, 2), DType::F32, &Device::Cpu)?;
                let mut rows = Vec::new();
                for s in starts.windows(2) {
                    let own = x[0].narrow(0, s[0], s[1] - s[0])?;
                    let padded = Tensor::cat(&[&zero, &own, &zero], 0)?;
                    let n = s[1] - s[0];
                    let parts = [0, 1, 2].map(|k| padded.narrow(0, k, n));
                    let [a, b, c] = parts;
                    rows.push(Tensor::cat(&[a?, b?, c?], 1)?);
                }
                Tensor::cat(&rows, 0)
            },
        )?;
        let ranges = [0..2, 2..2, 2..7];
        check_op(
            "range_max",
            &[&[7, 3]],
            |x| range_max(&x[0], &ranges),
            |x| {
                let max = |from, n| x[0].narrow(0, from, n)?.max_keepdim(0);
                Tensor::cat(&[max(0, 2)?, max(0, 1)?.affine(0.0, 0.0)?, max(2, 5)?], 0)
            },
        )
    }

    #[test]
    fn of_equal_values_one_gets_the_gradient() -> Result<()> {
        let x = Var::new(&[[1f32], [1.0], [0.0]], &Device::Cpu)?;
        let all = std::iter::once(0..3).collect::<Vec<_>>();
        let grads = range_max(x.as_tensor(), &all)?.sum_all()?.backward()?;
        let gradient: Vec<f32> = grads.get(&x).unwrap().flatten_all()?.to_vec1()?;
        assert_eq!(gradient, [1.0, 0.0, 0.0]);
        Ok(())
    }
}
