//! Binary cross-entropy on logits, used by both sentence-level heads.

use candle_core::{Result, Tensor};
use candle_nn::ops::sigmoid;

/// -ln of the probability that `sigmoid(logits)` gives to `gold` (0 or 1), element by element; same shape as `logits`.
///
/// The value is `max(s,0) - s*y + ln(1 + e^-|s|)`, finite for every logit. Its derivative, `sigmoid(s) - y`, is attached as
/// `(s - detach(s)) * derivative`, which adds zero to the value: the dozen intermediate tensors of the stable form are
/// then neither kept for the backward pass nor walked by it.
pub(crate) fn bce_with_logits(logits: &Tensor, gold: &Tensor) -> Result<Tensor> {
    let s = logits.detach();
    let positive = s.relu()?;
    // -|s| = s - 2 max(s,0)
    let log_term = ((&s - (&positive * 2.0)?)?.exp()? + 1.0)?.log()?;
    let value = ((positive - (&s * gold)?)? + log_term)?;
    let derivative = (sigmoid(&s)? - gold)?;
    value + ((logits - &s)? * derivative)?
}

#[cfg(test)]
mod tests {
    use super::*;
    use candle_core::{DType, Device, Var};

    #[test]
    fn values_and_gradients_hold_at_large_logits() -> Result<()> {
        let check = |logit: f32, gold: f32, loss: f32, gradient: f32| -> Result<()> {
            let s = Var::new(&[logit], &Device::Cpu)?;
            let y = Tensor::new(&[gold], &Device::Cpu)?;
            let value = bce_with_logits(&s, &y)?;
            let grad = value.sum_all()?.backward()?.get(&s).unwrap().clone();
            let place = format!("s={logit} y={gold}");
            let near = |a: f32, b: f32| (a - b).abs() <= 1e-6 * (1.0 + b.abs());
            assert!(near(value.to_vec1::<f32>()?[0], loss), "{place}: {value}");
            assert!(near(grad.to_vec1::<f32>()?[0], gradient), "{place}: {grad}");
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
    fn keeps_the_dtype_of_its_input() -> Result<()> {
        let s = Tensor::zeros(3, DType::F64, &Device::Cpu)?;
        assert_eq!(bce_with_logits(&s, &s)?.dtype(), DType::F64);
        Ok(())
    }
}
