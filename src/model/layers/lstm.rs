//! LSTM layers over packed or padded sentences. The cell's equations and gate order (i, f, g, o): [`crate::model::ops::lstm`].

use super::seen;
use crate::model::mode::Mode;
use crate::model::ops::{self, Direction};
use crate::model::params::{Init, Scope};
use candle_core::{Result, Tensor, bail};

/// One direction. Parameters `weight_ih` `[4h, n_in]`, `weight_hh` `[4h, h]` and one `bias` `[4h]`; gate rows in the order
/// i, f, g, o. `forget_bias` is added to f: 0 as in PyTorch, 1 as in TensorFlow.
#[derive(Clone, Debug)]
pub struct Lstm {
    pub weight_ih: Tensor,
    pub weight_hh: Tensor,
    pub bias: Tensor,
    pub forget_bias: f64,
}

impl Lstm {
    /// New weights are uniform ±1/sqrt(h), PyTorch's default; the bias starts at zero.
    pub fn new(scope: &Scope, n_in: usize, hidden: usize, forget_bias: f64) -> Result<Self> {
        let init = Init::fan_in(hidden);
        Ok(Self {
            weight_ih: scope.get((4 * hidden, n_in), "weight_ih", init)?,
            weight_hh: scope.get((4 * hidden, hidden), "weight_hh", init)?,
            bias: scope.get(4 * hidden, "bias", Init::ZEROS)?,
            forget_bias,
        })
    }

    /// x [W, n_in], sentence b in rows `starts[b]..starts[b + 1]` -> hidden states [W, h].
    pub fn forward_packed(
        &self,
        x: &Tensor,
        starts: &[usize],
        direction: Direction,
        mode: Mode,
    ) -> Result<Tensor> {
        let gates = ops::linear(x, &seen(&self.weight_ih, mode), &seen(&self.bias, mode))?;
        let weight = seen(&self.weight_hh, mode);
        ops::lstm(&gates, &weight, starts, direction, self.forget_bias)
    }

    /// x [B, T, n_in], sentence b in its first `lengths[b]` rows -> [B, T, h], zeros past each length.
    pub fn forward(
        &self,
        x: &Tensor,
        lengths: &[usize],
        direction: Direction,
        mode: Mode,
    ) -> Result<Tensor> {
        let packing = Packing::new(x, lengths)?;
        let packed = packing.pack(x)?;
        packing.pad(&self.forward_packed(&packed, &packing.starts, direction, mode)?)
    }
}

/// Both directions, outputs side by side. Parameters under `forward` and `backward`.
#[derive(Clone, Debug)]
pub struct BiLstm {
    pub forward: Lstm,
    pub backward: Lstm,
}

impl BiLstm {
    pub fn new(scope: &Scope, n_in: usize, hidden: usize, forget_bias: f64) -> Result<Self> {
        Ok(Self {
            forward: Lstm::new(&scope.pp("forward"), n_in, hidden, forget_bias)?,
            backward: Lstm::new(&scope.pp("backward"), n_in, hidden, forget_bias)?,
        })
    }

    /// x [W, n_in] -> [W, 2h]: forward states, then backward states.
    pub fn forward_packed(&self, x: &Tensor, starts: &[usize], mode: Mode) -> Result<Tensor> {
        let forward = self
            .forward
            .forward_packed(x, starts, Direction::Forward, mode)?;
        let backward = self
            .backward
            .forward_packed(x, starts, Direction::Backward, mode)?;
        Tensor::cat(&[forward, backward], 1)
    }

    /// x [B, T, n_in] -> [B, T, 2h], zeros past each length.
    pub fn forward(&self, x: &Tensor, lengths: &[usize], mode: Mode) -> Result<Tensor> {
        let packing = Packing::new(x, lengths)?;
        let packed = self.forward_packed(&packing.pack(x)?, &packing.starts, mode)?;
        packing.pad(&packed)
    }
}

/// Row numbers between a padded [B, T, ..] and a packed [W, ..] view of the same words.
struct Packing {
    starts: Vec<usize>,
    /// Padded row of each packed row, `[W]`.
    places: Tensor,
    /// Packed row of each padded row, W where there is none, [B * T].
    rows: Tensor,
    padded: (usize, usize),
}

