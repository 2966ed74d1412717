//! A transformer layer at inference: the formulas of the training operations on weights laid out once (`packed`), in
//! passes over few rows at a time, so that what one pass writes the next finds in the caches.
//!
//! It has no backward pass. The encoder takes this form when nothing is recorded and the plain layers otherwise; the
//! encoder's tests hold one to the other.

use super::activation::{gelu_in_place, softmax_rows};
use super::norm::norm_rows;
use super::packed::{Packed, Rows};
use super::packed_int::{Codes, PackedInts};
use super::{check_starts, is_fused, split_sentences, values, values_of};
use crate::model::encoded::BatchLayout;
use candle_core::{CpuStorage, CustomOp1, Layout, Result, Shape, Tensor, bail};
use rayon::prelude::*;
use std::cell::RefCell;
use std::sync::Arc;

/// Rows that go through the feed-forward part together: their wide states, 1,536 floats each in small encoders, fit a
/// second-level cache beside a panel of weights.
const BLOCK_ROWS: usize = 48;

/// How a layer's products with its weights are computed at inference.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Products {
    #[default]
    F32,
    /// Weights at 8 bits, sums in integers; exact for weights that were stored at 8 bits, up to the rounding of the left side.
    Int8,
    /// In bfloat16 on a GPU; f32 elsewhere.
    Bf16,
}

/// Parameters of one layer of width h: weights `[n_out, n_in]`, biases, and both norms' weight and bias.
pub struct BlockParameters<'a> {
    /// Weight and bias of query, key and value, [h, h] and `[h]`.
    pub inputs: [(&'a Tensor, &'a Tensor); 3],
    pub attention_out: (&'a Tensor, &'a Tensor),
    pub attention_norm: (&'a Tensor, &'a Tensor),
    pub widen: (&'a Tensor, &'a Tensor),
    pub narrow: (&'a Tensor, &'a Tensor),
    pub norm: (&'a Tensor, &'a Tensor),
    pub eps: f64,
    pub n_heads: usize,
}

/// One layer, ready to run: post-norm, GELU in its erf form.
pub struct EncoderBlock {
    inputs: Weights,
    attention_out: Weights,
    attention_norm: Norm,
    widen: Weights,
    narrow: Weights,
    norm: Norm,
    width: usize,
    n_heads: usize,
}

struct Norm {
    weight: Vec<f32>,
    bias: Vec<f32>,
    eps: f32,
}

impl EncoderBlock {
    /// Weights must be f32 on the CPU.
    pub fn new(parameters: &BlockParameters, products: Products) -> Result<Self> {
        let p = parameters;
        if !is_fused(p.widen.0) {
            bail!("encoder block: weights that are not f32 on the CPU");
        }
        let width = p.widen.0.dim(1)?;
        let [query, key, value] = p.inputs;
        let weights = Tensor::cat(&[query.0, key.0, value.0], 0)?;
        let biases = Tensor::cat(&[query.1, key.1, value.1], 0)?;
        let norm = |(weight, bias): (&Tensor, &Tensor)| -> Result<Norm> {
            Ok(Norm {
                weight: weight.to_vec1()?,
                bias: bias.to_vec1()?,
                eps: p.eps as f32,
            })
        };
        Ok(Self {
            inputs: Weights::new((&weights, &biases), products)?,
            attention_out: Weights::new(p.attention_out, products)?,
            attention_norm: norm(p.attention_norm)?,
            widen: Weights::new(p.widen, products)?,
            narrow: Weights::new(p.narrow, products)?,
            norm: norm(p.norm)?,
            width,
            n_heads: p.n_heads,
        })
    }

    /// x [P, h] -> [P, h], rows packed as `layout.piece_starts` says. Nothing is recorded.
    pub fn forward(self: &Arc<Self>, x: &Tensor, layout: &Arc<BatchLayout>) -> Result<Tensor> {
        let (n_pieces, width) = x.dims2()?;
        if width != self.width {
            bail!("encoder block of width {} on {:?}", self.width, x.dims());
        }
        check_starts(&layout.piece_starts, n_pieces, "encoder block")?;
        x.detach().contiguous()?.apply_op1(Forward {
            block: Arc::clone(self),
            layout: Arc::clone(layout),
        })
    }
}

/// The right side of a product, laid out for one kernel or the other.
enum Weights {
    F32(Packed),
    Int8(PackedInts),
}

impl Weights {
    fn new((weight, bias): (&Tensor, &Tensor), products: Products) -> Result<Self> {
        let weight = weight.contiguous()?;
        let bias: Vec<f32> = bias.to_vec1()?;
        let (values, n_in) = (values_of(&weight)?, weight.dim(1)?);
        Ok(match products {
            Products::F32 | Products::Bf16 => Self::F32(Packed::new(&values, &bias, n_in)),
            Products::Int8 => Self::Int8(PackedInts::new(&values, &bias, n_in)),
        })
    }

    fn n_out(&self) -> usize {
        match self {
            Self::F32(packed) => packed.n_out(),
            Self::Int8(packed) => packed.n_out(),
        }
    }

    /// See [`Packed::apply`].
    fn apply(&self, x: Rows, n: usize, out: &mut [f32], stride: usize, codes: &mut Codes) {
        match self {
            Self::F32(packed) => packed.apply(x, n, out, stride),
            Self::Int8(packed) => packed.apply(x, n, out, stride, codes),
        }
    }
}

