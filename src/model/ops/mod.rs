//! Fused tensor operations with backward passes for the CPU.
//!
//! candle's own fused layer norm and softmax have no gradient, and its default build uses SSE2 only. These operations
//! pick the machine's vector width when the program runs (`simd`), split work in pieces whose size does not depend on
//! the number of threads (same bits on 1 and 16 cores). On other devices each is made of candle's operations and recorded as
//! one, with its derivative (`known`). The plain formulas are the tests' reference. Nothing here draws random numbers or holds
//! parameters.

mod activation;
mod attention;
mod bilinear;
mod block;
mod candidates;
mod dropout;
mod fixed;
mod gru;
mod known;
mod linear;
mod loss;
mod lstm;
mod matrix;
mod norm;
mod packed;
mod packed_int;
mod padded;
mod pairs;
mod rows;
mod simd;
#[cfg(test)]
pub(crate) mod testing;
mod tiles;
mod update;

pub use activation::{gelu, sigmoid_in_place, softmax};
pub use attention::packed_attention;
pub use bilinear::{grid_products, project};
pub use block::{BlockParameters, EncoderBlock, Products};
pub(super) use candidates::{
    Answers, CandidateSoftmax, above_and_equal, adagrad, candidate_scores,
};
pub use dropout::{Dropout, dropout};
pub use fixed::FixedLinear;
pub use gru::gru_gates;
pub use known::known2;
pub use linear::linear;
pub use loss::{allowed_loss, bce_sum};
pub use lstm::{Direction, lstm};
pub use norm::{add_layer_norm, layer_norm};
pub use padded::{PaddedBlock, Padding};
pub use pairs::PairLayer;
pub use rows::{NO_ROW, take_rows};
pub use update::{AdamStep, add_in_place, end_to_end, sum_of_squares};

use candle_core::{CpuStorage, DType, Layout, Result, Storage, Tensor, bail};
use std::ops::{Deref, Range};

/// Values one rayon task handles at least: large enough to pay for the task, and fixed so that no sum depends on threads.
const TASK_VALUES: usize = 16 * 1024;

/// Added to a logit that must not count; none comes near.
pub const NEVER: f32 = -1e30;

/// Whole rows of `width` values that make up one task.
fn task_rows(width: usize) -> usize {
    (TASK_VALUES / width.max(1)).max(1)
}

/// The fused path takes f32 on the CPU; everything else takes the plain formula.
pub fn is_fused(x: &Tensor) -> bool {
    x.device().is_cpu() && x.dtype() == DType::F32
}

/// The values of a custom operation's argument. The public functions hand over contiguous tensors only.
fn values<'a>(storage: &'a CpuStorage, layout: &Layout) -> Result<&'a [f32]> {
    let all = storage.as_slice::<f32>()?;
    match layout.contiguous_offsets() {
        Some((start, end)) => Ok(&all[start..end]),
        None => bail!("a fused operation needs contiguous arguments"),
    }
}

/// Read access to a contiguous f32 tensor on the CPU; `G` is candle's lock guard, whose type has no public name.
struct Values<G> {
    storage: G,
    range: Range<usize>,
}

/// The values of a contiguous f32 tensor on the CPU, locked for reading.
fn values_of(tensor: &Tensor) -> Result<Values<impl Deref<Target = Storage>>> {
    let (storage, layout) = tensor.storage_and_layout();
    let Some((start, end)) = layout.contiguous_offsets() else {
        bail!("a fused gradient needs contiguous arguments")
    };
    match &*storage {
        Storage::Cpu(CpuStorage::F32(_)) => Ok(Values {
            storage,
            range: start..end,
        }),
        _ => bail!("a fused gradient needs f32 on the CPU"),
    }
}

impl<G: Deref<Target = Storage>> Deref for Values<G> {
    type Target = [f32];
    fn deref(&self) -> &[f32] {
        match &*self.storage {
            Storage::Cpu(CpuStorage::F32(all)) => &all[self.range.clone()],
            _ => &[],
        }
    }
}

/// Cuts packed rows of `width` values where sentences start.
fn split_sentences<'a>(
    mut rows: &'a mut [f32],
    starts: &[usize],
    width: usize,
) -> Vec<&'a mut [f32]> {
    let mut parts = Vec::with_capacity(starts.len().saturating_sub(1));
    for sentence in starts.windows(2) {
        let (part, rest) = rows.split_at_mut((sentence[1] - sentence[0]) * width);
        parts.push(part);
        rows = rest;
    }
    parts
}

/// Fails unless `starts` is 0, then ascending, then `total`: the packed rows are exactly the sentences.
fn check_starts(starts: &[usize], total: usize, what: &str) -> Result<()> {
    let ascending = starts.windows(2).all(|pair| pair[0] <= pair[1]);
    if starts.first() != Some(&0) || starts.last() != Some(&total) || !ascending {
        bail!("{what}: sentence starts do not cover the {total} packed rows");
    }
    Ok(())
}
