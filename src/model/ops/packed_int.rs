//! Products with weights of 8 bits: codes times codes in integers, scales once at the end.
//!
//! Weights have one scale a row of W, as they are stored ([`crate::model::files::Precision::Int8`]), so a model stored at 8 bits
//! loses nothing more. The left side gets a scale a row and as many bits as a sum of 32 bits has room for (13 to 15): what this
//! leaves out is far below the weights' own rounding. Pairs of codes are multiplied and added by one instruction (`vpmaddwd`,
//! with AVX-512 VNNI `vpdpwssd`), twice the products a step of the f32 kernel. Integer sums have the same bits everywhere.

use super::packed::Rows;
use super::simd::vectorised;
use super::tiles::{Line, PANEL};

/// Largest code of a weight.
const MOST: f32 = 127.0;
/// Rows that pass over all panels together, as in `packed`.
const BLOCK_ROWS: usize = 48;

/// Two steps of k in a panel: the codes of an output stand side by side.
#[derive(Clone, Copy)]
#[repr(align(64))]
struct Pairs([[i16; 2]; PANEL]);

/// The right side of y = x·Wᵀ + b, W `[n_out, n_in]`: panels of 16 outputs, each `n_pairs` pairs of inputs.
pub(super) struct PackedInts {
    panels: Vec<Pairs>,
    scales: Vec<Line>,
    bias: Vec<Line>,
    n_in: usize,
    n_out: usize,
    /// Largest code of the left side for which no sum leaves 32 bits.
    most: f32,
}

/// Codes of a block of rows, kept from call to call.
#[derive(Default)]
pub(super) struct Codes {
    codes: Vec<i16>,
    scales: Vec<f32>,
}

impl PackedInts {
    /// `weight` [n_out, n_in] row-major, `bias` `[n_out]`.
    pub(super) fn new(weight: &[f32], bias: &[f32], n_in: usize) -> Self {
        let n_out = bias.len();
        let (n_pairs, n_panels) = (n_in.div_ceil(2), n_out.div_ceil(PANEL));
        let mut packed = Self {
            panels: vec![Pairs([[0; 2]; PANEL]); n_panels * n_pairs],
            scales: vec![Line::ZERO; n_panels],
            bias: vec![Line::ZERO; n_panels],
            n_in,
            n_out,
            most: (i32::MAX as f32 / (MOST * (n_in + 1) as f32))
                .min(f32::from(i16::MAX))
                .floor(),
        };
        for (out, row) in weight.chunks(n_in.max(1)).take(n_out).enumerate() {
            let (panel, lane) = (out / PANEL, out % PANEL);
            let scale = row.iter().fold(0f32, |m, v| m.max(v.abs())) / MOST;
            let inverse = if scale > 0.0 { 1.0 / scale } else { 0.0 };
            packed.scales[panel].0[lane] = scale;
            packed.bias[panel].0[lane] = bias[out];
            for (k, w) in row.iter().enumerate() {
                packed.panels[panel * n_pairs + k / 2].0[lane][k % 2] =
                    (w * inverse).round() as i16;
            }
        }
        packed
    }

    pub(super) fn n_out(&self) -> usize {
        self.n_out
    }

    fn n_pairs(&self) -> usize {
        self.n_in.div_ceil(2)
    }

    /// `n` rows of `x` -> `n` rows of `out`, `stride` apart. Panics when they do not fit.
    pub(super) fn apply(
        &self,
        x: Rows,
        n: usize,
        out: &mut [f32],
        stride: usize,
        codes: &mut Codes,
    ) {
        if n == 0 || self.n_out == 0 {
            return;
        }
        assert!(
            stride >= self.n_out && (n - 1) * stride + self.n_out <= out.len(),
            "product"
        );
        assert!(
            (n - 1) * x.stride + self.n_in <= x.data.len(),
            "left matrix"
        );
        for from in (0..n).step_by(BLOCK_ROWS) {
            let rows = BLOCK_ROWS.min(n - from);
            codes.take(
                self,
                Rows {
                    data: &x.data[from * x.stride..],
                    ..x
                },
                rows,
            );
            run_block(self, codes, rows, &mut out[from * stride..], stride);
        }
    }
}

