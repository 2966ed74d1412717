//! GELU (the erf form that BERT uses) and softmax over the last dimension.

use super::known::known1;
use super::simd::{dot, erf, exp, max, sigmoid, sum, vectorised};
use super::{TASK_VALUES, is_fused, task_rows, values, values_of};
use candle_core::{CpuStorage, CustomOp1, D, Layout, Result, Shape, Tensor};
use rayon::prelude::*;

/// x·Φ(x), elementwise (Hendrycks and Gimpel 2016).
pub fn gelu(x: &Tensor) -> Result<Tensor> {
    if is_fused(x) {
        x.contiguous()?.apply_op1(Gelu)
    } else {
        x.gelu_erf()
    }
}

/// Softmax over the last dimension.
pub fn softmax(x: &Tensor) -> Result<Tensor> {
    if is_fused(x) {
        x.contiguous()?.apply_op1(Softmax)
    } else {
        softmax_of_rows(x)
    }
}

/// On any device: dx = y·(g - Σ y·g).
fn softmax_of_rows(x: &Tensor) -> Result<Tensor> {
    let y = candle_nn::ops::softmax_last_dim(&x.detach().contiguous()?)?;
    let value = y.clone();
    known1(x, value, move |grad| softmax_slope(&y, grad))
}

/// The gradient of softmax's input, from its value and the value's gradient.
pub(super) fn softmax_slope(y: &Tensor, grad: &Tensor) -> Result<Tensor> {
    let along = (grad * y)?.sum_keepdim(D::Minus1)?;
    y * grad.broadcast_sub(&along)?
}

/// 1 / (1 + e^-x) of each value.
pub fn sigmoid_in_place(x: &mut [f32]) {
    sigmoid_values(x);
}

vectorised! {
    fn sigmoid_values(x: &mut [f32]) {
        for x in x {
            *x = sigmoid(*x);
        }
    }
}

struct Gelu;

vectorised! {
    fn gelu_forward(x: &[f32], out: &mut [f32]) {
        for (o, x) in out.iter_mut().zip(x) {
            *o = 0.5 * x * (1.0 + erf(x * std::f32::consts::FRAC_1_SQRT_2));
        }
    }
}

vectorised! {
    fn gelu_in_place(x: &mut [f32]) {
        for x in x {
            *x = 0.5 * *x * (1.0 + erf(*x * std::f32::consts::FRAC_1_SQRT_2));
        }
    }
}

vectorised! {
    fn gelu_backward(x: &[f32], grad: &[f32], out: &mut [f32]) {
        const INV_SQRT_TAU: f32 = 0.398_942_3;
        for ((o, x), g) in out.iter_mut().zip(x).zip(grad) {
            let below = 0.5 * (1.0 + erf(x * std::f32::consts::FRAC_1_SQRT_2));
            *o = g * (below + x * INV_SQRT_TAU * exp(-0.5 * x * x));
        }
    }
}

impl CustomOp1 for Gelu {
    fn name(&self) -> &'static str {
        "gelu"
    }
    fn cpu_fwd(&self, x: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let x = values(x, layout)?;
        let mut out = vec![0.0; x.len()];
        out.par_chunks_mut(TASK_VALUES)
            .zip(x.par_chunks(TASK_VALUES))
            .for_each(|(out, x)| gelu_forward(x, out));
        Ok((CpuStorage::F32(out), layout.shape().clone()))
    }
    fn bwd(&self, x: &Tensor, _out: &Tensor, grad: &Tensor) -> Result<Option<Tensor>> {
        let grad = grad.contiguous()?;
        let (xs, grads) = (values_of(x)?, values_of(&grad)?);
        let mut dx = vec![0.0; xs.len()];
        dx.par_chunks_mut(TASK_VALUES)
            .zip(xs.par_chunks(TASK_VALUES))
            .zip(grads.par_chunks(TASK_VALUES))
            .for_each(|((dx, x), grad)| gelu_backward(x, grad, dx));
        Ok(Some(Tensor::from_vec(dx, x.shape(), x.device())?))
    }
}

vectorised! {
    /// Softmax of each row of `width` values, in place.
    fn softmax_rows(rows: &mut [f32], width: usize) {
        for row in rows.chunks_exact_mut(width.max(1)) {
            let top = max(row);
            for v in row.iter_mut() {
                *v = exp(*v - top);
            }
            let scale = 1.0 / sum(row);
            for v in row.iter_mut() {
                *v *= scale;
            }
        }
    }
}

vectorised! {
    /// `grad` (of softmax's output) becomes the gradient of its input: y·(grad - Σ y·grad), times `scale`.
    fn softmax_rows_backward(y: &[f32], grad: &mut [f32], width: usize, scale: f32) {
        let rows = y.chunks_exact(width.max(1));
        for (y, grad) in rows.zip(grad.chunks_exact_mut(width.max(1))) {
            let mean = dot(y, grad);
            for (g, y) in grad.iter_mut().zip(y) {
                *g = y * (*g - mean) * scale;
            }
        }
    }
}

struct Softmax;

impl CustomOp1 for Softmax {
    fn name(&self) -> &'static str {
        "softmax"
    }
    fn cpu_fwd(&self, x: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let width = layout.dims().last().copied().unwrap_or(1);
        let mut out = values(x, layout)?.to_vec();
        out.par_chunks_mut(task_rows(width) * width.max(1))
            .for_each(|rows| softmax_rows(rows, width));
        Ok((CpuStorage::F32(out), layout.shape().clone()))
    }
    fn bwd(&self, x: &Tensor, out: &Tensor, grad: &Tensor) -> Result<Option<Tensor>> {
        let width = x.dim(D::Minus1)?;
        let mut dx: Vec<f32> = grad.flatten_all()?.to_vec1()?;
        let y = values_of(out)?;
        let task = task_rows(width) * width.max(1);
        dx.par_chunks_mut(task)
            .zip(y.par_chunks(task))
            .for_each(|(dx, y)| softmax_rows_backward(y, dx, width, 1.0));
        Ok(Some(Tensor::from_vec(dx, x.shape(), x.device())?))
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::*;
    use super::*;

    #[test]
    fn value_gradients_and_bits() -> Result<()> {
        for shape in [&[3usize][..], &[5, 7], &[2, 300, 33]] {
            check_op(
                &format!("gelu {shape:?}"),
                &[shape],
                |v| gelu(&(&v[0] * 3.0)?),
                |v| (&v[0] * 3.0)?.gelu_erf(),
            )?;
            check_op(
                &format!("softmax {shape:?}"),
                &[shape],
                |v| softmax(&v[0]),
                |v| candle_nn::ops::softmax(&v[0], D::Minus1),
            )?;
            check_op(
                &format!("softmax of rows {shape:?}"),
                &[shape],
                |v| softmax_of_rows(&v[0]),
                |v| candle_nn::ops::softmax(&v[0], D::Minus1),
            )?;
        }
        Ok(())
    }
}
