//! What an optimizer does to whole parameters, each value read and written once. Nothing here has a gradient.

use super::simd::{sum_squares, vectorised};
use super::{is_fused, values, values_of};
use candle_core::{CpuStorage, DType, InplaceOp2, Layout, Result, Tensor, bail};
use rayon::prelude::*;
use std::cell::RefCell;

/// Values per task: their working set of four arrays stays in a second-level cache.
const TASK: usize = 1 << 15;

/// `sum += more`, in place: nothing else may rely on `sum`'s values. `sum` and `more` have one shape.
pub fn add_in_place(sum: &Tensor, more: &Tensor) -> Result<()> {
    sum.inplace_op2(&more.contiguous()?, &AddInPlace)
}

/// Σ x² over all, in f64; does not depend on the number of threads.
pub fn sum_of_squares<'a>(all: impl Iterator<Item = &'a Tensor>) -> Result<f64> {
    let (mut sum, mut elsewhere) = (0.0, Vec::new());
    for x in all {
        if is_fused(x) {
            sum += squares_of(&x.contiguous()?)?;
        } else {
            elsewhere.push(x);
        }
    }
    if !elsewhere.is_empty() {
        // One product for all, and one copy: each waits until another device has done everything it was asked for.
        let row = end_to_end(elsewhere.into_iter())?.unsqueeze(0)?;
        let found = row.matmul(&row.t()?)?.to_dtype(DType::F32)?;
        sum += f64::from(found.flatten_all()?.to_vec1::<f32>()?[0]);
    }
    Ok(sum)
}

/// All values of some tensors of one kind, as one constant: a GPU wants few large operations.
pub fn end_to_end<'a>(tensors: impl Iterator<Item = &'a Tensor>) -> Result<Tensor> {
    let flat: Vec<Tensor> = tensors
        .map(|t| t.detach().flatten_all())
        .collect::<Result<_>>()?;
    Tensor::cat(&flat, 0)
}

fn squares_of(x: &Tensor) -> Result<f64> {
    let all = values_of(x)?;
    let parts: Vec<f32> = all
        .par_chunks(TASK)
        .map(|part| {
            let mut total = 0.0;
            squares(part, &mut total);
            total
        })
        .collect();
    Ok(parts.into_iter().map(f64::from).sum())
}

/// One step of Adam: with g = scale · grad, m ← β1·m + (1-β1)·g, v ← β2·v + (1-β2)·g²,
/// θ ← shrink·θ - a·m / (b·sqrt(v) + ε).
#[derive(Clone, Copy, Debug)]
pub struct AdamStep {
    pub beta1: f32,
    pub beta2: f32,
    pub scale: f32,
    pub shrink: f32,
    pub a: f32,
    pub b: f32,
    pub epsilon: f32,
}

impl AdamStep {
    /// Whether [`apply`](Self::apply) can update `theta`.
    pub fn applies_to(theta: &Tensor) -> bool {
        is_fused(theta)
    }

    /// Updates `theta` and its moments in place; all of one length.
    pub fn apply(
        &self,
        theta: &Tensor,
        grad: &Tensor,
        first: &mut [f32],
        second: &mut [f32],
    ) -> Result<()> {
        let op = AdamInPlace {
            step: *self,
            moments: RefCell::new((first, second)),
        };
        theta.inplace_op2(&grad.contiguous()?, &op)
    }
}

fn values_mut<'a>(storage: &'a mut CpuStorage, layout: &Layout) -> Result<&'a mut [f32]> {
    let Some((start, end)) = layout.contiguous_offsets() else {
        bail!("an update in place needs contiguous tensors")
    };
    match storage {
        CpuStorage::F32(values) => Ok(&mut values[start..end]),
        _ => bail!("an update in place needs f32"),
    }
}

vectorised! {
    fn squares(x: &[f32], total: &mut f32) {
        *total = sum_squares(x, 0.0);
    }
}

vectorised! {
    fn add(sum: &mut [f32], more: &[f32]) {
        super::simd::add_scaled(sum, 1.0, more);
    }
}

