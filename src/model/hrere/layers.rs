//! The small layers of the text model: attention levels, batch normalisation, dense.
//!
//! Only operations that have a backward pass in candle are used; `softmax_last_dim` and the fused norms do not.

use crate::model::mode::Mode;
use crate::model::params::{Init, Scope};
use candle_core::{D, Result, Tensor};
use candle_nn::ops::softmax;

/// Stands in for minus infinity in masked softmax: finite, so a row without a real entry gives no NaN.
const MASKED: f64 = -1e30;

/// [n, width of x] zeros of x's kind.
pub(super) fn zeros_like_rows(x: &Tensor, n: usize) -> Result<Tensor> {
    Tensor::zeros((n, x.dim(1)?), x.dtype(), x.device())
}

/// Softmax over the last axis where `mask` (u8, same shape) is 1; exactly 0 elsewhere.
pub fn masked_softmax(scores: &Tensor, mask: &Tensor) -> Result<Tensor> {
    let low = scores.zeros_like()?.affine(0.0, MASKED)?;
    let weights = softmax(&mask.where_cond(scores, &low)?, D::Minus1)?;
    weights * mask.to_dtype(scores.dtype())?
}

/// Word-level attention: alpha = softmax(h . w) over real words, s = sum alpha h (golden `attention_hrere`).
///
/// `h` `[S, L, d]`, `mask` `[S, L]` u8, `w` `[d]`; returns s `[S, d]` and alpha `[S, L]`.
pub fn word_attention(h: &Tensor, mask: &Tensor, w: &Tensor) -> Result<(Tensor, Tensor)> {
    let (n, l, d) = h.dims3()?;
    let scores = h.reshape((n * l, d))?.matmul(&w.reshape((d, 1))?)?;
    let alpha = masked_softmax(&scores.reshape((n, l))?, mask)?;
    let s = alpha.unsqueeze(1)?.matmul(h)?.squeeze(1)?;
    Ok((s, alpha))
}

/// Sentence-level attention: u = tanh(s), beta = softmax over the bag of (u * A) . q, v = sum beta u.
///
/// `s` `[S, d]`, `a` and `q` `[d]`; `rows` `[B, T]` u32 are the sentences of each bag and `mask` `[B, T]` u8 their places that
/// count. Returns v [B, d] and beta [B, T]. A sentence that stands in a bag twice has two places.
pub fn sentence_attention(
    s: &Tensor,
    a: &Tensor,
    q: &Tensor,
    rows: &Tensor,
    mask: &Tensor,
) -> Result<(Tensor, Tensor)> {
    let (b, t) = rows.dims2()?;
    let d = s.dim(1)?;
    let u = s.tanh()?;
    let scores = u.broadcast_mul(a)?.matmul(&q.reshape((d, 1))?)?;
    let rows = rows.flatten_all()?;
    let scores = scores.index_select(&rows, 0)?.reshape((b, t))?;
    let beta = masked_softmax(&scores, mask)?;
    let u = u.index_select(&rows, 0)?.reshape((b, t, d))?;
    let v = beta.unsqueeze(1)?.matmul(&u)?.squeeze(1)?;
    Ok((v, beta))
}

/// x W^T + b; `weight` [d_out, d_in].
pub struct Dense {
    pub weight: Tensor,
    pub bias: Tensor,
}

impl Dense {
    /// Glorot for the weight and, as in the released code, for the bias.
    pub fn new(scope: Scope<'_>, d_in: usize, d_out: usize) -> Result<Self> {
        Ok(Self {
            weight: scope.get((d_out, d_in), "weight", Init::glorot(d_in, d_out))?,
            bias: scope.get(d_out, "bias", Init::glorot(d_out, d_out))?,
        })
    }
    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        x.matmul(&self.weight.t()?)?.broadcast_add(&self.bias)
    }
}

/// Batch normalisation over the first axis: biased variance, epsilon 1e-3, momentum 0.99 (golden `batchnorm`).
///
/// The running statistics are parameters that no gradient reaches; a training forward writes them in place. A batch of
/// one row has no spread: it is normalised by the running statistics and leaves them alone.
pub struct BatchNorm {
    pub gamma: Tensor,
    pub beta: Tensor,
    running_mean: Tensor,
    running_var: Tensor,
}

const EPSILON: f64 = 1e-3;
const MOMENTUM: f64 = 0.99;

impl BatchNorm {
    /// `gamma`, `beta`, `running_mean` and `running_var` of `scope`, each `[d]`.
    pub fn new(scope: Scope<'_>, d: usize) -> Result<Self> {
        Ok(Self {
            gamma: scope.get(d, "gamma", Init::ONES)?,
            beta: scope.get(d, "beta", Init::ZEROS)?,
            running_mean: scope.get(d, "running_mean", Init::ZEROS)?,
            running_var: scope.get(d, "running_var", Init::ONES)?,
        })
    }

    /// `x` [B, d].
    pub fn forward(&self, x: &Tensor, mode: Mode<'_>) -> Result<Tensor> {
        let (mean, var) = if mode.is_train() && x.dim(0)? > 1 {
            let mean = x.mean(0)?;
            let var = x.broadcast_sub(&mean)?.sqr()?.mean(0)?;
            blend(&self.running_mean, &mean)?;
            blend(&self.running_var, &var)?;
            (mean, var)
        } else {
            (self.running_mean.detach(), self.running_var.detach())
        };
        x.broadcast_sub(&mean)?
            .broadcast_div(&(var + EPSILON)?.sqrt()?)?
            .broadcast_mul(&self.gamma)?
            .broadcast_add(&self.beta)
    }
}

