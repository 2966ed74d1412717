//! Rows of a matrix by number, with a backward pass that a GPU can share out.
//!
//! candle adds the gradients of `index_select` up in one loop over all taken rows, which takes a GPU longer than the rest of
//! a training step. Here each source row's takers are known before: they are gathered side by side and summed.

use super::known::known1;
use candle_core::{Result, Tensor};

/// A row of zeros; candle's own sign for it.
pub const NO_ROW: u32 = u32::MAX;

/// Rows `rows` of x [n, d], [`NO_ROW`] for zeros -> [rows, d]. Differentiable.
pub fn take_rows(x: &Tensor, rows: Vec<u32>) -> Result<Tensor> {
    let n = rows.len();
    if x.device().is_cpu() || !x.track_op() {
        return x.index_select(&Tensor::from_vec(rows, n, x.device())?, 0);
    }
    taken_apart(x, rows)
}

fn taken_apart(x: &Tensor, rows: Vec<u32>) -> Result<Tensor> {
    let x = x.contiguous()?;
    let index = Tensor::from_slice(&rows, rows.len(), x.device())?;
    let value = x.detach().index_select(&index, 0)?;
    let n = x.dim(0)?;
    known1(&x, value, move |grad| sums(grad, &rows, n))
}

/// Takers of each row that has some, side by side.
struct Takers {
    /// [touched, most] places among the taken rows, [`NO_ROW`] where a row has fewer.
    places: Vec<u32>,
    most: usize,
    /// Of each row its number among the touched ones, or [`NO_ROW`].
    touched: Vec<u32>,
}

impl Takers {
    fn new(rows: &[u32], n: usize) -> Self {
        let mut counts = vec![0usize; n];
        for row in rows.iter().filter(|r| **r != NO_ROW) {
            counts[*row as usize] += 1;
        }
        let most = counts.iter().copied().max().unwrap_or(0);
        let mut touched = vec![NO_ROW; n];
        let mut n_touched = 0;
        for (number, _) in touched.iter_mut().zip(&counts).filter(|(_, c)| **c > 0) {
            *number = n_touched;
            n_touched += 1;
        }
        let mut places = vec![NO_ROW; n_touched as usize * most];
        // From here on: how many of a row's takers still have no place.
        let left = &mut counts;
        for (place, row) in (0u32..).zip(rows).filter(|(_, row)| **row != NO_ROW) {
            let row = *row as usize;
            places[(touched[row] as usize + 1) * most - left[row]] = place;
            left[row] -= 1;
        }
        // A row's takers stand at the end of its part as long as it has fewer than `most`; the order stays theirs.
        Self {
            places,
            most,
            touched,
        }
    }
}

/// Each of `n` rows' sum of `grad` [rows, d] over its takers, [n, d].
pub(super) fn sums(grad: &Tensor, rows: &[u32], n: usize) -> Result<Tensor> {
    let (width, device) = (grad.dim(1)?, grad.device());
    let takers = Takers::new(rows, n);
    if takers.most == 0 {
        return Tensor::zeros((n, width), grad.dtype(), device);
    }
    let n_touched = takers.places.len() / takers.most;
    let places = Tensor::from_vec(takers.places, n_touched * takers.most, device)?;
    let mut sums = grad.index_select(&places, 0)?;
    if takers.most > 1 {
        sums = sums.reshape((n_touched, takers.most, width))?.sum(1)?;
    }
    if n_touched < n {
        sums = sums.index_select(&Tensor::from_vec(takers.touched, n, device)?, 0)?;
    }
    Ok(sums)
}

#[cfg(test)]
mod tests {
    use super::super::testing::random;
    use super::*;
    use candle_core::Var;

    #[test]
    fn value_and_gradient_are_those_of_index_select() -> Result<()> {
        for rows in [
            vec![0, 1, 2, 3, 4],
            vec![3],
            vec![2, 2, 2, 0, 4, 2, 0],
            vec![4, 3, 1, 0, 2, 4],
        ] {
            let (x, weight) = (
                Var::from_tensor(&random(&[5, 3], 1)?)?,
                random(&[rows.len(), 3], 2)?,
            );
            let index = Tensor::from_slice(&rows, rows.len(), x.device())?;
            let plain = x.index_select(&index, 0)?;
            let ours = taken_apart(&x, rows)?;
            let flat = |t: &Tensor| t.flatten_all()?.to_vec1::<f32>();
            assert_eq!(flat(&ours)?, flat(&plain)?);
            let gradient = |y: Tensor| -> Result<Vec<f32>> {
                let grads = (y * &weight)?.sum_all()?.backward()?;
                flat(grads.get(&x).expect("a gradient"))
            };
            for (a, b) in gradient(ours)?.iter().zip(gradient(plain)?) {
                assert!((a - b).abs() < 1e-6, "{a} {b}");
            }
        }
        Ok(())
    }

    #[test]
    fn no_row_gives_zeros_and_takes_no_gradient() -> Result<()> {
        let x = Var::from_tensor(&random(&[2, 2], 1)?)?;
        let y = taken_apart(&x, vec![NO_ROW, 1, NO_ROW])?;
        let values: Vec<Vec<f32>> = y.to_vec2()?;
        assert_eq!((&values[0], &values[2]), (&vec![0.0; 2], &vec![0.0; 2]));
        let grads = y.sum_all()?.backward()?;
        let grad: Vec<Vec<f32>> = grads.get(&x).expect("a gradient").to_vec2()?;
        assert_eq!(grad, [[0.0, 0.0], [1.0, 1.0]]);
        Ok(())
    }
}
