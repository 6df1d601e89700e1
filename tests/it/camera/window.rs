//! The window with simulated cameras. It runs in a child process: this test's own executable,
//! started again with the stand-in library.

use std::process::Command;
use std::sync::Arc;
use std::time::Instant;

use egui_kittest::Harness;
use poselens_app::gui::GuiContext;
use poselens_engine::geometry::Size;
use poselens_engine::source::{OpenOptions, SourceSpec};
use poselens_tests::WAIT_LIMIT;
use serde_json::{Value, json};

use super::standin::{Scene, small, with};
use crate::cli::Running;
use crate::driving::open_app;
use crate::window_fakes::gui;

/// Expected message of the window in the child process, and whether it shows frames.
const EXPECTED: &str = "CAMERA_WINDOW_SAYS";
const SHOWS: &str = "CAMERA_WINDOW_SHOWS";

/// A frame number reached only after the camera was unplugged and plugged in again.
const ENOUGH: u64 = 20;

fn window(cameras: &Value, shows: bool, says: &str) {
    let scene = Scene::new(cameras);
    let like = scene.command("gui");
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args(["--exact", "camera::window::the_other_process", "--ignored"])
        .envs(
            like.get_envs()
                .filter_map(|(name, value)| Some((name, value?))),
        )
        .env(EXPECTED, says)
        .env(SHOWS, shows.to_string());
    let outcome = Running::start(command).wait();
    assert_eq!(outcome.code, Some(0), "{cameras} {says}: {outcome:?}");
    assert!(outcome.stdout.contains("1 passed"), "{outcome:?}");
}

/// Fails when the window shows no frames of a working camera, or none after it was unplugged and
/// came back.
#[test]
fn the_picture_is_shown() {
    window(&json!([small(&json!({}))]), true, "");
    let fate = json!({"unplugged_after": 9, "back_after": 300});
    window(&json!([with(small(&json!({})), &fate)]), true, "");
}

/// Fails when the window does not explain in plain words why a camera does not open.
#[test]
fn failures_are_told_in_words() {
    let failing = |number: i32| {
        json!([with(
            small(&json!({})),
            &json!({"errors": {"OPEN": number}})
        )])
    };
    window(&failing(16), false, "in use by another program");
    window(&failing(13), false, "no permission");
    window(&json!([]), false, "no camera found");
    window(
        &json!([small(&json!({"code": "BA81"}))]),
        false,
        "formats that are not read here (BA81)",
    );
}

#[test]
#[ignore = "begun by the tests above, with cameras"]
fn the_other_process() {
    let expected = std::env::var(EXPECTED).unwrap();
    let shows = std::env::var(SHOWS).unwrap() == "true";
    let folder = tempfile::tempdir().unwrap();
    let gui = GuiContext {
        open_source: Arc::new(|text, format| {
            let options = OpenOptions {
                format,
                ..OpenOptions::default()
            };
            SourceSpec::parse(text)?.open(&options)
        }),
        ..gui(Some("camera:0"), &[], folder.path())
    };
    let mut harness = open_app(Harness::builder(), gui);
    let start = Instant::now();
    let mut has_shown = false;
    loop {
        harness.step();
        let session = harness.state().ui_state();
        let frame = session.presented.as_ref().map(|p| &p.frame);
        has_shown |= frame.is_some_and(|f| f.size() == Size::new(64, 48) && f.id >= ENOUGH);
        let text = session.status.as_ref().map_or("", |s| &s.text);
        assert!(
            !text.contains("--input") && !text.contains("os error"),
            "{text}"
        );
        if text.contains(&expected) && has_shown == shows {
            return;
        }
        assert!(start.elapsed() < WAIT_LIMIT, "{session:#?}");
        std::thread::sleep(std::time::Duration::from_millis(2));
    }
}
