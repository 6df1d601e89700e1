//! A project with 20,000 frames of proposals.

use std::fs;

use eframe::egui::{self, Key};
use egui_kittest::Harness;
use egui_kittest::kittest::Queryable;
use poselens_engine::project::{Edit, FrameProposal, Project};
use poselens_tests::labelling::{description, person};

use super::{Window, key};
use crate::driving::{Drive, Views as _};

const N_FRAMES: u32 = 20_000;

/// Fails when the window holds or lays out more than it shows, a clip that is gone is not named, or
/// a frame is accepted that was never seen.
#[test]
fn a_large_project_shows_only_a_part() {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().join("project");
    fs::create_dir(&place).unwrap();
    fs::write(place.join("project.toml"), description(N_FRAMES)).unwrap();
    let mut project = Project::open(&place).unwrap();
    let frames = (0..N_FRAMES).map(|frame| FrameProposal {
        at: key(frame),
        suggestion: None,
        people: vec![person(u64::from(frame))],
        is_confirmed: false,
    });
    let frames = frames.collect();
    project.apply(&Edit::Propose { frames }).unwrap();
    project.save().unwrap();
    drop(project);
    let builder = Harness::builder().with_size(egui::vec2(1280.0, 1000.0));
    let mut window = Window::with(builder, folder, Some(place));
    window.until(|app| app.label().fault.is_some());
    let fault = window.harness.state().label().fault.clone().unwrap();
    assert!(fault.contains("the clip 'clip' is not there"), "{fault}");
    window.click("Proposed");
    window.until(|app| {
        let project = app.label().project.as_ref().unwrap();
        project.list.n_all == N_FRAMES as usize && !project.list.rows.is_empty()
    });
    let rows = window
        .harness
        .state()
        .label()
        .project
        .as_ref()
        .unwrap()
        .list
        .rows
        .len();
    assert!(rows < 40, "{rows}");
    let buttons = window
        .harness
        .query_all_by_label_contains("clip frame ")
        .count();
    assert!((1..40).contains(&buttons), "{buttons}");
    window.press(Key::A);
    window.until_says("frame 0 cannot be shown");
    window.press(Key::D);
    window.until(|app| app.label().frame().is_some_and(|frame| frame.at == key(1)));
}
