//! Adam over named parameters, its schedule, and clipping by the global norm.
//!
//! Owned here because candle's AdamW has one rate and hides its moments, so a run could not be resumed to the same bits.
//! Moments are kept by parameter name in a stable order; the update touches each value once.

use crate::model::ops::{AdamStep, add_in_place, end_to_end, sum_of_squares};
use candle_core::{Device, Result, Shape, Tensor, Var, backprop::GradStore, bail};
use std::collections::BTreeMap;

/// Gradients by parameter name; each is a tensor of its own, which shares its values with nothing.
pub type Gradients = BTreeMap<String, Tensor>;

/// The gradients that a backward pass found for `params`; they leave the store.
pub fn gradients(params: &[(String, Var)], store: &mut GradStore) -> Result<Gradients> {
    let found = params
        .iter()
        .filter_map(|(name, var)| Some((name, store.remove(var.as_tensor())?)));
    found
        .map(|(name, g)| Ok((name.clone(), g.detach().contiguous()?)))
        .collect()
}

/// `sum += more`, parameter by parameter.
pub fn accumulate(sum: &mut Gradients, more: Gradients) -> Result<()> {
    for (name, gradient) in more {
        match sum.get_mut(&name) {
            Some(total) if AdamStep::applies_to(total) => add_in_place(total, &gradient)?,
            Some(total) => *total = (&*total + gradient)?,
            None => _ = sum.insert(name, gradient),
        }
    }
    Ok(())
}

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

/// First and second moment of one parameter.
enum Moments {
    /// Of a parameter that the fused step updates.
    Values {
        first: Vec<f32>,
        second: Vec<f32>,
        shape: Shape,
    },
    Tensors {
        first: Tensor,
        second: Tensor,
    },
}

impl Moments {
    /// Takes them over, in the form that `like`, the parameter or a moment of its kind, asks for.
    fn new(like: &Tensor, first: &Tensor, second: &Tensor) -> Result<Self> {
        if !AdamStep::applies_to(like) {
            let (first, second) = (first.copy()?, second.copy()?);
            return Ok(Self::Tensors { first, second });
        }
        Ok(Self::Values {
            first: first.flatten_all()?.to_vec1()?,
            second: second.flatten_all()?.to_vec1()?,
            shape: first.shape().clone(),
        })
    }

    fn zeros(like: &Tensor) -> Result<Self> {
        if !AdamStep::applies_to(like) {
            // zeros_like of a variable would be a view of one shared zero on some backends; these are real buffers.
            let zeros = || Tensor::zeros(like.shape(), like.dtype(), like.device());
            let (first, second) = (zeros()?, zeros()?);
            return Ok(Self::Tensors { first, second });
        }
        Ok(Self::Values {
            first: vec![0.0; like.elem_count()],
            second: vec![0.0; like.elem_count()],
            shape: like.shape().clone(),
        })
    }

    fn tensors(&self) -> Result<(Tensor, Tensor)> {
        match self {
            Self::Tensors { first, second } => Ok((first.clone(), second.clone())),
            Self::Values {
                first,
                second,
                shape,
            } => {
                let tensor = |values: &[f32]| Tensor::from_slice(values, shape, &Device::Cpu);
                Ok((tensor(first)?, tensor(second)?))
            }
        }
    }
}

/// Optimizer state; [`Adam::state`] and [`Adam::restore`] carry it through a checkpoint.
pub struct Adam {
    config: AdamConfig,
    steps: u64,
    moments: BTreeMap<String, Moments>,
    /// Those of the parameters that the last step updated as one.
    together: Option<Together>,
}

/// Parameters without a fused step, end to end: a GPU wants few large operations.
struct Together {
    names: Vec<String>,
    /// Rates as parts of the first parameter's, and each value's own.
    parts: Vec<f64>,
    rates: Tensor,
    first: Tensor,
    second: Tensor,
}

/// A parameter in a step.
struct Updated<'a> {
    name: &'a str,
    var: &'a Var,
    grad: &'a Tensor,
    rate: f64,
}

