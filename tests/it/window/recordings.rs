//! Recording and management of recordings.

use std::path::Path;
use std::sync::Arc;

use eframe::egui::{self, Key, Modifiers, Role};
use egui_kittest::Harness;
use egui_kittest::kittest::{By, Queryable};
use poselens_app::gui::UiState;
use poselens_engine::source::{OpenOptions, SourceSpec};

use super::Window;
use crate::driving::Views as _;
use crate::window_fakes::{fake_tap, gui};

impl Window {
    /// Types the path of a file or folder to record.
    #[track_caller]
    pub(super) fn record_path(&mut self, path: &Path) {
        self.click("Record files");
        self.click("File or folder to record");
        let path = path.to_string_lossy().into_owned();
        let field = self.harness.get_by_label("File or folder to record");
        field.type_text(&path);
        self.harness.run_steps(2);
        self.click("Add: File or folder to record");
    }

    /// Types the path of a folder for recordings.
    #[track_caller]
    fn record_into(&mut self, folder: &Path) {
        self.click("Folder of recordings");
        self.click("Folder for recordings");
        let path = folder.to_string_lossy().into_owned();
        let field = self.harness.get_by_label("Folder for recordings");
        field.type_text(&path);
        self.harness.run_steps(2);
        self.click("Use: Folder for recordings");
    }
}

/// Fails when a recording cannot be started, shows no progress, or ends without showing its folder.
#[test]
fn a_recording_starts_counts_and_says_where_it_is() {
    let mut window = Window::running("clip.mp4");
    window.click("Record");
    let frames = |s: &UiState| {
        let recording = s.recording.as_ref();
        recording
            .and_then(|r| r.progress.as_ref())
            .map_or(0, |p| p.frames)
    };
    window.until(|s| frames(s) >= 3);
    window.click("Stop recording");
    window.until_says("Recorded ");
    let folder = window.folder.path().to_string_lossy().into_owned();
    window.until_says(&folder);
    window.press(Key::R);
    window.until(|s| s.recording.is_some());
    window.press(Key::R);
    window.until(|s| s.recording.is_none());
}

/// Creates a folder like that of a recording.
fn leave_recording(window: &Window, is_finished: bool) {
    let folder = window
        .folder
        .path()
        .join("2026-03-01_14-05-59.250 front door");
    write_manifest(&folder, "front door", is_finished);
}

/// Writes the manifest of a recording of the source `name`.
fn write_manifest(folder: &Path, name: &str, is_finished: bool) {
    std::fs::create_dir_all(folder).unwrap();
    let manifest = format!(
        r#"program = "PoseLens"
is_finished = {is_finished}
started = "2026-03-01_14-05-59.250"
[source]
name = "{name}"
spec = "camera:0"
is_live = true
[overlay]
overlays = ["skeleton"]
keypoint_threshold = 0.3
opacity = 0.6
is_smoothed = true
"#
    );
    std::fs::write(folder.join("session.toml"), manifest).unwrap();
}

/// Fails when a finished recording is not listed, an interrupted one looks complete, or a click
/// does not open it.
#[test]
fn recordings_are_listed_with_their_state_and_open() {
    let mut window = Window::running("clip.mp4");
    for (is_finished, state) in [(false, "unfinished"), (true, "finished")] {
        leave_recording(&window, is_finished);
        window.press(Key::R);
        window.until(|s| s.recording.as_ref().is_some_and(|r| r.progress.is_some()));
        window.press(Key::R);
        window.until(|s| s.recording.is_none() && s.queue.running.is_none());
        window.until_says("Recorded ");
        let is_read = |s: &UiState| {
            let mut list = s.recordings.iter().flatten();
            list.next()
                .is_some_and(|e| e.manifest.is_finished == is_finished)
        };
        window.until(is_read);
        assert!(
            window.has(&format!("{state} · 0:00.00 · no model")),
            "{state}"
        );
    }
    window.click("Open 2026-03-01_14-05-59.250 front door");
    let reader = |window: &Window| {
        let reader = window.harness.state().inspect().reader.as_ref();
        reader.map(|f| f.name.clone())
    };
    assert!(reader(&window).is_some_and(|name| name.ends_with("front door")));
    window.press(Key::I);
    window.click("More about 2026-03-01_14-05-59.250 front door");
    window.click("Play in Live");
    window.until(|s| {
        let source = s.source.as_ref();
        source.is_some_and(|s| s.name.starts_with("recording:") && s.name.ends_with("front door"))
    });
}

