//! The two add-ons and what joins them to the text (golden `imr_combine`).
//!
//! ```text
//! MR = U_tail - U_head                    -> dropout -> scorer -> z_MR      no vector: the term is dropped
//! [mean of head types ; mean of tail types] -> dropout -> scorer -> z_T       no type known: the unknown type
//! ```
//!
//! A dropped term's weight is shared out: the others' sum is divided by the sum of their weights. Weights are kept as
//! logarithms (ours): they stay positive, so a share has a sign only by its logits.

use super::config::{Combine, MutualConfig};
use crate::model::layers::{Linear, seen};
use crate::model::mode::Mode;
use crate::model::params::{Init, Scope};
use candle_core::{D, Result, Tensor};
use candle_nn::ops::softmax;

/// Weight of each term at the start (released code).
const START_WEIGHT: f64 = 0.33;

/// The map behind `conf_linear` is kept as its difference from this times the identity (ours): each class starts in its own
/// confidence. From a random map two classes may share one for good, since a saturated softmax has no gradient left.
const OWN_CONFIDENCE: f64 = 5.0;

/// Hidden layers with relu between them, then the classes.
pub(super) struct Scorer {
    layers: Vec<Linear>,
}

impl Scorer {
    pub fn new(scope: &Scope, from: usize, hidden: &[usize], to: usize) -> Result<Self> {
        Ok(Self {
            layers: layers(scope, from, hidden, to)?,
        })
    }

    pub fn forward(&self, x: &Tensor, mode: Mode) -> Result<Tensor> {
        chain(&self.layers, x, Tensor::relu, mode)
    }
}

fn layers(scope: &Scope, from: usize, hidden: &[usize], to: usize) -> Result<Vec<Linear>> {
    let widths: Vec<usize> = [from].into_iter().chain(hidden.iter().copied()).collect();
    let outputs = widths[1..].iter().copied().chain([to]);
    let pairs = widths.iter().copied().zip(outputs).enumerate();
    pairs
        .map(|(i, (from, to))| Linear::new(&scope.pp(i), from, to, Init::glorot(from, to)))
        .collect()
}

/// `between` stands between two layers, not after the last.
fn chain(
    layers: &[Linear],
    x: &Tensor,
    between: fn(&Tensor) -> Result<Tensor>,
    mode: Mode,
) -> Result<Tensor> {
    let mut x = x.clone();
    for (i, layer) in layers.iter().enumerate() {
        if i > 0 {
            x = between(&x)?;
        }
        x = layer.forward(&x, mode)?;
    }
    Ok(x)
}

/// Types of the head and of the tail of a pair, as rows of the type table; empty = unknown.
pub type PairTypes = [Vec<u32>; 2];

pub(super) struct TypeSide {
    /// [types + 1, width]; the last row is the unknown type.
    table: Tensor,
    scorer: Scorer,
    dropout: f64,
}

impl TypeSide {
    /// Parameters `table` and `scorer` of `scope`.
    pub fn new(
        scope: &Scope,
        config: &MutualConfig,
        n_types: usize,
        n_classes: usize,
    ) -> Result<Self> {
        let width = config.type_dim;
        let scorer = scope.pp("scorer");
        Ok(Self {
            table: scope.get(
                (n_types + 1, width),
                "table",
                Init::glorot(n_types + 1, width),
            )?,
            scorer: Scorer::new(&scorer, 2 * width, &config.type_layers, n_classes)?,
            dropout: config.dropout,
        })
    }

    /// z_T [B, C].
    pub fn forward(&self, pairs: &[PairTypes], mode: Mode) -> Result<Tensor> {
        let x = self.pair_vectors(pairs, mode)?;
        self.scorer.forward(&mode.dropout(&x, self.dropout)?, mode)
    }

    /// [B, 2 width]: the mean of each end's types, as a product with shares so that any number of types is one pass.
    fn pair_vectors(&self, pairs: &[PairTypes], mode: Mode) -> Result<Tensor> {
        let (n, width) = self.table.dims2()?;
        let unknown = n - 1;
        let mut shares = vec![0f32; 2 * pairs.len() * n];
        for (own, types) in shares.chunks_mut(n).zip(pairs.iter().flatten()) {
            let known: Vec<usize> = types
                .iter()
                .map(|t| *t as usize)
                .filter(|t| *t < unknown)
                .collect();
            match known.len() {
                0 => own[unknown] = 1.0,
                k => known.iter().for_each(|t| own[*t] += 1.0 / k as f32),
            }
        }
        let device = self.table.device();
        let shares = Tensor::from_vec(shares, (2 * pairs.len(), n), device)?;
        shares
            .matmul(&seen(&self.table, mode))?
            .reshape((pairs.len(), 2 * width))
    }
}

