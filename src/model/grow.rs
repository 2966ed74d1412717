//! Room for further relations in trained heads: what they know of the others stays, to the bit.
//!
//! A row for each new relation is added to what gives a relation's logits, with biases that make it improbable at first; and
//! to what reads relations (RIN's evidence) columns of zeros, so that nothing is felt of a relation before it is learned.

use super::kernel::KernelConfig;
use super::params::{Init, Params, rng_for};
use super::rin::{Evidence, RinConfig, Variant};
use super::sentence::ModelConfig;
use candle_core::{DType, Result, Tensor};

/// Logit of a relation that nothing was learned of: a probability of 0.02.
const IMPROBABLE: f64 = -4.0;

/// Adds `n_new` relations after those of `config` to the heads in `params`. Values depend on (seed, name) only.
pub fn grow(params: &Params, config: &ModelConfig, n_new: usize, seed: u64) -> Result<()> {
    let growth = Growth {
        params,
        n_labels: config.labels.len(),
        n_new,
        seed,
    };
    if let Some(rin) = &config.rin {
        growth.rin(rin)?;
    }
    if let Some(kernel) = &config.kernel {
        growth.kernel(kernel)?;
    }
    Ok(())
}

struct Growth<'a> {
    params: &'a Params,
    n_labels: usize,
    n_new: usize,
    seed: u64,
}

impl Growth<'_> {
    fn rin(&self, config: &RinConfig) -> Result<()> {
        self.rows("rin.pair.out.weight", None)?;
        self.rows("rin.pair.out.bias", Some(IMPROBABLE))?;
        match config.variant {
            Variant::Slides => self.evidence("rin.int.weight", 0, config.evidence),
            Variant::Emnlp => {
                self.evidence("rin.gru_re.weight_ih", 0, config.evidence)?;
                // The paper's cell reads state and evidence side by side.
                for name in ["rin.gru_re.z", "rin.gru_re.u", "rin.gru_re.o"] {
                    if let Some(gate) = self.params.get(name) {
                        self.evidence(name, gate.dim(0)?, config.evidence)?;
                    }
                }
                Ok(())
            }
        }
    }

    /// The kernel's logit is a scaled product of two projections; of their biases alone it is `IMPROBABLE`.
    fn kernel(&self, config: &KernelConfig) -> Result<()> {
        self.rows("ker.wh", None)?;
        self.rows("ker.wt", None)?;
        if let Some(bias) = self.params.get("ker.bh") {
            let width = bias.dim(1)?;
            let side = (-IMPROBABLE / (config.scale.factor(width) * width as f64)).sqrt();
            self.rows("ker.bh", Some(side))?;
            self.rows("ker.bt", Some(-side))?;
        }
        Ok(())
    }

    /// One more row a relation along the first axis: drawn, or of one value.
    fn rows(&self, name: &str, value: Option<f64>) -> Result<()> {
        let Some(old) = self.params.get(name) else {
            return Ok(());
        };
        let mut shape = old.dims().to_vec();
        shape[0] = self.n_new;
        let fan_in = *shape.get(1).unwrap_or(&1);
        let init = value.map_or(Init::fan_in(fan_in), Init::Const);
        let mut rng = rng_for(self.seed, &format!("{name} from {}", self.n_labels));
        let values = init.draw(shape.iter().product(), &mut rng);
        let fresh = Tensor::from_vec(values, shape, old.device())?;
        self.params
            .insert(name, &Tensor::cat(&[old.as_tensor(), &fresh], 0)?)
    }

    /// Columns of zeros where a matrix reads a relation's evidence, which begins at column `start`.
    fn evidence(&self, name: &str, start: usize, evidence: Evidence) -> Result<()> {
        let Some(old) = self.params.get(name) else {
            return Ok(());
        };
        let (rows, columns) = old.dims2()?;
        let zeros = Tensor::zeros((rows, self.n_new), DType::F32, old.device())?;
        let blocks = match evidence {
            Evidence::Rows => 1,
            Evidence::BothAxes => 2,
        };
        let mut parts = vec![old.narrow(1, 0, start)?];
        for block in 0..blocks {
            parts.push(old.narrow(1, start + block * self.n_labels, self.n_labels)?);
            parts.push(zeros.clone());
        }
        let end = start + blocks * self.n_labels;
        parts.push(old.narrow(1, end, columns - end)?);
        parts.retain(|part| part.elem_count() > 0);
        self.params.insert(name, &Tensor::cat(&parts, 1)?)
    }
}

#[cfg(test)]
mod tests {
    use super::super::encoder::EncoderConfig;
    use super::super::encoder::bilstm::BiLstmConfig;
    use super::super::kernel::Kernel;
    use super::super::mode::Mode;
    use super::super::rin::{GruKind, Rin};
    use super::super::test_support::encoded;
    use super::*;
    use crate::model::sentence::Heads;
    use candle_core::Device;

    #[test]
    fn what_a_model_knows_stays_and_a_new_relation_is_improbable() {
        let d = 12;
        for (variant, evidence, gru) in [
            (Variant::Emnlp, Evidence::Rows, GruKind::Code),
            (Variant::Emnlp, Evidence::BothAxes, GruKind::Paper),
            (Variant::Slides, Evidence::BothAxes, GruKind::Paper),
        ] {
            let rin = RinConfig {
                variant,
                evidence,
                gru: Some(gru),
                rounds: 2,
                width: Some(8),
                ..RinConfig::default()
            };
            let encoder = EncoderConfig::BiLstm(BiLstmConfig::new(9));
            let labels = ["a", "b", "c"].map(str::to_owned).to_vec();
            let kernel = KernelConfig::default();
            let heads = Heads {
                rin: Some(rin.clone()),
                kernel: Some(kernel.clone()),
                spans: None,
            };
            let config = ModelConfig::new(encoder, labels, heads);
            let params = Params::new(&Device::Cpu, 5);
            let heads = |n| {
                let root = params.root();
                let rin = Rin::new(&root.pp("rin"), &rin, d, n).unwrap();
                (rin, Kernel::new(&root.pp("ker"), &kernel, d, n).unwrap())
            };
            let words = encoded(&[4, 3], d, 1);
            let cells = |rin: &Rin| {
                let output = rin.forward(&words, Mode::Infer).unwrap();
                output.cell_logits.to_vec2::<f32>().unwrap()
            };
            let (before, kernel_before) = heads(3);
            let before = cells(&before);
            grow(&params, &config, 2, 7).unwrap();
            let (after, kernel_after) = heads(5);
            for (old, new) in before.iter().zip(cells(&after)) {
                for (a, b) in old.iter().zip(&new) {
                    assert!((a - b).abs() < 1e-5, "{variant:?} {evidence:?}: {a} {b}");
                }
                assert!(new[3..].iter().all(|p| *p < -1.0), "{variant:?} {new:?}");
            }
            let spans = [(0, 1), (2, 4)].map(|(a, b)| crate::domain::TokenSpan::new(a, b).unwrap());
            let scores = |kernel: &Kernel| {
                let scorer = kernel.scorer().unwrap();
                let scores = scorer
                    .score_pairs(&words, &[spans.to_vec(), vec![]])
                    .unwrap();
                scores[0].pair(0, 1).to_vec()
            };
            let (old, new) = (scores(&kernel_before), scores(&kernel_after));
            for (a, b) in old.iter().zip(&new) {
                assert!((a - b).abs() < 1e-5, "{old:?} {new:?}");
            }
            assert!(new[3..].iter().all(|p| *p < 0.3), "{new:?}");
        }
    }
}