struct Forward {
    block: Arc<EncoderBlock>,
    layout: Arc<BatchLayout>,
}

/// Work space of a thread, kept from call to call: large arrays fresh from the system cost a page fault every 1,024
/// floats. Taken out while in use, as a thread that waits for another may start a second call.
#[derive(Default)]
struct Space {
    inputs: Vec<f32>,
    context: Vec<f32>,
    sums: Vec<f32>,
    wide: Vec<f32>,
    keys: Packed,
    values: Packed,
    cells: Vec<f32>,
    codes: Codes,
}

thread_local! {
    static SPACE: RefCell<Vec<Space>> = const { RefCell::new(Vec::new()) };
}

fn with_space<T>(run: impl FnOnce(&mut Space) -> T) -> T {
    let mut space = SPACE.with(|s| s.borrow_mut().pop()).unwrap_or_default();
    let result = run(&mut space);
    SPACE.with(|s| s.borrow_mut().push(space));
    result
}

/// The first `n` values of a work array, whatever they hold.
fn at_least(space: &mut Vec<f32>, n: usize) -> &mut [f32] {
    if space.len() < n {
        space.resize(n, 0.0);
    }
    &mut space[..n]
}

impl CustomOp1 for Forward {
    fn name(&self) -> &'static str {
        "encoder-block"
    }

    fn cpu_fwd(&self, x: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let x = values(x, layout)?;
        let (block, h) = (&*self.block, self.block.width);
        let n_rows = x.len() / h;
        let mut out = vec![0.0; x.len()];
        with_space(|space| {
            let inputs = at_least(&mut space.inputs, n_rows * 3 * h);
            let context = at_least(&mut space.context, n_rows * h);
            inputs
                .par_chunks_mut(BLOCK_ROWS * 3 * h)
                .zip(x.par_chunks(BLOCK_ROWS * h))
                .for_each(|(inputs, x)| {
                    let rows = Rows { data: x, stride: h };
                    let n = x.len() / h;
                    with_space(|s| block.inputs.apply(rows, n, inputs, 3 * h, &mut s.codes));
                });
            let starts = &self.layout.piece_starts;
            let sentences = split_sentences(context, starts, h);
            sentences
                .into_par_iter()
                .zip(split_sentences(inputs, starts, 3 * h))
                .for_each(|(context, inputs)| with_space(|s| block.attend(s, inputs, context)));
            out.par_chunks_mut(BLOCK_ROWS * h)
                .zip(x.par_chunks(BLOCK_ROWS * h))
                .zip(context.par_chunks(BLOCK_ROWS * h))
                .for_each(|((out, x), context)| {
                    with_space(|s| block.after_attention(s, x, context, out));
                });
        });
        Ok((CpuStorage::F32(out), layout.shape().clone()))
    }
}

impl EncoderBlock {
    /// Attention of one sentence: `inputs` [n, 3h] holds queries, keys and values side by side, `context` is [n, h].
    fn attend(&self, space: &mut Space, inputs: &[f32], context: &mut [f32]) {
        let (h, d) = (self.width, self.width / self.n_heads);
        let n = context.len() / h;
        if n == 0 {
            return;
        }
        let cells = at_least(&mut space.cells, n * n);
        let stride = 3 * h;
        for head in 0..self.n_heads {
            let part = |which: usize| {
                let data = &inputs[which * h + head * d..];
                Rows { data, stride }
            };
            space.keys.pack_rows(part(1), n, d);
            space.keys.apply(part(0), n, cells, n);
            scale(cells, 1.0 / (d as f32).sqrt());
            softmax_rows(cells, n);
            space.values.pack_transposed(part(2), d, n);
            let cells = Rows {
                data: &*cells,
                stride: n,
            };
            space.values.apply(cells, n, &mut context[head * d..], h);
        }
    }

    /// From attention's result to the layer's, for some rows: two sublayers, each added to its input and normed.
    fn after_attention(&self, space: &mut Space, x: &[f32], context: &[f32], out: &mut [f32]) {
        let (h, wide_width) = (self.width, self.widen.n_out());
        let n = out.len() / h;
        let rows = |data, stride| Rows { data, stride };
        let sums = at_least(&mut space.sums, n * h);
        let codes = &mut space.codes;
        self.attention_out
            .apply(rows(context, h), n, sums, h, codes);
        self.attention_norm.of_sum(sums, x);
        let wide = at_least(&mut space.wide, n * wide_width);
        self.widen.apply(rows(sums, h), n, wide, wide_width, codes);
        gelu_in_place(wide);
        self.narrow.apply(rows(wide, wide_width), n, out, h, codes);
        self.norm.of_sum(out, sums);
    }
}

impl Norm {
    fn of_sum(&self, rows: &mut [f32], residual: &[f32]) {
        add(rows, residual);
        norm_rows(rows, &self.weight, &self.bias, self.eps);
    }
}

super::simd::vectorised! {
    fn add(rows: &mut [f32], residual: &[f32]) {
        super::simd::add_scaled(rows, 1.0, residual);
    }
}

super::simd::vectorised! {
    fn scale(cells: &mut [f32], factor: f32) {
        for cell in cells {
            *cell *= factor;
        }
    }
}
