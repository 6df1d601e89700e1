//! Recorded people in the Inspect view: who they are, and corrections of their tracks.

use std::path::PathBuf;

use eframe::egui::{self, Key, Modifiers};
use egui_kittest::kittest::Queryable;
use poselens_engine::record::VideoWriter;
use poselens_shaders::scene::Mark;

use super::Window;
use super::commands::palette;
use crate::driving::{Drive, SMALLEST, Views as _, disorder};
use crate::inspect_fakes::SIZE;

const N: u64 = 6;

/// Returns the recorded poses of a frame: #1 at the left, and at the right #2, from frame 4 on #3.
fn line(frame: u64) -> String {
    let person = |id: u64, x: f64| {
        let joints: Vec<_> = (0..14)
            .map(|j| format!("[{}.50,{}.00,0.90]", x + f64::from(j % 3), 4 + j))
            .collect();
        let joints = joints.join(",");
        format!(
            r#"{{"track_id":{id},"score":0.90,"box":[{x},4,3,14],"keypoints":[{joints}],"keypoints_raw":[{joints}]}}"#
        )
    };
    let other = if frame < 4 { 2 } else { 3 };
    format!(
        "{{\"frame\":{frame},\"time_secs\":{},\"width\":{},\"height\":{},\"model\":\"fake\",\
         \"skeleton\":\"lsp14\",\"poses\":[{},{}]}}\n",
        frame as f64 / 8.0,
        SIZE.width,
        SIZE.height,
        person(1, 4.0),
        person(other, 22.0),
    )
}

fn recorded() -> String {
    (0..N).map(line).collect()
}

impl Window {
    /// A window with a recording of six frames, and the folder of that.
    fn recording() -> (Self, PathBuf) {
        let mut window = Self::live();
        let folder = window.folder.path().join("walk");
        std::fs::create_dir(&folder).unwrap();
        std::fs::write(folder.join("session.toml"), "").unwrap();
        std::fs::write(folder.join("poses.jsonl"), recorded()).unwrap();
        for name in ["raw.mp4", "annotated.mp4"] {
            let mut video = VideoWriter::create(&folder.join(name), SIZE, 8.0).unwrap();
            for frame in 0..N {
                let pixels = [frame as u8 * 20, 90, 90, 255].repeat(SIZE.area());
                video.push(&pixels, frame as f64 / 8.0).unwrap();
            }
            video.finish().unwrap();
        }
        window.press(Key::I);
        window.open(&folder);
        window.until_people(&[1, 2]);
        (window, folder)
    }

    /// Waits until the inspected frame has these recorded people, is inspected from their poses,
    /// and no edit is being written.
    #[track_caller]
    fn until_people(&mut self, ids: &[u64]) {
        self.until(|app| {
            let inspect = app.inspect();
            let near = inspect.subject.iter().flat_map(|subject| &subject.near);
            let near: Vec<_> = near.filter_map(|pose| pose.track_id).collect();
            near == ids && tracks(app) == ids && inspect.slots[0].found.is_some()
        });
    }

    /// Goes from the first frame to another one.
    #[track_caller]
    fn step_to(&mut self, frame: u64) {
        for _ in 0..frame {
            self.press(Key::Period);
        }
        self.until_frame(frame);
    }

    #[track_caller]
    fn until_told(&mut self, part: &str) {
        self.until(|app| {
            let status = app.ui_state().status.as_ref();
            status.is_some_and(|status| status.text.contains(part))
        });
    }

    fn command(&mut self, key: Key) {
        self.harness.key_press_modifiers(Modifiers::COMMAND, key);
        self.harness.run_steps(3);
    }

    fn chosen(&self) -> &[u64] {
        &self.inspect().people.as_ref().unwrap().chosen
    }

    /// Returns the texts drawn over the image.
    fn texts(&self) -> Vec<&str> {
        let marks = self.inspect().slots[0].shown.scene.marks.iter();
        let texts = marks.filter_map(|mark| match mark {
            Mark::Label(label) => Some(label.text.as_str()),
            _ => None,
        });
        texts.collect()
    }
}

fn tracks(app: &poselens_app::gui::App) -> Vec<u64> {
    let people = app.inspect().people.as_ref();
    let recorded = people.and_then(|people| people.recorded());
    let poses = recorded.iter().flat_map(|frame| &frame.poses);
    poses.filter_map(|pose| pose.track_id).collect()
}

