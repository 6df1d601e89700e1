//! A wall clock that jumps.
#![cfg(target_os = "linux")]

use std::process::Command;

use super::has;
use crate::cli::{Running, Workdir};

/// Makes every read of the wall clock return another day, back and forth; other clocks are
/// unchanged.
const JUMPING: &str = r"
#define _GNU_SOURCE
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
int clock_gettime(clockid_t id, struct timespec *t) {
    static int n;
    int result = syscall(SYS_clock_gettime, id, t);
    if (id == CLOCK_REALTIME && result == 0)
        t->tv_sec += (__atomic_add_fetch(&n, 1, __ATOMIC_RELAXED) % 2 ? 1 : -1) * 86400L;
    return result;
}
";

/// Fails when setting the wall clock while a recording runs (daylight saving, time server, user)
/// shifts its frames, hangs it, or makes times run backwards.
#[test]
fn a_clock_that_jumps_moves_no_frame() {
    if !has("cc", Command::new("cc").arg("--version")) {
        return;
    }
    let workdir = Workdir::new();
    workdir.write("jumping.c", JUMPING);
    let built = Command::new("cc")
        .args(["-shared", "-fPIC", "-o", "jumping.so", "jumping.c"])
        .current_dir(workdir.path(""))
        .status();
    assert!(built.unwrap().success());
    // Control: the clock does jump for programs that read it.
    let mut date = Command::new("date");
    let output = date
        .arg("+%s")
        .env("LD_PRELOAD", workdir.path("jumping.so"))
        .output()
        .unwrap();
    let now: i64 = String::from_utf8(output.stdout)
        .unwrap()
        .trim()
        .parse()
        .unwrap();
    let real = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap();
    assert!(
        (now - real.as_secs() as i64).abs() > 80_000,
        "{now}: the clock does not jump"
    );
    let mut command = workdir.command(
        "run --input synthetic:live --max-frames 40 --live --record out.mp4 --write-json out.jsonl --json",
    );
    command.env("LD_PRELOAD", workdir.path("jumping.so"));
    let outcome = Running::start(command).wait();
    assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
    let times: Vec<f64> = workdir
        .frames("out.mp4")
        .iter()
        .map(|f| f.time_secs)
        .collect();
    assert!(times.windows(2).all(|w| w[0] < w[1]), "{times:?}");
    assert!(*times.last().unwrap() < 600.0, "{times:?}");
    let run: serde_json::Value = serde_json::from_str(&outcome.stdout).unwrap();
    assert!(
        run["latency"]["p95_ms"].as_f64().unwrap() < 600_000.0,
        "{run}"
    );
}