pub(super) struct MutualSide {
    scorer: Scorer,
    dropout: f64,
}

impl MutualSide {
    pub fn new(
        scope: &Scope,
        config: &MutualConfig,
        width: usize,
        n_classes: usize,
    ) -> Result<Self> {
        Ok(Self {
            scorer: Scorer::new(&scope.pp("scorer"), width, &config.mutual_layers, n_classes)?,
            dropout: config.dropout,
        })
    }

    /// z_MR [B, C] of mutual relations [B, width].
    pub fn forward(&self, relations: &Tensor, mode: Mode) -> Result<Tensor> {
        let x = mode.dropout(relations, self.dropout)?;
        self.scorer.forward(&x, mode)
    }
}

/// The terms of a batch, each [B, C].
pub(super) struct Terms {
    pub text: Tensor,
    pub mutual: Option<Tensor>,
    pub types: Option<Tensor>,
    /// Whether each bag's pair has a mutual relation.
    pub has_mutual: Vec<bool>,
}

pub(super) struct Combination {
    rule: Combine,
    /// Logarithms of the weights of text, mutual relation and types: `[3]`.
    log_weights: Tensor,
    /// Linear layer of `conf_linear`, or layers of `logits_mlp`.
    last: Vec<Linear>,
}

impl Combination {
    /// Parameters `log_weights` and `last` of `scope`.
    pub fn new(scope: &Scope, config: &MutualConfig, n_classes: usize) -> Result<Self> {
        let hidden: Option<&[usize]> = match config.combine {
            Combine::LogitsSum => None,
            Combine::ConfLinear => Some(&[]),
            Combine::LogitsMlp => Some(&config.combine_layers),
        };
        let last = match hidden {
            Some(hidden) => layers(&scope.pp("last"), n_classes, hidden, n_classes)?,
            None => Vec::new(),
        };
        Ok(Self {
            rule: config.combine,
            log_weights: scope.get(3, "log_weights", Init::Const(START_WEIGHT.ln()))?,
            last,
        })
    }

    /// Logits [B, C] of the whole, and the weighted terms [B, C] that were summed for it: text, mutual relation, types.
    pub fn forward(&self, terms: &Terms, mode: Mode) -> Result<(Tensor, [Option<Tensor>; 3])> {
        let weights = seen(&self.log_weights, mode).exp()?;
        let weight = |i: usize| weights.narrow(0, i, 1);
        let (b, device) = (terms.text.dim(0)?, terms.text.device());
        let has: Vec<f32> = terms
            .has_mutual
            .iter()
            .map(|has| f32::from(u8::from(*has)))
            .collect();
        let has = Tensor::from_vec(has, (b, 1), device)?;
        // Where the mutual relation is missing, the other weights' sum divides; elsewhere nothing does.
        let divisor = match &terms.mutual {
            None => None,
            Some(_) => {
                let others = match &terms.types {
                    Some(_) => (weight(0)? + weight(2)?)?,
                    None => weight(0)?,
                };
                let lacks = has.affine(-1.0, 1.0)?;
                Some((&has + lacks.broadcast_mul(&others)?)?)
            }
        };
        let weighed = |z: &Tensor, i: usize| -> Result<Tensor> {
            let term = match self.rule {
                Combine::ConfLinear => softmax(z, D::Minus1)?,
                Combine::LogitsSum | Combine::LogitsMlp => z.clone(),
            };
            let term = term.broadcast_mul(&weight(i)?)?;
            match &divisor {
                Some(divisor) => term.broadcast_div(divisor),
                None => Ok(term),
            }
        };
        let text = weighed(&terms.text, 0)?;
        let mutual = match &terms.mutual {
            Some(z) => Some(weighed(z, 1)?.broadcast_mul(&has)?),
            None => None,
        };
        let types = match &terms.types {
            Some(z) => Some(weighed(z, 2)?),
            None => None,
        };
        let mut sum = text.clone();
        for term in [&mutual, &types].into_iter().flatten() {
            sum = (sum + term)?;
        }
        let logits = match self.rule {
            Combine::LogitsSum => sum,
            Combine::ConfLinear => {
                (chain(&self.last, &sum, Tensor::tanh, mode)? + (sum * OWN_CONFIDENCE)?)?
            }
            Combine::LogitsMlp => chain(&self.last, &sum, Tensor::tanh, mode)?,
        };
        Ok((logits, [Some(text), mutual, types]))
    }
}

