//! Label projects under kills, full disks and damaged files.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use poselens_engine::project::{Contents, Project};
use poselens_tests::WAIT_LIMIT;
use poselens_tests::fuzz::mutate::Chance;
use poselens_tests::labelling::{create, step};

/// Number of kills.
const N_KILLS: usize = 200;
/// Longest time that the program runs before it is killed, in microseconds.
const MAX_MICROS: usize = 30_000;

/// Edits the project in another process until that is killed after a random time; returns the
/// number of the last edit that it acknowledged.
fn label_and_kill(folder: &Path, chance: &mut Chance) -> Option<u64> {
    let printed = folder.with_extension("txt");
    let mut child = Command::new(env!("CARGO_BIN_EXE_label-until-killed"))
        .arg(folder)
        .stdin(Stdio::null())
        .stdout(std::fs::File::create(&printed).unwrap())
        .stderr(Stdio::inherit())
        .spawn()
        .unwrap();
    let begin = std::time::Instant::now();
    let acknowledged = || std::fs::read_to_string(&printed).unwrap();
    // From the first edit on, so that a slow machine does not kill it while it starts.
    while acknowledged().is_empty() {
        assert_eq!(child.try_wait().unwrap(), None, "ended by itself");
        assert!(begin.elapsed() < WAIT_LIMIT, "no edit");
        std::thread::sleep(Duration::from_millis(1));
    }
    std::thread::sleep(Duration::from_micros(chance.below(MAX_MICROS) as u64));
    child.kill().unwrap();
    child.wait().unwrap();
    let text = acknowledged();
    // The last line may be incomplete.
    let whole = text.rsplit_once('\n')?.0;
    whole.lines().last()?.parse().ok()
}

/// Fails when a kill at any moment loses an edit that was acknowledged, adds something else, or
/// leaves a project that cannot be opened, labelled further or locked again.
#[test]
fn two_hundred_kills_lose_nothing() {
    let root = tempfile::tempdir().unwrap();
    let [folder, twin] = ["killed", "twin"].map(|name| root.path().join(name));
    for folder in [&folder, &twin] {
        std::fs::create_dir(folder).unwrap();
    }
    drop(create(&folder).unwrap());
    // The same edits without kills.
    let mut twin = create(&twin).unwrap();
    let mut chance = Chance::new(15);
    for n in 0..N_KILLS {
        let acknowledged = label_and_kill(&folder, &mut chance).unwrap();
        let project = Project::open(&folder).unwrap();
        let made = project.sequence();
        assert!(
            (acknowledged..=acknowledged + 1).contains(&made),
            "kill {n}: {acknowledged} edits were acknowledged, {made} are there"
        );
        while twin.sequence() < made {
            step(&mut twin).unwrap();
        }
        assert_eq!(twin.sequence(), made);
        assert!(project.labels() == twin.labels(), "kill {n}: other labels");
        assert_eq!(project.depth(), twin.depth(), "kill {n}");
    }
    assert!(twin.sequence() > N_KILLS as u64);
}

/// Fails when a reader sees another program's edit half, or is disturbed by it.
#[test]
fn a_project_is_read_while_it_is_written() {
    let root = tempfile::tempdir().unwrap();
    let mut project = create(root.path()).unwrap();
    for _ in 0..200 {
        step(&mut project).unwrap();
        let read = Contents::read(root.path()).unwrap();
        assert!(read.labels() == project.labels());
    }
}