impl Packing {
    fn new(x: &Tensor, lengths: &[usize]) -> Result<Self> {
        let (n_sentences, longest, _) = x.dims3()?;
        if lengths.len() != n_sentences || lengths.iter().any(|n| *n > longest) {
            bail!(
                "lengths {lengths:?} do not fit a batch of shape {:?}",
                x.dims()
            );
        }
        let n_words: usize = lengths.iter().sum();
        let mut rows = vec![n_words as u32; n_sentences * longest];
        let (mut starts, mut places) = (vec![0], Vec::with_capacity(n_words));
        for (b, n) in lengths.iter().enumerate() {
            for t in 0..*n {
                rows[b * longest + t] = places.len() as u32;
                places.push((b * longest + t) as u32);
            }
            starts.push(places.len());
        }
        Ok(Self {
            starts,
            places: Tensor::from_vec(places, n_words, x.device())?,
            rows: Tensor::from_vec(rows, n_sentences * longest, x.device())?,
            padded: (n_sentences, longest),
        })
    }

    fn pack(&self, x: &Tensor) -> Result<Tensor> {
        x.flatten(0, 1)?.contiguous()?.index_select(&self.places, 0)
    }

    fn pad(&self, packed: &Tensor) -> Result<Tensor> {
        let width = packed.dim(1)?;
        let zeros = Tensor::zeros((1, width), packed.dtype(), packed.device())?;
        Tensor::cat(&[packed, &zeros], 0)?
            .index_select(&self.rows, 0)?
            .reshape((self.padded.0, self.padded.1, width))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::params::Params;
    use candle_core::Device;
    use serde_json::Value;

    fn golden() -> Value {
        let text = include_str!("../../../tests/golden/lstm_bi.json");
        serde_json::from_str(text).unwrap()
    }

    fn tensor(value: &Value) -> Result<Tensor> {
        let numbers = |v: &Value| -> Vec<f64> {
            v.as_array()
                .unwrap()
                .iter()
                .map(|n| n.as_f64().unwrap())
                .collect()
        };
        let shape: Vec<usize> = numbers(&value["shape"])
            .iter()
            .map(|n| *n as usize)
            .collect();
        let data: Vec<f32> = numbers(&value["data"]).iter().map(|n| *n as f32).collect();
        Tensor::from_vec(data, shape, &Device::Cpu)
    }

    fn near(got: &Tensor, expected: &Tensor) -> Result<bool> {
        assert_eq!(got.dims(), expected.dims());
        let worst = (got - expected)?.abs()?.max_all()?.to_scalar::<f32>()?;
        Ok(worst < 1e-5)
    }

    #[test]
    fn golden_bilstm() -> Result<()> {
        let golden = golden();
        for forget_bias in [0, 1] {
            let params = Params::new(&Device::Cpu, 0);
            for (ours, theirs) in [("forward", "f"), ("backward", "b")] {
                for (name, key) in [("weight_ih", "Wx"), ("weight_hh", "Wh"), ("bias", "b")] {
                    let value = tensor(&golden["in"][format!("{key}_{theirs}")])?;
                    params.insert(&format!("{ours}.{name}"), &value)?;
                }
            }
            let layer = BiLstm::new(&params.root(), 3, 2, f64::from(forget_bias))?;
            let x = tensor(&golden["in"]["X"])?;
            let out = &golden["out"][format!("forget_bias_{forget_bias}")];
            let packed = layer.forward_packed(&x, &[0, 3], Mode::Infer)?;
            assert!(near(&packed, &tensor(&out["concat"])?)?);
            let reversed =
                layer
                    .backward
                    .forward_packed(&x, &[0, 3], Direction::Backward, Mode::Infer)?;
            assert!(near(&reversed, &tensor(&out["h_bwd"])?)?);
        }
        Ok(())
    }

    #[test]
    fn a_padded_batch_equals_its_sentences_and_is_zero_past_them() -> Result<()> {
        let params = Params::new(&Device::Cpu, 3);
        let layer = BiLstm::new(&params.root(), 4, 3, 1.0)?;
        let x = Tensor::from_vec(
            (0..24).map(|i| (i as f32).sin()).collect::<Vec<_>>(),
            (2, 3, 4),
            &Device::Cpu,
        )?;
        let both = layer.forward(&x, &[3, 1], Mode::Infer)?;
        for (b, n) in [(0, 3), (1, 1)] {
            let alone = x.narrow(0, b, 1)?.narrow(1, 0, n)?;
            let alone = layer.forward(&alone, &[n], Mode::Infer)?;
            assert!(near(&both.narrow(0, b, 1)?.narrow(1, 0, n)?, &alone)?);
        }
        let past = both.narrow(0, 1, 1)?.narrow(1, 1, 2)?.abs()?.sum_all()?;
        assert_eq!(past.to_scalar::<f32>()?, 0.0);
        assert!(layer.forward(&x, &[4, 1], Mode::Infer).is_err());
        Ok(())
    }
}