/// running = momentum * running + (1 - momentum) * batch, in the parameter's own storage.
fn blend(running: &Tensor, batch: &Tensor) -> Result<()> {
    let kept = (running.detach() * MOMENTUM)?;
    let next = (kept + (batch.detach() * (1.0 - MOMENTUM))?)?;
    running.slice_set(&next.contiguous()?, 0, 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::hrere::golden_tests::{close, golden, indices, tensor, values};
    use crate::model::params::Params;
    use candle_core::Device;
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;
    use std::cell::RefCell;

    #[test]
    fn both_attention_levels_match_the_golden_file() -> Result<()> {
        let g = golden("attention_hrere");
        let given = &g["in"];
        let h = tensor(&given["H"])?;
        let (n, l, _) = h.dims3()?;
        let lengths = indices(&given["lengths"]);
        let one_bag = Tensor::arange(0u32, n as u32, &Device::Cpu)?.reshape((1, n))?;
        let whole = Tensor::ones((1, n), candle_core::DType::U8, &Device::Cpu)?;
        for (key, count_padding) in [("masked", 0u8), ("unmasked_code", 1)] {
            let out = &g["out"][key];
            let mask: Vec<u8> = lengths
                .iter()
                .flat_map(|&len| (0..l).map(move |i| if i < len { 1 } else { count_padding }))
                .collect();
            let mask = Tensor::from_vec(mask, (n, l), &Device::Cpu)?;
            let (s, alpha) = word_attention(&h, &mask, &tensor(&given["w"])?)?;
            close("alpha", &alpha, &values(&out["alpha"]), 1e-9)?;
            close("s", &s, &values(&out["s"]), 1e-9)?;
            close("u", &s.tanh()?, &values(&out["u"]), 1e-9)?;
            let (a, q) = (tensor(&given["A"])?, tensor(&given["q"])?);
            let (v, beta) = sentence_attention(&s, &a, &q, &one_bag, &whole)?;
            close("beta", &beta, &values(&out["beta"]), 1e-9)?;
            close("v", &v, &values(&out["v"]), 1e-9)?;
        }
        Ok(())
    }

    #[test]
    fn copies_of_one_sentence_get_uniform_weights() -> Result<()> {
        let g = golden("attention_repeat");
        let given = &g["in"];
        let s = tensor(&given["s"])?.unsqueeze(0)?;
        let copies = given["T"].as_u64().unwrap() as usize;
        let rows = Tensor::zeros((1, copies), candle_core::DType::U32, &Device::Cpu)?;
        let mask = Tensor::ones((1, copies), candle_core::DType::U8, &Device::Cpu)?;
        let (a, q) = (tensor(&given["A"])?, tensor(&given["q"])?);
        let (v, beta) = sentence_attention(&s, &a, &q, &rows, &mask)?;
        close("beta", &beta, &values(&g["out"]["beta"]), 1e-9)?;
        close("v", &v, &values(&g["out"]["v"]), 1e-9)
    }

    #[test]
    fn batch_normalisation_matches_the_golden_file() -> Result<()> {
        let g = golden("batchnorm");
        let params = Params::new(&Device::Cpu, 0);
        let f64s = |name: &str, x: Tensor| params.insert(&format!("bn.{name}"), &x);
        f64s("gamma", tensor(&g["in"]["gamma"])?)?;
        f64s("beta", tensor(&g["in"]["beta"])?)?;
        f64s("running_mean", Tensor::new(&[0f64, 0.0], &Device::Cpu)?)?;
        f64s("running_var", Tensor::new(&[1f64, 1.0], &Device::Cpu)?)?;
        let norm = BatchNorm::new(params.root().pp("bn"), 2)?;
        let x = tensor(&g["in"]["X"])?;
        let rng = RefCell::new(ChaCha8Rng::seed_from_u64(0));
        let out = &g["out"];
        let train = norm.forward(&x, Mode::Train(&rng))?;
        close("train", &train, &values(&out["train"]), 1e-9)?;
        for name in ["running_mean", "running_var"] {
            let stored = params.get(&format!("bn.{name}")).unwrap();
            close(name, &stored, &values(&out[name]), 1e-9)?;
        }
        let infer = norm.forward(&x, Mode::Infer)?;
        close("infer", &infer, &values(&out["infer"]), 1e-9)?;
        let grads = train.sqr()?.sum_all()?.backward()?;
        let of = |name: &str| params.get(&format!("bn.{name}")).unwrap();
        assert!(grads.get(&of("gamma")).is_some());
        assert!(grads.get(&of("running_mean")).is_none());
        Ok(())
    }

    #[test]
    fn a_fully_masked_row_gives_zeros() -> Result<()> {
        let scores = Tensor::new(&[[1f32, 2.0], [3.0, 3.0]], &Device::Cpu)?;
        let mask = Tensor::new(&[[0u8, 0], [1, 0]], &Device::Cpu)?;
        let found: Vec<Vec<f32>> = masked_softmax(&scores, &mask)?.to_vec2()?;
        assert_eq!(found, [[0.0, 0.0], [1.0, 0.0]]);
        Ok(())
    }
}
