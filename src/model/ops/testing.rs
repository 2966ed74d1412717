//! What every fused operation must pass: the plain formula's values and gradients, finite differences, and the same
//! bits in pools of one and two threads.

use candle_core::{Device, Result, Tensor, Var};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

const TOLERANCE: f32 = 1e-4;

/// Uniform in ±1.
pub(crate) fn random(shape: &[usize], seed: u64) -> Result<Tensor> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let n = shape.iter().product();
    let values: Vec<f32> = (0..n).map(|_| rng.random_range(-1.0..1.0)).collect();
    Tensor::from_vec(values, shape, &Device::Cpu)
}

pub(crate) fn flat(x: &Tensor) -> Result<Vec<f32>> {
    x.flatten_all()?.to_vec1()
}

#[track_caller]
pub(crate) fn assert_near(what: &str, got: &Tensor, expected: &Tensor) -> Result<()> {
    assert_eq!(got.dims(), expected.dims(), "{what}: shape");
    for (i, (g, e)) in flat(got)?.iter().zip(flat(expected)?).enumerate() {
        assert!(
            (g - e).abs() <= TOLERANCE * e.abs().max(1.0),
            "{what}[{i}]: got {g}, expected {e}"
        );
    }
    Ok(())
}

/// The value of `op`, then the gradient of Σ out·r (r random) with respect to each input.
fn run(
    inputs: &[Var],
    weights: &Tensor,
    op: &dyn Fn(&[Tensor]) -> Result<Tensor>,
) -> Result<Vec<Tensor>> {
    let tensors: Vec<Tensor> = inputs.iter().map(|v| v.as_tensor().clone()).collect();
    let out = op(&tensors)?;
    let grads = (&out * weights)?.sum_all()?.backward()?;
    let mut all = vec![out.detach()];
    for (i, input) in inputs.iter().enumerate() {
        all.push(match grads.get(input) {
            Some(grad) => grad.clone(),
            None => panic!("no gradient for input {i}"),
        });
    }
    Ok(all)
}

/// Checks `fused` against `plain`, against finite differences and against itself.
pub(crate) fn check_op(
    what: &str,
    shapes: &[&[usize]],
    fused: impl Fn(&[Tensor]) -> Result<Tensor> + Sync,
    plain: impl Fn(&[Tensor]) -> Result<Tensor>,
) -> Result<()> {
    let (tensors, weights, got) = check_kinked_op(what, shapes, &fused, plain)?;
    for i in 0..tensors.len() {
        check_slope(what, &tensors, i, &weights, &fused, &flat(&got[i + 1])?)?;
    }
    Ok(())
}

/// The same without finite differences, for operations whose slope jumps (a relu, a maximum): the plain formula's own
/// gradient is then the only measure. Gives the inputs, the weights of the loss, and the value with all gradients.
pub(crate) fn check_kinked_op(
    what: &str,
    shapes: &[&[usize]],
    fused: impl Fn(&[Tensor]) -> Result<Tensor> + Sync,
    plain: impl Fn(&[Tensor]) -> Result<Tensor>,
) -> Result<(Vec<Tensor>, Tensor, Vec<Tensor>)> {
    let inputs = shapes
        .iter()
        .zip(1..)
        .map(|(shape, seed)| Var::from_tensor(&random(shape, seed)?))
        .collect::<Result<Vec<_>>>()?;
    let tensors: Vec<Tensor> = inputs.iter().map(|v| v.as_tensor().clone()).collect();
    let weights = random(fused(&tensors)?.dims(), 99)?;

    let got = run(&inputs, &weights, &fused)?;
    let expected = run(&inputs, &weights, &plain)?;
    for (i, (g, e)) in got.iter().zip(&expected).enumerate() {
        assert_near(&format!("{what}, {}", part(i)), g, e)?;
    }
    let in_pool = |threads| -> Result<Vec<Vec<f32>>> {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
        let pool = pool.map_err(candle_core::Error::wrap)?;
        pool.install(|| run(&inputs, &weights, &fused)?.iter().map(flat).collect())
    };
    assert_eq!(
        in_pool(1)?,
        in_pool(2)?,
        "{what}: bits differ with the threads"
    );
    Ok((tensors, weights, got))
}

fn part(i: usize) -> String {
    match i {
        0 => "value".to_owned(),
        i => format!("gradient {}", i - 1),
    }
}

/// One random direction in input `i`: the loss's slope along it, by central difference, is the gradient's projection.
fn check_slope(
    what: &str,
    inputs: &[Tensor],
    i: usize,
    weights: &Tensor,
    op: &dyn Fn(&[Tensor]) -> Result<Tensor>,
    gradient: &[f32],
) -> Result<()> {
    const STEP: f64 = 1e-2;
    let direction = random(inputs[i].dims(), 7)?;
    let loss = |sign: f64| -> Result<f64> {
        let mut moved = inputs.to_vec();
        moved[i] = (&inputs[i] + (&direction * (sign * STEP))?)?;
        let terms = flat(&(op(&moved)? * weights)?)?;
        Ok(terms.iter().map(|v| f64::from(*v)).sum())
    };
    let slope = (loss(1.0)? - loss(-1.0)?) / (2.0 * STEP);
    let pairs = gradient.iter().zip(flat(&direction)?);
    let projected: f64 = pairs.map(|(g, d)| f64::from(*g) * f64::from(d)).sum();
    let size = gradient.iter().map(|g| g * g).sum::<f32>().sqrt();
    assert!(
        (slope - projected).abs() <= 1e-2 * f64::from(size.max(1.0)),
        "{what}: slope along input {i} is {slope}, gradient says {projected}"
    );
    Ok(())
}
