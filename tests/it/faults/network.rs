//! Sockets opened by the program: none may lead out of the machine.

use std::process::Command;

use super::has;
use crate::cli::{Running, Workdir};
use crate::train::draw_people;

/// Address families that lead to a network.
const FAMILIES: [&str; 3] = ["AF_INET", "AF_PACKET", "AF_VSOCK"];

/// Returns the network calls of `command` as printed by strace.
pub(super) fn sockets(workdir: &Workdir, command: &Command) -> Vec<String> {
    let mut strace = Command::new("strace");
    strace
        .args(["-f", "-qq", "-e", "trace=%network", "-o"])
        .arg(workdir.path("trace.txt"));
    strace.arg(command.get_program()).args(command.get_args());
    for (name, value) in command.get_envs() {
        strace.env(name, value.unwrap_or_default());
    }
    strace.current_dir(workdir.path(""));
    let outcome = Running::start(strace).wait();
    assert_eq!(outcome.code, Some(0), "{command:?}: {}", outcome.stderr);
    let trace = workdir.read("trace.txt");
    let leads_out = |line: &&str| FAMILIES.iter().any(|family| line.contains(family));
    trace.lines().filter(leads_out).map(str::to_owned).collect()
}

pub(super) fn can_trace() -> bool {
    has(
        "strace",
        Command::new("strace").args(["-qq", "-e", "trace=none", "true"]),
    )
}

/// Fails when a command accesses the network without being asked to.
#[test]
fn no_command_opens_a_socket() {
    if !can_trace() {
        return;
    }
    let workdir = Workdir::new();
    // Control: a socket that is opened is detected.
    let mut control = Command::new("bash");
    control.args(["-c", "exec 3<>/dev/udp/127.0.0.1/9"]);
    assert!(!sockets(&workdir, &control).is_empty());
    draw_people(&workdir.path(""), 2);
    for arguments in [
        "models --json",
        "doctor --json",
        "run --input synthetic --max-frames 2 --record out.mp4 --write-json out.jsonl",
        "run --input sample --max-frames 2 --json",
        "eval --annotations people.json --json",
        "train --annotations people.json --out out --epochs 1 --batch-size 2 --input-size 64 --json",
    ] {
        let found = sockets(&workdir, &workdir.command(arguments));
        assert!(found.is_empty(), "{arguments}: {found:?}");
    }
}