/// count^-power for each class, 1 for a class without examples (golden `class_weight`).
pub fn class_weights(counts: &[u64], power: f64) -> Vec<f32> {
    let weight = |n: &u64| (*n.max(&1) as f64).powf(-power) as f32;
    counts.iter().map(weight).collect()
}

/// Sum of weight`[gold]` * -log softmax(logits)`[gold]`, divided by the number of bags (golden `weighted_ce`).
pub fn weighted_cross_entropy(logits: &Tensor, gold: &[u32], weights: &[f32]) -> Result<Tensor> {
    let n = gold.len();
    let device = logits.device();
    let of_gold: Vec<f32> = gold
        .iter()
        .map(|g| weights.get(*g as usize).copied().unwrap_or(1.0))
        .collect();
    let of_gold = Tensor::from_vec(of_gold, n, device)?;
    let gold = Tensor::from_vec(gold.to_vec(), (n, 1), device)?;
    let log_p = candle_nn::ops::log_softmax(logits, D::Minus1)?;
    let own = log_p.gather(&gold, 1)?.squeeze(1)?;
    (own * of_gold)?.sum_all()?.neg()? / n.max(1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::golden::{Golden, assert_close, assert_number};
    use crate::model::ops::testing::check_op;
    use crate::model::params::Params;
    use candle_core::Device;
    use std::cell::RefCell;

    fn linear(golden: &Golden, name: &str) -> Linear {
        Linear {
            weight: golden.tensor(&format!("/in/W_{name}")),
            bias: golden.tensor(&format!("/in/b_{name}")),
        }
    }

    fn combination(golden: &Golden, rule: Combine) -> Combination {
        let weights: Vec<f32> = golden.parse("/in/weights");
        let logs: Vec<f32> = weights.iter().map(|w| w.ln()).collect();
        Combination {
            rule,
            log_weights: Tensor::new(logs, &Device::Cpu).unwrap(),
            last: match rule {
                Combine::LogitsSum => vec![],
                _ => {
                    let mut last = linear(golden, "f");
                    let own = Tensor::eye(3, candle_core::DType::F32, &Device::Cpu).unwrap();
                    last.weight = (last.weight - (own * OWN_CONFIDENCE).unwrap()).unwrap();
                    vec![last]
                }
            },
        }
    }

    fn golden_terms(golden: &Golden) -> Result<Terms> {
        let row = |t: Tensor| t.unsqueeze(0);
        Ok(Terms {
            text: row(golden.tensor("/in/z_re"))?,
            mutual: Some(row(golden.tensor("/out/z_mr"))?),
            types: Some(row(golden.tensor("/out/z_type"))?),
            has_mutual: vec![true],
        })
    }

    #[test]
    fn golden_scorers() -> Result<()> {
        let golden = Golden::load("imr_combine");
        let relation = (golden.tensor("/in/U_tail") - golden.tensor("/in/U_head"))?;
        assert_close(&relation, &golden.tensor("/out/MR"), "MR");
        let scorer = |name: &str| Scorer {
            layers: vec![linear(&golden, name)],
        };
        let mutual = MutualSide {
            scorer: scorer("mr"),
            dropout: 0.5,
        };
        let z = mutual.forward(&relation.unsqueeze(0)?, Mode::Infer)?;
        assert_close(&z.squeeze(0)?, &golden.tensor("/out/z_mr"), "z_mr");
        let types = TypeSide {
            table: golden.tensor("/in/type_table"),
            scorer: scorer("type"),
            dropout: 0.5,
        };
        let pair = [
            golden.parse("/in/head_types"),
            golden.parse("/in/tail_types"),
        ];
        let pairs = std::slice::from_ref(&pair);
        let vector = types.pair_vectors(pairs, Mode::Infer)?;
        assert_close(
            &vector.squeeze(0)?,
            &golden.tensor("/out/type_vec"),
            "types",
        );
        let z = types.forward(pairs, Mode::Infer)?;
        assert_close(&z.squeeze(0)?, &golden.tensor("/out/z_type"), "z_type");
        Ok(())
    }

    #[test]
    fn golden_combinations_and_a_missing_entity() -> Result<()> {
        let golden = Golden::load("imr_combine");
        let p = |rule, terms: &Terms| -> Result<Tensor> {
            let (logits, _) = combination(&golden, rule).forward(terms, Mode::Infer)?;
            softmax(&logits, 1)?.squeeze(0)
        };
        let terms = golden_terms(&golden)?;
        let (z, shares) = combination(&golden, Combine::LogitsSum).forward(&terms, Mode::Infer)?;
        assert_close(&z.squeeze(0)?, &golden.tensor("/out/z_sum"), "z_sum");
        let shares: Vec<Tensor> = shares.into_iter().flatten().collect();
        let sum = (&(&shares[0] + &shares[1])? + &shares[2])?;
        assert_close(&sum, &z, "the shares sum to the logits");
        assert_close(
            &p(Combine::LogitsSum, &terms)?,
            &golden.tensor("/out/p_sum"),
            "p_sum",
        );
        let conf = combination(&golden, Combine::ConfLinear)
            .forward(&terms, Mode::Infer)?
            .1;
        let conf: Vec<Tensor> = conf.into_iter().flatten().collect();
        let conf = (&(&conf[0] + &conf[1])? + &conf[2])?;
        assert_close(
            &conf.squeeze(0)?,
            &golden.tensor("/out/conf_sum"),
            "conf_sum",
        );
        assert_close(
            &p(Combine::ConfLinear, &terms)?,
            &golden.tensor("/out/p_conf"),
            "p_conf",
        );
        let missing = Terms {
            has_mutual: vec![false],
            ..golden_terms(&golden)?
        };
        assert_close(
            &p(Combine::LogitsSum, &missing)?,
            &golden.tensor("/out/p_missing_entity"),
            "p_missing_entity",
        );
        Ok(())
    }

    #[test]
    fn golden_class_weights_and_loss() -> Result<()> {
        let golden = Golden::load("imr_combine");
        let counts: Vec<f64> = golden.parse("/in/counts/data");
        let counts: Vec<u64> = counts.iter().map(|n| *n as u64).collect();
        let weights = class_weights(&counts, 0.05);
        let found = Tensor::new(weights.clone(), &Device::Cpu)?;
        assert_close(&found, &golden.tensor("/out/class_weight"), "class_weight");
        let gold: Vec<u32> = golden.parse("/in/labels");
        let loss = weighted_cross_entropy(&golden.tensor("/in/logits_batch"), &gold, &weights)?;
        assert_number(&loss, golden.number("/out/weighted_ce"), "weighted_ce");
        Ok(())
    }

    /// Gradients of every combination and of the loss, present and missing mixed.
    #[test]
    fn gradients_agree_with_slopes() -> Result<()> {
        let n_classes = 3;
        for rule in [Combine::LogitsSum, Combine::ConfLinear, Combine::LogitsMlp] {
            let config = MutualConfig {
                combine: rule,
                combine_layers: vec![4],
                ..MutualConfig::default()
            };
            let of = |x: &[Tensor]| -> Result<Tensor> {
                let params = Params::new(&Device::Cpu, 3);
                let rng = RefCell::new(rand::SeedableRng::seed_from_u64(1));
                let mut whole = Combination::new(&params.root(), &config, n_classes)?;
                whole.log_weights = x[3].clone();
                let terms = Terms {
                    text: x[0].clone(),
                    mutual: Some(x[1].clone()),
                    types: Some(x[2].clone()),
                    has_mutual: vec![true, false],
                };
                let (logits, _) = whole.forward(&terms, Mode::Train(&rng))?;
                weighted_cross_entropy(&logits, &[2, 0], &[0.5, 1.0, 0.7])
            };
            let shapes: [&[usize]; 4] = [&[2, 3], &[2, 3], &[2, 3], &[3]];
            check_op(&format!("{rule:?}"), &shapes, of, of)?;
        }
        Ok(())
    }
}
