//! Turning one graph's vectors so that they lie as another's do: two runs of LINE over nearly the same graph find nearly the
//! same figure, each in a position of its own.
//!
//! Orthogonal Procrustes problem (Schönemann 1966): the orthogonal R that minimises `|X R - Y|` is `U V^T`, where
//! `X^T Y = U S V^T`.

use nalgebra::{DMatrix, DVector};

/// Turns the rows of `x` [n, width] onto those of `y` [n, width], every `block` columns apart (`block` divides `width`); the turn is
/// found from the rows that `shared` names. Returns the mean over these rows and blocks of the dot product with `y` afterwards, which
/// is the cosine where blocks have unit length; `None` where no row is shared, and `x` stays as it is.
pub fn align(x: &mut [f32], y: &[f32], width: usize, block: usize, shared: &[bool]) -> Option<f64> {
    let n_shared = shared.iter().filter(|s| **s).count();
    if n_shared == 0 {
        return None;
    }
    let mut agreement = 0.0;
    for start in (0..width).step_by(block) {
        let part = |row: &[f32]| {
            let values = row[start..start + block].iter();
            DVector::from_iterator(block, values.map(|v| f64::from(*v)))
        };
        let mut product = DMatrix::<f64>::zeros(block, block);
        let rows = x.chunks(width).zip(y.chunks(width)).zip(shared);
        for ((x, y), _) in rows.filter(|(_, shared)| **shared) {
            product.ger(1.0, &part(x), &part(y), 1.0);
        }
        let parts = product.svd(true, true);
        let turn = parts.u? * parts.v_t?;
        let rows = x.chunks_mut(width).zip(y.chunks(width)).zip(shared);
        for ((x, y), shared) in rows {
            let turned = turn.tr_mul(&part(x));
            if *shared {
                agreement += turned.dot(&part(y));
            }
            let place = x[start..start + block].iter_mut();
            place.zip(&turned).for_each(|(x, t)| *x = *t as f32);
        }
    }
    Some(agreement / (n_shared * width / block) as f64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::params::rng_for;
    use rand::Rng;

    /// A turn and mirroring of 3 columns, another of the next 3; the last two rows are not shared and lie elsewhere.
    #[test]
    fn turned_vectors_come_back_and_the_others_turn_along() {
        let mut rng = rng_for(5, "align");
        let (n, width, block) = (12, 6, 3);
        let y: Vec<f32> = (0..n * width)
            .map(|_| rng.random_range(-1.0..1.0))
            .collect();
        let mut x: Vec<f32> = y
            .chunks(width)
            .flat_map(|r| [r[1], -r[0], r[2], r[5], r[3], r[4]])
            .collect();
        let whole = x.clone();
        let mut shared = vec![true; n];
        shared[10..].fill(false);
        x[10 * width] += 5.0;
        let agreement = align(&mut x, &y, width, block, &shared).unwrap();
        let squares: f32 = y[..10 * width].iter().map(|v| v * v).sum();
        assert!((agreement - f64::from(squares) / 20.0).abs() < 1e-4);
        for (i, (x, y)) in x.iter().zip(&y).enumerate() {
            // What was added to the first column was the second one's before the turn.
            let moved = if i == 10 * width + 1 { 5.0 } else { 0.0 };
            assert!((x - y - moved).abs() < 1e-4, "{i}: {x}, {y}");
        }
        let mut none = whole.clone();
        assert_eq!(align(&mut none, &y, width, block, &[false; 12]), None);
        assert_eq!(none, whole);
    }

    #[test]
    fn lengths_stay() {
        let mut rng = rng_for(6, "align");
        let mut draw = || -> Vec<f32> { (0..40).map(|_| rng.random_range(-1.0..1.0)).collect() };
        let (mut x, y) = (draw(), draw());
        let length = |v: &[f32]| v.iter().map(|x| x * x).sum::<f32>();
        let before: Vec<f32> = x.chunks(4).map(length).collect();
        align(&mut x, &y, 8, 4, &[true; 5]).unwrap();
        for (a, b) in before.iter().zip(x.chunks(4).map(length)) {
            assert!((a - b).abs() < 1e-5);
        }
    }
}
