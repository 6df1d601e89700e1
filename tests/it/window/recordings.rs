//! Recording and what is done with recordings.

use eframe::egui::Key;
use poselens_app::gui::Session;

use super::Window;

/// Fails when a recording cannot be started, shows no progress, or ends without saying where it
/// is.
#[test]
fn a_recording_starts_counts_and_says_where_it_is() {
    let mut window = Window::running("clip.mp4");
    window.click("Record");
    let frames = |s: &Session| {
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

/// A folder as a recording leaves it behind.
fn leave_recording(window: &Window, is_finished: bool) {
    let folder = window
        .folder
        .path()
        .join("2026-03-01_14-05-59.250 front door");
    std::fs::create_dir_all(&folder).unwrap();
    let manifest = format!(
        r#"program = "PoseLens"
is_finished = {is_finished}
started = "2026-03-01_14-05-59.250"
[source]
name = "front door"
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

/// Fails when a finished recording is not listed, one that was cut off looks like a good one, or
/// a click does not open it.
#[test]
fn recordings_are_listed_with_their_state_and_open() {
    let mut window = Window::running("clip.mp4");
    for (is_finished, state) in [(false, "unfinished"), (true, "finished")] {
        leave_recording(&window, is_finished);
        window.press(Key::R);
        window.until(|s| s.recording.as_ref().is_some_and(|r| r.progress.is_some()));
        window.press(Key::R);
        window.until_says("Recorded ");
        let is_read = |s: &Session| {
            let mut list = s.recordings.iter().flatten();
            list.next()
                .is_some_and(|e| e.manifest.is_finished == is_finished)
        };
        window.until(is_read);
        assert!(
            window.has(&format!("{state} · 0:00.0 · no model")),
            "{state}"
        );
    }
    window.click("Open 2026-03-01_14-05-59.250 front door");
    let film = |window: &Window| {
        let film = window.harness.state().inspect().film.as_ref();
        film.map(|f| f.name.clone())
    };
    assert!(film(&window).is_some_and(|name| name.ends_with("front door")));
    window.press(Key::I);
    window.click("More about 2026-03-01_14-05-59.250 front door");
    window.click("Play in Live");
    window.until(|s| {
        let source = s.source.as_ref();
        source.is_some_and(|s| s.name.starts_with("recording:") && s.name.ends_with("front door"))
    });
}

/// Fails when a recording that cannot be annotated anew leaves the window busy for ever, or says
/// nothing.
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
    assert!(window.session().annotating.is_none());
}

/// Fails when a recording ends because a clip that loops begins again.
#[test]
fn a_recording_goes_on_while_a_clip_loops() {
    let mut window = Window::running("short.mp4");
    window.press(Key::R);
    let frames = |s: &Session| {
        let progress = s.recording.as_ref().and_then(|r| r.progress.as_ref());
        progress.map_or(0, |p| p.frames)
    };
    window.until(|s| frames(s) > 25);
    window.press(Key::R);
    window.until_says("Recorded ");
}
