//! x·Wᵀ + b in one pass: the bias is written first and the product added to it.

use super::known::known3;
use super::matrix::{Matrix, Out, current_pool, multiply};
use super::simd::add_column_sums;
use super::{TASK_VALUES, is_fused, values, values_of};
use candle_core::{CpuStorage, CustomOp3, Layout, Result, Shape, Tensor};
use rayon::prelude::*;

/// x `[.., n_in]`, weight `[n_out, n_in]`, bias `[n_out]` -> `[.., n_out]`. Differentiable in all three.
pub fn linear(x: &Tensor, weight: &Tensor, bias: &Tensor) -> Result<Tensor> {
    let (n_out, n_in) = weight.dims2()?;
    let mut shape = x.dims().to_vec();
    if shape.last() != Some(&n_in) || bias.dims() != [n_out] {
        candle_core::bail!(
            "linear: x {:?}, weight {:?}, bias {:?} do not fit",
            x.dims(),
            weight.dims(),
            bias.dims()
        );
    }
    if let Some(last) = shape.last_mut() {
        *last = n_out;
    }
    let rows = x.reshape(((), n_in))?;
    let out = if is_fused(&rows) {
        rows.contiguous()?
            .apply_op3(&weight.contiguous()?, &bias.contiguous()?, Linear)?
    } else {
        linear_of_products(&rows, weight, bias)?
    };
    out.reshape(shape)
}

/// On any device: dx = g·W, dW = gᵀ·x, db = column sums of g.
fn linear_of_products(x: &Tensor, weight: &Tensor, bias: &Tensor) -> Result<Tensor> {
    let (input, w) = (x.detach(), weight.detach());
    let value = input.matmul(&w.t()?)?.broadcast_add(&bias.detach())?;
    known3([x, weight, bias], value, move |grad| {
        let d_weight = grad.t()?.matmul(&input)?;
        Ok([grad.matmul(&w)?, d_weight, grad.sum(0)?])
    })
}

struct Linear;

impl CustomOp3 for Linear {
    fn name(&self) -> &'static str {
        "linear"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        x_layout: &Layout,
        weight: &CpuStorage,
        weight_layout: &Layout,
        bias: &CpuStorage,
        bias_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let (n_rows, n_in) = x_layout.shape().dims2()?;
        let (x, bias) = (values(x, x_layout)?, values(bias, bias_layout)?);
        let weight = values(weight, weight_layout)?;
        let n_out = bias.len();
        let mut out = Vec::with_capacity(n_rows * n_out);
        for _ in 0..n_rows {
            out.extend_from_slice(bias);
        }
        multiply(
            Out::add_to(&mut out, n_out),
            1.0,
            Matrix::new(x, n_rows, n_in, n_in),
            Matrix::new(weight, n_out, n_in, n_in).transposed(),
            current_pool(),
        );
        Ok((CpuStorage::F32(out), Shape::from((n_rows, n_out))))
    }

    fn bwd(
        &self,
        x: &Tensor,
        weight: &Tensor,
        _bias: &Tensor,
        _out: &Tensor,
        grad: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let (x, weight, grad) = (x.detach(), weight.detach(), grad.contiguous()?.detach());
        let dx = grad.matmul(&weight)?;
        let dw = grad.t()?.matmul(&x)?;
        let db = Tensor::from_vec(
            column_sums(&values_of(&grad)?, grad.dim(1)?),
            grad.dim(1)?,
            grad.device(),
        )?;
        Ok((Some(dx), Some(dw), Some(db)))
    }
}

/// Sums over rows, in blocks added in order: the same bits for any number of threads.
fn column_sums(x: &[f32], width: usize) -> Vec<f32> {
    let block = TASK_VALUES.div_ceil(width.max(1)) * width.max(1);
    let partial: Vec<Vec<f32>> = x
        .par_chunks(block)
        .map(|rows| {
            let mut sums = vec![0.0; width];
            add_column_sums(&mut sums, rows);
            sums
        })
        .collect();
    let mut total = vec![0.0; width];
    for sums in &partial {
        add_column_sums(&mut total, sums);
    }
    total
}

#[cfg(test)]
mod tests {
    use super::super::testing::*;
    use super::*;

    #[test]
    fn value_gradients_and_bits() -> Result<()> {
        for (rows, n_in, n_out) in [(1, 3, 2), (7, 5, 4), (130, 33, 150)] {
            check_op(
                &format!("linear {rows}x{n_in}->{n_out}"),
                &[&[rows, n_in], &[n_out, n_in], &[n_out]],
                |v| linear(&v[0], &v[1], &v[2]),
                |v| v[0].matmul(&v[1].t()?)?.broadcast_add(&v[2]),
            )?;
            check_op(
                &format!("linear of products {rows}x{n_in}->{n_out}"),
                &[&[rows, n_in], &[n_out, n_in], &[n_out]],
                |v| linear_of_products(&v[0], &v[1], &v[2]),
                |v| v[0].matmul(&v[1].t()?)?.broadcast_add(&v[2]),
            )?;
        }
        Ok(())
    }

    #[test]
    fn leading_dimensions_are_kept_and_bad_shapes_named() -> Result<()> {
        let (x, w, b) = (
            random(&[2, 3, 4], 1)?,
            random(&[5, 4], 2)?,
            random(&[5], 3)?,
        );
        assert_eq!(linear(&x, &w, &b)?.dims(), [2, 3, 5]);
        let message = linear(&x, &b.reshape((5, 1))?, &b).unwrap_err().to_string();
        assert!(message.contains("[2, 3, 4]"), "{message}");
        Ok(())
    }
}
