//! Faults in the environment: full and read-only disks, signals, a jumping clock, a second program
//! on the same files, files of a newer version, images of any size, damaged bytes. `TESTING.md`
//! lists which guarantee each test checks.

mod bytes;
mod clock;
#[cfg(target_os = "linux")]
mod disk;
#[cfg(target_os = "linux")]
mod network;
#[cfg(unix)]
mod programs;
#[cfg(target_os = "linux")]
mod screen;
#[cfg(unix)]
mod signals;
mod sizes;
mod versions;

use std::process::{Command, Stdio};

use poselens_tests::is_required;

/// Returns whether `check` succeeds on this machine; if it does not and `what` is required, the
/// test fails instead of being skipped.
fn has(what: &str, check: &mut Command) -> bool {
    let has = check
        .stdin(Stdio::null())
        .output()
        .is_ok_and(|output| output.status.success());
    assert!(has || !is_required(what), "{what} is required and missing");
    if !has {
        eprintln!("skipped: {what} is not available here");
    }
    has
}
