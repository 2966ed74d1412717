//! Loops compiled for several vector widths, and the elementary functions they use.
//!
//! Only IEEE additions, multiplications and comparisons are used, never a fused multiply-add, so each width gives the
//! same bits as the plain loop. Sums run in [`LANES`] lanes for the same reason.

/// Partial sums of every reduction, whatever the machine.
pub(super) const LANES: usize = 16;

/// Compiles one function body for x86-64 with AVX-512, with AVX2, and for the build's own target; the widest that
/// the machine has is chosen at each call. Everything the body calls must be `#[inline(always)]` or a standard iterator.
macro_rules! vectorised {
    ($(#[$meta:meta])* fn $name:ident($($arg:ident: $type:ty),* $(,)?) $body:block) => {
        $(#[$meta])*
        #[allow(clippy::too_many_arguments)]
        pub(in crate::model::ops) fn $name($($arg: $type),*) {
            #[inline(always)]
            #[allow(clippy::too_many_arguments)]
            fn plain($($arg: $type),*) $body

            #[cfg(target_arch = "x86_64")]
            {
                #[target_feature(enable = "avx512f,avx512vl,avx512bw,avx512dq")]
                #[allow(clippy::too_many_arguments)]
                fn avx512($($arg: $type),*) { plain($($arg),*) }
                #[target_feature(enable = "avx2")]
                #[allow(clippy::too_many_arguments)]
                fn avx2($($arg: $type),*) { plain($($arg),*) }

                if is_x86_feature_detected!("avx512f")
                    && is_x86_feature_detected!("avx512vl")
                    && is_x86_feature_detected!("avx512bw")
                    && is_x86_feature_detected!("avx512dq")
                {
                    // Sound: the machine has every feature the function was compiled for.
                    return unsafe { avx512($($arg),*) };
                }
                if is_x86_feature_detected!("avx2") {
                    // Sound: as above.
                    return unsafe { avx2($($arg),*) };
                }
            }
            plain($($arg),*)
        }
    };
}
pub(super) use vectorised;

/// e^x with a relative error near 1e-7 (Cephes' expf polynomial). Saturates outside -87..88 instead of reaching 0 or
/// infinity; NaN stays NaN.
#[inline(always)]
pub(super) fn exp(x: f32) -> f32 {
    const ROUND: f32 = 12_582_912.0; // 1.5 * 2^23: adding it leaves the nearest integer in the low bits
    let x = if x < -87.0 { -87.0 } else { x };
    let x = if x > 88.0 { 88.0 } else { x };
    let shifted = x * std::f32::consts::LOG2_E + ROUND;
    let n = shifted - ROUND;
    let f = (x - n * 0.693_359_4) - n * -2.121_944_4e-4;
    let mut p = 1.987_569_1e-4_f32;
    p = p * f + 1.398_199_9e-3;
    p = p * f + 8.333_452e-3;
    p = p * f + 4.166_579_6e-2;
    p = p * f + 1.666_666_5e-1;
    p = p * f + 0.5;
    let mantissa = p * f * f + f + 1.0;
    mantissa * f32::from_bits((shifted.to_bits() << 23).wrapping_add(127 << 23))
}

/// ln(1 + x) for x in 0..=1: 2·atanh(x / (2 + x)) by its series, relative error near 1e-7.
#[inline(always)]
pub(super) fn ln_1p(x: f32) -> f32 {
    let z = x / (2.0 + x);
    let s = z * z;
    let mut p = 1.0 / 15.0;
    p = p * s + 1.0 / 13.0;
    p = p * s + 1.0 / 11.0;
    p = p * s + 1.0 / 9.0;
    p = p * s + 1.0 / 7.0;
    p = p * s + 0.2;
    p = p * s + 1.0 / 3.0;
    2.0 * z * (p * s + 1.0)
}

/// The error function, absolute error 1.5e-7 (Abramowitz and Stegun 7.1.26).
#[inline(always)]
pub(super) fn erf(x: f32) -> f32 {
    let a = x.abs();
    let t = 1.0 / (1.0 + 0.327_591_1 * a);
    let p = ((((1.061_405_4 * t - 1.453_152) * t + 1.421_413_7) * t - 0.284_496_74) * t
        + 0.254_829_6)
        * t;
    (1.0 - p * exp(-a * a)).copysign(x)
}

#[inline(always)]
pub(super) fn sigmoid(x: f32) -> f32 {
    1.0 / (1.0 + exp(-x))
}

#[inline(always)]
pub(super) fn tanh(x: f32) -> f32 {
    2.0 * sigmoid(2.0 * x) - 1.0
}

#[inline(always)]
fn add_lanes(lanes: [f32; LANES], rest: f32) -> f32 {
    let mut total = rest;
    for lane in lanes {
        total += lane;
    }
    total
}

#[inline(always)]
pub(super) fn sum(x: &[f32]) -> f32 {
    let (chunks, rest) = x.as_chunks::<LANES>();
    let mut lanes = [0f32; LANES];
    for chunk in chunks {
        for i in 0..LANES {
            lanes[i] += chunk[i];
        }
    }
    add_lanes(lanes, rest.iter().sum())
}

/// Sum of (x - centre)².
#[inline(always)]
pub(super) fn sum_squares(x: &[f32], centre: f32) -> f32 {
    let (chunks, rest) = x.as_chunks::<LANES>();
    let mut lanes = [0f32; LANES];
    for chunk in chunks {
        for i in 0..LANES {
            let d = chunk[i] - centre;
            lanes[i] += d * d;
        }
    }
    add_lanes(
        lanes,
        rest.iter().map(|v| (v - centre) * (v - centre)).sum(),
    )
}

/// Sum of x·y over the shorter of the two.
#[inline(always)]
pub(super) fn dot(x: &[f32], y: &[f32]) -> f32 {
    let n = x.len().min(y.len());
    let (x, x_rest) = x[..n].as_chunks::<LANES>();
    let (y, y_rest) = y[..n].as_chunks::<LANES>();
    let mut lanes = [0f32; LANES];
    for (x, y) in x.iter().zip(y) {
        for i in 0..LANES {
            lanes[i] += x[i] * y[i];
        }
    }
    add_lanes(lanes, x_rest.iter().zip(y_rest).map(|(x, y)| x * y).sum())
}

#[inline(always)]
pub(super) fn max(x: &[f32]) -> f32 {
    let (chunks, rest) = x.as_chunks::<LANES>();
    let mut lanes = [f32::NEG_INFINITY; LANES];
    let larger = |a: f32, b: f32| if b > a { b } else { a };
    for chunk in chunks {
        for i in 0..LANES {
            lanes[i] = larger(lanes[i], chunk[i]);
        }
    }
    let mut best = f32::NEG_INFINITY;
    for v in lanes.iter().chain(rest) {
        best = larger(best, *v);
    }
    best
}

/// y += a·x.
#[inline(always)]
pub(super) fn add_scaled(y: &mut [f32], a: f32, x: &[f32]) {
    for (y, x) in y.iter_mut().zip(x) {
        *y += a * x;
    }
}

vectorised! {
    /// sums`[j]` += Σ over rows of x`[row, j]`.
    fn add_column_sums(sums: &mut [f32], x: &[f32]) {
        for row in x.chunks_exact(sums.len().max(1)) {
            add_scaled(sums, 1.0, row);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exact_erf(x: f64) -> f64 {
        let x = candle_core::Tensor::new(x, &candle_core::Device::Cpu).unwrap();
        x.erf().unwrap().to_scalar().unwrap()
    }

    #[test]
    fn elementary_functions_are_near_the_exact_ones() {
        for i in -2000..=2000 {
            let x = f64::from(i) / 100.0;
            let near = |got: f32, exact: f64, tolerance: f64, what: &str| {
                let error = (f64::from(got) - exact).abs();
                assert!(
                    error <= tolerance * exact.abs().max(1.0),
                    "{what}({x}) = {got}, expected {exact}"
                );
            };
            near(exp(x as f32), x.exp(), 3e-6, "exp");
            near(sigmoid(x as f32), 1.0 / (1.0 + (-x).exp()), 1e-6, "sigmoid");
            near(tanh(x as f32), x.tanh(), 1e-6, "tanh");
            near(erf(x as f32), exact_erf(x), 1e-6, "erf");
            let share = x.abs() / 20.0;
            near(ln_1p(share as f32), share.ln_1p(), 2e-7, "ln_1p");
        }
        assert!(exp(f32::NAN).is_nan());
        assert!(exp(f32::INFINITY).is_finite() && exp(f32::NEG_INFINITY) < 1e-37);
    }

    #[test]
    fn reductions_handle_every_remainder() {
        for n in 0..40 {
            let x: Vec<f32> = (0..n).map(|i| i as f32 - 7.0).collect();
            let plain: f32 = x.iter().sum();
            assert_eq!(sum(&x), plain, "sum of {n}");
            assert_eq!(dot(&x, &x), x.iter().map(|v| v * v).sum::<f32>());
            let squares: f32 = x.iter().map(|v| (v - 1.0).powi(2)).sum();
            assert_eq!(sum_squares(&x, 1.0), squares);
            assert_eq!(max(&x), x.iter().copied().fold(f32::NEG_INFINITY, f32::max));
        }
    }
}
