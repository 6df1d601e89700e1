//! Damaged bytes: every fuzz target with mutations of valid inputs, and regressions found by
//! fuzzing.

use std::collections::BTreeSet;
use std::panic::catch_unwind;
use std::path::{Path, PathBuf};

use poselens_tests::fuzz::mutate::{Chance, mutated};
use poselens_tests::fuzz::{TARGETS, Target};
use poselens_tests::golden;

/// Mutations per target in a normal test; libFuzzer generates millions.
const N: usize = 300;

/// Runs the target; an input that panics is saved for debugging.
fn run(target: &Target, data: &[u8], what: &str) {
    if catch_unwind(|| (target.run)(data)).is_err() {
        let path = std::env::temp_dir().join(format!("poselens-fuzz-{}", target.name));
        std::fs::write(&path, data).unwrap();
        panic!("{} panics at {what}: {}", target.name, path.display());
    }
}

/// Fails when a damaged file, buffer or text causes a panic instead of an error.
#[test]
fn no_damage_ends_in_a_panic() {
    for target in TARGETS {
        let seeds = (target.seeds)();
        assert!(!seeds.is_empty(), "{} has no sound input", target.name);
        for (i, seed) in seeds.iter().enumerate() {
            run(target, seed, &format!("seed {i}"));
        }
        let mut chance = Chance::new(1);
        for i in 0..N {
            run(
                target,
                &mutated(&seeds, &mut chance),
                &format!("mutation {i}"),
            );
        }
    }
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten();
    entries.map(|entry| entry.unwrap().path()).collect()
}

/// Fails when a bug found by fuzzing comes back. `tests/golden/fuzz/TARGET/NAME` are the minimised
/// inputs.
#[test]
fn what_fuzzing_has_found_stays_mended() {
    for target in TARGETS {
        for path in entries(&golden("fuzz").join(target.name)) {
            let data = std::fs::read(&path).unwrap();
            run(target, &data, &path.display().to_string());
        }
    }
}

/// Fails when a target is missing from libFuzzer, or libFuzzer has one that is not tested here.
#[test]
fn every_target_has_a_libfuzzer_target() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/fuzz_targets");
    let stem = |path: PathBuf| path.file_stem().unwrap().to_str().unwrap().to_owned();
    let files: BTreeSet<_> = entries(&folder).into_iter().map(stem).collect();
    let rows: BTreeSet<_> = TARGETS
        .iter()
        .map(|target| target.name.to_owned())
        .collect();
    assert_eq!(files, rows);
}
