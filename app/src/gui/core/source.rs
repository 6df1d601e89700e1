//! Opening of sources: cameras, files and recent paths.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use poselens_engine::Result;
use poselens_engine::source::camera::CameraFormat;
use poselens_engine::source::{SourceSpec, SourceStatus};
use poselens_shaders::view::Zoom;

use crate::folders::typed_path;
use crate::gui::action::{Action, SourceAction, WindowAction};
use crate::gui::context::{SourceChoice, any_camera, sample_clip};
use crate::gui::core::Core;
use crate::gui::state::AppState;
use crate::gui::tasks::TaskResult;
use crate::gui::ui_state::Level;

/// Time limit for a camera to be released before it is reopened, and the retry interval.
const RELEASE: Duration = Duration::from_secs(2);
const AGAIN: Duration = Duration::from_millis(100);

impl Core {
    pub(super) fn run_source(&mut self, action: SourceAction) -> Result<()> {
        match action {
            SourceAction::Open(choice) => return self.open(choice),
            SourceAction::OpenDialog if self.ui_state.is_choosing => {}
            SourceAction::OpenDialog => {
                let folder = self.state.last_folder.as_deref();
                self.workers.push(self.tasks.choose_file(folder)?);
                self.ui_state.is_choosing = true;
            }
            SourceAction::EditPath(path) => {
                self.state.path = path;
                self.ui_state.is_path_edited = true;
            }
            SourceAction::LeavePath => self.ui_state.is_path_edited = false,
            SourceAction::OpenPath => self.ask_to_open(typed_path(&self.state.path)),
            SourceAction::OpenRecent(path) => self.ask_to_open(path),
            SourceAction::ForgetRecent => self.state.recent.clear(),
            SourceAction::Format(format) => return self.choose_format(format),
            SourceAction::Close => {
                // The recording of a file continues to its end.
                if self.ui_state.recording.take().is_some_and(|r| !r.is_file) {
                    self.pipeline.stop_recording()?;
                }
                self.pipeline.close_source();
                self.show_path("");
                self.ui_state.source = None;
                self.ui_state.wanted_source = None;
                self.ui_state.running_source = None;
                self.ui_state.presented = None;
                self.ui_state.source_status = SourceStatus::Ok;
                self.ui_state.is_opening = false;
                self.ui_state.has_ended = false;
            }
            SourceAction::ListCameras => {
                let list = Arc::clone(&self.gui.list_cameras);
                let task = self
                    .tasks
                    .task("camera list", move || TaskResult::Cameras(list()))?;
                self.workers.push(task);
                self.ui_state.cameras = None;
            }
            SourceAction::Mirror(is_on) => self.state.is_mirrored = is_on,
            SourceAction::MirrorShown if self.ui_state.is_live() => {
                self.state.is_mirrored = !self.state.is_mirrored;
            }
            SourceAction::MirrorShown => {
                self.ui_state.is_file_mirrored = !self.ui_state.is_file_mirrored;
            }
            SourceAction::Loop(is_on) => {
                self.state.is_looping = is_on;
                self.look_changed();
                return self.loop_ended();
            }
        }
        Ok(())
    }

    /// Asks the active view to open a path that was typed, picked or dropped.
    pub(in crate::gui) fn ask_to_open(&mut self, path: String) {
        self.asked
            .push_back(Action::Window(WindowAction::OpenPath(path)));
    }

    /// Returns the source for a path or source text; a path joins the recent list once it is open.
    pub(in crate::gui) fn choose(&mut self, path: String) -> SourceChoice {
        self.opening_path = is_path(&path).then(|| absolute(&path));
        let name = Path::new(&path).file_name();
        let label = name.map_or_else(|| path.clone(), |n| n.to_string_lossy().into_owned());
        SourceChoice { label, spec: path }
    }

