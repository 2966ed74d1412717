//! Losses on logits, summed over their terms.

use super::known::known1;
use super::simd::{exp, ln_1p, sigmoid, sum, vectorised};
use super::{NEVER, TASK_VALUES, is_fused, values, values_of};
use candle_core::{CpuStorage, CustomOp1, D, Layout, Result, Shape, Tensor, bail};
use candle_nn::ops::{sigmoid as candle_sigmoid, softmax_last_dim};
use rayon::prelude::*;

/// Σ weight · -ln p, p the probability that `sigmoid(logits)` gives to `gold` (0 or 1), a scalar. `gold` and `weights`
/// (none: 1 each) are as long as `logits` has elements, in the same order. A weight of 0 leaves a logit out.
pub fn bce_sum(logits: &Tensor, gold: Vec<f32>, weights: Option<Vec<f32>>) -> Result<Tensor> {
    let n = logits.elem_count();
    if gold.len() != n || weights.as_ref().is_some_and(|w| w.len() != n) {
        bail!("bce_sum: {} targets for {n} logits", gold.len());
    }
    if is_fused(logits) {
        return logits.contiguous()?.apply_op1(BceSum { gold, weights });
    }
    bce_sum_of_terms(logits, gold, weights)
}

/// On any device. Each term is `max(s,0) - s*y + ln(1 + e^-|s|)`, finite for every logit; its derivative is `sigmoid(s) - y`.
fn bce_sum_of_terms(logits: &Tensor, gold: Vec<f32>, weights: Option<Vec<f32>>) -> Result<Tensor> {
    let dense = |values: Vec<f32>| {
        Tensor::from_vec(values, logits.shape(), logits.device())?.to_dtype(logits.dtype())
    };
    let (s, gold) = (logits.detach(), dense(gold)?);
    let positive = s.relu()?;
    // -|s| = s - 2 max(s,0)
    let log_term = ((&s - (&positive * 2.0)?)?.exp()? + 1.0)?.log()?;
    let mut terms = ((positive - (&s * &gold)?)? + log_term)?;
    let mut slopes = (candle_sigmoid(&s)? - gold)?;
    if let Some(weights) = weights {
        let weights = dense(weights)?;
        (terms, slopes) = ((terms * &weights)?, (slopes * weights)?);
    }
    known1(logits, total(&terms)?, move |grad| {
        slopes.broadcast_mul(grad)
    })
}

/// Σ x, in two steps: a GPU gives each sum of a step to one of its many processors.
fn total(x: &Tensor) -> Result<Tensor> {
    const ROW: usize = 1024;
    let x = x.flatten_all()?;
    let (n, rows) = (x.elem_count(), x.elem_count() / ROW);
    if rows < 2 {
        return x.sum_all();
    }
    let whole = x.narrow(0, 0, rows * ROW)?.reshape((rows, ROW))?;
    let whole = whole.sum(1)?.sum_all()?;
    match n - rows * ROW {
        0 => Ok(whole),
        rest => whole + x.narrow(0, rows * ROW, rest)?.sum_all()?,
    }
}

/// Σ over rows of -ln P(allowed), P the softmax of `logits` [n, c]; a scalar. `allowed` has a row for each row of `logits`,
/// with at least one class; one class a row is cross-entropy.
pub fn allowed_loss(logits: &Tensor, allowed: &[bool]) -> Result<Tensor> {
    if allowed.len() != logits.elem_count() {
        bail!(
            "{} classes allowed or not, {:?} logits",
            allowed.len(),
            logits.dims()
        );
    }
    let forbidden: Vec<f32> = allowed
        .iter()
        .map(|a| if *a { 0.0 } else { NEVER })
        .collect();
    let forbidden = Tensor::from_vec(forbidden, logits.shape(), logits.device())?;
    let s = logits.detach().contiguous()?;
    let within = (&s + forbidden.to_dtype(s.dtype())?)?;
    let terms = (s.log_sum_exp(D::Minus1)? - within.log_sum_exp(D::Minus1)?)?;
    let slopes = (softmax_last_dim(&s)? - softmax_last_dim(&within)?)?;
    known1(logits, terms.sum_all()?, move |grad| {
        slopes.broadcast_mul(grad)
    })
}

struct BceSum {
    gold: Vec<f32>,
    weights: Option<Vec<f32>>,
}

vectorised! {
    fn losses(out: &mut [f32], logits: &[f32], gold: &[f32]) {
        for ((o, s), y) in out.iter_mut().zip(logits).zip(gold) {
            let positive = if *s < 0.0 { 0.0 } else { *s };
            *o = positive - s * y + ln_1p(exp(-s.abs()));
        }
    }
}

vectorised! {
    fn slopes(out: &mut [f32], logits: &[f32], gold: &[f32], factor: f32) {
        for ((o, s), y) in out.iter_mut().zip(logits).zip(gold) {
            *o = (sigmoid(*s) - y) * factor;
        }
    }
}

vectorised! {
    fn scale_by(out: &mut [f32], weights: &[f32]) {
        for (o, w) in out.iter_mut().zip(weights) {
            *o *= w;
        }
    }
}

vectorised! {
    fn sum_into(total: &mut f32, x: &[f32]) {
        *total = sum(x);
    }
}

impl BceSum {
    /// Gold and weights of task `i`.
    fn task(&self, i: usize, n: usize) -> (&[f32], Option<&[f32]>) {
        let place = i * TASK_VALUES..i * TASK_VALUES + n;
        let weights = self.weights.as_ref().map(|w| &w[place.clone()]);
        (&self.gold[place], weights)
    }
}

