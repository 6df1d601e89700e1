//! Full and read-only disks: small tmpfs mounts in their own namespace.

use std::fmt::Write as _;
use std::process::Command;

use poselens_engine::project::Project;
use poselens_tests::{golden, labelling};

use super::has;
use crate::cli::{Outcome, Running, Workdir};
use crate::train::draw_people;

/// Creates a namespace in which mounting is allowed.
const UNSHARE: [&str; 5] = ["--user", "--map-root-user", "--mount", "sh", "-c"];

fn can_mount() -> bool {
    let mut check = Command::new("unshare");
    has(
        "tmpfs",
        check
            .args(UNSHARE)
            .arg("mount -t tmpfs -o size=64k none /mnt"),
    )
}

/// Runs the program with a file system of `kib` mounted at the folder `disk`, optionally read-only.
/// Its files are copied to `left` at the end.
fn run(workdir: &Workdir, kib: usize, is_read_only: bool, arguments: &str) -> Outcome {
    for folder in ["disk", "left"] {
        std::fs::create_dir_all(workdir.path(folder)).unwrap();
    }
    let mut script = format!("mount -t tmpfs -o size={kib}k none disk || exit 99\n");
    if is_read_only {
        script.push_str("mount -o remount,ro disk || exit 99\n");
    }
    // "$0" is the program.
    let _ = write!(
        script,
        "\"$0\" \"$@\"; code=$?; cp -r disk/. left; exit $code"
    );
    let mut command = Command::new("unshare");
    command.args(UNSHARE).arg(script);
    command.arg(env!("CARGO_BIN_EXE_poselens-under-test"));
    command
        .args(arguments.split(' '))
        .current_dir(workdir.path(""));
    Running::start(command).wait()
}

/// Checks for a single error line that names `file`.
fn complaint(outcome: &Outcome, file: &str, reason: &str) {
    assert_eq!(outcome.code, Some(1), "{outcome:?}");
    let line = outcome.stderr.lines().last().unwrap_or_default();
    assert!(line.starts_with("poselens: "), "{outcome:?}");
    assert!(line.contains(file) && line.contains(reason), "{outcome:?}");
    assert!(!outcome.stderr.contains("panicked"), "{outcome:?}");
}

const RUN: &str = "run --input synthetic --max-frames 400 --threads 2";
const FULL: &str = "No space left";
const READ_ONLY: &str = "Read-only file system";

/// Fails when a full disk loses the part of a recording written before, hangs the run, is not
/// reported, or gives a success exit code.
#[test]
fn a_recording_ends_readable_on_a_full_disk() {
    if !can_mount() {
        return;
    }
    let workdir = Workdir::new();
    let outcome = run(
        &workdir,
        1_500,
        false,
        &format!("{RUN} --record disk/out.mp4"),
    );
    complaint(&outcome, "out.mp4", FULL);
    let frames = workdir.frames("left/out.mp4");
    assert!(!frames.is_empty());
    assert!(frames.windows(2).all(|w| w[0].time_secs < w[1].time_secs));
}

/// Fails when a full disk loses the lines written before, or is not reported.
#[test]
fn exports_end_readable_on_a_full_disk() {
    if !can_mount() {
        return;
    }
    for (option, file) in [
        ("--write-json", "out.jsonl"),
        ("--write-csv", "out.csv"),
        ("--write-coco", "out.json"),
        ("--write-openpose", "out"),
    ] {
        let workdir = Workdir::new();
        let outcome = run(&workdir, 32, false, &format!("{RUN} {option} disk/{file}"));
        complaint(&outcome, "disk/out", FULL);
        if file == "out.jsonl" {
            let text = workdir.read("left/out.jsonl");
            let whole = text.matches('\n').count();
            assert!(whole > 0);
            for line in text.lines().take(whole) {
                serde_json::from_str::<serde_json::Value>(line).unwrap();
            }
        }
        // A partial list must not look like a complete one.
        assert!(!workdir.path("left/out.json").exists());
    }
}

