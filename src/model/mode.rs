//! Training or inference: the only difference is dropout (and batch statistics), never another forward pass.

use candle_core::{Result, Tensor};
use rand::Rng;
use rand_chacha::ChaCha8Rng;
use std::cell::RefCell;

/// How a forward pass runs. Dropout masks come from an RNG that the program owns and checkpoints, since candle's CPU
/// device cannot be seeded.
#[derive(Clone, Copy)]
pub enum Mode<'a> {
    Infer,
    Train(&'a RefCell<ChaCha8Rng>),
}

impl Mode<'_> {
    pub fn is_train(self) -> bool {
        matches!(self, Mode::Train(_))
    }

    /// Inverted dropout: each element is zeroed with probability `p` and the rest scaled by 1/(1-p). Identity when inferring.
    pub fn dropout(self, x: &Tensor, p: f64) -> Result<Tensor> {
        match self.dropout_factors(x.elem_count(), p) {
            None => Ok(x.clone()),
            Some(mask) => x * Tensor::from_vec(mask, x.shape(), x.device())?.to_dtype(x.dtype())?,
        }
    }

    /// `n` factors, 0 with probability `p`, else 1/(1-p); `None` where nothing is dropped.
    pub fn dropout_factors(self, n: usize, p: f64) -> Option<Vec<f32>> {
        let Mode::Train(rng) = self else { return None };
        if p <= 0.0 {
            return None;
        }
        let keep = (1.0 / (1.0 - p)) as f32;
        let mut rng = rng.borrow_mut();
        // 32 random bits decide one element; a comparison of integers is cheaper than a float draw.
        let limit = (p * f64::from(u32::MAX)) as u32;
        Some(
            (0..n)
                .map(|_| {
                    if rng.random::<u32>() < limit {
                        0.0
                    } else {
                        keep
                    }
                })
                .collect(),
        )
    }
}
