//! Adam over named parameters, its schedule, and clipping by the global norm.
//!
//! Owned here because candle's AdamW has one rate and hides its moments, so a run could not be resumed to the same bits.
//! Moments are kept by parameter name in a stable order; the update touches each value once.

use candle_core::backend::BackendStorage;
use candle_core::{
    CpuStorage, DType, InplaceOp2, InplaceOp3, Layout, Result, Tensor, Var, backprop::GradStore,
    bail,
};

/// Gradients by parameter name.
pub type Gradients = BTreeMap<String, Tensor>;

/// The gradients that a backward pass found for `params`, each multiplied by `weight`.
pub fn gradients(params: &[(String, Var)], store: &GradStore, weight: f64) -> Result<Gradients> {
    let found = params
        .iter()
        .filter_map(|(name, var)| Some((name, store.get(var.as_tensor())?)));
    found
        .map(|(name, g)| Ok((name.clone(), (g.detach() * weight)?)))
        .collect()
}

/// `sum += more`, parameter by parameter.
pub fn accumulate(sum: &mut Gradients, more: Gradients) -> Result<()> {
    for (name, gradient) in more {
        let total = match sum.get(&name) {
            Some(before) => (before + gradient)?,
            None => gradient,
        };
        sum.insert(name, total);
    }
    Ok(())
}

use rayon::prelude::*;
use std::collections::BTreeMap;

/// Where epsilon stands (golden `optim`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EpsilonForm {
    /// `m̂ / (sqrt(v̂) + ε)`, bias correction inside.
    PyTorch,
    /// `rate·sqrt(1-β2^t)/(1-β1^t) · m / (sqrt(v) + ε)`.
    TensorFlow,
}

#[derive(Clone, Copy, Debug)]
pub struct AdamConfig {
    pub beta1: f64,
    pub beta2: f64,
    pub epsilon: f64,
    pub form: EpsilonForm,
    /// Decoupled (AdamW); 0 is plain Adam.
    pub weight_decay: f64,
}

impl Default for AdamConfig {
    fn default() -> Self {
        Self {
            beta1: 0.9,
            beta2: 0.999,
            epsilon: 1e-8,
            form: EpsilonForm::PyTorch,
            weight_decay: 0.0,
        }
    }
}

/// First and second moment of one parameter, of its shape.
struct Moments {
    first: Tensor,
    second: Tensor,
}

/// Optimizer state; [`Adam::state`] and [`Adam::restore`] carry it through a checkpoint.
pub struct Adam {
    config: AdamConfig,
    steps: u64,
    moments: BTreeMap<String, Moments>,
}

impl Adam {
    pub fn new(config: AdamConfig) -> Self {
        Self {
            config,
            steps: 0,
            moments: BTreeMap::new(),
        }
    }

    pub fn steps(&self) -> u64 {
        self.steps
    }

    /// One update. `rate` gives the learning rate of a parameter by name (0 skips it); every gradient is multiplied by
    /// `scale` first (from [`clip_scale`]). Parameters without a gradient keep value and moments.
    pub fn step(
        &mut self,
        params: &[(String, Var)],
        grads: &Gradients,
        scale: f64,
        rate: impl Fn(&str) -> f64,
    ) -> Result<()> {
        self.steps += 1;
        for (name, var) in params {
            let Some(grad) = grads.get(name) else {
                continue;
            };
            let rate = rate(name);
            if rate == 0.0 {
                continue;
            }
            let moments = match self.moments.entry(name.clone()) {
                std::collections::btree_map::Entry::Occupied(e) => e.into_mut(),
                std::collections::btree_map::Entry::Vacant(e) => {
                    // zeros_like of a variable would be a view of one shared zero on some backends; these are real buffers.
                    let zeros = || Tensor::zeros(var.shape(), var.dtype(), var.device());
                    e.insert(Moments {
                        first: zeros()?,
                        second: zeros()?,
                    })
                }
            };
            update(&self.config, self.steps, var, moments, grad, scale, rate)?;
        }
        Ok(())
    }