/// Fails when a read-only disk is detected late, is not reported, or hangs a run.
#[test]
fn nothing_begins_on_a_read_only_disk() {
    if !can_mount() {
        return;
    }
    for output in [
        "--record disk/out.mp4",
        "--write-json disk/out.jsonl",
        "--write-csv disk/out.csv",
        "--write-coco disk/out.json",
        "--write-openpose disk/out",
    ] {
        let workdir = Workdir::new();
        let outcome = run(&workdir, 64, true, &format!("{RUN} {output}"));
        complaint(&outcome, "disk/out", READ_ONLY);
    }
}

const TRAIN: &str = "train --annotations people.json --epochs 1 --batch-size 2 --input-size 64 \
                     --device cpu --threads 2";

/// Fails when a training on a full or read-only disk leaves a partial file or does not name the
/// file it could not write.
#[test]
fn a_training_without_room_leaves_no_half_files() {
    if !can_mount() {
        return;
    }
    let workdir = Workdir::new();
    draw_people(&workdir.path(""), 2);
    let outcome = run(&workdir, 2_000, false, &format!("{TRAIN} --out disk/out"));
    complaint(&outcome, "state.safetensors", FULL);
    for name in [
        "state.safetensors",
        "state.safetensors.poselens.part",
        "last.safetensors",
        "config.toml",
        "card.toml",
    ] {
        assert!(
            !workdir.path(&format!("left/out/{name}")).exists(),
            "{name}"
        );
    }
    let outcome = run(&workdir, 64, true, &format!("{TRAIN} --out disk/out"));
    complaint(&outcome, "disk/out", READ_ONLY);
}

/// Runs `script` with a file system of `kib` mounted at the folder `disk`; "$0" is the program and
/// "$1" the one that labels until it is killed.
fn run_script(workdir: &Workdir, kib: usize, script: &str) -> Outcome {
    std::fs::create_dir_all(workdir.path("disk")).unwrap();
    let mount = format!("mount -t tmpfs -o size={kib}k none disk || exit 99\n{script}");
    let mut command = Command::new("unshare");
    command.args(UNSHARE).arg(mount);
    command.arg(env!("CARGO_BIN_EXE_poselens-under-test"));
    command.arg(env!("CARGO_BIN_EXE_label-until-killed"));
    command.current_dir(workdir.path(""));
    Running::start(command).wait()
}

/// Fails when a full disk destroys the older file that an output was to replace before the new one
/// has a frame, the message says otherwise, or another file is left.
#[test]
fn an_older_output_survives_a_full_disk() {
    if !can_mount() {
        return;
    }
    for (option, file, n_free) in [
        ("--record", "out.mp4", 0),
        ("--record", "out.mp4", 4096),
        ("--write-json", "out.jsonl", 0),
        ("--write-csv", "out.csv", 0),
        ("--write-coco", "out.json", 0),
    ] {
        let workdir = Workdir::new();
        workdir.copy(&golden("video/bframes.mp4"), "old");
        let script = format!(
            "cp old disk/{file}; cat /dev/zero > disk/fill 2> /dev/null; \
             truncate -s -{n_free} disk/fill; \
             \"$0\" run --input synthetic --max-frames 60 --threads 2 {option} disk/{file}; \
             code=$?; ls disk > names; cp disk/{file} new; exit $code"
        );
        let outcome = run_script(&workdir, 500, &script);
        complaint(&outcome, file, FULL);
        let unchanged = outcome.stderr.contains("the older file is unchanged");
        assert_eq!(unchanged, n_free > 0, "{outcome:?}");
        let [old, new] = ["old", "new"].map(|name| std::fs::read(workdir.path(name)).unwrap());
        assert!(old == new, "{option}");
        assert_eq!(workdir.read("names"), format!("fill\n{file}\n"));
    }
}

