//! Support for the integration tests: golden files, the weight fill rule, checkpoints, label
//! projects.

pub mod fill;
pub mod fuzz;
pub mod labelling;
pub mod torch;

use std::path::PathBuf;
use std::time::Duration;

/// Time limit after which a test fails. Far longer than any operation needs, because a loaded
/// machine may delay a thread by seconds, which must not fail a test.
pub const WAIT_LIMIT: Duration = Duration::from_mins(3);

/// Returns whether `what` (`adapter`, `ffmpeg`, `tmpfs`: see `TESTING.md`) is required: a test
/// without it then fails instead of being skipped. Continuous integration sets
/// `POSELENS_TESTS_REQUIRE`.
pub fn is_required(what: &str) -> bool {
    let required = std::env::var("POSELENS_TESTS_REQUIRE").unwrap_or_default();
    required.split(',').any(|r| r.trim() == what)
}

/// Returns the path of a file below `tests/golden`.
pub fn golden(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("golden")
        .join(name)
}