    /// (step count, moments by `first.NAME` and `second.NAME`).
    pub fn state(&self) -> (u64, BTreeMap<String, Tensor>) {
        let mut tensors = BTreeMap::new();
        for (name, m) in &self.moments {
            tensors.insert(format!("first.{name}"), m.first.clone());
            tensors.insert(format!("second.{name}"), m.second.clone());
        }
        (self.steps, tensors)
    }

    /// Fails if a `first.` has no `second.` of its shape.
    pub fn restore(&mut self, steps: u64, tensors: &BTreeMap<String, Tensor>) -> Result<()> {
        self.steps = steps;
        self.moments.clear();
        for (key, first) in tensors {
            let Some(name) = key.strip_prefix("first.") else {
                continue;
            };
            match tensors.get(&format!("second.{name}")) {
                Some(second) if second.shape() == first.shape() => self.moments.insert(
                    name.to_owned(),
                    Moments {
                        first: first.copy()?,
                        second: second.copy()?,
                    },
                ),
                _ => bail!("optimizer state of `{name}` is incomplete"),
            };
        }
        Ok(())
    }
}

fn update(
    config: &AdamConfig,
    steps: u64,
    var: &Var,
    moments: &mut Moments,
    grad: &Tensor,
    scale: f64,
    rate: f64,
) -> Result<()> {
    let (b1, b2) = (config.beta1, config.beta2);
    let (c1, c2) = (1.0 - b1.powf(steps as f64), 1.0 - b2.powf(steps as f64));
    // Both forms are  theta -= a·m / (b·sqrt(v) + ε).
    let (a, b) = match config.form {
        EpsilonForm::PyTorch => (rate / c1, 1.0 / c2.sqrt()),
        EpsilonForm::TensorFlow => (rate * c2.sqrt() / c1, 1.0),
    };
    let shrink = 1.0 - rate * config.weight_decay;
    let grad = grad.contiguous()?;
    if var.device().is_cpu() && var.dtype() == DType::F32 {
        moments.first.inplace_op2(
            &grad,
            &Decay {
                beta: b1,
                scale,
                squared: false,
            },
        )?;
        moments.second.inplace_op2(
            &grad,
            &Decay {
                beta: b2,
                scale,
                squared: true,
            },
        )?;
        let apply = Apply {
            a: a as f32,
            b: b as f32,
            epsilon: config.epsilon as f32,
            shrink: shrink as f32,
        };
        return var
            .as_tensor()
            .inplace_op3(&moments.first, &moments.second, &apply);
    }
    let grad = (grad.detach() * scale)?;
    moments.first = ((&moments.first * b1)? + (&grad * (1.0 - b1))?)?.detach();
    moments.second = ((&moments.second * b2)? + (grad.sqr()? * (1.0 - b2))?)?.detach();
    let step = ((&moments.first * a)? / ((moments.second.sqrt()? * b)? + config.epsilon)?)?;
    var.set(&((var.as_tensor().detach() * shrink)? - step)?.detach())
}

/// Values per parallel chunk: large enough that a chunk outweighs its scheduling.
const CHUNK: usize = 1 << 15;

fn range(layout: &Layout) -> Result<std::ops::Range<usize>> {
    match layout.contiguous_offsets() {
        Some((start, end)) => Ok(start..end),
        None => bail!("optimizer tensors must be contiguous"),
    }
}

fn values_mut<'a>(storage: &'a mut CpuStorage, layout: &Layout) -> Result<&'a mut [f32]> {
    let range = range(layout)?;
    match storage {
        CpuStorage::F32(values) => Ok(&mut values[range]),
        other => bail!("optimizer expects f32, got {:?}", other.dtype()),
    }
}

/// `m <- beta·m + (1-beta)·g` or, squared, `m <- beta·m + (1-beta)·g²`.
struct Decay {
    beta: f64,
    scale: f64,
    squared: bool,
}