impl CustomOp1 for BceSum {
    fn name(&self) -> &'static str {
        "bce-sum"
    }

    fn cpu_fwd(&self, logits: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let logits = values(logits, layout)?;
        let sums: Vec<f32> = logits
            .par_chunks(TASK_VALUES)
            .enumerate()
            .map_init(Vec::new, |terms, (i, logits)| {
                let (gold, weights) = self.task(i, logits.len());
                terms.resize(logits.len(), 0.0);
                losses(terms, logits, gold);
                if let Some(weights) = weights {
                    scale_by(terms, weights);
                }
                let mut total = 0.0;
                sum_into(&mut total, terms);
                total
            })
            .collect();
        let total: f64 = sums.into_iter().map(f64::from).sum();
        Ok((CpuStorage::F32(vec![total as f32]), Shape::from(())))
    }

    fn bwd(&self, logits: &Tensor, _out: &Tensor, grad: &Tensor) -> Result<Option<Tensor>> {
        let factor: f32 = grad.to_scalar()?;
        let all = values_of(logits)?;
        let mut d_logits = vec![0.0; all.len()];
        d_logits
            .par_chunks_mut(TASK_VALUES)
            .zip(all.par_chunks(TASK_VALUES))
            .enumerate()
            .for_each(|(i, (out, logits))| {
                let (gold, weights) = self.task(i, logits.len());
                slopes(out, logits, gold, factor);
                if let Some(weights) = weights {
                    scale_by(out, weights);
                }
            });
        let device = logits.device();
        Ok(Some(Tensor::from_vec(d_logits, logits.shape(), device)?))
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::*;
    use super::*;
    use candle_core::{DType, Device, Var};

    #[test]
    fn values_and_gradients_hold_at_large_logits() -> Result<()> {
        type Form = fn(&Tensor, Vec<f32>, Option<Vec<f32>>) -> Result<Tensor>;
        let check = |logit: f32, gold: f32, loss: f32, gradient: f32| -> Result<()> {
            for form in [bce_sum as Form, bce_sum_of_terms] {
                let s = Var::new(&[logit], &Device::Cpu)?;
                let value = form(&s, vec![gold], None)?;
                let grad = value.backward()?.get(&s).unwrap().clone();
                let place = format!("s={logit} y={gold}");
                let near = |a: f32, b: f32| (a - b).abs() <= 1e-6 * (1.0 + b.abs());
                assert!(near(value.to_scalar()?, loss), "{place}: {value}");
                assert!(near(grad.to_vec1::<f32>()?[0], gradient), "{place}: {grad}");
            }
            Ok(())
        };
        check(0.0, 1.0, std::f32::consts::LN_2, -0.5)?;
        check(0.0, 0.0, std::f32::consts::LN_2, 0.5)?;
        check(1000.0, 0.0, 1000.0, 1.0)?;
        check(1000.0, 1.0, 0.0, 0.0)?;
        check(-1000.0, 1.0, 1000.0, -1.0)?;
        check(2.0, 1.0, 0.126_928, -0.119_203)
    }

    #[test]
    fn a_logit_that_is_not_a_number_is_not_hidden() -> Result<()> {
        let s = Tensor::new(&[0f32, f32::NAN], &Device::Cpu)?;
        assert!(
            bce_sum(&s, vec![0.0; 2], None)?
                .to_scalar::<f32>()?
                .is_nan()
        );
        Ok(())
    }

    #[test]
    fn keeps_the_dtype_of_its_input() -> Result<()> {
        let s = Tensor::zeros(3, DType::F64, &Device::Cpu)?;
        assert_eq!(bce_sum(&s, vec![0.0; 3], None)?.dtype(), DType::F64);
        assert!(bce_sum(&s, vec![0.0; 2], None).is_err());
        Ok(())
    }

    #[test]
    fn value_gradients_and_bits() -> Result<()> {
        for n in [1, 7, 40_000] {
            let gold: Vec<f32> = (0..n).map(|i| (i % 3 == 0) as u8 as f32).collect();
            let weights: Vec<f32> = (0..n).map(|i| (i % 5) as f32 / n as f32).collect();
            let sum = |v: &[Tensor]| bce_sum(&(&v[0] * 4.0)?, gold.clone(), Some(weights.clone()));
            let plain = |v: &[Tensor]| {
                bce_sum_of_terms(&(&v[0] * 4.0)?, gold.clone(), Some(weights.clone()))
            };
            check_op(&format!("bce of {n}"), &[&[n]], sum, plain)?;
        }
        Ok(())
    }

    #[test]
    fn the_loss_of_allowed_classes_is_that_of_their_logarithm() -> Result<()> {
        for (n, c) in [(1, 2), (5, 4), (300, 9)] {
            // One class, two, or all.
            let allowed: Vec<bool> = (0..n * c)
                .map(|i| i % c == (i / c) % c || (i / c) % 3 == 1 && i % c == 0 || (i / c) % 3 == 2)
                .collect();
            let mask: Vec<f32> = allowed.iter().map(|a| f32::from(u8::from(*a))).collect();
            let mask = Tensor::from_vec(mask, (n, c), &Device::Cpu)?;
            check_op(
                &format!("allowed {n}x{c}"),
                &[&[n, c]],
                |v| allowed_loss(&(&v[0] * 4.0)?, &allowed),
                |v| {
                    let p = candle_nn::ops::softmax(&(&v[0] * 4.0)?, D::Minus1)?;
                    (p * &mask)?.sum(D::Minus1)?.log()?.sum_all()?.neg()
                },
            )?;
        }
        let far = Tensor::new(&[[200f32, -200.0]], &Device::Cpu)?;
        assert_eq!(
            allowed_loss(&far, &[false, true])?.to_scalar::<f32>()?,
            400.0
        );
        assert!(allowed_loss(&far, &[true]).is_err());
        Ok(())
    }
}
