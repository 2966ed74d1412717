//! Products with weights that do not change: laid out once in the order in which the kernel reads them.
//!
//! The kernel holds a tile of the product in registers (6 rows by 16 columns with AVX2, 12 by 32 with AVX-512, chosen
//! when the program runs) and reads the left matrix where it lies. Every element is one sum over k in order, so neither
//! the tile's place nor the number of threads changes its bits.

use super::tiles::{Line, PANEL};

/// The right side of y = x·Wᵀ + b, W `[n_out, n_in]`: panels of 16 outputs, each `n_in` lines.
#[derive(Default)]
pub(super) struct Packed {
    panels: Vec<Line>,
    /// One line a panel.
    bias: Vec<Line>,
    n_in: usize,
    n_out: usize,
}

/// Rows inside a slice, `stride` apart.
#[derive(Clone, Copy)]
pub(super) struct Rows<'a> {
    pub data: &'a [f32],
    pub stride: usize,
}

impl Packed {
    /// `weight` [n_out, n_in] row-major, `bias` `[n_out]`.
    pub(super) fn new(weight: &[f32], bias: &[f32], n_in: usize) -> Self {
        let mut packed = Self::default();
        let stride = n_in;
        packed.pack_rows(
            Rows {
                data: weight,
                stride,
            },
            bias.len(),
            n_in,
        );
        for (lines, bias) in packed.bias.iter_mut().zip(bias.chunks(PANEL)) {
            lines.0[..bias.len()].copy_from_slice(bias);
        }
        packed
    }

    fn reset(&mut self, n_out: usize, n_in: usize) {
        let n_panels = n_out.div_ceil(PANEL);
        (self.n_in, self.n_out) = (n_in, n_out);
        self.panels.clear();
        self.panels.resize(n_panels * n_in, Line::ZERO);
        self.bias.clear();
        self.bias.resize(n_panels, Line::ZERO);
    }

    /// Takes W from `n_out` rows of `n_in` values; no bias.
    pub(super) fn pack_rows(&mut self, rows: Rows, n_out: usize, n_in: usize) {
        self.reset(n_out, n_in);
        for out in 0..n_out {
            let (panel, lane) = (out / PANEL, out % PANEL);
            let row = &rows.data[out * rows.stride..][..n_in];
            for (line, w) in self.panels[panel * n_in..].iter_mut().zip(row) {
                line.0[lane] = *w;
            }
        }
    }

    /// Takes Wᵀ from `n_in` rows of `n_out` values; no bias.
    pub(super) fn pack_transposed(&mut self, rows: Rows, n_out: usize, n_in: usize) {
        self.reset(n_out, n_in);
        for k in 0..n_in {
            let row = &rows.data[k * rows.stride..][..n_out];
            for (panel, values) in row.chunks(PANEL).enumerate() {
                self.panels[panel * n_in + k].0[..values.len()].copy_from_slice(values);
            }
        }
    }

    pub(super) fn n_in(&self) -> usize {
        self.n_in
    }
    pub(super) fn n_out(&self) -> usize {
        self.n_out
    }

    /// `n` rows of `x` -> `n` rows of `out`, `stride` apart. Panics when they do not fit.
    pub(super) fn apply(&self, x: Rows, n: usize, out: &mut [f32], stride: usize) {
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
            let block = Block {
                x: Rows {
                    data: &x.data[from * x.stride..],
                    ..x
                },
                n: BLOCK_ROWS.min(n - from),
                stride,
            };
            run_block(self, block, &mut out[from * stride..]);
        }
    }
}

/// Rows of x to multiply, and how far apart the product's rows are.
#[derive(Clone, Copy)]
struct Block<'a> {
    x: Rows<'a>,
    n: usize,
    stride: usize,
}

/// Rows that pass over all panels together: their part of the left matrix stays in the caches near the core.
const BLOCK_ROWS: usize = 48;

#[cfg(target_arch = "x86_64")]
fn run_block(weights: &Packed, block: Block, out: &mut [f32]) {
    if is_x86_feature_detected!("avx512f") {
        // Sound: the machine has the feature the function was compiled for.
        return unsafe { x86::run_avx512(weights, block, out) };
    }
    if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
        // Sound: as above.
        return unsafe { x86::run_avx2(weights, block, out) };
    }
    run_portable(weights, block, out);
}

#[cfg(not(target_arch = "x86_64"))]
fn run_block(weights: &Packed, block: Block, out: &mut [f32]) {
    run_portable(weights, block, out);
}

