//! Training or inference: the only difference is dropout (and batch statistics), never another forward pass.

use super::nudge::Nudge;
use super::ops::{Dropout, dropout};
use candle_core::{Result, Tensor};
use rand::RngCore;
use rand_chacha::ChaCha8Rng;
use std::cell::RefCell;

/// How a forward pass runs. Dropout masks come from an RNG that the program owns and checkpoints, since candle's CPU
/// device cannot be seeded.
#[derive(Clone, Copy)]
pub enum Mode<'a> {
    Infer,
    Train(&'a RefCell<ChaCha8Rng>),
    /// Training whose input vectors are moved.
    Adversarial(&'a RefCell<ChaCha8Rng>, &'a Nudge),
}

impl<'a> Mode<'a> {
    pub fn is_train(self) -> bool {
        !matches!(self, Mode::Infer)
    }

    /// What this pass draws from; `None` when inferring.
    pub fn rng(self) -> Option<&'a RefCell<ChaCha8Rng>> {
        match self {
            Mode::Infer => None,
            Mode::Train(rng) | Mode::Adversarial(rng, _) => Some(rng),
        }
    }

    /// Input vectors x [N, h] of sentences of which sentence b has rows `starts[b]..starts[b + 1]`, moved where the pass is adversarial.
    pub fn nudge(self, x: Tensor, starts: &[usize]) -> Result<Tensor> {
        match self {
            Mode::Adversarial(_, nudge) => nudge.apply(x, starts),
            Mode::Infer | Mode::Train(_) => Ok(x),
        }
    }

    /// Inverted dropout: each element is zeroed with probability `p` and the rest scaled by 1/(1-p). Identity when inferring.
    pub fn dropout(self, x: &Tensor, p: f64) -> Result<Tensor> {
        match self.draw_dropout(p) {
            None => Ok(x.clone()),
            Some(drawn) => dropout(x, drawn),
        }
    }

    /// The next dropout of this pass, for operations that apply it themselves; `None` where nothing is dropped.
    pub fn draw_dropout(self, probability: f64) -> Option<Dropout> {
        match self.rng() {
            Some(rng) if probability > 0.0 => Some(Dropout {
                probability,
                seed: rng.borrow_mut().next_u64(),
            }),
            _ => None,
        }
    }
}
