//! Two programs with the same output files.

use crate::cli::{Desk, Running};

/// Fails when two runs write to the same file, or the second damages the first one's output.
#[test]
fn a_second_run_is_refused_the_first_one_s_files() {
    let outputs = "--record out.mp4 --write-json out.jsonl --write-coco out.json";
    let desk = Desk::new();
    let live = format!("run --input synthetic:live --json {outputs}");
    let mut first = Running::start(desk.command(&live));
    let lines = || std::fs::read_to_string(desk.path("out.jsonl")).unwrap_or_default();
    first.until("line", || lines().contains('\n'));
    for output in [
        "--record out.mp4",
        "--write-json out.jsonl",
        "--write-coco out.json",
    ] {
        let second = format!("run --input synthetic --max-frames 2 {output}");
        let complaint = desk.complaint(&second);
        assert!(complaint.contains("another program"), "{complaint}");
        assert!(complaint.contains("out."), "{complaint}");
    }
    first.signal("INT");
    let outcome = first.wait();
    assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
    assert_eq!(
        desk.json_lines("out.jsonl").len(),
        desk.frames("out.mp4").len()
    );
    assert!(desk.read("out.json").starts_with('['));
    // The files are available again after the first run has ended.
    desk.succeed("run --input synthetic --max-frames 2 --record out.mp4");
}
