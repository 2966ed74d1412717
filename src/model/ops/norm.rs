//! Layer norm of a row, or of the sum of two rows (the residual), with its backward pass.
//!
//! s = dropout(x) + residual; y = (s - mean) / sqrt(var + eps) · weight + bias. (Ba, Kiros, Hinton 2016, equation 4.)

use super::dropout::{Dropout, Mask, apply_mask, dropped};
use super::known::known3;
use super::simd::{add_column_sums, dot, sum, sum_squares, vectorised};
use super::{is_fused, task_rows, values, values_of};
use candle_core::{CpuStorage, CustomOp2, CustomOp3, D, Layout, Result, Shape, Tensor};
use rayon::prelude::*;

/// x `[.., n]`, weight `[n]`, bias `[n]` -> `[.., n]`.
pub fn layer_norm(x: &Tensor, weight: &Tensor, bias: &Tensor, eps: f64) -> Result<Tensor> {
    check_width(x, weight)?;
    if !is_fused(x) {
        return layer_norm_of_rows(x, weight, bias, eps);
    }
    x.contiguous()?.apply_op2(
        &Tensor::stack(&[weight, bias], 0)?,
        LayerNorm {
            eps: eps as f32,
            mask: None,
        },
    )
}

/// Layer norm of `x + residual`, both [.., n]; `x` after `dropout`.
pub fn add_layer_norm(
    x: &Tensor,
    dropout: Option<Dropout>,
    residual: &Tensor,
    weight: &Tensor,
    bias: &Tensor,
    eps: f64,
) -> Result<Tensor> {
    check_width(x, weight)?;
    if !is_fused(x) {
        let x = match dropout {
            Some(drawn) => super::dropout(x, drawn)?,
            None => x.clone(),
        };
        return layer_norm_of_rows(&(x + residual)?, weight, bias, eps);
    }
    if x.shape() != residual.shape() {
        candle_core::bail!("add_layer_norm: {:?} and {:?}", x.dims(), residual.dims());
    }
    x.contiguous()?.apply_op3(
        &residual.contiguous()?,
        &Tensor::stack(&[weight, bias], 0)?,
        LayerNorm {
            eps: eps as f32,
            mask: dropout.map(|d| d.mask(0)),
        },
    )
}

fn check_width(x: &Tensor, weight: &Tensor) -> Result<()> {
    if weight.rank() != 1 || x.dims().last() != weight.dims().first() {
        candle_core::bail!("layer norm of {:?} by {:?}", x.dims(), weight.dims());
    }
    Ok(())
}

/// On any device: with y the normed rows before weight and bias and h = g·weight,
/// dx = (h - mean(h) - y·mean(h·y)) / sqrt(var + eps), means over a row.
fn layer_norm_of_rows(x: &Tensor, weight: &Tensor, bias: &Tensor, eps: f64) -> Result<Tensor> {
    let (input, w, n) = (x.detach(), weight.detach(), weight.elem_count());
    let mean = move |x: &Tensor| x.sum_keepdim(D::Minus1)? / n as f64;
    let centred = input.broadcast_sub(&mean(&input)?)?;
    // In two steps, unlike candle's own kernel: a row of nearly equal large values has no negative variance.
    let scale = (mean(&centred.sqr()?)? + eps)?.powf(-0.5)?;
    let y = centred.broadcast_mul(&scale)?;
    let value = y.broadcast_mul(&w)?.broadcast_add(&bias.detach())?;
    known3([x, weight, bias], value, move |grad| {
        let h = grad.broadcast_mul(&w)?;
        let along = y.broadcast_mul(&mean(&(&h * &y)?)?)?;
        let dx = (h.broadcast_sub(&mean(&h)?)? - along)?.broadcast_mul(&scale)?;
        let columns = |x: &Tensor| x.reshape(((), n))?.sum(0);
        Ok([dx, columns(&(grad * &y)?)?, columns(grad)?])
    })
}

#[cfg(test)]
fn plain_layer_norm(x: &Tensor, weight: &Tensor, bias: &Tensor, eps: f64) -> Result<Tensor> {
    let centred = x.broadcast_sub(&x.mean_keepdim(D::Minus1)?)?;
    let variance = centred.sqr()?.mean_keepdim(D::Minus1)?;
    centred
        .broadcast_div(&(variance + eps)?.sqrt()?)?
        .broadcast_mul(weight)?
        .broadcast_add(bias)
}