impl Codes {
    /// The first `n` rows of `x` in codes of at most `weights.most`; an odd width ends in a 0.
    fn take(&mut self, weights: &PackedInts, x: Rows, n: usize) {
        let width = 2 * weights.n_pairs();
        // Never shorter: what grows again is filled again.
        self.codes.resize(self.codes.len().max(n * width), 0);
        self.scales.resize(self.scales.len().max(n), 0.0);
        for row in 0..n {
            let codes = &mut self.codes[row * width..][..width];
            codes[weights.n_in..].fill(0);
            let x = &x.data[row * x.stride..][..weights.n_in];
            encode(
                x,
                weights.most,
                &mut codes[..weights.n_in],
                &mut self.scales[row],
            );
        }
    }
}

vectorised! {
    fn encode(x: &[f32], most: f32, codes: &mut [i16], scale: &mut f32) {
        /// 1.5 · 2^23: adding it leaves the nearest integer in the low bits.
        const ROUND: f32 = 12_582_912.0;
        let mut lanes = [0f32; 16];
        let (chunks, rest) = x.as_chunks::<16>();
        for chunk in chunks {
            for i in 0..16 {
                let a = chunk[i].abs();
                lanes[i] = if a > lanes[i] { a } else { lanes[i] };
            }
        }
        let mut largest = 0f32;
        for a in lanes {
            largest = if a > largest { a } else { largest };
        }
        for v in rest {
            largest = if v.abs() > largest { v.abs() } else { largest };
        }
        let inverse = if largest > 0.0 { most / largest } else { 0.0 };
        *scale = largest / most;
        for (code, v) in codes.iter_mut().zip(x) {
            *code = ((v * inverse + ROUND).to_bits() as i32).wrapping_sub(ROUND.to_bits() as i32) as i16;
        }
    }
}

#[cfg(target_arch = "x86_64")]
fn run_block(weights: &PackedInts, codes: &Codes, n: usize, out: &mut [f32], stride: usize) {
    if is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512vnni") {
        // Sound: the machine has the features the function was compiled for.
        return unsafe { x86::run_vnni(weights, codes, n, out, stride) };
    }
    if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
        // Sound: as above.
        return unsafe { x86::run_avx2(weights, codes, n, out, stride) };
    }
    run_portable(weights, codes, n, out, stride);
}

#[cfg(not(target_arch = "x86_64"))]
fn run_block(weights: &PackedInts, codes: &Codes, n: usize, out: &mut [f32], stride: usize) {
    run_portable(weights, codes, n, out, stride);
}

