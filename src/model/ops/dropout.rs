//! Inverted dropout whose mask depends on a seed and the element's place only, so the backward pass draws it again
//! instead of keeping it, and any part of it can be drawn on its own.

use super::known::known1;
use super::simd::vectorised;
use super::{TASK_VALUES, is_fused, values};
use candle_core::{CpuStorage, CustomOp1, Layout, Result, Shape, Tensor};
use rayon::prelude::*;

/// Each element is zeroed with `probability` and the rest scaled by 1 / (1 - probability).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Dropout {
    pub probability: f64,
    pub seed: u64,
}

impl Dropout {
    /// The mask of part `part`: several parts of one operation may have one each.
    pub(super) fn mask(self, part: u64) -> Mask {
        let state = mix(self.seed ^ mix(part));
        Mask {
            low: state as u32,
            high: (state >> 32) as u32,
            limit: (self.probability * f64::from(u32::MAX)) as u32,
            keep: (1.0 / (1.0 - self.probability)) as f32,
        }
    }
}

/// SplitMix64's output function (Steele, Lea, Flood 2014).
fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

#[derive(Clone, Copy)]
pub(super) struct Mask {
    low: u32,
    high: u32,
    limit: u32,
    keep: f32,
}

impl Mask {
    /// The factor of element `place`: a 32-bit mixing function (Wellons' lowbias32), which vectorises where a 64-bit one would not.
    #[inline(always)]
    pub(super) fn factor(self, place: u32) -> f32 {
        let mut x = place ^ self.low;
        x ^= x >> 16;
        x = x.wrapping_mul(0x7FEB_352D).wrapping_add(self.high);
        x ^= x >> 15;
        x = x.wrapping_mul(0x846C_A68B);
        x ^= x >> 16;
        if x < self.limit { 0.0 } else { self.keep }
    }
}

vectorised! {
    /// Multiplies `values`, which stand at `from` and on, by their factors.
    fn apply_mask(values: &mut [f32], from: usize, mask: Mask) {
        for (place, v) in (from as u32..).zip(values) {
            *v *= mask.factor(place);
        }
    }
}

/// `x` of any shape, each element dropped or scaled.
pub fn dropout(x: &Tensor, dropout: Dropout) -> Result<Tensor> {
    let mask = dropout.mask(0);
    if is_fused(x) {
        return x.contiguous()?.apply_op1(DropoutOp { mask });
    }
    times_constant(x, mask_tensor(x, dropout)?)
}

/// On any device; the mask is drawn here and kept for the backward pass.
fn times_constant(x: &Tensor, factors: Tensor) -> Result<Tensor> {
    let value = (x.detach() * &factors)?;
    known1(x, value, move |grad| grad * &factors)
}

/// The factors of each element of `x`, of its shape and kind.
fn mask_tensor(x: &Tensor, dropout: Dropout) -> Result<Tensor> {
    let (mut factors, mask) = (vec![1.0; x.elem_count()], dropout.mask(0));
    let parts = factors.par_chunks_mut(TASK_VALUES).enumerate();
    parts.for_each(|(i, part)| apply_mask(part, i * TASK_VALUES, mask));
    Tensor::from_vec(factors, x.shape(), x.device())?.to_dtype(x.dtype())
}

#[cfg(test)]
pub(super) fn plain_dropout(x: &Tensor, dropout: Dropout) -> Result<Tensor> {
    x * mask_tensor(x, dropout)?
}

/// `x` under a mask, as a constant: dropout's backward pass is its forward pass.
pub(super) fn dropped(x: &Tensor, mask: Mask) -> Result<Tensor> {
    x.contiguous()?.detach().apply_op1(DropoutOp { mask })
}

struct DropoutOp {
    mask: Mask,
}

impl CustomOp1 for DropoutOp {
    fn name(&self) -> &'static str {
        "dropout"
    }
    fn cpu_fwd(&self, x: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let mut out = values(x, layout)?.to_vec();
        out.par_chunks_mut(TASK_VALUES)
            .enumerate()
            .for_each(|(i, out)| apply_mask(out, i * TASK_VALUES, self.mask));
        Ok((CpuStorage::F32(out), layout.shape().clone()))
    }
    fn bwd(&self, _x: &Tensor, _out: &Tensor, grad: &Tensor) -> Result<Option<Tensor>> {
        Ok(Some(dropped(grad, self.mask)?))
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::*;
    use super::*;

    const DROPOUT: Dropout = Dropout {
        probability: 0.25,
        seed: 1,
    };

    #[test]
    fn value_gradients_and_bits() -> Result<()> {
        for shape in [&[1usize][..], &[3, 5], &[300, 70]] {
            check_op(
                &format!("dropout {shape:?}"),
                &[shape],
                |v| dropout(&v[0], DROPOUT),
                |v| plain_dropout(&v[0], DROPOUT),
            )?;
            check_op(
                &format!("dropout by a constant {shape:?}"),
                &[shape],
                |v| times_constant(&v[0], mask_tensor(&v[0], DROPOUT)?),
                |v| plain_dropout(&v[0], DROPOUT),
            )?;
        }
        Ok(())
    }

    #[test]
    fn drops_its_share_and_keeps_the_mean_whatever_the_seed_and_part() {
        let mut seen = Vec::new();
        for (seed, part) in [(0, 0), (1, 0), (1, 1), (u64::MAX, 7)] {
            let mut cells = vec![1.0; 40_000];
            apply_mask(&mut cells, 0, Dropout { seed, ..DROPOUT }.mask(part));
            let dropped = cells.iter().filter(|c| **c == 0.0).count() as f64 / 40_000.0;
            let mean = cells.iter().sum::<f32>() / 40_000.0;
            assert!((dropped - 0.25).abs() < 0.01, "{seed} {part}: {dropped}");
            assert!((mean - 1.0).abs() < 0.02, "{seed} {part}: {mean}");
            // Neighbours are dropped together as often as chance has it.
            let pairs = cells.windows(2).filter(|w| w[0] + w[1] == 0.0).count() as f64 / 40_000.0;
            assert!((pairs - 0.0625).abs() < 0.01, "{seed} {part}: {pairs}");
            assert!(!seen.contains(&cells), "{seed} {part}: a mask came twice");
            seen.push(cells);
        }
    }
}
