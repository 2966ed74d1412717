//! The two recurrent cells that the sources call GRU; one step, all words at once.

use super::GruKind;
use crate::model::ops::{gru_gates, linear};
use crate::model::params::{Init, Scope};
use candle_core::{Result, Tensor};
use candle_nn::ops::sigmoid;

pub(super) enum Gru {
    /// Paper eq. (4): z = sig(W_z`[h;x]`), u = sig(W_u`[h;x]`), c = tanh(W_o`[u*h;x]`), h' = (1-z)h + z c.
    /// Each matrix is [d, d + x].
    Paper { z: Tensor, u: Tensor, o: Tensor },
    /// The released code's (PyTorch's) cell, rows stacked r,z,n: n = tanh(W_in x + b_in + r(W_hn h + b_hn)), h' = (1-z)n + z h.
    Code {
        /// [3d, x]
        input: Tensor,
        /// [3d, d]
        hidden: Tensor,
        /// `[3d]` each
        input_bias: Tensor,
        hidden_bias: Tensor,
    },
}

impl Gru {
    /// `x`: input width, `d`: state width. Parameters `z`, `u`, `o` or `weight_ih`, `weight_hh`, `bias_ih`, `bias_hh`.
    pub(super) fn new(scope: &Scope, kind: GruKind, x: usize, d: usize) -> Result<Self> {
        let init = Init::fan_in(d);
        Ok(match kind {
            GruKind::Paper => Self::Paper {
                z: scope.get((d, d + x), "z", init)?,
                u: scope.get((d, d + x), "u", init)?,
                o: scope.get((d, d + x), "o", init)?,
            },
            GruKind::Code => Self::Code {
                input: scope.get((3 * d, x), "weight_ih", init)?,
                hidden: scope.get((3 * d, d), "weight_hh", init)?,
                input_bias: scope.get(3 * d, "bias_ih", init)?,
                hidden_bias: scope.get(3 * d, "bias_hh", init)?,
            },
        })
    }

    pub(super) fn detached(&self) -> Self {
        match self {
            Self::Paper { z, u, o } => Self::Paper {
                z: z.detach(),
                u: u.detach(),
                o: o.detach(),
            },
            Self::Code {
                input,
                hidden,
                input_bias,
                hidden_bias,
            } => Self::Code {
                input: input.detach(),
                hidden: hidden.detach(),
                input_bias: input_bias.detach(),
                hidden_bias: hidden_bias.detach(),
            },
        }
    }

    /// (input [W, x], state [W, d]) -> new state [W, d].
    pub(super) fn step(&self, input: &Tensor, state: &Tensor) -> Result<Tensor> {
        match self {
            Self::Paper { z, u, o } => {
                let both = Tensor::cat(&[state, input], 1)?;
                let z = sigmoid(&both.matmul(&z.t()?)?)?;
                let u = sigmoid(&both.matmul(&u.t()?)?)?;
                let reset = Tensor::cat(&[&(u * state)?, input], 1)?;
                let candidate = reset.matmul(&o.t()?)?.tanh()?;
                state + (z * (candidate - state)?)?
            }
            Self::Code {
                input: input_weight,
                hidden,
                input_bias,
                hidden_bias,
            } => {
                let from_input = linear(input, input_weight, input_bias)?;
                let from_state = linear(state, hidden, hidden_bias)?;
                gru_gates(&from_input, &from_state, state)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::golden::{Golden, assert_close};

    #[test]
    fn golden_gru_paper_cell() -> Result<()> {
        let golden = Golden::load("gru_paper_cell");
        let read = |name: &str| golden.tensor(&format!("/in/{name}"));
        let cell = Gru::Paper {
            z: read("W_z"),
            u: read("W_u"),
            o: read("W_o"),
        };
        let state = cell.step(&read("x"), &read("h"))?;
        assert_close(&state, &golden.tensor("/out/h_new"), "h_new");
        Ok(())
    }
}
