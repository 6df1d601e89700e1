//! Support for the integration tests: golden files and the rule that fills weights.

pub mod fill;

use std::path::PathBuf;

/// Path of a file below `tests/golden`.
pub fn golden(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("golden")
        .join(name)
}
