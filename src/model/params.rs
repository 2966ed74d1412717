//! Named parameters, in a stable order.
//!
//! candle's `VarMap` iterates in hash order and draws initial values from a device that cannot be seeded on the CPU.
//! Here parameters live in a `BTreeMap`, and each one's initial value depends only on (seed, name): adding a head never
//! changes another's start.

use candle_core::{DType, Device, Result, Shape, Tensor, Var, bail};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

/// Initial value of a new parameter.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Init {
    Const(f64),
    Uniform { low: f64, high: f64 },
    Normal { std: f64 },
}

impl Init {
    pub const ZEROS: Init = Init::Const(0.0);
    pub const ONES: Init = Init::Const(1.0);

    /// PyTorch's default for linear layers: uniform ±1/sqrt(fan_in).
    pub fn fan_in(fan_in: usize) -> Self {
        let bound = 1.0 / (fan_in as f64).sqrt();
        Init::Uniform {
            low: -bound,
            high: bound,
        }
    }

    /// Glorot uniform: ±sqrt(6 / (fan_in + fan_out)).
    pub fn glorot(fan_in: usize, fan_out: usize) -> Self {
        let bound = (6.0 / (fan_in + fan_out) as f64).sqrt();
        Init::Uniform {
            low: -bound,
            high: bound,
        }
    }

    pub(super) fn draw(self, n: usize, rng: &mut ChaCha8Rng) -> Vec<f32> {
        match self {
            Init::Const(value) => vec![value as f32; n],
            Init::Uniform { low, high } => {
                (0..n).map(|_| rng.random_range(low..high) as f32).collect()
            }
            Init::Normal { std } => (0..n).map(|_| (std * gaussian(rng)) as f32).collect(),
        }
    }
}

/// Box-Muller; the second value of each pair is thrown away to keep the draw stateless.
fn gaussian(rng: &mut ChaCha8Rng) -> f64 {
    let (u, v): (f64, f64) = (rng.random_range(f64::MIN_POSITIVE..1.0), rng.random());
    (-2.0 * u.ln()).sqrt() * (std::f64::consts::TAU * v).cos()
}

/// What to do when a layer asks for a parameter that is not there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Missing {
    /// Draw it: a new head.
    Init { seed: u64 },
    /// Fail and name it: a checkpoint must be complete.
    Fail,
}

/// All parameters of a model by full name (`enc.encoder.layer.0.attention.self.query.weight`).
pub struct Params {
    vars: RwLock<BTreeMap<String, Var>>,
    device: Device,
    missing: Missing,
    frozen: RwLock<Vec<String>>,
}

impl Params {
    pub fn new(device: &Device, seed: u64) -> Self {
        Self {
            vars: RwLock::default(),
            device: device.clone(),
            missing: Missing::Init { seed },
            frozen: RwLock::default(),
        }
    }

    /// Parameters whose name starts with `prefix` get no gradient: layers built afterwards receive detached tensors.
    /// `freeze("")` is inference: no operation is recorded at all.
    pub fn freeze(&self, prefix: &str) {
        write(&self.frozen).push(prefix.to_owned());
    }
    pub fn is_frozen(&self, name: &str) -> bool {
        read(&self.frozen)
            .iter()
            .any(|prefix| name.starts_with(prefix.as_str()))
    }

    /// From named tensors (a checkpoint); each is copied to `device` as f32.
    pub fn from_tensors(
        tensors: impl IntoIterator<Item = (String, Tensor)>,
        device: &Device,
        missing: Missing,
    ) -> Result<Self> {
        let mut vars = BTreeMap::new();
        for (name, tensor) in tensors {
            let tensor = tensor.to_dtype(DType::F32)?.to_device(device)?;
            vars.insert(name, Var::from_tensor(&tensor)?);
        }
        Ok(Self {
            vars: RwLock::new(vars),
            device: device.clone(),
            missing,
            frozen: RwLock::default(),
        })
    }

    pub fn device(&self) -> &Device {
        &self.device
    }
    pub fn root(&self) -> Scope<'_> {
        Scope {
            params: self,
            prefix: String::new(),
        }
    }
    /// (name, variable) in name order; cheap clones that share storage.
    pub fn all(&self) -> Vec<(String, Var)> {
        read(&self.vars)
            .iter()
            .map(|(n, v)| (n.clone(), v.clone()))
            .collect()
    }
    pub fn get(&self, name: &str) -> Option<Var> {
        read(&self.vars).get(name).cloned()
    }
    /// Forgets every parameter whose name starts with `prefix` (a head that is to be new).
    pub fn forget(&self, prefix: &str) {
        write(&self.vars).retain(|name, _| !name.starts_with(prefix));
    }
    pub fn insert(&self, name: &str, tensor: &Tensor) -> Result<()> {
        let var = Var::from_tensor(&tensor.to_device(&self.device)?)?;
        write(&self.vars).insert(name.to_owned(), var);
        Ok(())
    }
    fn handle(&self, name: &str, var: &Var) -> Tensor {
        if self.is_frozen(name) {
            var.as_tensor().detach()
        } else {
            var.as_tensor().clone()
        }
    }
    pub fn n_values(&self) -> usize {
        read(&self.vars).values().map(|v| v.elem_count()).sum()
    }
}

