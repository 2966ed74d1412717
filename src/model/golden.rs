//! Loads tests/golden/*.json, the worked numbers of specs/golden.py: tensors are `{shape, data}`, row-major, float64.

use candle_core::{DType, Device, Result, Tensor};
use serde_json::Value;

pub struct Golden {
    name: String,
    value: Value,
}

/// Paths are JSON pointers: `/in/H`, `/out/steps/0/p`. A wrong path is a bug of the test, so every getter panics with it.
impl Golden {
    pub fn load(name: &str) -> Self {
        let path = format!("{}/tests/golden/{name}.json", env!("CARGO_MANIFEST_DIR"));
        let text = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{path}: {e}"));
        let value = serde_json::from_str(&text).unwrap_or_else(|e| panic!("{path}: {e}"));
        Self {
            name: name.to_owned(),
            value,
        }
    }

    pub fn json(&self, pointer: &str) -> &Value {
        self.value
            .pointer(pointer)
            .unwrap_or_else(|| panic!("{}: nothing at {pointer}", self.name))
    }

    pub fn number(&self, pointer: &str) -> f64 {
        self.json(pointer).as_f64().expect(pointer)
    }

    /// Nested lists of integers, for instance `Vec<Vec<usize>>`.
    pub fn parse<T: serde::de::DeserializeOwned>(&self, pointer: &str) -> T {
        serde_json::from_value(self.json(pointer).clone()).expect(pointer)
    }

    /// In f64, as stored.
    pub fn tensor64(&self, pointer: &str) -> Tensor {
        let shape: Vec<usize> = self.parse(&format!("{pointer}/shape"));
        let data: Vec<f64> = self.parse(&format!("{pointer}/data"));
        Tensor::from_vec(data, shape, &Device::Cpu).expect(pointer)
    }

    pub fn tensor(&self, pointer: &str) -> Tensor {
        self.tensor64(pointer).to_dtype(DType::F32).expect(pointer)
    }
}

/// |actual - expected| <= tolerance * (1 + |expected|), everywhere, same shape.
#[track_caller]
pub fn assert_near(actual: &Tensor, expected: &Tensor, tolerance: f64, place: &str) {
    let flat =
        |t: &Tensor| -> Result<Vec<f64>> { t.to_dtype(DType::F64)?.flatten_all()?.to_vec1() };
    assert_eq!(actual.dims(), expected.dims(), "{place}: shape");
    let (a, e) = (flat(actual).expect(place), flat(expected).expect(place));
    for (i, (a, e)) in a.iter().zip(&e).enumerate() {
        let near = (a - e).abs() <= tolerance * (1.0 + e.abs());
        assert!(near, "{place}[{i}]: {a}, expected {e}");
    }
}

/// [`assert_near`] with the golden files' tolerance in f32.
#[track_caller]
pub fn assert_close(actual: &Tensor, expected: &Tensor, place: &str) {
    assert_near(actual, expected, 1e-5, place);
}

/// One number, same tolerance.
#[track_caller]
pub fn assert_number(actual: &Tensor, expected: f64, place: &str) {
    let expected = Tensor::new(expected, &Device::Cpu).expect(place);
    assert_near(actual, &expected, 1e-5, place);
}