    /// Shows in the path field what is being opened, unless the user is editing the field.
    pub(in crate::gui) fn show_path(&mut self, spec: &str) {
        if self.ui_state.is_path_edited {
            return;
        }
        // A recording's folder can be opened by its path as well.
        let path = spec.strip_prefix("recording:").unwrap_or(spec);
        let is_shown = is_path(path) && self.gui.sample_clip.as_deref() != Some(path);
        let shown = if is_shown { path } else { "" };
        shown.clone_into(&mut self.state.path);
    }

    /// Shows the path of the live view's source in the path field.
    pub(in crate::gui) fn show_live_path(&mut self) {
        let source = self.ui_state.wanted_source.as_ref();
        let spec = source.map_or_else(String::new, |source| source.spec.clone());
        self.show_path(&spec);
    }

    /// Opens a source in the live view.
    ///
    /// # Errors
    /// If the workers have ended and cannot be restarted.
    pub(in crate::gui) fn open(&mut self, choice: SourceChoice) -> Result<()> {
        self.open_within(choice, Duration::ZERO)
    }

    /// Opens a source, retrying for up to `patience`.
    fn open_within(&mut self, choice: SourceChoice, patience: Duration) -> Result<()> {
        if self.ui_state.cameras.iter().flatten().any(|c| *c == choice) {
            self.state.camera = Some(choice.label.clone());
            self.state.camera_place = Some(choice.spec.clone());
        }
        let (open, spec) = (Arc::clone(&self.gui.open_source), choice.spec.clone());
        let format = self
            .state
            .camera_format(&choice.spec, &choice.label)
            .copied();
        self.show_path(&choice.spec);
        self.ui_state.wanted_source = Some(choice);
        self.ui_state.is_opening = true;
        self.ui_state.is_playing = true;
        self.ui_state.status = None;
        self.ui_state.zoom = Zoom::WHOLE;
        self.look_changed();
        let opener = Arc::new(move || {
            let begin = Instant::now();
            loop {
                match open(&spec, format) {
                    Err(_) if begin.elapsed() < patience => std::thread::sleep(AGAIN),
                    opened => return opened,
                }
            }
        });
        if self.ui_state.has_crashed {
            return self.restart_pipeline();
        }
        let name = self
            .ui_state
            .wanted_source
            .as_ref()
            .map(|w| w.label.clone());
        self.pipeline
            .switch_source(&name.unwrap_or_default(), opener)
    }

    /// Sets the format of the running camera, now and for later runs.
    fn choose_format(&mut self, format: Option<CameraFormat>) -> Result<()> {
        let Some(camera) = self.ui_state.running_source.clone() else {
            return Ok(());
        };
        let formats = &mut self.state.camera_formats;
        // Older settings files key formats by the camera's label.
        formats.remove(&camera.label);
        formats.remove(&camera.spec);
        if let Some(format) = format {
            formats.insert(camera.spec.clone(), format);
        }
        // A camera allows only one reader at a time.
        self.pipeline.close_source();
        self.open_within(camera, RELEASE)
    }

    /// Starts the last used camera, or else the first, or else the sample clip, unless a source was
    /// already requested.
    pub(super) fn start_camera(&mut self) {
        if !std::mem::take(&mut self.may_start_camera) || self.ui_state.wanted_source.is_some() {
            return;
        }
        let cameras = self.ui_state.cameras.as_deref().unwrap_or_default();
        let remembered = remembered(cameras, &self.state);
        let camera = remembered.cloned().or_else(|| any_camera(cameras));
        let has_camera = camera.is_some();
        if let Some(choice) = camera.or_else(|| sample_clip(&self.gui)) {
            self.run_action(Action::Source(SourceAction::Open(choice)));
        }
        if !has_camera && self.ui_state.wanted_source.is_some() {
            let text = "No camera found: showing the sample clip. Open a file on the right.";
            self.ui_state.say(Level::Info, text.to_owned());
        }
    }