#[cfg(test)]
fn plain_add_layer_norm(
    x: &Tensor,
    dropout: Option<Dropout>,
    residual: &Tensor,
    weight: &Tensor,
    bias: &Tensor,
    eps: f64,
) -> Result<Tensor> {
    let x = match dropout {
        Some(drawn) => super::dropout::plain_dropout(x, drawn)?,
        None => x.clone(),
    };
    plain_layer_norm(&(x + residual)?, weight, bias, eps)
}

/// Arguments: x, (residual,) and weight stacked on bias [2, n].
struct LayerNorm {
    eps: f32,
    mask: Option<Mask>,
}

impl LayerNorm {
    fn forward(&self, x: &[f32], residual: Option<&[f32]>, scale: &[f32]) -> Vec<f32> {
        let (weight, bias) = scale.split_at(scale.len() / 2);
        let mut out = vec![0.0; x.len()];
        let task = task_rows(weight.len()) * weight.len().max(1);
        out.par_chunks_mut(task).enumerate().for_each(|(i, out)| {
            let here = i * task..i * task + out.len();
            self.add(
                out,
                here.start,
                &x[here.clone()],
                residual.map(|r| &r[here]),
            );
            norm_rows(out, weight, bias, self.eps);
        });
        out
    }

    /// Gradients of the sum and of weight stacked on bias.
    fn backward(
        &self,
        x: &Tensor,
        residual: Option<&Tensor>,
        scale: &Tensor,
        grad: &Tensor,
    ) -> Result<(Tensor, Tensor)> {
        let grad = grad.contiguous()?;
        let residual = residual.map(values_of).transpose()?;
        let (x_values, scales, grad_values) = (values_of(x)?, values_of(scale)?, values_of(&grad)?);
        let (xs, grads): (&[f32], &[f32]) = (&x_values, &grad_values);
        let residual = residual.as_deref();
        let weight = &scales[..scales.len() / 2];
        let mut dx = vec![0.0; xs.len()];
        let task = task_rows(weight.len()) * weight.len().max(1);
        let partial: Vec<Vec<f32>> = dx
            .par_chunks_mut(task)
            .enumerate()
            .map(|(i, dx)| {
                let here = i * task..i * task + dx.len();
                let residual = residual.map(|r| &r[here.clone()]);
                self.add(dx, here.start, &xs[here.clone()], residual);
                let mut sums = vec![0.0; 2 * weight.len()];
                norm_rows_backward(dx, weight, &grads[here], self.eps, &mut sums);
                sums
            })
            .collect();
        let mut dscale = vec![0.0; scales.len()];
        for sums in &partial {
            add_column_sums(&mut dscale, sums);
        }
        Ok((
            Tensor::from_vec(dx, x.shape(), x.device())?,
            Tensor::from_vec(dscale, scale.shape(), x.device())?,
        ))
    }
}

impl LayerNorm {
    /// out = dropout(x) + residual, of values that stand at `from` and on.
    fn add(&self, out: &mut [f32], from: usize, x: &[f32], residual: Option<&[f32]>) {
        out.copy_from_slice(x);
        if let Some(mask) = self.mask {
            apply_mask(out, from, mask);
        }
        if let Some(residual) = residual {
            for (o, r) in out.iter_mut().zip(residual) {
                *o += r;
            }
        }
    }
}

vectorised! {
    fn norm_rows(rows: &mut [f32], weight: &[f32], bias: &[f32], eps: f32) {
        let n = weight.len();
        for row in rows.chunks_exact_mut(n.max(1)) {
            let mean = sum(row) / n as f32;
            let scale = 1.0 / (sum_squares(row, mean) / n as f32 + eps).sqrt();
            for ((v, w), b) in row.iter_mut().zip(weight).zip(bias) {
                *v = (*v - mean) * scale * w + b;
            }
        }
    }
}