impl Adam {
    pub fn new(config: AdamConfig) -> Self {
        Self {
            config,
            steps: 0,
            moments: BTreeMap::new(),
            together: None,
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
        let mut elsewhere = Vec::new();
        for (name, var) in params {
            let (Some(grad), rate) = (grads.get(name), rate(name)) else {
                continue;
            };
            if rate == 0.0 {
                continue;
            }
            let moments = match self.moments.entry(name.clone()) {
                std::collections::btree_map::Entry::Occupied(e) => e.into_mut(),
                std::collections::btree_map::Entry::Vacant(e) => e.insert(Moments::zeros(var)?),
            };
            match moments {
                Moments::Values { first, second, .. } => {
                    let step = Step::new(&self.config, self.steps, rate).fused(scale);
                    step.apply(var.as_tensor(), grad, first, second)?;
                }
                Moments::Tensors { .. } => elsewhere.push(Updated {
                    name,
                    var,
                    grad,
                    rate,
                }),
            }
        }
        // Parameters of one number type can stand end to end.
        while let Some(first) = elsewhere.first() {
            let dtype = first.var.dtype();
            let (these, others) = elsewhere.into_iter().partition(|u| u.var.dtype() == dtype);
            self.step_together(these, scale)?;
            elsewhere = others;
        }
        Ok(())
    }

    fn step_together(&mut self, updated: Vec<Updated>, scale: f64) -> Result<()> {
        let known = self.together.take();
        let known = known.filter(|t| t.names.iter().eq(updated.iter().map(|u| u.name)));
        let together = match known {
            Some(known) => known.at_rates(&updated)?,
            None => self.gathered(&updated)?,
        };
        let step = Step::new(&self.config, self.steps, updated[0].rate);
        let (b1, b2) = (self.config.beta1, self.config.beta2);
        let grad = (end_to_end(updated.iter().map(|u| u.grad))? * scale)?;
        let first = ((&together.first * b1)? + (&grad * (1.0 - b1))?)?;
        let second = ((&together.second * b2)? + (grad.sqr()? * (1.0 - b2))?)?;
        let change = ((&first * step.a)? / ((second.sqrt()? * step.b)? + step.epsilon)?)?;
        let mut values = end_to_end(updated.iter().map(|u| u.var.as_tensor()))?;
        if step.shrink != 1.0 {
            values = (&values - ((&values * &together.rates)? * (1.0 - step.shrink))?)?;
        }
        let values = (values - (change * &together.rates)?)?;
        let mut from = 0;
        for u in &updated {
            let n = u.var.elem_count();
            let own = |all: &Tensor| all.narrow(0, from, n)?.reshape(u.var.shape());
            u.var.set(&own(&values)?)?;
            let (first, second) = (own(&first)?, own(&second)?);
            self.moments
                .insert(u.name.to_owned(), Moments::Tensors { first, second });
            from += n;
        }
        self.together = Some(Together {
            first,
            second,
            ..together
        });
        Ok(())
    }

    /// These parameters' moments from where each has its own.
    fn gathered(&self, updated: &[Updated]) -> Result<Together> {
        let (mut first, mut second) = (Vec::new(), Vec::new());
        for u in updated {
            let (m, v) = match self.moments.get(u.name) {
                Some(moments) => moments.tensors()?,
                None => Moments::zeros(u.var)?.tensors()?,
            };
            first.push(m);
            second.push(v);
        }
        let (parts, rates) = rates_of(updated)?;
        Ok(Together {
            names: updated.iter().map(|u| u.name.to_owned()).collect(),
            parts,
            rates,
            first: end_to_end(first.iter())?,
            second: end_to_end(second.iter())?,
        })
    }

    /// (step count, moments by `first.NAME` and `second.NAME`).
    pub fn state(&self) -> Result<(u64, BTreeMap<String, Tensor>)> {
        let mut tensors = BTreeMap::new();
        for (name, moments) in &self.moments {
            let (first, second) = moments.tensors()?;
            tensors.insert(format!("first.{name}"), first);
            tensors.insert(format!("second.{name}"), second);
        }
        Ok((self.steps, tensors))
    }

    /// Fails if a `first.` has no `second.` of its shape.
    pub fn restore(&mut self, steps: u64, tensors: &BTreeMap<String, Tensor>) -> Result<()> {
        self.steps = steps;
        self.moments.clear();
        self.together = None;
        for (key, first) in tensors {
            let Some(name) = key.strip_prefix("first.") else {
                continue;
            };
            match tensors.get(&format!("second.{name}")) {
                Some(second) if second.shape() == first.shape() => self
                    .moments
                    .insert(name.to_owned(), Moments::new(first, first, second)?),
                _ => bail!("optimizer state of `{name}` is incomplete"),
            };
        }
        Ok(())
    }
}

impl Together {
    /// Schedules change all rates alike; only another proportion is work.
    fn at_rates(self, updated: &[Updated]) -> Result<Self> {
        let first = updated[0].rate;
        let same = |(u, part): (&Updated, &f64)| (u.rate / first - part).abs() < 1e-9 * part;
        if updated.iter().zip(&self.parts).all(same) {
            return Ok(self);
        }
        let (parts, rates) = rates_of(updated)?;
        Ok(Self {
            parts,
            rates,
            ..self
        })
    }
}

/// Rates as parts of the first one, and for each value.
fn rates_of(updated: &[Updated]) -> Result<(Vec<f64>, Tensor)> {
    let parts: Vec<f64> = updated.iter().map(|u| u.rate / updated[0].rate).collect();
    let of_values = |(u, part): (&Updated, &f64)| {
        Tensor::full(*part, u.var.elem_count(), u.var.device())?.to_dtype(u.var.dtype())
    };
    let rates: Vec<Tensor> = (updated.iter().zip(&parts).map(of_values)).collect::<Result<_>>()?;
    Ok((parts, end_to_end(rates.iter())?))
}

/// theta <- shrink·theta - a·m / (b·sqrt(v) + ε), which both forms are.
struct Step {
    beta1: f64,
    beta2: f64,
    a: f64,
    b: f64,
    shrink: f64,
    epsilon: f64,
}

impl Step {
    fn new(config: &AdamConfig, steps: u64, rate: f64) -> Self {
        let (b1, b2) = (config.beta1, config.beta2);
        let (c1, c2) = (1.0 - b1.powf(steps as f64), 1.0 - b2.powf(steps as f64));
        let (a, b) = match config.form {
            EpsilonForm::PyTorch => (rate / c1, 1.0 / c2.sqrt()),
            EpsilonForm::TensorFlow => (rate * c2.sqrt() / c1, 1.0),
        };
        Self {
            beta1: b1,
            beta2: b2,
            a,
            b,
            shrink: 1.0 - rate * config.weight_decay,
            epsilon: config.epsilon,
        }
    }