impl InplaceOp2 for Decay {
    fn name(&self) -> &'static str {
        "adam-moment"
    }
    fn cpu_fwd(&self, m: &mut CpuStorage, ml: &Layout, g: &CpuStorage, gl: &Layout) -> Result<()> {
        let m = values_mut(m, ml)?;
        let g = &g.as_slice::<f32>()?[range(gl)?];
        let (beta, rest, scale) = (
            self.beta as f32,
            (1.0 - self.beta) as f32,
            self.scale as f32,
        );
        let squared = self.squared;
        m.par_chunks_mut(CHUNK)
            .zip(g.par_chunks(CHUNK))
            .for_each(|(m, g)| {
                for (m, g) in m.iter_mut().zip(g) {
                    let g = g * scale;
                    *m = beta * *m + rest * if squared { g * g } else { g };
                }
            });
        Ok(())
    }
}

struct Apply {
    a: f32,
    b: f32,
    epsilon: f32,
    shrink: f32,
}

impl InplaceOp3 for Apply {
    fn name(&self) -> &'static str {
        "adam-apply"
    }
    fn cpu_fwd(
        &self,
        theta: &mut CpuStorage,
        tl: &Layout,
        m: &CpuStorage,
        ml: &Layout,
        v: &CpuStorage,
        vl: &Layout,
    ) -> Result<()> {
        let theta = values_mut(theta, tl)?;
        let m = &m.as_slice::<f32>()?[range(ml)?];
        let v = &v.as_slice::<f32>()?[range(vl)?];
        let Apply {
            a,
            b,
            epsilon,
            shrink,
        } = *self;
        theta
            .par_chunks_mut(CHUNK)
            .zip(m.par_chunks(CHUNK))
            .zip(v.par_chunks(CHUNK))
            .for_each(|((theta, m), v)| {
                for ((theta, m), v) in theta.iter_mut().zip(m).zip(v) {
                    *theta = *theta * shrink - a * m / (b * v.sqrt() + epsilon);
                }
            });
        Ok(())
    }
}

/// Euclidean norm of all gradients together, summed in parameter order in f64 so that it does not depend on threads.
pub fn global_norm(grads: &Gradients) -> Result<f64> {
    let mut total = 0.0;
    for grad in grads.values() {
        total += f64::from(
            grad.sqr()?
                .sum_all()?
                .to_dtype(DType::F32)?
                .to_scalar::<f32>()?,
        );
    }
    Ok(total.sqrt())
}

/// Factor that brings `norm` down to `max`; 1 below it.
pub fn clip_scale(norm: f64, max: f64) -> f64 {
    if norm > max && norm.is_finite() {
        max / norm
    } else {
        1.0
    }
}

/// Learning rate over steps, as a factor of the base rate.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Schedule {
    Constant,
    /// Linear from 0 over `warmup` steps, then constant (kernel head's code; the first step has rate 0).
    Warmup {
        warmup: u64,
    },
    /// Linear from 0 over `warmup` steps, then linear to 0 at `total`.
    WarmupLinear {
        warmup: u64,
        total: u64,
    },
}

