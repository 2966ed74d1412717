//! Reads worked examples (tests/golden/*.json) as f64 tensors; used by the tests of this folder.

use crate::model::golden::Golden;
use candle_core::{DType, Device, Result, Tensor};
use serde_json::Value;

pub fn golden(name: &str) -> Value {
    Golden::load(name).json("").clone()
}

pub fn values(of: &Value) -> Vec<f64> {
    let data = of["data"].as_array().unwrap();
    data.iter().map(|v| v.as_f64().unwrap()).collect()
}

pub fn tensor(of: &Value) -> Result<Tensor> {
    let dims = of["shape"].as_array().unwrap();
    let dims: Vec<usize> = dims.iter().map(|v| v.as_u64().unwrap() as usize).collect();
    Tensor::from_vec(values(of), dims, &Device::Cpu)
}

pub fn indices(of: &Value) -> Vec<usize> {
    let list = of.as_array().unwrap();
    list.iter().map(|v| v.as_u64().unwrap() as usize).collect()
}

#[track_caller]
pub fn close(what: &str, found: &Tensor, expected: &[f64], tolerance: f64) -> Result<()> {
    let found: Vec<f64> = found.to_dtype(DType::F64)?.flatten_all()?.to_vec1()?;
    assert_eq!(found.len(), expected.len(), "{what}: length");
    for (i, (f, e)) in found.iter().zip(expected).enumerate() {
        assert!(
            (f - e).abs() <= tolerance * (1.0 + e.abs()),
            "{what}[{i}]: found {f}, expected {e}"
        );
    }
    Ok(())
}
