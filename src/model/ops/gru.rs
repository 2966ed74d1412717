//! The gates of PyTorch's GRU cell, all rows at once.
//!
//! ```text
//! r, z = σ(i + s) of their columns      n = tanh(i_n + r s_n)      h' = n + z (h - n)
//! ```
//!
//! i and s are the products of input and state, [W, 3d], columns in the order r, z, n. With g the gradient of h':
//! da_n = g(1-z)(1-n²), da_z = g(h-n)z(1-z), da_r = da_n·s_n·r(1-r); dh = g·z.

use super::known::known3;
use super::simd::{sigmoid, tanh, vectorised};
use super::{is_fused, values_of};
use candle_core::{Result, Tensor};
use candle_nn::ops::sigmoid as candle_sigmoid;

/// (i [W, 3d], s [W, 3d], h [W, d]) -> h' [W, d].
pub fn gru_gates(from_input: &Tensor, from_state: &Tensor, state: &Tensor) -> Result<Tensor> {
    let d = state.dim(1)?;
    let [i, s, h] = [from_input, from_state, state].map(Tensor::detach);
    let Gates { value, both, n } = if is_fused(&i) {
        fused(&i, &s, &h)?
    } else {
        plain(&i, &s, &h)?
    };
    known3([from_input, from_state, state], value, move |grad| {
        let (r, z) = (both.narrow(1, 0, d)?, both.narrow(1, d, d)?);
        let state_part = s.narrow(1, 2 * d, d)?;
        let d_state = (grad * &z)?;
        let d_n = ((grad - &d_state)? * n.sqr()?.affine(-1.0, 1.0)?)?;
        let slopes = (&both * both.affine(-1.0, 1.0)?)?;
        let above = (grad * (&h - &n)?)?;
        let d_both = (Tensor::cat(&[(&d_n * &state_part)?, above], 1)? * slopes)?;
        let d_input = Tensor::cat(&[&d_both, &d_n], 1)?;
        let d_from_state = Tensor::cat(&[&d_both, &(d_n * &r)?], 1)?;
        Ok([d_input, d_from_state, d_state])
    })
}

struct Gates {
    /// [W, d]
    value: Tensor,
    /// r and z, [W, 2d].
    both: Tensor,
    /// [W, d]
    n: Tensor,
}

/// On any device.
fn plain(i: &Tensor, s: &Tensor, h: &Tensor) -> Result<Gates> {
    let d = h.dim(1)?;
    let both = candle_sigmoid(&(i.narrow(1, 0, 2 * d)? + s.narrow(1, 0, 2 * d)?)?)?;
    let (r, z) = (both.narrow(1, 0, d)?, both.narrow(1, d, d)?);
    let n = (i.narrow(1, 2 * d, d)? + (&r * s.narrow(1, 2 * d, d)?)?)?.tanh()?;
    let value = (&n + (&z * (h - &n)?)?)?;
    Ok(Gates { value, both, n })
}

fn fused(i: &Tensor, s: &Tensor, h: &Tensor) -> Result<Gates> {
    let (rows, d) = h.dims2()?;
    let [i, s, h] = [i, s, h].map(Tensor::contiguous);
    let (i, s, h) = (i?, s?, h?);
    let (mut value, mut both, mut n) = (
        vec![0f32; rows * d],
        vec![0f32; rows * 2 * d],
        vec![0f32; rows * d],
    );
    {
        let (i, s, h) = (values_of(&i)?, values_of(&s)?, values_of(&h)?);
        cells(&i, &s, &h, d, &mut value, &mut both, &mut n);
    }
    let device = h.device();
    Ok(Gates {
        value: Tensor::from_vec(value, (rows, d), device)?,
        both: Tensor::from_vec(both, (rows, 2 * d), device)?,
        n: Tensor::from_vec(n, (rows, d), device)?,
    })
}

vectorised! {
    fn cells(
        i: &[f32],
        s: &[f32],
        h: &[f32],
        d: usize,
        value: &mut [f32],
        both: &mut [f32],
        n: &mut [f32],
    ) {
        let out = value.chunks_exact_mut(d).zip(both.chunks_exact_mut(2 * d)).zip(n.chunks_exact_mut(d));
        let of = i.chunks_exact(3 * d).zip(s.chunks_exact(3 * d)).zip(h.chunks_exact(d));
        for (((i, s), h), ((value, both), n)) in of.zip(out) {
            for (gate, (i, s)) in both.iter_mut().zip(i.iter().zip(s)) {
                *gate = sigmoid(i + s);
            }
            let (r, z) = both.split_at(d);
            let (i, s) = (&i[2 * d..], &s[2 * d..]);
            for j in 0..d {
                n[j] = tanh(i[j] + r[j] * s[j]);
                value[j] = n[j] + z[j] * (h[j] - n[j]);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::ops::testing::check_op;

    #[test]
    fn value_gradients_and_bits() -> Result<()> {
        for (rows, d) in [(1, 3), (5, 16), (40, 7)] {
            check_op(
                &format!("gru {rows} x {d}"),
                &[&[rows, 3 * d], &[rows, 3 * d], &[rows, d]],
                |v| gru_gates(&v[0], &v[1], &v[2]),
                |v| Ok(plain(&v[0], &v[1], &v[2])?.value),
            )?;
        }
        Ok(())
    }
}
