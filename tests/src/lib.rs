//! Support for the integration tests: golden files, the rule that fills weights, checkpoints.

pub mod fill;
pub mod fuzz;
pub mod torch;

use std::path::PathBuf;
use std::time::Duration;

/// A test that waits this long waits in vain. Far beyond what anything needs: a machine that runs
/// other things may hold a thread up for seconds, and no test may fail for that.
pub const PATIENCE: Duration = Duration::from_mins(3);

/// Whether `what` (`adapter`, `ffmpeg`, `tmpfs`: see `TESTING.md`) must be there: a test that lacks
/// it then fails instead of skipping. Continuous integration sets `POSELENS_TESTS_REQUIRE`.
pub fn is_required(what: &str) -> bool {
    let required = std::env::var("POSELENS_TESTS_REQUIRE").unwrap_or_default();
    required.split(',').any(|r| r.trim() == what)
}

/// Path of a file below `tests/golden`.
pub fn golden(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("golden")
        .join(name)
}
