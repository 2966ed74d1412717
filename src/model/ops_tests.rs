use super::*;
use candle_core::{Device, Var};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

fn random(seed: u64, shape: (usize, usize)) -> Tensor {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let values: Vec<f32> = (0..shape.0 * shape.1)
        .map(|_| rng.random_range(-2.0..2.0))
        .collect();
    Tensor::from_vec(values, shape, &Device::Cpu).unwrap()
}

fn close(what: &str, a: &Tensor, b: &Tensor, tolerance: f32) {
    let (a, b) = (values(a).unwrap(), values(b).unwrap());
    assert_eq!(a.len(), b.len(), "{what}");
    for (i, (a, b)) in a.iter().zip(&b).enumerate() {
        assert!(
            (a - b).abs() <= tolerance * (1.0 + b.abs()),
            "{what} at {i}: {a} against {b}"
        );
    }
}

/// Forward and every gradient of `ours` against `slow`, weighted so that no gradient is trivially zero.
fn same(
    what: &str,
    inputs: &[Tensor],
    ours: impl Fn(&[Tensor]) -> Result<Tensor>,
    slow: impl Fn(&[Tensor]) -> Result<Tensor>,
) {
    let run = |f: &dyn Fn(&[Tensor]) -> Result<Tensor>| {
        let vars: Vec<Var> = inputs
            .iter()
            .map(|t| Var::from_tensor(t).unwrap())
            .collect();
        let tensors: Vec<Tensor> = vars.iter().map(|v| v.as_tensor().clone()).collect();
        let y = f(&tensors).unwrap();
        let weight = random(99, y.dims2().unwrap());
        let grads = (&y * weight)
            .unwrap()
            .sum_all()
            .unwrap()
            .backward()
            .unwrap();
        let grads: Vec<Tensor> = tensors
            .iter()
            .map(|t| grads.get(t).expect("a gradient").clone())
            .collect();
        (y, grads)
    };
    let ((y, grads), (y2, grads2)) = (run(&ours), run(&slow));
    close(what, &y, &y2, 2e-5);
    for (i, (a, b)) in grads.iter().zip(&grads2).enumerate() {
        close(&format!("{what}, gradient of input {i}"), a, b, 2e-4);
    }
}

#[test]
fn fused_operations_agree_with_candles_own_forward_and_backward() {
    same(
        "gelu",
        &[(random(1, (70, 33)) * 3.0).unwrap()],
        |t| gelu(&t[0]),
        |t| t[0].gelu_erf(),
    );
    for (n, h) in [(3, 16), (130, 24), (1, 7)] {
        let inputs = [
            random(2, (n, h)),
            random(3, (1, h)).get(0).unwrap(),
            random(4, (1, h)).get(0).unwrap(),
        ];
        same(
            "layer norm",
            &inputs,
            |t| layer_norm(&t[0], &t[1], &t[2], 1e-6),
            |t| candle_nn::ops::layer_norm_slow(&t[0], &t[1], &t[2], 1e-6),
        );
    }
}

#[test]
fn packed_attention_agrees_with_the_plain_form_with_and_without_dropout() {
    let starts = Arc::new(vec![0, 5, 6, 17]);
    let (heads, h) = (3, 12);
    let n = n_attention_weights(&starts, heads);
    let mut rng = ChaCha8Rng::seed_from_u64(5);
    let mask: Vec<f32> = (0..n)
        .map(|_| {
            if rng.random_range(0.0..1.0) < 0.3 {
                0.0
            } else {
                1.0 / 0.7
            }
        })
        .collect();
    for keep in [None, Some(Arc::new(mask))] {
        let op = Attention {
            starts: starts.clone(),
            n_heads: heads,
            keep: keep.clone(),
        };
        same(
            "attention",
            &[random(6, (17, 3 * h))],
            |t| packed_attention(&t[0], &starts, heads, keep.clone()),
            |t| op.plain(&t[0]),
        );
    }
}

#[test]
fn results_do_not_depend_on_the_number_of_threads() {
    let starts = Arc::new(vec![0, 40, 90, 200]);
    let (x, w, b) = (
        random(7, (200, 48)),
        random(8, (1, 48)).get(0).unwrap(),
        random(9, (1, 48)).get(0).unwrap(),
    );
    let run = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .build()
            .unwrap();
        pool.install(|| {
            let x = Var::from_tensor(&x).unwrap();
            let w = Var::from_tensor(&w).unwrap();
            let y = layer_norm(&gelu(x.as_tensor()).unwrap(), w.as_tensor(), &b, 1e-12).unwrap();
            let y = packed_attention(&y, &starts, 4, None).unwrap();
            let grads = y.sqr().unwrap().sum_all().unwrap().backward().unwrap();
            [&y, grads.get(&x).unwrap(), grads.get(&w).unwrap()].map(|t| {
                values(t)
                    .unwrap()
                    .into_iter()
                    .map(f32::to_bits)
                    .collect::<Vec<_>>()
            })
        })
    };
    assert_eq!(run(1), run(3));
}

#[test]
fn exp_and_erf_are_as_exact_as_they_say() {
    for i in -8700..=8700 {
        let x = i as f32 / 100.0;
        let (got, want) = (f64::from(exp(x)), f64::from(x).exp());
        assert!(
            (got - want).abs() <= 4e-7 * want,
            "exp({x}) = {got}, not {want}"
        );
    }
    // erf(0.5), erf(1), erf(2), to ten digits.
    for (x, want) in [
        (0.0, 0.0),
        (0.5, 0.520_499_9),
        (1.0, 0.842_700_8),
        (2.0, 0.995_322_3),
    ] {
        for sign in [1.0, -1.0] {
            assert!((erf(sign * x) - sign * want).abs() < 3e-7, "erf({x})");
        }
    }
}