impl Schedule {
    /// `step` counts from 0.
    pub fn factor(self, step: u64) -> f64 {
        let ramp = |warmup: u64| {
            if step < warmup {
                step as f64 / warmup as f64
            } else {
                1.0
            }
        };
        match self {
            Schedule::Constant => 1.0,
            Schedule::Warmup { warmup } => ramp(warmup),
            Schedule::WarmupLinear { warmup, total } if step >= warmup => {
                let rest = total.saturating_sub(warmup).max(1) as f64;
                (total.saturating_sub(step) as f64 / rest).max(0.0)
            }
            Schedule::WarmupLinear { warmup, .. } => ramp(warmup),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use candle_core::Device;
    use serde_json::Value;

    fn golden() -> Value {
        serde_json::from_str(include_str!("../../tests/golden/optim.json")).unwrap()
    }
    fn floats(v: &Value) -> Vec<f32> {
        v["data"]
            .as_array()
            .unwrap()
            .iter()
            .map(|x| x.as_f64().unwrap() as f32)
            .collect()
    }

    #[test]
    fn three_adam_steps_agree_with_the_golden_numbers_in_both_forms_and_dtypes() -> Result<()> {
        let g = golden();
        let grads = floats(&g["in"]["grads"]);
        let check = |key: &str, rate: f64, form: EpsilonForm, dtype: DType| -> Result<()> {
            let theta =
                Tensor::from_vec(floats(&g["in"]["theta"]), 4, &Device::Cpu)?.to_dtype(dtype)?;
            let var = Var::from_tensor(&theta)?;
            let params = [("theta".to_owned(), var.clone())];
            let mut adam = Adam::new(AdamConfig {
                form,
                ..AdamConfig::default()
            });
            let expected = floats(&g["out"][key]);
            for step in 0..3 {
                let grad = Tensor::from_slice(&grads[4 * step..4 * step + 4], 4, &Device::Cpu)?
                    .to_dtype(dtype)?;
                // The gradient of sum(theta * grad) is grad.
                let store = (var.as_tensor() * grad)?.sum_all()?.backward()?;
                adam.step(&params, &gradients(&params, &store, 1.0)?, 1.0, |_| rate)?;
                let got: Vec<f32> = var.as_tensor().to_dtype(DType::F32)?.to_vec1()?;
                for (got, want) in got.iter().zip(&expected[4 * step..]) {
                    assert!(
                        (got - want).abs() < 1e-6,
                        "{key} {dtype:?} step {step}: {got} {want}"
                    );
                }
            }
            Ok(())
        };
        // f32 takes the fused update, f64 the tensor form that a GPU takes.
        for dtype in [DType::F32, DType::F64] {
            check("adam_text", 5e-4, EpsilonForm::PyTorch, dtype)?;
            check("adam_kb", 1e-5, EpsilonForm::PyTorch, dtype)?;
            check("adam_text_tf", 5e-4, EpsilonForm::TensorFlow, dtype)?;
        }
        Ok(())
    }

    #[test]
    fn clipping_and_warm_up_agree_with_the_golden_numbers() {
        let g = golden();
        let clip_in = floats(&g["in"]["clip_in"]);
        let norm = clip_in.iter().map(|x| f64::from(x * x)).sum::<f64>().sqrt();
        assert!((norm - g["out"]["norm"].as_f64().unwrap()).abs() < 1e-6);
        let scale = clip_scale(norm, 5.0) as f32;
        for (x, want) in clip_in.iter().zip(floats(&g["out"]["clipped"])) {
            assert!((x * scale - want).abs() < 1e-6);
        }
        for (step, rate) in g["out"]["warmup_lr"].as_object().unwrap() {
            let factor = Schedule::Warmup { warmup: 300 }.factor(step.parse().unwrap());
            assert!(
                (3e-5 * factor - rate.as_f64().unwrap()).abs() < 1e-12,
                "step {step}"
            );
        }
    }

    #[test]
    fn warm_up_then_linear_ends_at_zero() {
        let s = Schedule::WarmupLinear {
            warmup: 10,
            total: 110,
        };
        let at = |step| s.factor(step);
        assert_eq!(
            [at(0), at(5), at(10), at(60), at(110), at(500)],
            [0.0, 0.5, 1.0, 0.5, 0.0, 0.0]
        );
        assert_eq!(clip_scale(f64::NAN, 5.0), 1.0);
        assert_eq!(clip_scale(20.0, 5.0), 0.25);
    }

    #[test]
    fn a_restored_optimizer_continues_to_the_same_bits() -> Result<()> {
        let grad = Tensor::new(&[0.3f32, -0.7], &Device::Cpu)?;
        let run = |interrupted: bool| -> Result<Vec<f32>> {
            let var = Var::new(&[1f32, 2.], &Device::Cpu)?;
            let params = [("w".to_owned(), var.clone())];
            let mut adam = Adam::new(AdamConfig::default());
            for step in 0..6 {
                if interrupted && step == 3 {
                    let (steps, state) = adam.state();
                    adam = Adam::new(AdamConfig::default());
                    adam.restore(steps, &state)?;
                }
                let store = (var.as_tensor().sqr()? * &grad)?.sum_all()?.backward()?;
                adam.step(&params, &gradients(&params, &store, 1.0)?, 1.0, |_| 1e-2)?;
            }
            var.as_tensor().to_vec1()
        };
        assert_eq!(run(false)?, run(true)?);
        Ok(())
    }
}
