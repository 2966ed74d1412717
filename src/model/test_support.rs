//! What the tests of the heads share: made-up encoder output and a few lines of Adam.

use super::encoded::{BatchLayout, Encoded};
use candle_core::{DType, Device, Result, Tensor, Var, backprop::GradStore};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::sync::Arc;

/// A layout of sentences whose words have 1, 2, 1, 2, .. pieces, with a [CLS] and a [SEP] piece around each sentence.
pub fn layout(lengths: &[usize]) -> BatchLayout {
    let (mut word_starts, mut piece_starts) = (vec![0], vec![0]);
    let mut word_pieces = Vec::new();
    let mut piece = 0;
    for &n in lengths {
        piece += 1;
        for word in 0..n {
            let width = 1 + word % 2;
            word_pieces.push(piece..piece + width);
            piece += width;
        }
        piece += 1;
        word_starts.push(word_pieces.len());
        piece_starts.push(piece);
    }
    BatchLayout {
        word_starts,
        piece_starts,
        word_pieces,
    }
}

/// Uniform values in ±1, f32.
pub fn uniform(shape: (usize, usize), seed: u64) -> Tensor {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let values: Vec<f32> = (0..shape.0 * shape.1)
        .map(|_| rng.random_range(-1.0..1.0))
        .collect();
    Tensor::from_vec(values, shape, &Device::Cpu).unwrap()
}

pub fn encoded(lengths: &[usize], d: usize, seed: u64) -> Encoded {
    let layout = layout(lengths);
    Encoded {
        words: uniform((layout.total_words(), d), seed),
        piece_low: uniform((layout.total_pieces(), d), seed + 1),
        piece_top: uniform((layout.total_pieces(), d), seed + 2),
        sent: uniform((lengths.len(), d), seed + 3),
        layout: Arc::new(layout),
    }
}

/// Sentence `b` of a batch, alone.
pub fn alone(all: &Encoded, b: usize) -> Result<Encoded> {
    let l = &all.layout;
    let (words, pieces) = (
        l.word_starts[b]..l.word_starts[b + 1],
        l.piece_starts[b]..l.piece_starts[b + 1],
    );
    let layout = BatchLayout {
        word_starts: vec![0, words.len()],
        piece_starts: vec![0, pieces.len()],
        word_pieces: l.word_pieces[words.clone()]
            .iter()
            .map(|p| p.start - pieces.start..p.end - pieces.start)
            .collect(),
    };
    Ok(Encoded {
        layout: Arc::new(layout),
        words: all.words.narrow(0, words.start, words.len())?,
        piece_low: all.piece_low.narrow(0, pieces.start, pieces.len())?,
        piece_top: all.piece_top.narrow(0, pieces.start, pieces.len())?,
        sent: all.sent.narrow(0, b, 1)?,
    })
}

/// Adam with the usual constants.
pub struct Adam {
    vars: Vec<Var>,
    moments: Vec<(Tensor, Tensor)>,
    rate: f64,
    step: i32,
}

impl Adam {
    pub fn new(vars: Vec<Var>, rate: f64) -> Result<Self> {
        let moments = vars
            .iter()
            .map(|v| {
                let zeros = || Tensor::zeros(v.shape(), DType::F32, v.device());
                Ok((zeros()?, zeros()?))
            })
            .collect::<Result<_>>()?;
        Ok(Self {
            vars,
            moments,
            rate,
            step: 0,
        })
    }

    pub fn step(&mut self, grads: &GradStore) -> Result<()> {
        self.step += 1;
        let (c1, c2) = (1.0 - 0.9f64.powi(self.step), 1.0 - 0.999f64.powi(self.step));
        for (var, (m, v)) in self.vars.iter().zip(&mut self.moments) {
            let Some(g) = grads.get(var) else { continue };
            *m = ((&*m * 0.9)? + (g * 0.1)?)?.detach();
            *v = ((&*v * 0.999)? + (g.sqr()? * 0.001)?)?.detach();
            let update = ((&*m / c1)? / ((&*v / c2)?.sqrt()? + 1e-8)?)?;
            var.set(&(var.as_tensor() - (update * self.rate)?)?.detach())?;
        }
        Ok(())
    }
}
