//! What goes wrong around the program: full and read-only disks, signals, a clock that jumps, a
//! second program at the same files, files of a newer version, pictures of any size, damaged
//! bytes. `TESTING.md` lists which promise each test holds.

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

/// Whether `check` succeeds on this machine; where it does not and `what` is required, the test
/// fails instead of skipping.
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
