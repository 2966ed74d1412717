//! Operations with a backward pass that candle lacks or is slow at, over packed rows.
//!
//! candle's own layer norm and softmax have no gradient, and its elementwise loops are compiled for the oldest x86-64.
//! Here the loops are compiled three times and the widest the machine has is taken at run time. Results depend on neither
//! the number of threads nor the batch a sentence is in.

use candle_core::{CpuStorage, CustomOp1, CustomOp3, DType, Layout, Result, Shape, Tensor, bail};
use gemm::Parallelism;
use rayon::prelude::*;
use std::sync::Arc;

/// Compiles a function also for AVX2+FMA and AVX-512 and calls the best one the machine has.
macro_rules! vectorised {
    ($(#[$doc:meta])* fn $name:ident($($arg:ident: $ty:ty),* $(,)?) $body:block) => {
        $(#[$doc])*
        fn $name($($arg: $ty),*) {
            #[inline(always)]
            fn body($($arg: $ty),*) $body
            #[cfg(target_arch = "x86_64")]
            {
                #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma")]
                fn v4($($arg: $ty),*) { body($($arg),*) }
                #[target_feature(enable = "avx2,fma")]
                fn v3($($arg: $ty),*) { body($($arg),*) }
                if std::is_x86_feature_detected!("avx512f")
                    && std::is_x86_feature_detected!("avx512bw")
                    && std::is_x86_feature_detected!("avx512dq")
                    && std::is_x86_feature_detected!("avx512vl")
                {
                    // SAFETY: the features were just detected.
                    return unsafe { v4($($arg),*) };
                }
                if std::is_x86_feature_detected!("avx2") && std::is_x86_feature_detected!("fma") {
                    // SAFETY: the features were just detected.
                    return unsafe { v3($($arg),*) };
                }
            }
            body($($arg),*)
        }
    };
}

#[allow(clippy::excessive_precision)] // the published constants, digit for digit
/// e^x within 2e-7 relative for |x| <= 87, clamped beyond; free of branches, so that loops over it vectorise (Cephes' expf).
#[inline(always)]
fn exp(x: f32) -> f32 {
    let x = x.clamp(-87.0, 88.0);
    // Adding and taking away 1.5 * 2^23 rounds to the nearest integer.
    let z = x * std::f32::consts::LOG2_E + 12_582_912.0;
    let n = z - 12_582_912.0;
    let f = (x - n * 0.693_359_375) - n * -2.121_944_4e-4;
    let mut p = 1.987_569_1e-4f32;
    for c in [
        1.398_199_9e-3,
        8.333_452e-3,
        4.166_579_6e-2,
        1.666_666_5e-1,
        5.000_000_1e-1,
    ] {
        p = p * f + c;
    }
    let y = p * f * f + f + 1.0;
    y * f32::from_bits((z.to_bits() << 23).wrapping_add(127 << 23))
}

/// Abramowitz and Stegun 7.1.26: absolute error below 2e-7.
#[inline(always)]
fn erf(x: f32) -> f32 {
    let a = x.abs();
    let t = 1.0 / (1.0 + 0.327_591_1 * a);
    let mut p = 1.061_405_4f32;
    for c in [-1.453_152, 1.421_413_8, -0.284_496_72, 0.254_829_6] {
        p = p * t + c;
    }
    (1.0 - p * t * exp(-a * a)).copysign(x)
}

fn slice<'a>(storage: &'a CpuStorage, layout: &Layout) -> Result<&'a [f32]> {
    use candle_core::backend::BackendStorage;
    let Some((start, end)) = layout.contiguous_offsets() else {
        bail!("operand is not contiguous")
    };
    match storage {
        CpuStorage::F32(values) => Ok(&values[start..end]),
        other => bail!("expected f32, got {:?}", other.dtype()),
    }
}

/// Contiguous values of a CPU tensor.
fn values(t: &Tensor) -> Result<Vec<f32>> {
    t.flatten_all()?.to_vec1()
}

fn fused(x: &Tensor) -> bool {
    x.device().is_cpu() && x.dtype() == DType::F32
}

// ---------------------------------------------------------------- GELU

/// x · Φ(x), with the exact error function (BERT's "gelu"). Any shape.
pub fn gelu(x: &Tensor) -> Result<Tensor> {
    if fused(x) {
        x.contiguous()?.apply_op1(Gelu)
    } else {
        x.gelu_erf()
    }
}

struct Gelu;
const CHUNK: usize = 1 << 14;

