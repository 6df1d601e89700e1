//! Files written by a newer version.

use std::fs;

use poselens_engine::pipeline::session::Manifest;

use crate::cli::Workdir;
use crate::train::draw_people;

/// Fails when unknown options of a newer version are silently ignored instead of being named.
#[test]
fn options_of_a_newer_version_are_named() {
    let workdir = Workdir::new();
    draw_people(&workdir.path(""), 1);
    workdir.write("newer.toml", "epochs = 1\nhologram = true\n");
    let outcome = workdir.run("train --config newer.toml --annotations people.json --out out");
    assert_eq!(outcome.code, Some(2), "{outcome:?}");
    assert!(outcome.stderr.contains("hologram"), "{}", outcome.stderr);
    assert!(outcome.stderr.contains("newer.toml"), "{}", outcome.stderr);
    assert!(!workdir.path("out").exists());
}

/// Fails when a recording of a newer version cannot be opened.
#[test]
fn the_recording_of_a_newer_version_is_read() {
    let workdir = Workdir::new();
    let text = String::from_utf8(poselens_tests::fuzz::seeds::recording().remove(0)).unwrap();
    let newer = format!("hologram = 3\n{text}");
    fs::write(workdir.path("session.toml"), newer).unwrap();
    assert!(Manifest::read(&workdir.path("")).unwrap().is_finished);
}