vectorised! {
    /// `rows` holds the normed values' inputs and receives their gradients; `sums` [2, n] receives weight's and bias's.
    fn norm_rows_backward(rows: &mut [f32], weight: &[f32], grad: &[f32], eps: f32, sums: &mut [f32]) {
        let n = weight.len();
        let (weight_sums, bias_sums) = sums.split_at_mut(n);
        for (row, grad) in rows.chunks_exact_mut(n.max(1)).zip(grad.chunks_exact(n.max(1))) {
            let mean = sum(row) / n as f32;
            let scale = 1.0 / (sum_squares(row, mean) / n as f32 + eps).sqrt();
            for v in row.iter_mut() {
                *v = (*v - mean) * scale;
            }
            // weight_sums takes grad·row; its growth times weight is the projection the gradient must lose.
            let mean_grad = dot(grad, weight) / n as f32;
            let mut along = [0f32; super::simd::LANES];
            let (chunks, rest) = row.as_chunks::<{ super::simd::LANES }>();
            let (grad_chunks, grad_rest) = grad.as_chunks::<{ super::simd::LANES }>();
            let (weight_chunks, weight_rest) = weight.as_chunks::<{ super::simd::LANES }>();
            for ((v, g), w) in chunks.iter().zip(grad_chunks).zip(weight_chunks) {
                for i in 0..along.len() {
                    along[i] += v[i] * g[i] * w[i];
                }
            }
            let mut along_sum = 0.0;
            for lane in along {
                along_sum += lane;
            }
            for ((v, g), w) in rest.iter().zip(grad_rest).zip(weight_rest) {
                along_sum += v * g * w;
            }
            let mean_along = along_sum / n as f32;
            for ((s, v), g) in weight_sums.iter_mut().zip(row.iter()).zip(grad) {
                *s += v * g;
            }
            for (s, g) in bias_sums.iter_mut().zip(grad) {
                *s += g;
            }
            for ((v, g), w) in row.iter_mut().zip(grad).zip(weight) {
                *v = scale * (g * w - mean_grad - *v * mean_along);
            }
        }
    }
}

impl CustomOp2 for LayerNorm {
    fn name(&self) -> &'static str {
        "layer-norm"
    }
    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        x_layout: &Layout,
        scale: &CpuStorage,
        scale_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let out = self.forward(values(x, x_layout)?, None, values(scale, scale_layout)?);
        Ok((CpuStorage::F32(out), x_layout.shape().clone()))
    }
    fn bwd(
        &self,
        x: &Tensor,
        scale: &Tensor,
        _out: &Tensor,
        grad: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let (dx, dscale) = self.backward(x, None, scale, grad)?;
        Ok((Some(dx), Some(dscale)))
    }
}

impl CustomOp3 for LayerNorm {
    fn name(&self) -> &'static str {
        "add-layer-norm"
    }
    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        x_layout: &Layout,
        residual: &CpuStorage,
        residual_layout: &Layout,
        scale: &CpuStorage,
        scale_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let out = self.forward(
            values(x, x_layout)?,
            Some(values(residual, residual_layout)?),
            values(scale, scale_layout)?,
        );
        Ok((CpuStorage::F32(out), x_layout.shape().clone()))
    }
    fn bwd(
        &self,
        x: &Tensor,
        residual: &Tensor,
        scale: &Tensor,
        _out: &Tensor,
        grad: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let (d_sum, dscale) = self.backward(x, Some(residual), scale, grad)?;
        let dx = match self.mask {
            Some(mask) => dropped(&d_sum, mask)?,
            None => d_sum.clone(),
        };
        Ok((Some(dx), Some(d_sum), Some(dscale)))
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::*;
    use super::*;

    #[test]
    fn a_weight_of_another_width_is_refused() -> Result<()> {
        let (x, w) = (random(&[2, 6], 1)?, random(&[3], 2)?);
        assert!(layer_norm(&x, &w, &w, 1e-5).is_err());
        assert!(add_layer_norm(&x, None, &x, &w, &w, 1e-5).is_err());
        Ok(())
    }

    #[test]
    fn value_gradients_and_bits() -> Result<()> {
        for (rows, n) in [(1, 4), (5, 19), (700, 48)] {
            let name = format!("layer norm {rows}x{n}");
            check_op(
                &name,
                &[&[rows, n], &[n], &[n]],
                |v| layer_norm(&v[0], &v[1], &v[2], 1e-5),
                |v| plain_layer_norm(&v[0], &v[1], &v[2], 1e-5),
            )?;
            check_op(
                &format!("{name}, of rows"),
                &[&[rows, n], &[n], &[n]],
                |v| layer_norm_of_rows(&v[0], &v[1], &v[2], 1e-5),
                |v| plain_layer_norm(&v[0], &v[1], &v[2], 1e-5),
            )?;
            let dropout = Dropout {
                probability: 0.3,
                seed: 2,
            };
            for dropout in [None, Some(dropout)] {
                check_op(
                    &format!("added {name}, {dropout:?}"),
                    &[&[rows, n], &[rows, n], &[n], &[n]],
                    |v| add_layer_norm(&v[0], dropout, &v[1], &v[2], &v[3], 1e-5),
                    |v| plain_add_layer_norm(&v[0], dropout, &v[1], &v[2], &v[3], 1e-5),
                )?;
            }
        }
        Ok(())
    }
}