/// Fails when a recording that cannot be annotated again leaves the window busy forever, or gives
/// no message.
#[test]
fn an_annotation_that_fails_says_why() {
    let mut window = Window::running("clip.mp4");
    leave_recording(&window, true);
    window.press(Key::R);
    window.until(|s| s.recording.as_ref().is_some_and(|r| r.progress.is_some()));
    window.press(Key::R);
    window.until(|s| s.recordings.as_ref().is_some_and(|list| !list.is_empty()));
    window.click("More about 2026-03-01_14-05-59.250 front door");
    window.click("Annotate again with second");
    window.until_says("raw.mp4");
    assert!(window.ui_state().annotating.is_none());
}

/// Fails when a clip that loops, plays faster or is seeked in is not recorded exactly once from
/// start to end.
#[test]
fn a_file_is_recorded_once_however_it_is_played() {
    let mut window = Window::running("short.mp4");
    window.click("Loop");
    window.choose("Speed", "8×");
    window.press(Key::R);
    window.press(Key::Home);
    window.press(Key::Comma);
    window.until_says("Recorded 10 frames to ");
    assert!(window.ui_state().recording.is_none());
}

/// Fails when one recording contains frames of two sources, or the second source is not recorded.
#[test]
fn another_source_starts_another_recording() {
    let mut window = Window::open(None, &["Desk camera", "Door camera"]);
    window.until(|s| s.presented.is_some());
    window.press(Key::R);
    let spec = |s: &UiState| {
        let recording = s.recording.as_ref().filter(|r| r.progress.is_some());
        recording.map(|r| r.source.spec.clone())
    };
    window.until(|s| spec(s).as_deref() == Some("camera:"));
    let first = window.ui_state().recording.as_ref().unwrap().folder.clone();
    window.choose("Input", "Door camera");
    window.until(|s| spec(s).as_deref() == Some("camera:1"));
    window.until_says(&first.to_string_lossy());
    window.until_says("recording goes on with Door camera");
    let second = window.ui_state().recording.as_ref().unwrap().folder.clone();
    assert_ne!(first, second);
    // A file is recorded independently of playback.
    window.choose("Input", "Sample clip");
    window.until(|s| spec(s).as_deref() == Some("clip.mp4"));
    window.press(Key::R);
    window.until(|s| s.recording.is_none() && s.queue.running.is_none());
    window.until_says("stopped before the end of Sample clip");
}

/// Fails when several files are not recorded one after the other, or failures are not reported.
#[test]
fn several_files_are_recorded_with_one_summary() {
    let mut window = Window::running("clip.mp4");
    let folder = tempfile::tempdir().unwrap();
    for name in ["a short.mp4", "b short.mp4", "c missing.mp4", "notes.txt"] {
        std::fs::write(folder.path().join(name), "x").unwrap();
    }
    window.record_path(folder.path());
    window.until_says("4 files: 2 recorded, 1 failed, 1 skipped");
    window.until_says("notes.txt: not a video");
    window.until_says("no such file; check the path");
}

/// Fails when a file's recording is listed only after the whole queue, or the running one is not
/// listed as such.
#[test]
fn every_recording_of_a_queue_is_listed_when_it_ends() {
    let folder = tempfile::tempdir().unwrap();
    let mut gui = gui(Some("clip.mp4"), &[], folder.path());
    gui.start_recording = Arc::new(|folder, first, _| {
        write_manifest(folder, &first.source.name, false);
        Ok(fake_tap(folder))
    });
    let builder = Harness::builder().with_size(egui::vec2(1280.0, 900.0));
    let mut window = Window::of(builder, gui, folder);
    let videos = tempfile::tempdir().unwrap();
    // The second one has no end.
    let [first, second] = ["a short.mp4", "b.mp4"].map(|name| videos.path().join(name));
    for path in [&first, &second] {
        std::fs::write(path, "x").unwrap();
    }
    window.record_path(videos.path());
    let names = |s: &UiState| -> Vec<String> {
        let list = s.recordings.iter().flatten();
        list.map(|entry| entry.manifest.source.name.clone())
            .collect()
    };
    let [first, second] = [first, second].map(|path| path.to_string_lossy().into_owned());
    window.until(|s| names(s).contains(&first) && names(s).contains(&second));
    assert!(window.ui_state().queue.running.is_some());
    let mut running = window
        .harness
        .query_all_by_label_contains("recording · 0:0");
    assert!(running.next().is_some());
    drop(running);
    window.click("Stop recording files");
    window.until(|s| s.queue.running.is_none());
}

/// Fails when a recording cannot be renamed, or its new name is lost.
#[test]
fn a_recording_is_renamed() {
    let mut window = Window::running("clip.mp4");
    leave_recording(&window, true);
    window.press(Key::R);
    window.press(Key::R);
    window.until(|s| s.recordings.as_ref().is_some_and(|list| !list.is_empty()));
    window.click("More about 2026-03-01_14-05-59.250 front door");
    window.click("New name");
    window
        .harness
        .key_press_modifiers(Modifiers::COMMAND, Key::A);
    window.harness.get_by_label("New name").type_text("Anna");
    window.harness.run_steps(2);
    window.click("Rename the recording");
    window.until_says("Renamed to Anna");
    assert!(window.folder.path().join("Anna/session.toml").is_file());
}

