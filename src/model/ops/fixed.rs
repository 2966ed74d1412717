//! A linear layer whose weights will not change, at inference.

use super::packed::{Packed, Rows};
use super::{TASK_VALUES, is_fused, values, values_of};
use candle_core::{CpuStorage, CustomOp1, Layout, Result, Shape, Tensor};
use rayon::prelude::*;
use std::sync::Arc;

/// y = x·Wᵀ + b; no backward pass.
pub struct FixedLinear(Form);

enum Form {
    Packed(Arc<Packed>),
    /// Wᵀ `[n_in, n_out]` and bias.
    Plain(Tensor, Tensor),
}

impl FixedLinear {
    /// `weight` `[n_out, n_in]`, `bias` `[n_out]`.
    pub fn new(weight: &Tensor, bias: &Tensor) -> Result<Self> {
        if !is_fused(weight) {
            let weight = weight.t()?.contiguous()?.detach();
            return Ok(Self(Form::Plain(weight, bias.detach())));
        }
        let (weight, biases) = (weight.contiguous()?, bias.to_vec1::<f32>()?);
        let packed = Packed::new(&values_of(&weight)?, &biases, weight.dim(1)?);
        Ok(Self(Form::Packed(Arc::new(packed))))
    }

    pub fn n_out(&self) -> usize {
        match &self.0 {
            Form::Packed(packed) => packed.n_out(),
            Form::Plain(_, bias) => bias.elem_count(),
        }
    }

    /// x [n, n_in] -> [n, n_out]. Nothing is recorded.
    pub fn apply(&self, x: &Tensor) -> Result<Tensor> {
        let x = x.detach();
        match &self.0 {
            Form::Packed(packed) => x.contiguous()?.apply_op1(Apply(Arc::clone(packed))),
            Form::Plain(weight, bias) => x.matmul(weight)?.broadcast_add(bias),
        }
    }
}

struct Apply(Arc<Packed>);

impl CustomOp1 for Apply {
    fn name(&self) -> &'static str {
        "fixed-linear"
    }

    fn cpu_fwd(&self, x: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let (n, n_in) = layout.shape().dims2()?;
        if n_in != self.0.n_in() {
            candle_core::bail!(
                "fixed linear of {} inputs on {:?}",
                self.0.n_in(),
                layout.dims()
            );
        }
        let (x, n_out) = (values(x, layout)?, self.0.n_out());
        let mut out = vec![0.0; n * n_out];
        // Few rows and many outputs: a task takes rows enough to be worth its while.
        let rows = (TASK_VALUES / n_out.max(1)).max(24);
        out.par_chunks_mut((rows * n_out).max(1))
            .zip(x.par_chunks((rows * n_in).max(1)))
            .for_each(|(out, x)| {
                let n = x.len() / n_in;
                let rows = Rows {
                    data: x,
                    stride: n_in,
                };
                self.0.apply(rows, n, out, n_out);
            });
        Ok((CpuStorage::F32(out), Shape::from((n, n_out))))
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::*;
    use super::*;

    #[test]
    fn agrees_with_the_plain_formula() -> Result<()> {
        for (n, n_in, n_out) in [(1, 5, 3), (90, 20, 700)] {
            let (x, w) = (random(&[n, n_in], 1)?, random(&[n_out, n_in], 2)?);
            let b = random(&[n_out], 3)?;
            let fixed = FixedLinear::new(&w, &b)?;
            let plain = FixedLinear(Form::Plain(w.t()?.contiguous()?, b));
            assert_near("fixed linear", &fixed.apply(&x)?, &plain.apply(&x)?)?;
            assert_eq!((fixed.n_out(), plain.n_out()), (n_out, n_out));
            assert!(fixed.apply(&x.t()?).is_err());
        }
        Ok(())
    }
}