    /// Adds the opened path to the recent list.
    pub(in crate::gui) fn remember_opened(&mut self) {
        if let Some(path) = self.opening_path.take() {
            self.state.remember(&path);
            self.look_for_recent();
        }
    }

    /// Checks which recent files still exist; on its own thread, because a sleeping disk may block.
    pub(in crate::gui) fn look_for_recent(&mut self) {
        let recent = self.state.recent.clone();
        if recent.is_empty() {
            return;
        }
        let look = move || {
            let gone = recent.into_iter().filter(|path| !Path::new(path).exists());
            TaskResult::Missing(gone.collect())
        };
        match self.tasks.task("recent files", look) {
            Ok(task) => self.workers.push(task),
            Err(error) => tracing::warn!(%error, "recent files are not checked"),
        }
    }
}

/// Returns whether a source text is a path; texts such as `camera:0` are not.
fn is_path(text: &str) -> bool {
    SourceSpec::parse(text).is_ok_and(|spec| *spec.argument() == *text)
}

/// Returns the path as an absolute path.
pub(super) fn absolute(path: &str) -> String {
    std::path::absolute(Path::new(path)).map_or_else(
        |_| path.to_owned(),
        |absolute| absolute.to_string_lossy().into_owned(),
    )
}

/// Returns the last used camera if present: among cameras of the same name, the one at its place.
fn remembered<'a>(cameras: &'a [SourceChoice], state: &AppState) -> Option<&'a SourceChoice> {
    let saved = state.camera.as_deref()?;
    // Two cameras of the same name have their place appended while both are connected.
    let is_longer = |a: &str, b: &str| a.strip_prefix(b).is_some_and(|r| r.starts_with(" ("));
    let is_named =
        |label: &str| label == saved || is_longer(label, saved) || is_longer(saved, label);
    let place = state.camera_place.as_deref();
    let by = |is_it: &dyn Fn(&SourceChoice) -> bool| cameras.iter().find(|c| is_it(c));
    by(&|c| Some(c.spec.as_str()) == place && is_named(&c.label))
        .or_else(|| by(&|c| c.label == saved))
        .or_else(|| by(&|c| is_named(&c.label)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn camera(label: &str, spec: &str) -> SourceChoice {
        SourceChoice {
            label: label.to_owned(),
            spec: spec.to_owned(),
        }
    }

    /// Fails when, of two identical webcams, the wrong one opens at the next start because only one
    /// was connected when it was chosen, or a different camera at its place is taken for it.
    #[test]
    fn a_camera_is_remembered_by_its_place() {
        let state = |label: &str, place: Option<&str>| AppState {
            camera: Some(label.to_owned()),
            camera_place: place.map(str::to_owned),
            ..AppState::default()
        };
        let twins = [
            camera("Cam (usb-1)", "camera:usb-1"),
            camera("Cam (usb-2)", "camera:usb-2"),
        ];
        let found = |cameras: &[SourceChoice], label, place| {
            let state = state(label, place);
            remembered(cameras, &state).map(|c| c.spec.clone())
        };
        let second = Some("camera:usb-2".to_owned());
        assert_eq!(found(&twins, "Cam", Some("camera:usb-2")), second);
        assert_eq!(found(&twins, "Cam (usb-2)", None), second, "an older file");
        let alone = [camera("Cam", "camera:usb-2")];
        assert_eq!(found(&alone, "Cam (usb-2)", Some("camera:usb-2")), second);
        assert_eq!(found(&alone, "Cam", Some("camera:usb-1")), second, "moved");
        let other = [
            camera("Other", "camera:usb-2"),
            camera("Cam", "camera:usb-3"),
        ];
        let moved = Some("camera:usb-3".to_owned());
        assert_eq!(found(&other, "Cam", Some("camera:usb-2")), moved);
        assert_eq!(found(&other[..1], "Cam", Some("camera:usb-2")), None);
    }
}