vectorised! {
    fn gelu_forward(x: &[f32], out: &mut [f32]) {
        for (o, &x) in out.iter_mut().zip(x) {
            *o = 0.5 * x * (1.0 + erf(x * std::f32::consts::FRAC_1_SQRT_2));
        }
    }
}
vectorised! {
    fn gelu_backward(x: &[f32], g: &[f32], out: &mut [f32]) {
        for ((o, &x), &g) in out.iter_mut().zip(x).zip(g) {
            let cdf = 0.5 * (1.0 + erf(x * std::f32::consts::FRAC_1_SQRT_2));
            *o = g * (cdf + x * 0.398_942_3 * exp(-0.5 * x * x));
        }
    }
}

impl CustomOp1 for Gelu {
    fn name(&self) -> &'static str {
        "gelu"
    }
    fn cpu_fwd(&self, s: &CpuStorage, l: &Layout) -> Result<(CpuStorage, Shape)> {
        let x = slice(s, l)?;
        let mut out = vec![0f32; x.len()];
        out.par_chunks_mut(CHUNK)
            .zip(x.par_chunks(CHUNK))
            .for_each(|(o, x)| gelu_forward(x, o));
        Ok((CpuStorage::F32(out), l.shape().clone()))
    }
    fn bwd(&self, x: &Tensor, _res: &Tensor, grad: &Tensor) -> Result<Option<Tensor>> {
        let (xs, gs) = (values(x)?, values(grad)?);
        let mut out = vec![0f32; xs.len()];
        out.par_chunks_mut(CHUNK)
            .zip(xs.par_chunks(CHUNK).zip(gs.par_chunks(CHUNK)))
            .for_each(|(o, (x, g))| gelu_backward(x, g, o));
        Ok(Some(Tensor::from_vec(out, x.shape(), x.device())?))
    }
}

// ---------------------------------------------------------------- layer norm

/// (x - mean) / sqrt(var + eps) · weight + bias over the last dimension; x [N, h], weight and bias [h].
pub fn layer_norm(x: &Tensor, weight: &Tensor, bias: &Tensor, eps: f64) -> Result<Tensor> {
    if fused(x) {
        x.contiguous()?.apply_op3(
            &weight.contiguous()?,
            &bias.contiguous()?,
            LayerNormOp { eps: eps as f32 },
        )
    } else {
        candle_nn::ops::layer_norm_slow(x, weight, bias, eps as f32)
    }
}

struct LayerNormOp {
    eps: f32,
}

/// Rows a parallel task takes; fixed, so that sums over rows do not depend on the number of threads.
const ROWS: usize = 64;

/// Sixteen running sums: one vector register, and the same order whatever the machine.
#[inline(always)]
fn sum16(x: &[f32], f: impl Fn(f32) -> f32) -> f32 {
    let mut lanes = [0f32; 16];
    let chunks = x.chunks_exact(16);
    let rest = chunks.remainder();
    for c in chunks {
        for (lane, v) in lanes.iter_mut().zip(c) {
            *lane += f(*v);
        }
    }
    lanes.iter().sum::<f32>() + rest.iter().map(|v| f(*v)).sum::<f32>()
}

#[inline(always)]
fn moments(x: &[f32], eps: f32) -> (f32, f32) {
    let n = x.len() as f32;
    let mean = sum16(x, |v| v) / n;
    let var = sum16(x, |v| (v - mean) * (v - mean)) / n;
    (mean, 1.0 / (var + eps).sqrt())
}

vectorised! {
    fn norm_forward(x: &[f32], w: &[f32], b: &[f32], eps: f32, out: &mut [f32]) {
        let h = w.len();
        for (o, x) in out.chunks_exact_mut(h).zip(x.chunks_exact(h)) {
            let (mean, r) = moments(x, eps);
            for i in 0..h {
                o[i] = (x[i] - mean) * r * w[i] + b[i];
            }
        }
    }
}
vectorised! {
    /// `dwb` is [dw ; db].
    fn norm_backward(x: &[f32], w: &[f32], g: &[f32], eps: f32, dx: &mut [f32], dwb: &mut [f32]) {
        let h = w.len();
        let (dw, db) = dwb.split_at_mut(h);
        for ((dx, x), g) in dx.chunks_exact_mut(h).zip(x.chunks_exact(h)).zip(g.chunks_exact(h)) {
            let (mean, r) = moments(x, eps);
            let (mut s, mut sx) = ([0f32; 16], [0f32; 16]);
            for i in 0..h {
                let xh = (x[i] - mean) * r;
                let gw = g[i] * w[i];
                dw[i] += g[i] * xh;
                db[i] += g[i];
                s[i % 16] += gw;
                sx[i % 16] += gw * xh;
            }
            let s = s.iter().sum::<f32>() / h as f32;
            let sx = sx.iter().sum::<f32>() / h as f32;
            for i in 0..h {
                dx[i] = r * (g[i] * w[i] - s - (x[i] - mean) * r * sx);
            }
        }
    }
}

