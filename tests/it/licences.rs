//! The list of libraries in the About sheet.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .unwrap()
        .to_owned()
}

fn list() -> PathBuf {
    root().join("app/src/gui/sheets/libraries.txt")
}

/// Returns `name version` of every third-party package, sorted.
fn locked() -> Vec<String> {
    let text = std::fs::read_to_string(root().join("Cargo.lock")).unwrap();
    let lock: toml::Table = text.parse().unwrap();
    let packages = lock["package"].as_array().unwrap().iter();
    let mut names: Vec<_> = packages
        .map(|p| {
            format!(
                "{} {}",
                p["name"].as_str().unwrap(),
                p["version"].as_str().unwrap()
            )
        })
        .filter(|name| !name.starts_with("poselens-"))
        .collect();
    names.sort();
    names
}

/// Fails when a library was added, updated or removed and the About sheet still has the old list,
/// or one has no licence. `cargo test --test it the_list_is_made -- --ignored` regenerates the
/// list.
#[test]
fn every_library_is_listed_with_its_licence() {
    let text = std::fs::read_to_string(list()).unwrap();
    let listed: Vec<_> = text
        .lines()
        .map(|line| {
            let (name, licence) = line.split_once(": ").unwrap_or((line, ""));
            assert!(!licence.trim().is_empty(), "no licence: {line}");
            name.to_owned()
        })
        .collect();
    let locked = locked();
    let lacks: Vec<_> = locked.iter().filter(|n| !listed.contains(n)).collect();
    let stale: Vec<_> = listed.iter().filter(|n| !locked.contains(n)).collect();
    assert!(
        lacks.is_empty() && stale.is_empty() && listed.len() == locked.len(),
        "the list lacks {lacks:?} and still has {stale:?}; make it anew: \
         cargo test --workspace --test it the_list_is_made -- --ignored"
    );
}

/// Fails when cargo does not report the licences. Not a check: it writes the list that the test
/// above checks.
#[test]
#[ignore = "writes a file of the sources"]
fn the_list_is_made() {
    let output = Command::new(env!("CARGO"))
        .args([
            "metadata",
            "--format-version",
            "1",
            "--locked",
            "--all-features",
        ])
        .current_dir(root())
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let packages = metadata["packages"].as_array().unwrap();
    let mut text = String::new();
    for name in locked() {
        let package = packages.iter().find(|p| {
            let own = [&p["name"], &p["version"]].map(|v| v.as_str().unwrap());
            own.join(" ") == name
        });
        let said = |key| package.and_then(|p| p[key].as_str()).map(str::to_owned);
        let in_file = || Some(format!("see its {}", said("license_file")?));
        let licence = said("license").or_else(in_file).unwrap();
        writeln!(text, "{name}: {licence}").unwrap();
    }
    std::fs::write(list(), text).unwrap();
}
