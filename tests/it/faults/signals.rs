//! Programs that are ended, stopped and continued by signals.

use serde_json::Value;

use crate::cli::{Running, Workdir};
use crate::train::draw_people;

const LIVE: &str = "run --input synthetic:live --record out.mp4 --write-json out.jsonl --json";

fn fragments(workdir: &Workdir) -> usize {
    let bytes = std::fs::read(workdir.path("out.mp4")).unwrap_or_default();
    bytes.windows(4).filter(|w| w == b"moof").count()
}

/// Fails when logout, container shutdown or closing the terminal leaves a recording unfinished.
#[test]
fn a_run_is_complete_whichever_way_it_is_asked_to_end() {
    // `timeout` signals a program and its process group: twice.
    for names in [&["TERM"][..], &["HUP"], &["TERM", "TERM"], &["INT", "TERM"]] {
        let workdir = Workdir::new();
        let mut running = Running::start(workdir.command(LIVE));
        running.until("fragment", || fragments(&workdir) > 0);
        running.signals(names);
        let outcome = running.wait();
        let name = names.join(", ");
        assert_eq!(outcome.code, Some(0), "{name}: {}", outcome.stderr);
        let run: Value = serde_json::from_str(&outcome.stdout).unwrap();
        assert_eq!(run["frames"], workdir.frames("out.mp4").len(), "{name}");
    }
}

/// Fails when a program that was stopped for a while (Ctrl+Z, suspend) does not continue, processes
/// the missed frames as a burst, or omits the elapsed time from the recording.
#[test]
fn a_run_goes_on_after_it_was_stopped() {
    let workdir = Workdir::new();
    let mut running = Running::start(workdir.command(LIVE));
    running.until("fragment", || fragments(&workdir) > 0);
    running.signal("STOP");
    std::thread::sleep(std::time::Duration::from_secs(3));
    running.signal("CONT");
    let before = fragments(&workdir);
    running.until("fragment after the stop", || {
        fragments(&workdir) > before + 1
    });
    running.signal("INT");
    let outcome = running.wait();
    assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
    let frames = workdir.frames("out.mp4");
    let steps = frames.windows(2).map(|w| w[1].time_secs - w[0].time_secs);
    let steps: Vec<f64> = steps.collect();
    assert!(steps.iter().all(|step| *step > 0.0));
    let longest = steps.iter().copied().fold(0.0, f64::max);
    assert!(
        longest > 2.5,
        "3 s without a frame are {longest} s in the file"
    );
}

const TRAIN: &str = "train --annotations people.json --out out --epochs 100000 --batch-size 2 \
                     --input-size 64 --device cpu --threads 2 --json";

/// Fails when a training that receives a termination signal loses its progress, or cannot be
/// resumed.
#[test]
fn a_training_is_saved_whichever_way_it_is_asked_to_end() {
    let workdir = Workdir::new();
    draw_people(&workdir.path(""), 2);
    let mut running = Running::start(workdir.command(TRAIN));
    let log = workdir.path("out/log.csv");
    let epochs = || {
        std::fs::read_to_string(&log)
            .unwrap_or_default()
            .lines()
            .count()
    };
    running.until("epoch", || epochs() > 2);
    running.signal("TERM");
    let outcome = running.wait();
    assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
    let train: Value = serde_json::from_str(&outcome.stdout).unwrap();
    assert_eq!(train["ended"], "stopped");
    let before = train["epochs"].as_u64().unwrap();
    let more = before + 1;
    let resume =
        format!("train --resume --out out --epochs {more} --device cpu --threads 2 --json");
    assert_eq!(workdir.json(&resume)["epochs"], more);
}

/// Fails when an evaluation cannot be interrupted.
#[test]
fn an_evaluation_ends_at_once() {
    let workdir = Workdir::new();
    draw_people(&workdir.path(""), 40);
    // The same people repeated often enough that no machine finishes before the signal.
    let mut labels: serde_json::Value = serde_json::from_str(&workdir.read("people.json")).unwrap();
    let people = labels["annotations"].as_array().unwrap().clone();
    let again = people.iter().cycle().take(1000 * people.len()).cloned();
    let again = again.enumerate().map(|(id, mut person)| {
        person["id"] = id.into();
        person
    });
    labels["annotations"] = again.collect();
    workdir.write("people.json", labels.to_string());
    for name in ["INT", "TERM", "KILL"] {
        let running = Running::start(workdir.command("eval --annotations people.json --json"));
        running.signal(name);
        let outcome = running.wait();
        // Ended by the signal itself: there is nothing to finish.
        assert_eq!(outcome.code, None, "{name}: {outcome:?}");
        assert_eq!(outcome.stdout, "", "{name}");
    }
}