/// Fails when a number typed into the field does not seek, seeks to another frame, or the file plays
/// on from there.
#[test]
fn a_typed_frame_or_time_is_seeked_to() {
    let mut window = Window::running("sample");
    window.until(|s| s.extent.as_ref().is_some_and(|e| e.is_complete));
    for (text, frame) in [("40", 40), ("0:01", 30)] {
        window.press(Key::Space);
        window.click("Go to");
        window.harness.get_by_label("Go to").type_text(text);
        window.press(Key::Enter);
        window.until(|s| s.presented.as_ref().is_some_and(|p| p.frame.id == frame));
        assert!(!window.ui_state().is_playing && window.has("Play"));
    }
    assert_eq!(window.overlays(), ["skeleton"], "digits are no keys there");
}

/// Fails when going to a frame after the end plays on, or the field is blank while a menu is open.
#[test]
fn after_the_end_a_typed_frame_stays() {
    let mut window = Window::running("sample");
    window.until(|s| s.extent.as_ref().is_some_and(|e| e.is_complete));
    window.choose("Speed", "8×");
    window.until(|s| s.has_ended);
    window.click("Go to");
    window.harness.get_by_label("Go to").type_text("40");
    window.press(Key::Enter);
    window.until(|s| s.presented.as_ref().is_some_and(|p| p.frame.id == 40));
    assert!(!window.ui_state().is_playing && window.has("Play"));
    window.click("Folder of recordings");
    let field = window.harness.get_by_label("Go to");
    assert_eq!(field.value().as_deref(), Some("frame 40"));
}

/// Fails when a file that is opened during a recording is recorded without a word.
#[test]
fn a_recording_says_that_it_goes_on_with_another_source() {
    let mut window = Window::running("clip.mp4");
    window.press(Key::R);
    window.until(|s| s.recording.as_ref().is_some_and(|r| r.progress.is_some()));
    window.choose("Input", "Synthetic figure");
    window.until_says("Recording goes on with Synthetic figure; ");
    window.until_says(" is recorded to its end");
    assert!(window.ui_state().queue.running.is_some());
}

/// Fails when the recording of a file that was cut off looks complete, a window of usual size shows
/// fewer than three recordings, the scroll bar covers the buttons of the list, or the texts in the
/// fields of its menus are not in their middle.
#[test]
fn the_list_shows_parts_and_is_legible() {
    let mut window = Window::running("clip.mp4");
    for i in 0..8 {
        let folder = window.folder.path().join(format!("take {i}"));
        write_manifest(&folder, "front door", true);
        let path = folder.join("session.toml");
        let text = std::fs::read_to_string(&path).unwrap();
        let cut = "shortfall = \"a.mkv: ends after 2 frames, at 0.1 s: the file is cut off\"\n";
        std::fs::write(
            path,
            text.replacen("[source]", &format!("{cut}[source]"), 1),
        )
        .unwrap();
    }
    window.press(Key::R);
    window.press(Key::R);
    window.until(|s| s.recordings.as_ref().is_some_and(|list| list.len() == 8));
    let state = "in part: the file is cut off · 0:00.00 · no model";
    assert!(window.harness.query_all_by_label(state).count() > 0);
    let edge = window.harness.get_by_label("Input").rect().right();
    let more = |window: &Window, i: usize| {
        let list = window.ui_state().recordings.as_ref().unwrap();
        let name = list[i].folder.file_name().unwrap().to_string_lossy();
        format!("More about {name}")
    };
    // Three entries with both of their lines; the others are out of sight.
    window.harness.set_size(egui::vec2(1280.0, 800.0));
    window.harness.run_steps(3);
    let third = window.harness.get_by_label(&more(&window, 2)).rect();
    let bar = window.harness.get_by_label("Time line").rect();
    assert!(third.bottom() + 30.0 < bar.top(), "{third} {bar}");
    let more = more(&window, 0);
    let button = window.harness.get_by_label(&more).rect();
    assert!(edge - button.right() > 12.0, "{edge} {button}");
    window.click(&more);
    let field = window.harness.get_by_label("New name").rect();
    let runs = window.harness.query_all(By::new().role(Role::TextRun));
    let mut texts = runs
        .map(|run| run.rect())
        .filter(|rect| field.contains(rect.center()));
    let text = texts.next().unwrap();
    assert!(
        (text.center().y - field.center().y).abs() < 3.0,
        "{text} {field}"
    );
}