/// Fails when a full disk loses an edit that was acknowledged before, adds another one, is not
/// reported, or leaves a project that cannot be opened.
#[test]
fn a_project_on_a_full_disk_keeps_its_edits() {
    if !can_mount() {
        return;
    }
    for kib in [48, 200, 201, 202] {
        let workdir = Workdir::new();
        std::fs::create_dir(workdir.path("p")).unwrap();
        drop(labelling::create(&workdir.path("p")).unwrap());
        let script = "cp -r p disk/p; \"$1\" disk/p; code=$?; rm -r p; cp -r disk/p .; exit $code";
        let outcome = run_script(&workdir, kib, script);
        assert_eq!(outcome.code, Some(1), "{outcome:?}");
        assert_eq!(outcome.stderr.lines().count(), 1, "{outcome:?}");
        assert!(outcome.stderr.contains("disk/p/"), "{outcome:?}");
        assert!(outcome.stderr.contains(FULL), "{outcome:?}");
        let acknowledged: u64 = outcome.stdout.lines().last().unwrap().parse().unwrap();
        let project = Project::open(&workdir.path("p")).unwrap();
        let made = project.sequence();
        assert!(
            (acknowledged..=acknowledged + 1).contains(&made),
            "{made}: {outcome:?}"
        );
        std::fs::create_dir(workdir.path("twin")).unwrap();
        let mut twin = labelling::create(&workdir.path("twin")).unwrap();
        while twin.sequence() < made {
            labelling::step(&mut twin).unwrap();
        }
        assert!(twin.labels() == project.labels());
    }
}

/// Fails when a project that could not be created on a full disk leaves files, so that it cannot be
/// created when there is room.
#[test]
fn a_project_without_room_is_created_later() {
    if !can_mount() {
        return;
    }
    let workdir = Workdir::new();
    workdir.copy(&golden("video/bframes.mp4"), "clip.mp4");
    let script = "cat /dev/zero > disk/fill 2> /dev/null\n\
                  \"$0\" project new disk/d/p --clip clip.mp4 --copy; code=$?\n\
                  ls disk > names; rm disk/fill; exec 2> again\n\
                  \"$0\" project new disk/d/p --clip clip.mp4 --copy || exit 98\n\
                  exit $code";
    let outcome = run_script(&workdir, 100, script);
    complaint(&outcome, "disk/d/p", FULL);
    assert_eq!(workdir.read("names"), "fill\n");
    assert!(workdir.read("again").contains("created disk/d/p"));
}

/// Fails when a project on a read-only disk cannot be read, or a refused change is not reported.
#[test]
fn a_project_on_a_read_only_disk_is_read() {
    if !can_mount() {
        return;
    }
    let workdir = Workdir::new();
    std::fs::create_dir(workdir.path("p")).unwrap();
    labelling::step(&mut labelling::create(&workdir.path("p")).unwrap()).unwrap();
    workdir.write("results.json", "[]");
    let remount = "cp -r p disk/p; mount -o remount,ro disk || exit 99\n";
    let read = run_script(
        &workdir,
        100,
        &format!("{remount}\"$0\" project status disk/p"),
    );
    assert_eq!(read.code, Some(0), "{read:?}");
    assert!(read.stdout.contains("1 proposed"), "{read:?}");
    let import = "\"$0\" project import disk/p --coco results.json";
    let written = run_script(&workdir, 100, &format!("{remount}{import}"));
    complaint(&written, "disk/p", READ_ONLY);
}

/// Fails when unwritable standard output counts as success, or gives more than one error line.
#[test]
fn a_document_that_cannot_be_printed_is_a_failure() {
    let workdir = Workdir::new();
    let mut command = Command::new("sh");
    let script = "\"$0\" models --json > /dev/full";
    command.args(["-c", script, env!("CARGO_BIN_EXE_poselens-under-test")]);
    command.current_dir(workdir.path(""));
    let outcome = Running::start(command).wait();
    complaint(&outcome, "", FULL);
    assert_eq!(outcome.stderr.lines().count(), 1, "{outcome:?}");
}