impl CustomOp3 for LayerNormOp {
    fn name(&self) -> &'static str {
        "layer-norm"
    }
    fn cpu_fwd(
        &self,
        s1: &CpuStorage,
        l1: &Layout,
        s2: &CpuStorage,
        l2: &Layout,
        s3: &CpuStorage,
        l3: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let (x, w, b) = (slice(s1, l1)?, slice(s2, l2)?, slice(s3, l3)?);
        let mut out = vec![0f32; x.len()];
        let rows = ROWS * w.len();
        out.par_chunks_mut(rows)
            .zip(x.par_chunks(rows))
            .for_each(|(o, x)| norm_forward(x, w, b, self.eps, o));
        Ok((CpuStorage::F32(out), l1.shape().clone()))
    }
    fn bwd(
        &self,
        x: &Tensor,
        w: &Tensor,
        _b: &Tensor,
        _res: &Tensor,
        grad: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let (xs, ws, gs) = (values(x)?, values(w)?, values(grad)?);
        let h = ws.len();
        let mut dx = vec![0f32; xs.len()];
        let rows = ROWS * h;
        let parts: Vec<Vec<f32>> = dx
            .par_chunks_mut(rows)
            .zip(xs.par_chunks(rows).zip(gs.par_chunks(rows)))
            .map(|(dx, (x, g))| {
                let mut dwb = vec![0f32; 2 * h];
                norm_backward(x, &ws, g, self.eps, dx, &mut dwb);
                dwb
            })
            .collect();
        let mut dwb = vec![0f32; 2 * h];
        for part in parts {
            for (sum, v) in dwb.iter_mut().zip(part) {
                *sum += v;
            }
        }
        let db = dwb.split_off(h);
        let d = x.device();
        Ok((
            Some(Tensor::from_vec(dx, x.shape(), d)?),
            Some(Tensor::from_vec(dwb, w.shape(), d)?),
            Some(Tensor::from_vec(db, w.shape(), d)?),
        ))
    }
}

// ---------------------------------------------------------------- attention

/// Multi-head scaled dot-product attention inside each sentence of a packed batch.
///
/// `qkv` [P, 3h] holds query, key and value side by side; sentence b owns rows `starts[b]..starts[b + 1]`. Returns [P, h].
/// `keep`: dropout on the attention weights, drawn by the caller: one factor (0 or 1/(1-p)) a weight, sentence after
/// sentence, head after head, row after row.
pub fn packed_attention(
    qkv: &Tensor,
    starts: &Arc<Vec<usize>>,
    n_heads: usize,
    keep: Option<Arc<Vec<f32>>>,
) -> Result<Tensor> {
    let op = Attention {
        starts: Arc::clone(starts),
        n_heads,
        keep,
    };
    if fused(qkv) {
        qkv.contiguous()?.apply_op1(op)
    } else {
        op.plain(qkv)
    }
}

/// How many weights `keep` must hold.
pub fn n_attention_weights(starts: &[usize], n_heads: usize) -> usize {
    starts
        .windows(2)
        .map(|w| (w[1] - w[0]).pow(2) * n_heads)
        .sum()
}

#[derive(Clone)]
struct Attention {
    starts: Arc<Vec<usize>>,
    n_heads: usize,
    keep: Option<Arc<Vec<f32>>>,
}

vectorised! {
    fn softmax_rows(s: &mut [f32], n: usize) {
        for row in s.chunks_exact_mut(n) {
            let mut max = f32::NEG_INFINITY;
            for &v in row.iter() {
                max = if v > max { v } else { max };
            }
            for v in row.iter_mut() {
                *v = exp(*v - max);
            }
            let scale = 1.0 / sum16(row, |v| v);
            for v in row.iter_mut() {
                *v *= scale;
            }
        }
    }
}

/// A matrix inside a buffer: row-major with `stride` floats between rows; `transposed` swaps the roles.
#[derive(Clone, Copy)]
struct View<'a> {
    data: &'a [f32],
    rows: usize,
    columns: usize,
    stride: usize,
}

impl View<'_> {
    fn t(self) -> (Self, bool) {
        (self, true)
    }
    fn n(self) -> (Self, bool) {
        (self, false)
    }
}

