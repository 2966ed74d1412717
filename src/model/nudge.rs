//! Adversarial training: input vectors are moved a little to where the loss grows fastest, and the model learns from that sentence too.
//!
//! Goodfellow et al. 2015 as Miyato et al. 2017 take it to text (equations 3 and 4): `r = size · g / ‖g‖`, g being the loss's gradient at a
//! sentence's input vectors. Bekoulis et al. 2018 found it to help joint entity and relation extraction.

use candle_core::backprop::GradStore;
use candle_core::{DType, Result, Tensor, Var};
use std::cell::RefCell;

/// The move of one batch's input vectors, found by a first pass and made by a second.
pub struct Nudge {
    /// ‖r‖ of each sentence.
    size: f64,
    state: RefCell<State>,
}

enum State {
    Unseen,
    /// Zeros that were added in the first pass, whose gradient is the input vectors', and each sentence's first row.
    Probe(Var, Vec<usize>),
    Found(Tensor),
}

impl Nudge {
    pub fn new(size: f64) -> Self {
        Self {
            size,
            state: RefCell::new(State::Unseen),
        }
    }

    /// x [N, h] -> [N, h]; see [`super::mode::Mode::nudge`].
    pub fn apply(&self, x: Tensor, starts: &[usize]) -> Result<Tensor> {
        let mut state = self.state.borrow_mut();
        match &*state {
            State::Unseen => {
                let probe = Var::zeros(x.shape(), x.dtype(), x.device())?;
                let moved = x + probe.as_tensor();
                *state = State::Probe(probe, starts.to_vec());
                moved
            }
            State::Probe(probe, _) => x + probe.as_tensor(),
            State::Found(r) => x + r,
        }
    }

    /// Takes the probe's gradient of the first pass. Where that met no input vectors, the second moves none.
    pub fn find(&self, gradients: &mut GradStore) -> Result<()> {
        let mut state = self.state.borrow_mut();
        let State::Probe(probe, starts) = &*state else {
            return Ok(());
        };
        let Some(gradient) = gradients.remove(probe.as_tensor()) else {
            return Ok(());
        };
        let width = gradient.dim(1)?;
        let (device, dtype) = (gradient.device().clone(), gradient.dtype());
        let mut values: Vec<f32> = gradient.to_dtype(DType::F32)?.flatten_all()?.to_vec1()?;
        for rows in starts.windows(2) {
            let sentence = &mut values[rows[0] * width..rows[1] * width];
            let norm = sentence
                .iter()
                .map(|g| f64::from(g * g))
                .sum::<f64>()
                .sqrt();
            let scale = match norm.is_finite() && norm > 0.0 {
                true => (self.size / norm) as f32,
                false => 0.0,
            };
            sentence.iter_mut().for_each(|g| *g *= scale);
        }
        let r = Tensor::from_vec(values, gradient.shape(), &device)?.to_dtype(dtype)?;
        *state = State::Found(r);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use candle_core::Device;

    #[test]
    fn each_sentence_moves_by_the_size_along_its_own_gradient() -> Result<()> {
        let weights = Tensor::new(
            &[[3f32, 0.0], [0.0, 4.0], [0.0, 0.0], [0.0, 1.0]],
            &Device::Cpu,
        )?;
        let x = Tensor::ones((4, 2), DType::F32, &Device::Cpu)?;
        let starts = [0, 2, 3, 4];
        let nudge = Nudge::new(0.5);
        let loss = |x: Tensor| (nudge.apply(x, &starts)? * &weights)?.sum_all();
        let first = loss(x.clone())?;
        assert_eq!(first.to_scalar::<f32>()?, 8.0);
        nudge.find(&mut first.backward()?)?;
        let moved: Vec<Vec<f32>> = (nudge.apply(x.clone(), &starts)? - &x)?.to_vec2()?;
        // The second sentence has no gradient, so it has no direction.
        let expected = [[0.3, 0.0], [0.0, 0.4], [0.0, 0.0], [0.0, 0.5]];
        for (moved, expected) in moved.iter().flatten().zip(expected.iter().flatten()) {
            assert!((moved - expected).abs() < 1e-6, "{moved} {expected}");
        }
        // 8 + .3·3 + .4·4 + .5·1
        assert!((loss(x)?.to_scalar::<f32>()? - 11.0).abs() < 1e-5);
        Ok(())
    }
}