    fn fused(&self, scale: f64) -> AdamStep {
        AdamStep {
            beta1: self.beta1 as f32,
            beta2: self.beta2 as f32,
            scale: scale as f32,
            shrink: self.shrink as f32,
            a: self.a as f32,
            b: self.b as f32,
            epsilon: self.epsilon as f32,
        }
    }
}

/// Euclidean norm of all gradients together, summed in parameter order in f64 so that it does not depend on threads.
pub fn global_norm(grads: &Gradients) -> Result<f64> {
    Ok(sum_of_squares(grads.values())?.sqrt())
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
    use candle_core::DType;
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
                let mut store = (var.as_tensor() * grad)?.sum_all()?.backward()?;
                adam.step(&params, &gradients(&params, &mut store)?, 1.0, |_| rate)?;
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
                    let (steps, state) = adam.state()?;
                    adam = Adam::new(AdamConfig::default());
                    adam.restore(steps, &state)?;
                }
                let mut store = (var.as_tensor().sqr()? * &grad)?.sum_all()?.backward()?;
                adam.step(&params, &gradients(&params, &mut store)?, 1.0, |_| 1e-2)?;
            }
            var.as_tensor().to_vec1()
        };
        assert_eq!(run(false)?, run(true)?);
        Ok(())
    }
}