/// For machines without a kernel of their own: one row of one panel at a time.
fn run_portable(weights: &PackedInts, codes: &Codes, n: usize, out: &mut [f32], stride: usize) {
    let n_pairs = weights.n_pairs();
    for (panel, (scales, bias)) in weights.scales.iter().zip(&weights.bias).enumerate() {
        let lines = &weights.panels[panel * n_pairs..(panel + 1) * n_pairs];
        let columns = panel * PANEL..((panel + 1) * PANEL).min(weights.n_out);
        for row in 0..n {
            let (x, _) = codes.codes[row * 2 * n_pairs..][..2 * n_pairs].as_chunks::<2>();
            let mut sums = [0i32; PANEL];
            for (x, line) in x.iter().zip(lines) {
                for (sum, w) in sums.iter_mut().zip(line.0) {
                    *sum += i32::from(x[0]) * i32::from(w[0]) + i32::from(x[1]) * i32::from(w[1]);
                }
            }
            let out = &mut out[row * stride..][columns.clone()];
            for (lane, out) in out.iter_mut().enumerate() {
                let scale = codes.scales[row] * scales.0[lane];
                *out = (sums[lane] as f32).mul_add(scale, bias.0[lane]);
            }
        }
    }
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use super::super::tiles::{Line, Place, for_each_tile};
    use super::{Codes, PackedInts, Pairs};
    use std::arch::x86_64::*;

    /// What a kernel reads and writes: some rows of codes, one panel, and the tile of the product.
    struct Tile {
        /// Pairs of codes, read as one 32-bit value.
        x: *const i32,
        n_pairs: usize,
        x_scales: *const f32,
        lines: *const Pairs,
        scales: *const Line,
        bias: *const Line,
        out: *mut f32,
        stride: usize,
    }

    impl Tile {
        fn new(weights: &PackedInts, codes: &Codes, place: &Place) -> Self {
            let n_pairs = weights.n_pairs();
            Self {
                x: codes.codes[place.row * 2 * n_pairs..].as_ptr().cast(),
                n_pairs,
                x_scales: codes.scales[place.row..].as_ptr(),
                lines: weights.panels[place.panel * n_pairs..].as_ptr(),
                scales: &weights.scales[place.panel],
                bias: &weights.bias[place.panel],
                out: place.out,
                stride: place.stride,
            }
        }
    }

    // Sound, all kernels: `PackedInts::apply` has checked that the product's rows lie inside their slice, `Codes::take` has made
    // `n` rows of `2 * n_pairs` codes, and `for_each_tile` hands over at most as many rows as the kernel is called for, with
    // room for all of them. Codes are read without alignment.
    #[target_feature(enable = "avx2,fma")]
    pub(super) fn run_avx2(
        weights: &PackedInts,
        codes: &Codes,
        n: usize,
        out: &mut [f32],
        stride: usize,
    ) {
        for_each_tile::<1, 6>(n, weights.n_out, out, stride, |place| unsafe {
            let tile = &Tile::new(weights, codes, place);
            match place.rows {
                1 => tile_avx2::<1>(tile),
                2 => tile_avx2::<2>(tile),
                3 => tile_avx2::<3>(tile),
                4 => tile_avx2::<4>(tile),
                5 => tile_avx2::<5>(tile),
                _ => tile_avx2::<6>(tile),
            }
        });
    }

    #[target_feature(enable = "avx512f,avx512vnni")]
    pub(super) fn run_vnni(
        weights: &PackedInts,
        codes: &Codes,
        n: usize,
        out: &mut [f32],
        stride: usize,
    ) {
        for_each_tile::<1, 8>(n, weights.n_out, out, stride, |place| unsafe {
            let tile = &Tile::new(weights, codes, place);
            match place.rows {
                1 => tile_vnni::<1>(tile),
                2 => tile_vnni::<2>(tile),
                3 => tile_vnni::<3>(tile),
                4 => tile_vnni::<4>(tile),
                5 => tile_vnni::<5>(tile),
                6 => tile_vnni::<6>(tile),
                7 => tile_vnni::<7>(tile),
                _ => tile_vnni::<8>(tile),
            }
        });
    }

    #[inline]
    #[target_feature(enable = "avx2,fma")]
    unsafe fn tile_avx2<const M: usize>(tile: &Tile) {
        unsafe {
            let mut sums = [[_mm256_setzero_si256(); 2]; M];
            for k in 0..tile.n_pairs {
                let line = tile.lines.add(k).cast::<__m256i>();
                let (w0, w1) = (_mm256_load_si256(line), _mm256_load_si256(line.add(1)));
                for (row, sums) in sums.iter_mut().enumerate() {
                    let x = _mm256_set1_epi32(tile.x.add(row * tile.n_pairs + k).read_unaligned());
                    sums[0] = _mm256_add_epi32(sums[0], _mm256_madd_epi16(x, w0));
                    sums[1] = _mm256_add_epi32(sums[1], _mm256_madd_epi16(x, w1));
                }
            }
            let (scales, bias) = (tile.scales.cast::<f32>(), tile.bias.cast::<f32>());
            for (row, sums) in sums.iter().enumerate() {
                let x_scale = _mm256_set1_ps(*tile.x_scales.add(row));
                for (half, sum) in sums.iter().enumerate() {
                    let scale = _mm256_mul_ps(x_scale, _mm256_load_ps(scales.add(8 * half)));
                    let y = _mm256_fmadd_ps(
                        _mm256_cvtepi32_ps(*sum),
                        scale,
                        _mm256_load_ps(bias.add(8 * half)),
                    );
                    _mm256_storeu_ps(tile.out.add(row * tile.stride + 8 * half), y);
                }
            }
        }
    }

    #[inline]
    #[target_feature(enable = "avx512f,avx512vnni")]
    unsafe fn tile_vnni<const M: usize>(tile: &Tile) {
        unsafe {
            let mut sums = [_mm512_setzero_si512(); M];
            for k in 0..tile.n_pairs {
                let w = _mm512_load_si512(tile.lines.add(k).cast());
                for (row, sum) in sums.iter_mut().enumerate() {
                    let x = _mm512_set1_epi32(tile.x.add(row * tile.n_pairs + k).read_unaligned());
                    *sum = _mm512_dpwssd_epi32(*sum, x, w);
                }
            }
            let (scales, bias) = (
                _mm512_load_ps(tile.scales.cast()),
                _mm512_load_ps(tile.bias.cast()),
            );
            for (row, sum) in sums.iter().enumerate() {
                let scale = _mm512_mul_ps(_mm512_set1_ps(*tile.x_scales.add(row)), scales);
                let y = _mm512_fmadd_ps(_mm512_cvtepi32_ps(*sum), scale, bias);
                _mm512_storeu_ps(tile.out.add(row * tile.stride), y);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::*;
    use super::*;
    use candle_core::Result;

    /// The product in f64 of weights as they are after rounding.
    fn expected(x: &[f32], w: &[f32], b: &[f32], n_in: usize) -> Vec<f32> {
        let rounded: Vec<f64> = w
            .chunks(n_in)
            .flat_map(|row| {
                let scale = row.iter().fold(0f32, |m, v| m.max(v.abs())) / MOST;
                row.iter()
                    .map(move |v| f64::from((v / scale).round()) * f64::from(scale))
            })
            .collect();
        let of = |x: &[f32], w: &[f64], b: &f32| {
            let sum: f64 = x.iter().zip(w).map(|(x, w)| f64::from(*x) * w).sum();
            (sum + f64::from(*b)) as f32
        };
        x.chunks(n_in)
            .flat_map(|x| {
                rounded
                    .chunks(n_in)
                    .zip(b)
                    .map(move |(w, b)| of(x, w, b))
                    .collect::<Vec<_>>()
            })
            .collect()
    }

    #[test]
    fn products_of_every_remainder_agree_with_the_plain_formula() -> Result<()> {
        for (n, n_in, n_out) in [
            (1, 1, 1),
            (5, 7, 16),
            (13, 33, 31),
            (50, 64, 72),
            (97, 20, 33),
            (9, 1536, 48),
        ] {
            let (x, w) = (
                flat(&random(&[n, n_in], 1)?)?,
                flat(&random(&[n_out, n_in], 2)?)?,
            );
            let b = flat(&random(&[n_out], 3)?)?;
            let packed = PackedInts::new(&w, &b, n_in);
            let expected = expected(&x, &w, &b, n_in);
            let largest = expected.iter().fold(0f32, |m, v| m.max(v.abs()));
            let rows = Rows {
                data: &x,
                stride: n_in,
            };
            let (mut out, mut codes) = (vec![f32::NAN; n * n_out], Codes::default());
            packed.apply(rows, n, &mut out, n_out, &mut codes);
            let check = |name: &str, out: &[f32]| {
                for (i, (got, want)) in out.iter().zip(&expected).enumerate() {
                    assert!(
                        (got - want).abs() <= 3e-4 * largest.max(1.0),
                        "{n}x{n_in}->{n_out}, {name}, {i}: {got} {want}"
                    );
                }
            };
            check("kernel", &out);
            let kernel = out.clone();
            codes.take(&packed, rows, n);
            run_portable(&packed, &codes, n, &mut out, n_out);
            check("portable", &out);
            assert_eq!(kernel, out, "the same bits on every machine");
        }
        Ok(())
    }

    #[test]
    fn the_largest_sums_stay_inside_32_bits() {
        let n_in = 4096;
        let packed = PackedInts::new(&vec![1.0; n_in], &[0.0], n_in);
        let x = vec![-3.0; n_in];
        let (mut out, mut codes) = ([0.0], Codes::default());
        packed.apply(
            Rows {
                data: &x,
                stride: n_in,
            },
            1,
            &mut out,
            1,
            &mut codes,
        );
        assert!((out[0] + 3.0 * n_in as f32).abs() < 1.0, "{}", out[0]);
    }

    #[test]
    fn rows_of_nothing_give_the_bias() {
        let packed = PackedInts::new(&[0.0; 6], &[1.5, -2.0], 3);
        let (mut out, mut codes) = ([9.0; 2], Codes::default());
        packed.apply(
            Rows {
                data: &[0.0; 3],
                stride: 3,
            },
            1,
            &mut out,
            2,
            &mut codes,
        );
        assert_eq!(out, [1.5, -2.0]);
    }
}