struct AddInPlace;

impl InplaceOp2 for AddInPlace {
    fn name(&self) -> &'static str {
        "add-in-place"
    }
    fn cpu_fwd(
        &self,
        sum: &mut CpuStorage,
        sum_layout: &Layout,
        more: &CpuStorage,
        more_layout: &Layout,
    ) -> Result<()> {
        let (sum, more) = (values_mut(sum, sum_layout)?, values(more, more_layout)?);
        if sum.len() != more.len() {
            bail!("add_in_place: {} and {} values", sum.len(), more.len());
        }
        sum.par_chunks_mut(TASK)
            .zip(more.par_chunks(TASK))
            .for_each(|(sum, more)| add(sum, more));
        Ok(())
    }
}

struct AdamInPlace<'a> {
    step: AdamStep,
    /// candle hands out one tensor for writing, and gives the operation itself by shared reference.
    moments: RefCell<(&'a mut [f32], &'a mut [f32])>,
}

vectorised! {
    fn adam(theta: &mut [f32], grad: &[f32], first: &mut [f32], second: &mut [f32], step: AdamStep) {
        let (rest1, rest2) = (1.0 - step.beta1, 1.0 - step.beta2);
        let moments = first.iter_mut().zip(second);
        for ((theta, grad), (m, v)) in theta.iter_mut().zip(grad).zip(moments) {
            let g = grad * step.scale;
            *m = step.beta1 * *m + rest1 * g;
            *v = step.beta2 * *v + rest2 * (g * g);
            *theta = *theta * step.shrink - step.a * *m / (step.b * v.sqrt() + step.epsilon);
        }
    }
}

impl InplaceOp2 for AdamInPlace<'_> {
    fn name(&self) -> &'static str {
        "adam"
    }
    fn cpu_fwd(
        &self,
        theta: &mut CpuStorage,
        theta_layout: &Layout,
        grad: &CpuStorage,
        grad_layout: &Layout,
    ) -> Result<()> {
        let (theta, grad) = (values_mut(theta, theta_layout)?, values(grad, grad_layout)?);
        let step = self.step;
        let moments = &mut *self.moments.borrow_mut();
        let (first, second) = (&mut *moments.0, &mut *moments.1);
        if [grad.len(), first.len(), second.len()] != [theta.len(); 3] {
            bail!(
                "adam: {} values, {} in its gradient",
                theta.len(),
                grad.len()
            );
        }
        theta
            .par_chunks_mut(TASK)
            .zip(grad.par_chunks(TASK))
            .zip(first.par_chunks_mut(TASK).zip(second.par_chunks_mut(TASK)))
            .for_each(|((theta, grad), (m, v))| adam(theta, grad, m, v, step));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::*;
    use super::*;

    #[test]
    fn sums_and_squares_over_many_tasks() -> Result<()> {
        for shape in [&[1usize][..], &[3, 5], &[50_000, 2]] {
            let (x, y) = (random(shape, 1)?, random(shape, 2)?);
            let expected = (&x + &y)?;
            let squares: f32 = y.sqr()?.sum_all()?.to_scalar()?;
            add_in_place(&x, &y)?;
            assert_near("sum", &x, &expected)?;
            let got = sum_of_squares([&y].into_iter())?;
            assert!(
                (got / f64::from(squares) - 1.0).abs() < 1e-4,
                "{got} {squares}"
            );
            // f64 takes the way of other devices.
            let wide = y.to_dtype(DType::F64)?;
            let both = sum_of_squares([&y, &wide, &wide].into_iter())?;
            assert!((both / got / 3.0 - 1.0).abs() < 1e-4, "{both} {got}");
        }
        let (x, y) = (random(&[3], 1)?, random(&[4], 2)?);
        assert!(add_in_place(&x, &y).is_err());
        let wide = random(&[2, 2], 1)?;
        assert!(add_in_place(&wide.t()?, &y).is_err(), "not contiguous");
        Ok(())
    }
}
