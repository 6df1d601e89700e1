//! The folder of a training: moving it, full disks; and the memory of a step.

use std::process::Command;

use super::{draw_people, tensors};
use crate::cli::{Running, Workdir};

const OPTIONS: &str = "--batch-size 2 --input-size 64 --device cpu --threads 2 --json";

/// Fails when a training cannot be moved together with its data, resumed from any folder or with
/// its data elsewhere, or its files contain absolute paths.
#[test]
fn a_moved_training_can_be_resumed() {
    let workdir = Workdir::new();
    std::fs::create_dir_all(workdir.path("here/data")).unwrap();
    draw_people(&workdir.path("here/data"), 4);
    let labels =
        |at: &str| format!("--annotations {at}/people.json --val-annotations {at}/people.json");
    let begun = workdir.json(&format!(
        "train {} --out here/runs/one --epochs 2 --stop-after-epochs 1 {OPTIONS}",
        labels("here/data")
    ));
    assert_eq!(begun["ended"], "epoch limit");
    let root = workdir.path("").canonicalize().unwrap();
    for name in ["config.toml", "card.toml"] {
        let text = workdir.read(&format!("here/runs/one/{name}"));
        assert!(!text.contains(root.to_str().unwrap()), "{text}");
    }
    let card = workdir.read("here/runs/one/card.toml");
    assert!(card.contains("4 people of people.json (SHA-256 "), "{card}");
    let config = workdir.read("here/runs/one/config.toml");
    assert!(config.contains("\"../../data/people.json\""), "{config}");

    std::fs::rename(workdir.path("here"), workdir.path("there")).unwrap();
    let resume = "train --resume --out there/runs/one --device cpu --threads 2 --json";
    let moved = workdir.json(resume);
    assert_eq!(
        (&moved["ended"], &moved["epochs"]),
        (&"finished".into(), &2.into())
    );

    std::fs::rename(workdir.path("there/data"), workdir.path("data")).unwrap();
    let lost = workdir.complaint(&format!("{resume} --epochs 3"));
    assert!(
        lost.contains("--annotations") && lost.contains("people.json"),
        "{lost}"
    );
    let found = workdir.json(&format!("{resume} --epochs 3 {}", labels("data")));
    assert_eq!(found["epochs"], 3);
    // Its options start another training, from any folder.
    let again = workdir.json(
        "train --config there/runs/one/config.toml --out two --epochs 1 --device cpu --threads 2 \
         --json",
    );
    assert_eq!(again["epochs"], 1);
}

/// Fails when a full disk leaves a partial state, loses the last good one, or is not named.
#[cfg(unix)]
#[test]
fn a_full_disk_keeps_the_last_state() {
    let workdir = Workdir::new();
    draw_people(&workdir.path(""), 2);
    let begin = format!("train --annotations people.json --out out --epochs 1 {OPTIONS}");
    // The limit allows the first state (6 MB) but not one with the optimizer's moments (15 MB), in
    // blocks of 512 or 1024 bytes, depending on the shell: the write fails as on a full disk.
    let script = "trap '' XFSZ; ulimit -f 14000; exec \"$0\" \"$@\"";
    let mut command = Command::new("sh");
    command.args(["-c", script, env!("CARGO_BIN_EXE_poselens-under-test")]);
    command.args(begin.split(' ')).current_dir(workdir.path(""));
    let outcome = Running::start(command).wait();
    assert_eq!(outcome.code, Some(1), "{outcome:?}");
    let complaint = outcome.stderr.lines().last().unwrap();
    assert!(complaint.contains("cannot write"), "{outcome:?}");
    assert!(complaint.contains("state.safetensors"), "{outcome:?}");
    assert!(!workdir.path("out/state.safetensors.poselens.part").exists());
    for name in ["state.safetensors", "last.safetensors"] {
        tensors(&workdir.path(&format!("out/{name}")));
    }
    let resumed = workdir.json("train --resume --out out --device cpu --threads 2 --json");
    assert_eq!(
        (&resumed["ended"], &resumed["steps"]),
        (&"finished".into(), &1.into())
    );
}

/// Fails when a large batch split into parts needs as much memory as the whole.
#[test]
fn memory_depends_on_the_part_not_the_batch() {
    let workdir = Workdir::new();
    draw_people(&workdir.path(""), 12);
    let peak = |micro_batch: usize| {
        workdir.write(
            "options.toml",
            format!("micro_batch = {micro_batch}\nworkers = 1\n"),
        );
        let document = workdir.json(&format!(
            "train --annotations people.json --out out{micro_batch} --config options.toml \
             --freeze none --epochs 1 --batch-size 12 --input-size 128 --device cpu --threads 1 \
             --json"
        ));
        assert_eq!(document["steps"], 1);
        document["peak_memory_mib"].as_f64()
    };
    // Only if the system reports it.
    if let (Some(whole), Some(parts)) = (peak(0), peak(1)) {
        // The feature maps of a person take about 20 MiB.
        assert!(
            parts + 100.0 < whole,
            "{parts} MiB in parts, {whole} MiB at once"
        );
    }
}
