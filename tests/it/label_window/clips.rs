//! The list of clips.

use eframe::egui::{self, Key};
use egui_kittest::Harness;
use poselens_engine::frame::{Frame, Pixels};
use poselens_engine::project::{
    Contents, Edit, FrameKey, FrameProposal, NewProject, Project, Reason, Suggestion,
};
use poselens_engine::record::save_png;

use super::{SIZE, Window, standing};
use crate::driving::{Drive as _, Views as _};

/// More clips than the list shows.
const N_CLIPS: u8 = 24;
/// The clips with a suggested frame.
const SUGGESTED: [u32; 2] = [1, 20];

fn open() -> Window {
    let folder = tempfile::tempdir().unwrap();
    let clips = (1..=N_CLIPS).map(|i| {
        let clip = folder.path().join(format!("clip{i}"));
        let pixels = [9 * i, 20, 90, 255].repeat(SIZE.area());
        let frame = Frame::new(0, 0.0, SIZE, Pixels::unpooled(pixels));
        save_png(&frame, &clip.join("0.png")).unwrap();
        clip
    });
    let new = NewProject {
        model: "sfm".to_owned(),
        clips: clips.collect(),
        is_copied: false,
    };
    let place = folder.path().join("project");
    let mut project = Project::create(&place, &new).unwrap();
    let frames = SUGGESTED.map(|clip| FrameProposal {
        at: FrameKey::new(clip, 0),
        suggestion: Some(Suggestion {
            reason: Reason::Peaks,
            value: 0.5,
        }),
        people: vec![standing()],
        is_confirmed: false,
    });
    let frames = frames.into();
    project.apply(&Edit::Propose { frames }).unwrap();
    drop(project);
    let builder = Harness::builder().with_size(egui::vec2(1280.0, 1000.0));
    Window::with(builder, folder, Some(place))
}

/// Fails when a clip cannot be copied into the project by the window, the copy is not used, or the
/// original is needed afterwards.
#[test]
fn a_clip_is_copied_into_the_project() {
    let mut window = open();
    let at = FrameKey::new(1, 0);
    window.until(|app| app.label().frame().is_some_and(|frame| frame.at == at));
    window.click("Copy into the project");
    window.until_says("The clip clip1 is in the project");
    let contents = Contents::read(&window.place()).unwrap();
    let clip = contents.file().clip(1).unwrap();
    assert!(clip.is_copied && clip.path.ends_with("clips/clip1"));
    assert!(!window.has("Copy into the project"), "it is there");
    std::fs::remove_dir_all(window.folder.path().join("clip1")).unwrap();
    window.press(Key::D);
    window.until(|app| {
        let label = app.label();
        label.at.is_some_and(|at| at.clip == 20) && label.shown_picture().is_some()
    });
    window.press(Key::S);
    window.until(|app| {
        let label = app.label();
        label.at == Some(at) && label.shown_picture().is_some()
    });
}

/// Fails when the list of clips does not show the clip of the shown frame.
#[test]
fn the_list_of_clips_shows_that_of_the_frame() {
    let mut window = open();
    let until_clip = |window: &mut Window, clip: u32| {
        let at = FrameKey::new(clip, 0);
        window.until(|app| app.label().frame().is_some_and(|frame| frame.at == at));
        window.harness.run_steps(3);
    };
    until_clip(&mut window, 1);
    assert!(window.has("Clip clip1") && !window.has("Clip clip20"));
    window.press(Key::D);
    until_clip(&mut window, 20);
    assert!(window.has("Clip clip20") && !window.has("Clip clip1"));
}