/// For machines without a kernel of their own: one row of one panel at a time.
fn run_portable(weights: &Packed, block: Block, out: &mut [f32]) {
    let (n_in, n_out) = (weights.n_in, weights.n_out);
    for (panel, bias) in weights.bias.iter().enumerate() {
        let lines = &weights.panels[panel * n_in..(panel + 1) * n_in];
        let columns = panel * PANEL..((panel + 1) * PANEL).min(n_out);
        for row in 0..block.n {
            let x = &block.x.data[row * block.x.stride..][..n_in];
            let mut sums = bias.0;
            for (x, line) in x.iter().zip(lines) {
                for (sum, w) in sums.iter_mut().zip(line.0) {
                    *sum += x * w;
                }
            }
            let out = &mut out[row * block.stride..];
            out[columns.clone()].copy_from_slice(&sums[..columns.len()]);
        }
    }
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use super::super::tiles::{Line, Place, for_each_tile};
    use super::{Block, Packed};
    use std::arch::x86_64::*;

    /// What a kernel reads and writes: `n` rows of x, one panel or two, and the tile of the product.
    struct Tile {
        x: *const f32,
        x_stride: usize,
        n_in: usize,
        lines: *const Line,
        /// Lines from the first panel to the second; 0 where there is none, and the first is read again.
        second: usize,
        bias: *const Line,
        out: *mut f32,
        stride: usize,
    }

    impl Tile {
        fn new(weights: &Packed, block: Block, place: &Place) -> Self {
            let n_in = weights.n_in;
            Self {
                x: block.x.data[place.row * block.x.stride..].as_ptr(),
                x_stride: block.x.stride,
                n_in,
                lines: weights.panels[place.panel * n_in..].as_ptr(),
                second: if place.panels > 1 { n_in } else { 0 },
                bias: weights.bias[place.panel..].as_ptr(),
                out: place.out,
                stride: place.stride,
            }
        }
    }

    // Sound, all kernels: `Packed::apply` has checked that x's and the product's rows lie inside their slices, and
    // `for_each_tile` hands over at most as many rows as the kernel is called for, with room for all of its panels.
    #[target_feature(enable = "avx2,fma")]
    pub(super) fn run_avx2(weights: &Packed, block: Block, out: &mut [f32]) {
        for_each_tile::<1, 6>(block.n, weights.n_out, out, block.stride, |place| unsafe {
            let tile = &Tile::new(weights, block, place);
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

    #[target_feature(enable = "avx512f")]
    pub(super) fn run_avx512(weights: &Packed, block: Block, out: &mut [f32]) {
        for_each_tile::<2, 12>(block.n, weights.n_out, out, block.stride, |place| unsafe {
            let tile = &Tile::new(weights, block, place);
            match place.rows {
                1 => tile_avx512::<1>(tile),
                2 => tile_avx512::<2>(tile),
                3 => tile_avx512::<3>(tile),
                4 => tile_avx512::<4>(tile),
                5 => tile_avx512::<5>(tile),
                6 => tile_avx512::<6>(tile),
                7 => tile_avx512::<7>(tile),
                8 => tile_avx512::<8>(tile),
                9 => tile_avx512::<9>(tile),
                10 => tile_avx512::<10>(tile),
                11 => tile_avx512::<11>(tile),
                _ => tile_avx512::<12>(tile),
            }
        });
    }

    /// M rows of one panel.
    #[inline]
    #[target_feature(enable = "avx2,fma")]
    unsafe fn tile_avx2<const M: usize>(tile: &Tile) {
        unsafe {
            let bias = tile.bias.cast::<f32>();
            let mut sums = [[_mm256_load_ps(bias), _mm256_load_ps(bias.add(8))]; M];
            for k in 0..tile.n_in {
                let line = tile.lines.add(k).cast::<f32>();
                let (w0, w1) = (_mm256_load_ps(line), _mm256_load_ps(line.add(8)));
                for (row, sums) in sums.iter_mut().enumerate() {
                    let x = _mm256_broadcast_ss(&*tile.x.add(row * tile.x_stride + k));
                    sums[0] = _mm256_fmadd_ps(x, w0, sums[0]);
                    sums[1] = _mm256_fmadd_ps(x, w1, sums[1]);
                }
            }
            for (row, sums) in sums.iter().enumerate() {
                let out = tile.out.add(row * tile.stride);
                _mm256_storeu_ps(out, sums[0]);
                _mm256_storeu_ps(out.add(8), sums[1]);
            }
        }
    }

    /// M rows of two panels.
    #[inline]
    #[target_feature(enable = "avx512f")]
    unsafe fn tile_avx512<const M: usize>(tile: &Tile) {
        unsafe {
            let next = tile.bias.add(usize::from(tile.second > 0));
            let start = [
                _mm512_load_ps(tile.bias.cast()),
                _mm512_load_ps(next.cast()),
            ];
            let mut sums = [start; M];
            for k in 0..tile.n_in {
                let line = tile.lines.add(k);
                let w0 = _mm512_load_ps(line.cast());
                let w1 = _mm512_load_ps(line.add(tile.second).cast());
                for (row, sums) in sums.iter_mut().enumerate() {
                    let x = _mm512_set1_ps(*tile.x.add(row * tile.x_stride + k));
                    sums[0] = _mm512_fmadd_ps(x, w0, sums[0]);
                    sums[1] = _mm512_fmadd_ps(x, w1, sums[1]);
                }
            }
            for (row, sums) in sums.iter().enumerate() {
                let out = tile.out.add(row * tile.stride);
                _mm512_storeu_ps(out, sums[0]);
                _mm512_storeu_ps(out.add(16), sums[1]);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::*;
    use super::*;
    use candle_core::{Result, Tensor};

    fn rows(data: &[f32], stride: usize) -> Rows<'_> {
        Rows { data, stride }
    }

    #[test]
    fn products_of_every_remainder_agree_with_the_plain_formula() -> Result<()> {
        let sizes = [
            (1, 1, 1),
            (5, 7, 16),
            (13, 33, 31),
            (50, 64, 72),
            (97, 20, 33),
        ];
        for (n, n_in, n_out) in sizes {
            let (x, w) = (random(&[n, n_in], 1)?, random(&[n_out, n_in], 2)?);
            let b = random(&[n_out], 3)?;
            let product = x.matmul(&w.t()?)?;
            let with_bias = product.broadcast_add(&b)?;
            let packed = Packed::new(&flat(&w)?, &flat(&b)?, n_in);
            let mut transposed = Packed::default();
            transposed.pack_transposed(rows(&flat(&w.t()?.contiguous()?)?, n_out), n_out, n_in);
            let x_values = flat(&x)?;
            let x = rows(&x_values, n_in);
            let check = |name: &str, out: Vec<f32>, expected: &Tensor| {
                let out = Tensor::from_vec(out, (n, n_out), expected.device())?;
                assert_near(&format!("{n}x{n_in}->{n_out}, {name}"), &out, expected)
            };
            let mut out = vec![f32::NAN; n * n_out];
            packed.apply(x, n, &mut out, n_out);
            check("kernel", out.clone(), &with_bias)?;
            transposed.apply(x, n, &mut out, n_out);
            check("transposed", out.clone(), &product)?;
            let stride = n_out;
            run_portable(&packed, Block { x, n, stride }, &mut out);
            check("portable", out, &with_bias)?;
        }
        Ok(())
    }

    #[test]
    fn strided_rows_leave_the_gaps_alone() {
        let packed = Packed::new(&[1.0, 2.0, 3.0, 4.0], &[0.5, 0.0], 2);
        let (x, mut out) = ([1.0, 1.0, 9.0, 2.0, 1.0], [8.0; 6]);
        packed.apply(rows(&x, 3), 2, &mut out, 4);
        assert_eq!(out, [3.5, 7.0, 8.0, 8.0, 4.5, 10.0]);
    }

    #[test]
    fn a_row_has_the_same_bits_wherever_it_stands() -> Result<()> {
        let (n, n_in, n_out) = (70, 48, 40);
        let (w, b) = (random(&[n_out, n_in], 2)?, random(&[n_out], 3)?);
        let packed = Packed::new(&flat(&w)?, &flat(&b)?, n_in);
        let x = flat(&random(&[n, n_in], 1)?)?;
        let mut all = vec![0.0; n * n_out];
        packed.apply(rows(&x, n_in), n, &mut all, n_out);
        for (row, expected) in x.chunks(n_in).zip(all.chunks(n_out)) {
            let mut out = vec![0.0; n_out];
            packed.apply(rows(row, n_in), 1, &mut out, n_out);
            assert_eq!(out, expected);
        }
        Ok(())
    }
}
