//! Runs that are interrupted or killed.
#![cfg(unix)]

use serde_json::Value;

use super::{Running, Workdir};

/// Behaves like a camera: frames arrive at a fixed rate, without end.
const RECORD: &str = "run --input synthetic:live --record out.mp4 --write-json out.jsonl --json";

/// Runs until the file contains `n` video fragments of one second each.
fn running(workdir: &Workdir, n: usize) -> Running {
    let mut running = Running::start(workdir.command(RECORD));
    let file = workdir.path("out.mp4");
    running.until("fragment", || {
        let bytes = std::fs::read(&file).unwrap_or_default();
        bytes.windows(4).filter(|w| w == b"moof").count() >= n
    });
    running
}

/// Fails when Ctrl+C leaves a recording unfinished, loses a computed frame, or gives a failure exit
/// code.
#[test]
fn an_interrupted_run_is_complete() {
    let workdir = Workdir::new();
    let running = running(&workdir, 1);
    running.signal("INT");
    let outcome = running.wait();
    assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
    let run: Value = serde_json::from_str(&outcome.stdout).unwrap();
    assert!(outcome.stderr.contains("interrupted"), "{}", outcome.stderr);
    let n = workdir.frames("out.mp4").len();
    assert_eq!(run["frames"], n);
    assert_eq!(workdir.json_lines("out.jsonl").len(), n);
}

/// Fails when a crash, a power loss or a kill makes a recording unplayable.
#[test]
fn a_killed_run_leaves_its_fragments() {
    let workdir = Workdir::new();
    let running = running(&workdir, 2);
    running.signal("KILL");
    assert_eq!(running.wait().code, None);
    let frames = workdir.frames("out.mp4");
    assert!(frames.last().unwrap().time_secs >= 1.0);
    assert!(frames.windows(2).all(|w| w[0].time_secs < w[1].time_secs));
    // Lines are written as frames arrive: only the last may be truncated.
    assert!(workdir.read("out.jsonl").lines().count() >= frames.len());
}
