//! Reads golden files in unit tests.

use std::path::PathBuf;

use safetensors::{Dtype, SafeTensors};

/// Returns the path of a file under `tests/golden`.
pub(crate) fn path(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("../tests/golden")
        .join(name)
}

/// Reads a JSON file under `tests/golden`.
pub(crate) fn json<T: serde::de::DeserializeOwned>(name: &str) -> T {
    serde_json::from_slice(&std::fs::read(path(name)).unwrap()).unwrap()
}

/// A safetensors file under `tests/golden`.
pub(crate) struct Golden(Vec<u8>);

impl Golden {
    /// Reads the file.
    pub(crate) fn open(name: &str) -> Self {
        Self(std::fs::read(path(name)).unwrap())
    }

    /// Returns a tensor of any float or byte type as f64.
    pub(crate) fn f64s(&self, tensor: &str) -> Vec<f64> {
        let file = SafeTensors::deserialize(&self.0).unwrap();
        let view = file.tensor(tensor).unwrap();
        let bytes = view.data();
        match view.dtype() {
            Dtype::F64 => bytes
                .as_chunks()
                .0
                .iter()
                .map(|b| f64::from_le_bytes(*b))
                .collect(),
            Dtype::F32 => bytes
                .as_chunks()
                .0
                .iter()
                .map(|b| f64::from(f32::from_le_bytes(*b)))
                .collect(),
            Dtype::U8 => bytes.iter().map(|&b| f64::from(b)).collect(),
            other => panic!("{tensor}: {other:?} is not read here"),
        }
    }

    /// Returns a tensor as f32.
    pub(crate) fn f32s(&self, tensor: &str) -> Vec<f32> {
        self.f64s(tensor).into_iter().map(|v| v as f32).collect()
    }
}
