//! The three losses and the mixture (Xu & Barbosa 2019, eq. 4 and 5; golden `hrere_losses`).
//!
//! ```text
//! J_L = mean -log p_L[r]     J_G = mean -log p_G[r]     J_D = mean -log p_L[r*],  r* = argmax p_G over R and NA
//! J_base = J_L     J_naive = J_L + J_G     J_full = J_L + J_G + J_D     each + lambda ||theta||^2
//! ```
//!
//! r* is a constant: J_D moves the text side only. Where r* is NA for every bag (an untrained knowledge-base side on data
//! that is mostly NA), J_D pushes the text to NA: callers log [`Losses::na_share`].

use super::config::{Dissimilarity, Mix};
use super::joint::System;
use crate::model::complex::softmax;
use candle_core::{D, Result, Tensor, bail};
use candle_nn::ops::{log_softmax, softmax as tensor_softmax};

/// z_G of the bags whose pair has knowledge-base rows.
pub struct KbLogits {
    /// [K, R + 1].
    pub logits: Tensor,
    /// The K bags, ascending.
    pub bags: Vec<usize>,
}

/// Terms of the objective; each a scalar tensor. `None`: not part of this system, or no bag has knowledge-base rows.
pub struct Losses {
    pub j_l: Tensor,
    pub j_g: Option<Tensor>,
    pub j_d: Option<Tensor>,
    /// Sum of the terms, without the L2 term.
    pub total: Tensor,
    /// r* of each bag that has knowledge-base rows.
    pub r_star: Vec<u32>,
}

impl Losses {
    /// Share of bags with knowledge-base rows whose r* is NA.
    pub fn na_share(&self) -> Option<f64> {
        let na = self.r_star.iter().filter(|&&r| r == 0).count();
        (!self.r_star.is_empty()).then(|| na as f64 / self.r_star.len() as f64)
    }
}

/// Losses of `system` on `text` (z_L [B, R + 1]) and the knowledge-base side, for one gold class per bag. J_G and J_D
/// are means over the bags that have knowledge-base rows: an unknown entity has nothing to learn from or to teach.
pub fn losses(
    text: &Tensor,
    kb: Option<&KbLogits>,
    gold: &[u32],
    system: System,
    dissimilarity: Dissimilarity,
) -> Result<Losses> {
    let j_l = cross_entropy(text, gold)?;
    let kb = kb.filter(|kb| system != System::Base && !kb.bags.is_empty());
    let Some(kb) = kb else {
        return Ok(Losses {
            total: j_l.clone(),
            j_l,
            j_g: None,
            j_d: None,
            r_star: Vec::new(),
        });
    };
    let mut known_gold = Vec::with_capacity(kb.bags.len());
    for &bag in &kb.bags {
        match gold.get(bag) {
            Some(&class) => known_gold.push(class),
            None => bail!("bag {bag} has no gold class; the batch has {}", gold.len()),
        }
    }
    let j_g = cross_entropy(&kb.logits, &known_gold)?;
    let r_star: Vec<u32> = kb.logits.detach().argmax(D::Minus1)?.to_vec1()?;
    let mut total = (&j_l + &j_g)?;
    let mut j_d = None;
    if system == System::Full {
        let rows: Vec<u32> = kb.bags.iter().map(|&b| b as u32).collect();
        let n = rows.len();
        let rows = Tensor::from_vec(rows, n, text.device())?;
        let known_text = text.index_select(&rows, 0)?;
        let term = match dissimilarity {
            Dissimilarity::Single => cross_entropy(&known_text, &r_star)?,
            Dissimilarity::DoubleSoftmax => {
                cross_entropy(&tensor_softmax(&known_text, D::Minus1)?, &r_star)?
            }
        };
        total = (total + &term)?;
        j_d = Some(term);
    }
    Ok(Losses {
        j_l,
        j_g: Some(j_g),
        j_d,
        total,
        r_star,
    })
}

/// mean -log softmax(z)`[class]`; z `[N, C]`. A class out of range is an error, not a wrong gather.
fn cross_entropy(z: &Tensor, classes: &[u32]) -> Result<Tensor> {
    let (n, c) = z.dims2()?;
    if classes.len() != n {
        bail!("{n} bags, {} gold classes", classes.len());
    }
    if let Some(class) = classes.iter().find(|&&class| class as usize >= c) {
        bail!("class {class} of {c}");
    }
    let mut picked = vec![0f32; n * c];
    for (row, &class) in classes.iter().enumerate() {
        picked[row * c + class as usize] = -1.0 / n as f32;
    }
    // In f64 the share 1/n must not be rounded to f32.
    let picked = match z.dtype() {
        candle_core::DType::F64 => {
            let exact: Vec<f64> = picked
                .iter()
                .map(|&p| if p == 0.0 { 0.0 } else { -1.0 / n as f64 })
                .collect();
            Tensor::from_vec(exact, (n, c), z.device())?
        }
        dtype => Tensor::from_vec(picked, (n, c), z.device())?.to_dtype(dtype)?,
    };
    (log_softmax(z, D::Minus1)? * picked)?.sum_all()
}

/// sum of squares of `weights`; `None` for none.
pub fn squares<'a>(weights: impl IntoIterator<Item = &'a Tensor>) -> Result<Option<Tensor>> {
    let mut total: Option<Tensor> = None;
    for weight in weights {
        let own = weight.sqr()?.sum_all()?;
        total = Some(match total {
            Some(sum) => (sum + own)?,
            None => own,
        });
    }
    Ok(total)
}

/// One bag's mixed distribution.
#[derive(Clone, Debug, PartialEq)]
pub struct Mixed {
    /// p over the classes.
    pub p: Vec<f32>,
    /// False: an entity has no knowledge-base vector, and p is p_L (alpha = 1). Show it with a mark.
    pub kb_used: bool,
}

/// p of a bag from its logits; `z_kb` is `None` where an entity has no vector.
pub fn mix(z_text: &[f32], z_kb: Option<&[f32]>, rule: Mix) -> Mixed {
    let Some(z_kb) = z_kb.filter(|z| z.len() == z_text.len()) else {
        return Mixed {
            p: softmax(z_text),
            kb_used: false,
        };
    };
    let blend = |a: &[f32], b: &[f32], alpha: f32| -> Vec<f32> {
        let pairs = a.iter().zip(b);
        pairs.map(|(a, b)| alpha * a + (1.0 - alpha) * b).collect()
    };
    let p = match rule {
        Mix::Prob { alpha } => blend(&softmax(z_text), &softmax(z_kb), alpha),
        Mix::Logit { alpha } => softmax(&blend(z_text, z_kb, alpha)),
    };
    Mixed { p, kb_used: true }
}