/// Fails when the error about a folder of videos does not lead to recording them.
#[test]
fn a_folder_of_videos_leads_to_recording_files() {
    let videos = tempfile::tempdir().unwrap();
    std::fs::write(
        videos.path().join("a.mp4"),
        b"\0\0\0\x18ftypisom\0\0\x02\0isomavc1",
    )
    .unwrap();
    let folder = tempfile::tempdir().unwrap();
    let mut gui = gui(videos.path().to_str(), &[], folder.path());
    gui.open_source = Arc::new(|spec, _| SourceSpec::parse(spec)?.open(&OpenOptions::default()));
    let mut window = Window::of(Harness::builder(), gui, folder);
    window.until_says("open one of its videos, or record all of them: Record files…");
}

/// Fails when an even number of presses of R leaves a recording behind, or some of them queue the
/// file again.
#[test]
fn an_even_number_of_presses_records_nothing() {
    let mut window = Window::running("clip.mp4");
    for _ in 0..10 {
        window.press(Key::R);
        assert!(window.ui_state().recording.is_some());
        assert!(window.ui_state().queue.waiting.len() <= 1);
        window.press(Key::R);
        assert!(window.ui_state().recording.is_none());
        assert!(window.ui_state().queue.waiting.is_empty());
    }
    window.until(|s| s.queue.running.is_none());
    assert!(window.has("Record") && !window.has("Stop recording"));
}

/// Fails when a recording of the shown file that was started from the list of files cannot be
/// stopped by R, or the bar offers to start a second one.
#[test]
fn the_shown_file_is_stopped_however_its_recording_began() {
    let videos = tempfile::tempdir().unwrap();
    let path = videos.path().join("a.mp4");
    std::fs::write(&path, "x").unwrap();
    let folder = tempfile::tempdir().unwrap();
    let gui = gui(path.to_str(), &[], folder.path());
    let builder = Harness::builder().with_size(egui::vec2(1280.0, 900.0));
    let mut window = Window::of(builder, gui, folder);
    window.until(|s| s.presented.is_some());
    window.record_path(&path);
    window.until(|s| s.queue.running.is_some());
    assert!(window.has("Stop recording"));
    window.press(Key::R);
    window.until_says("stopped before the end of a.mp4");
    window.until(|s| s.queue.running.is_none());
    assert!(window.has("Record") && window.ui_state().queue.waiting.is_empty());
}

/// Fails when a folder in which nothing can be written is accepted for recordings, or the message
/// does not name it.
#[test]
fn a_folder_that_cannot_be_written_to_is_refused() {
    let mut window = Window::running("clip.mp4");
    let place = tempfile::tempdir().unwrap();
    let missing = place.path().join("missing");
    window.record_into(&missing);
    window.until_says(&format!("{} is not used for recordings", missing.display()));
    let chosen = |window: &Window| window.harness.state().state().recordings_folder.clone();
    assert_eq!(chosen(&window), None);
    window.record_into(place.path());
    window.until_seen(|window| chosen(window).as_deref() == Some(place.path()));
}

/// Fails when a recording whose picture size changes looks like a single video, its further parts
/// cannot be opened, or only the first of them is played.
#[test]
fn every_part_of_a_recording_can_be_opened() {
    let mut window = Window::running("clip.mp4");
    // The fake source ends after 10 frames.
    let folder = window.folder.path().join("take short.mp4");
    write_manifest(&folder, "front door", true);
    let path = folder.join("session.toml");
    let text = std::fs::read_to_string(&path).unwrap();
    let parts = [8, 16].map(|width| {
        format!(
            "[[parts]]\nwidth = {width}\nheight = 6\nseconds = 0.09\nframes = 10\ndrops = 0\n\
             annotated_frames = 10\nannotated_drops = 0\n"
        )
    });
    std::fs::write(path, text + &parts.concat()).unwrap();
    window.press(Key::R);
    window.press(Key::R);
    window.until_seen(|window| window.has("in 2 parts: the picture size changes"));
    let is_shown = |s: &UiState, end: &str| {
        let source = s.source.as_ref();
        source.is_some_and(|source| source.name.ends_with(end))
    };
    window.click("More about take short.mp4");
    assert!(window.has("Part 2: 16 × 6, 10 frames"));
    window.click("Play in Live");
    window.until(|s| is_shown(s, "take short.mp4/raw-2.mp4"));
    window.until_says("Playing part 2 of 2 of take short.mp4");
    window.click("More about take short.mp4");
    window.click("Inspect part 2");
    let reader = window.harness.state().inspect().reader.as_ref();
    assert!(reader.is_some_and(|r| r.name == "take short.mp4, part 2 of 2"));
}