/// `out = scale · a · b`, or added to `out`; `out` has `stride` floats between rows.
fn multiply(
    out: &mut [f32],
    stride: usize,
    a: (View, bool),
    b: (View, bool),
    scale: f32,
    add: bool,
) {
    let shape = |(v, t): (View, bool)| {
        if t {
            (v.columns, v.rows)
        } else {
            (v.rows, v.columns)
        }
    };
    let steps = |(v, t): (View, bool)| {
        if t {
            (v.stride as isize, 1)
        } else {
            (1, v.stride as isize)
        }
    };
    let ((m, k), (k2, n)) = (shape(a), shape(b));
    for v in [a.0, b.0] {
        assert!(v.rows == 0 || (v.rows - 1) * v.stride + v.columns <= v.data.len());
    }
    assert!(k == k2 && (m == 0 || (m - 1) * stride + n <= out.len()));
    let ((acs, ars), (bcs, brs)) = (steps(a), steps(b));
    // SAFETY: the assertions above keep every element that gemm touches inside the slices.
    unsafe {
        gemm::gemm(
            m,
            n,
            k,
            out.as_mut_ptr(),
            1,
            stride as isize,
            add,
            a.0.data.as_ptr(),
            acs,
            ars,
            b.0.data.as_ptr(),
            bcs,
            brs,
            1.0,
            scale,
            false,
            false,
            false,
            Parallelism::None,
        );
    }
}

impl Attention {
    fn width(&self, columns: usize) -> Result<(usize, usize, f32)> {
        let h = columns / 3;
        if h == 0 || h * 3 != columns || !h.is_multiple_of(self.n_heads) {
            bail!(
                "attention over {columns} columns with {} heads",
                self.n_heads
            );
        }
        let d = h / self.n_heads;
        Ok((h, d, 1.0 / (d as f32).sqrt()))
    }

    /// First weight of each sentence in `keep`.
    fn weight_starts(&self) -> Vec<usize> {
        let mut at = 0;
        self.starts
            .windows(2)
            .map(|w| {
                let first = at;
                at += (w[1] - w[0]).pow(2) * self.n_heads;
                first
            })
            .collect()
    }

