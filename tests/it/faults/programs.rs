//! Two programs with the same output files.

use crate::cli::{Running, Workdir};

/// Fails when two runs write to the same file, or the second damages the first one's output.
#[test]
fn a_second_run_is_refused_the_first_one_s_files() {
    let outputs = "--record out.mp4 --write-json out.jsonl --write-coco out.json";
    let workdir = Workdir::new();
    let live = format!("run --input synthetic:live --json {outputs}");
    let mut first = Running::start(workdir.command(&live));
    let lines = || std::fs::read_to_string(workdir.path("out.jsonl")).unwrap_or_default();
    first.until("line", || lines().contains('\n'));
    for output in [
        "--record out.mp4",
        "--write-json out.jsonl",
        "--write-coco out.json",
    ] {
        let second = format!("run --input synthetic --max-frames 2 {output}");
        let complaint = workdir.complaint(&second);
        assert!(complaint.contains("another program"), "{complaint}");
        assert!(complaint.contains("out."), "{complaint}");
    }
    first.signal("INT");
    let outcome = first.wait();
    assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
    assert_eq!(
        workdir.json_lines("out.jsonl").len(),
        workdir.frames("out.mp4").len()
    );
    assert!(workdir.read("out.json").starts_with('['));
    // The files are available again after the first run has ended.
    workdir.succeed("run --input synthetic --max-frames 2 --record out.mp4");
}
