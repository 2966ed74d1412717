//! Layers that encoders and heads are built of: parameters by name, one `forward` for training and inference.
//!
//! When inferring, parameters are detached, so no graph is built and nothing of a batch outlives it.

pub mod lstm;

use super::mode::Mode;
use super::ops;
use super::params::{Init, Scope};
use candle_core::{Result, Tensor};

/// A parameter as a forward pass should see it: the variable when training, a view without history when inferring.
pub fn seen(parameter: &Tensor, mode: Mode) -> Tensor {
    if mode.is_train() {
        parameter.clone()
    } else {
        parameter.detach()
    }
}

/// y = x·Wᵀ + b. Parameters `weight` `[n_out, n_in]` and `bias` `[n_out]`, as PyTorch names and shapes them.
#[derive(Clone, Debug)]
pub struct Linear {
    pub weight: Tensor,
    pub bias: Tensor,
}

impl Linear {
    /// Weight drawn by `init` when new; the bias starts at zero.
    pub fn new(scope: &Scope, n_in: usize, n_out: usize, init: Init) -> Result<Self> {
        Ok(Self {
            weight: scope.get((n_out, n_in), "weight", init)?,
            bias: scope.get(n_out, "bias", Init::ZEROS)?,
        })
    }

    /// x [.., n_in] -> [.., n_out].
    pub fn forward(&self, x: &Tensor, mode: Mode) -> Result<Tensor> {
        ops::linear(x, &seen(&self.weight, mode), &seen(&self.bias, mode))
    }

    /// The same with the parameters as they are, for heads that are detached as a whole when inferring.
    pub fn apply(&self, x: &Tensor) -> Result<Tensor> {
        ops::linear(x, &self.weight, &self.bias)
    }

    /// The same layer on constants.
    pub fn detached(&self) -> Self {
        Self {
            weight: self.weight.detach(),
            bias: self.bias.detach(),
        }
    }
}

/// Layer norm over the last dimension. Parameters `weight` and `bias` `[n]`.
#[derive(Clone, Debug)]
pub struct LayerNorm {
    pub weight: Tensor,
    pub bias: Tensor,
    pub eps: f64,
}

impl LayerNorm {
    pub fn new(scope: &Scope, n: usize, eps: f64) -> Result<Self> {
        Ok(Self {
            weight: scope.get(n, "weight", Init::ONES)?,
            bias: scope.get(n, "bias", Init::ZEROS)?,
            eps,
        })
    }

    /// x [.., n] -> [.., n].
    pub fn forward(&self, x: &Tensor, mode: Mode) -> Result<Tensor> {
        ops::layer_norm(
            x,
            &seen(&self.weight, mode),
            &seen(&self.bias, mode),
            self.eps,
        )
    }

    /// The norm of `x + residual`, `x` after dropout with `probability`.
    pub fn forward_sum(
        &self,
        x: &Tensor,
        probability: f64,
        residual: &Tensor,
        mode: Mode,
    ) -> Result<Tensor> {
        let (weight, bias) = (seen(&self.weight, mode), seen(&self.bias, mode));
        let dropout = mode.draw_dropout(probability);
        ops::add_layer_norm(x, dropout, residual, &weight, &bias, self.eps)
    }
}

/// A table of vectors. Parameter `weight` [n, width].
#[derive(Clone, Debug)]
pub struct Embedding {
    pub weight: Tensor,
}

impl Embedding {
    pub fn new(scope: &Scope, n: usize, width: usize, init: Init) -> Result<Self> {
        Ok(Self {
            weight: scope.get((n, width), "weight", init)?,
        })
    }

    /// ids `[k]` -> `[k, width]`.
    pub fn forward(&self, ids: Vec<u32>, mode: Mode) -> Result<Tensor> {
        ops::take_rows(&seen(&self.weight, mode), ids)
    }
}