/// Fails when recorded people are not listed or drawn, an edit applies to other frames than those
/// chosen, is not on disk, or cannot be undone and made again, also after the recording was opened
/// anew.
#[test]
fn tracks_are_swapped_and_swapped_back() {
    let (mut window, folder) = Window::recording();
    assert!(window.has("#1, frames 0 to 5") && window.has("#2, frames 0 to 3"));
    assert!(!window.texts().contains(&"#1"));
    window.click("Show recorded people");
    let drawn = window.texts();
    assert!(drawn.contains(&"#1") && drawn.contains(&"#2"), "{drawn:?}");
    window.step_to(2);
    window.until_people(&[1, 2]);
    window.click("#2, frames 0 to 3");
    window.click("#1, frames 0 to 5");
    assert!(window.has("Join #1 into #2") && window.has("Remove"));
    window.click("Swap #2 and #1");
    window.until_people(&[2, 1]);
    assert!(window.has("Written to poses.edited.jsonl"));
    let edited = || std::fs::read_to_string(folder.join("poses.edited.jsonl")).unwrap();
    let swapped = edited();
    assert_eq!(swapped.lines().next(), recorded().lines().next());
    assert!(
        swapped
            .lines()
            .nth(2)
            .unwrap()
            .contains("\"poses\":[{\"track_id\":2,")
    );
    let original = std::fs::read_to_string(folder.join("poses.jsonl")).unwrap();
    assert_eq!(original, recorded());

    window.command(Key::Z);
    window.until_people(&[1, 2]);
    assert_eq!(edited(), recorded());
    window.command(Key::Y);
    window.until_people(&[2, 1]);
    assert_eq!(edited(), swapped);
    // The annotated video shows the same people.
    window.harness.get_by_label("Path").focus();
    window.command(Key::A);
    window.open(&folder.join("annotated.mp4"));
    window.until_people(&[1, 2]);
    window.step_to(2);
    window.until_people(&[2, 1]);
    window.click("Undo");
    window.until_people(&[1, 2]);
    assert_eq!(edited(), recorded());
}

/// Fails when people who are in the same frame are joined, people at another time cannot be, or
/// a false detection cannot be removed.
#[test]
fn tracks_are_joined_and_removed() {
    let (mut window, folder) = Window::recording();
    window.click("#1, frames 0 to 5");
    window.choose("Others", "#3, frames 4 to 5");
    assert_eq!(window.chosen(), [1, 3]);
    window.choose("Frames", "whole recording");
    window.click("Join #3 into #1");
    window.until_told("#3 and #1 are two people: both are in 2 frames, first in frame 4");
    assert!(!folder.join("poses.edits.json").exists());
    // A third choice replaces the second; the first is dropped by another click.
    window.click("#2, frames 0 to 3");
    window.click("#1, frames 0 to 5");
    window.choose("Others", "#3, frames 4 to 5");
    assert_eq!(window.chosen(), [2, 3]);
    palette(&mut window, "join #3 into #2");
    window.until(|app| {
        let people = app.inspect().people.as_ref();
        people.is_some_and(|people| people.tracks().len() == 2)
    });
    assert!(window.has("#2, frames 0 to 5"));
    // Its track is gone, so it is no longer chosen.
    assert_eq!(window.chosen(), [2]);
    window.click("Remove #2");
    window.until_people(&[1]);
    palette(&mut window, "undo the correction");
    window.until_people(&[1, 2]);
}

/// Fails when a click on a recorded person chooses another one, or a person who is not drawn.
#[test]
fn people_are_chosen_by_a_click_on_them() {
    let (mut window, _folder) = Window::recording();
    let picture = window.harness.get_by_label("Image").rect();
    let scale = picture.width() / SIZE.width as f32;
    let top = picture.center().y - scale * SIZE.height as f32 / 2.0;
    let place = egui::pos2(picture.left() + 23.5 * scale, top + 9.5 * scale);
    let click = |window: &mut Window| {
        // Later than a double click.
        std::thread::sleep(std::time::Duration::from_millis(400));
        window.harness.hover_at(place);
        window.harness.drag_at(place);
        window.harness.drop_at(place);
        window.harness.run_steps(3);
    };
    click(&mut window);
    assert!(window.chosen().is_empty());
    window.click("Show recorded people");
    click(&mut window);
    assert_eq!(window.chosen(), [2]);
}

/// Fails when an edit counts that could not be written, or the reason is not shown.
#[test]
fn an_edit_that_cannot_be_written_changes_nothing() {
    let (mut window, folder) = Window::recording();
    std::fs::create_dir(folder.join("poses.edited.jsonl.poselens.part")).unwrap();
    window.click("#1, frames 0 to 5");
    window.click("#2, frames 0 to 3");
    window.click("Swap #1 and #2");
    window.until_told("cannot write");
    window.until_people(&[1, 2]);
    assert!(!folder.join("poses.edits.json").exists());
    std::fs::remove_dir(folder.join("poses.edited.jsonl.poselens.part")).unwrap();
    window.click("Swap #1 and #2");
    window.until_people(&[2, 1]);
}

/// Fails when the panel is there without recorded people, its undo is offered then, or its parts
/// overlap in the smallest window.
#[test]
fn the_panel_is_there_for_recordings_only() {
    let mut window = Window::reader("maps");
    assert!(!window.has("Show recorded people"));
    window.command(Key::Z);
    assert!(window.harness.state().ui_state().status.is_none());
    let (mut window, _folder) = Window::recording();
    window.click("#1, frames 0 to 5");
    window.choose("Frames", "a range of frames");
    assert!(window.has("First frame") && window.has("Last frame"));
    assert_eq!(window.harness.unnamed_widgets(), Vec::<String>::new());
    for size in SMALLEST {
        window.harness.set_size(size);
        window.harness.run_steps(4);
        let found = disorder(&window.harness);
        assert!(found.is_empty(), "at {size}: {found:#?}");
    }
}