// A panic of another thread leaves the map whole: every change of it is one insertion.
fn read<T>(lock: &RwLock<T>) -> RwLockReadGuard<'_, T> {
    lock.read().unwrap_or_else(PoisonError::into_inner)
}
fn write<T>(lock: &RwLock<T>) -> RwLockWriteGuard<'_, T> {
    lock.write().unwrap_or_else(PoisonError::into_inner)
}

/// A name prefix in [`Params`]; layers ask it for their parameters.
#[derive(Clone)]
pub struct Scope<'a> {
    params: &'a Params,
    prefix: String,
}

impl Scope<'_> {
    /// The scope `self.name`.
    pub fn pp(&self, name: impl std::fmt::Display) -> Self {
        Scope {
            params: self.params,
            prefix: self.full(&name.to_string()),
        }
    }

    pub fn device(&self) -> &Device {
        &self.params.device
    }

    /// The parameter `prefix.name`: as loaded, else drawn by `init`. Errors name the parameter: missing from a complete
    /// checkpoint, or of another shape.
    pub fn get(&self, shape: impl Into<Shape>, name: &str, init: Init) -> Result<Tensor> {
        let (shape, full) = (shape.into(), self.full(name));
        let mut vars = write(&self.params.vars);
        if let Some(var) = vars.get(&full) {
            if var.shape() != &shape {
                bail!(
                    "parameter `{full}` has shape {:?}, expected {:?}",
                    var.shape(),
                    shape
                );
            }
            return Ok(self.params.handle(&full, var));
        }
        let Missing::Init { seed } = self.params.missing else {
            bail!("parameter `{full}` is missing from the checkpoint");
        };
        let values = init.draw(shape.elem_count(), &mut rng_for(seed, &full));
        let var = Var::from_tensor(&Tensor::from_vec(values, shape, &self.params.device)?)?;
        let tensor = self.params.handle(&full, &var);
        vars.insert(full, var);
        Ok(tensor)
    }

    fn full(&self, name: &str) -> String {
        if self.prefix.is_empty() {
            name.to_owned()
        } else {
            format!("{}.{name}", self.prefix)
        }
    }
}

/// A generator that depends on the seed and a name only.
pub fn rng_for(seed: u64, name: &str) -> ChaCha8Rng {
    let mut hash = Sha256::new();
    hash.update(seed.to_le_bytes());
    hash.update(name.as_bytes());
    ChaCha8Rng::from_seed(hash.finalize().into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn initial_values_depend_on_seed_and_name_only() -> Result<()> {
        let draw = |seed, names: &[&str]| -> Result<Vec<f32>> {
            let params = Params::new(&Device::Cpu, seed);
            for name in names {
                params
                    .root()
                    .pp("head")
                    .get((2, 3), name, Init::fan_in(3))?;
            }
            params.get("head.w").unwrap().flatten_all()?.to_vec1()
        };
        assert_eq!(draw(1, &["w"])?, draw(1, &["a", "w", "z"])?);
        assert_ne!(draw(1, &["w"])?, draw(2, &["w"])?);
        Ok(())
    }

    #[test]
    fn a_frozen_parameter_records_no_operation() -> Result<()> {
        let params = Params::new(&Device::Cpu, 0);
        params.freeze("enc.");
        let frozen = params.root().pp("enc").get(2, "w", Init::ONES)?;
        let live = params.root().pp("rin").get(2, "w", Init::ONES)?;
        assert!((&frozen * &live)?.track_op());
        assert!(!(&frozen * &frozen)?.track_op());
        Ok(())
    }

    #[test]
    fn a_checkpoint_that_lacks_or_bends_a_parameter_is_refused_by_name() -> Result<()> {
        let have = [(
            "w".to_owned(),
            Tensor::zeros((2, 2), DType::F32, &Device::Cpu)?,
        )];
        let params = Params::from_tensors(have, &Device::Cpu, Missing::Fail)?;
        let missing = params
            .root()
            .get(3, "b", Init::ZEROS)
            .unwrap_err()
            .to_string();
        assert!(missing.contains("`b` is missing"), "{missing}");
        let bent = params
            .root()
            .get((2, 3), "w", Init::ZEROS)
            .unwrap_err()
            .to_string();
        assert!(bent.contains("`w` has shape"), "{bent}");
        Ok(())
    }
}