    /// Splits packed rows into one mutable piece a sentence.
    fn split<'a>(&self, mut rest: &'a mut [f32], width: usize) -> Vec<&'a mut [f32]> {
        let mut parts = Vec::with_capacity(self.starts.len());
        for w in self.starts.windows(2) {
            let (part, tail) = rest.split_at_mut((w[1] - w[0]) * width);
            parts.push(part);
            rest = tail;
        }
        parts
    }

    /// Softmaxed scores of one head of one sentence into `s` [n, n].
    fn scores(s: &mut [f32], q: View, k: View, scale: f32) {
        let n = q.rows;
        multiply(s, n, q.n(), k.t(), scale, false);
        softmax_rows(&mut s[..n * n], n);
    }

    fn forward_sentence(
        &self,
        rows: &[f32],
        out: &mut [f32],
        h: usize,
        d: usize,
        scale: f32,
        keep: Option<&[f32]>,
    ) {
        let n = out.len() / h;
        let mut s = vec![0f32; n * n];
        for head in 0..self.n_heads {
            let view = |part: usize| View {
                data: &rows[part * h + head * d..],
                rows: n,
                columns: d,
                stride: 3 * h,
            };
            Self::scores(&mut s, view(0), view(1), scale);
            if let Some(keep) = keep {
                for (s, k) in s.iter_mut().zip(&keep[head * n * n..]) {
                    *s *= k;
                }
            }
            let weights = View {
                data: &s,
                rows: n,
                columns: n,
                stride: n,
            };
            multiply(
                &mut out[head * d..],
                h,
                weights.n(),
                view(2).n(),
                1.0,
                false,
            );
        }
    }

    #[allow(clippy::too_many_arguments)] // one sentence's buffers and the widths
    fn backward_sentence(
        &self,
        rows: &[f32],
        grad: &[f32],
        out: &mut [f32],
        h: usize,
        d: usize,
        scale: f32,
        keep: Option<&[f32]>,
    ) {
        let n = grad.len() / h;
        let (mut p, mut dp) = (vec![0f32; n * n], vec![0f32; n * n]);
        for head in 0..self.n_heads {
            let view = |part: usize| View {
                data: &rows[part * h + head * d..],
                rows: n,
                columns: d,
                stride: 3 * h,
            };
            let g = View {
                data: &grad[head * d..],
                rows: n,
                columns: d,
                stride: h,
            };
            Self::scores(&mut p, view(0), view(1), scale);
            multiply(&mut dp, n, g.n(), view(2).t(), 1.0, false);
            let mut dropped = Vec::new();
            let mask = keep.map(|k| &k[head * n * n..(head + 1) * n * n]);
            if let Some(mask) = mask {
                dropped = p.iter().zip(mask).map(|(p, k)| p * k).collect();
                for (dp, k) in dp.iter_mut().zip(mask) {
                    *dp *= k;
                }
            }
            let weights = View {
                data: if mask.is_some() { &dropped } else { &p },
                rows: n,
                columns: n,
                stride: n,
            };
            multiply(
                &mut out[2 * h + head * d..],
                3 * h,
                weights.t(),
                g.n(),
                1.0,
                false,
            );
            for (dp, p) in dp.chunks_exact_mut(n).zip(p.chunks_exact(n)) {
                let dot: f32 = dp.iter().zip(p).map(|(a, b)| a * b).sum();
                for (dp, p) in dp.iter_mut().zip(p) {
                    *dp = p * (*dp - dot);
                }
            }
            let ds = View {
                data: &dp,
                rows: n,
                columns: n,
                stride: n,
            };
            multiply(
                &mut out[head * d..],
                3 * h,
                ds.n(),
                view(1).n(),
                scale,
                false,
            );
            multiply(
                &mut out[h + head * d..],
                3 * h,
                ds.t(),
                view(0).n(),
                scale,
                false,
            );
        }
    }

    /// The same in candle's own operations, for devices other than the CPU: sentence by sentence.
    fn plain(&self, qkv: &Tensor) -> Result<Tensor> {
        let (_, columns) = qkv.dims2()?;
        let (h, d, scale) = self.width(columns)?;
        let weight_starts = self.weight_starts();
        let mut out = Vec::new();
        for (b, w) in self.starts.windows(2).enumerate() {
            let n = w[1] - w[0];
            let rows = qkv.narrow(0, w[0], n)?;
            let part = |i: usize| -> Result<Tensor> {
                rows.narrow(1, i * h, h)?
                    .reshape((n, self.n_heads, d))?
                    .transpose(0, 1)?
                    .contiguous()
            };
            let scores =
                (part(0)?.matmul(&part(1)?.transpose(1, 2)?.contiguous()?)? * f64::from(scale))?;
            let mut p = candle_nn::ops::softmax(&scores, candle_core::D::Minus1)?;
            if let Some(keep) = &self.keep {
                let len = n * n * self.n_heads;
                let mask = keep[weight_starts[b]..weight_starts[b] + len].to_vec();
                p = (p * Tensor::from_vec(mask, (self.n_heads, n, n), qkv.device())?
                    .to_dtype(qkv.dtype())?)?;
            }
            out.push(p.matmul(&part(2)?)?.transpose(0, 1)?.reshape((n, h))?);
        }
        Tensor::cat(&out, 0)
    }
}

impl CustomOp1 for Attention {
    fn name(&self) -> &'static str {
        "packed-attention"
    }
    fn cpu_fwd(&self, s: &CpuStorage, l: &Layout) -> Result<(CpuStorage, Shape)> {
        let x = slice(s, l)?;
        let (total, columns) = l.shape().dims2()?;
        let (h, d, scale) = self.width(columns)?;
        let mut out = vec![0f32; total * h];
        let firsts = self.weight_starts();
        self.split(&mut out, h)
            .into_par_iter()
            .enumerate()
            .for_each(|(b, out)| {
                let rows = &x[self.starts[b] * columns..self.starts[b + 1] * columns];
                let keep = self.keep.as_ref().map(|k| &k[firsts[b]..]);
                self.forward_sentence(rows, out, h, d, scale, keep);
            });
        Ok((CpuStorage::F32(out), Shape::from((total, h))))
    }
    fn bwd(&self, qkv: &Tensor, _res: &Tensor, grad: &Tensor) -> Result<Option<Tensor>> {
        let (_, columns) = qkv.dims2()?;
        let (h, d, scale) = self.width(columns)?;
        let (x, g) = (values(qkv)?, values(grad)?);
        let mut out = vec![0f32; x.len()];
        let firsts = self.weight_starts();
        self.split(&mut out, columns)
            .into_par_iter()
            .enumerate()
            .for_each(|(b, out)| {
                let range = self.starts[b]..self.starts[b + 1];
                let keep = self.keep.as_ref().map(|k| &k[firsts[b]..]);
                let rows = &x[range.start * columns..range.end * columns];
                self.backward_sentence(
                    rows,
                    &g[range.start * h..range.end * h],
                    out,
                    h,
                    d,
                    scale,
                    keep,
                );
            });
        Ok(Some(Tensor::from_vec(out, qkv.shape(), qkv.device())?))
    }
}

#[cfg(test)]
#[path = "ops_tests.rs"]
mod tests;
