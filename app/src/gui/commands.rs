//! What every [`Action`] does.

use std::sync::Arc;
use std::time::{Instant, SystemTime};

use eframe::egui::{self, ViewportCommand};
use poselens_engine::Result;
use poselens_engine::frame::FramePool;
use poselens_engine::pipeline::save_png;
use poselens_engine::pipeline::session::session_folder;
use poselens_engine::record::stamp;
use poselens_shaders::view::Zoom;

use super::action::{
    Action, ModelAction, OverlayAction, PlaybackAction, RecordAction, SourceAction, StageAction,
    WindowAction,
};
use super::files::News;
use super::inspect::InspectAction;
use super::panels::View;
use super::session::{Level, Recording};
use super::{App, SourceChoice, panels};

impl App {
    /// Runs an action that may concern the window itself.
    pub(super) fn run_window_action(&mut self, action: Action, ctx: &egui::Context) {
        match action {
            Action::Window(WindowAction::FullScreen) => {
                let is_full = panels::is_full_screen(ctx);
                ctx.send_viewport_cmd(ViewportCommand::Fullscreen(!is_full));
            }
            other => self.run_action(other),
        }
    }

    /// Runs an action; what cannot be done is said to the user.
    pub(super) fn run_action(&mut self, action: Action) {
        let done = match action {
            Action::Source(action) => self.run_source(action),
            Action::Model(action) => {
                self.run_model(action);
                Ok(())
            }
            Action::Overlay(action) => {
                self.run_overlay(action);
                Ok(())
            }
            Action::Stage(StageAction::Zoom(zoom)) => {
                self.session.zoom = zoom;
                Ok(())
            }
            Action::Playback(action) => self.run_playback(&action),
            Action::Record(action) => self.run_record(&action),
            Action::Inspect(action) => self.run_inspect(action),
            Action::Window(WindowAction::Show(view)) => self.show_view(view),
            Action::Window(WindowAction::DismissStatus) => {
                self.session.status = None;
                Ok(())
            }
            Action::Window(WindowAction::RestartWorkers) => {
                self.session.status = None;
                self.restart_pipeline()
            }
            // The window's own: see `run_window_action`.
            Action::Window(WindowAction::FullScreen) => Ok(()),
        };
        if let Err(error) = done {
            self.session.say(Level::Error, error.to_string());
        }
    }

    fn run_source(&mut self, action: SourceAction) -> Result<()> {
        match action {
            SourceAction::Open(choice) => return self.open(choice),
            SourceAction::OpenDialog if self.session.is_choosing => {}
            SourceAction::OpenDialog => {
                self.tasks.push(self.desk.choose_file()?);
                self.session.is_choosing = true;
            }
            SourceAction::EditPath(path) => self.state.path = path,
            SourceAction::OpenPath => self.open_path(self.state.path.trim().to_owned()),
            SourceAction::Close => {
                self.pipeline.close_source();
                self.session.source = None;
                self.session.wanted_source = None;
                self.session.running_source = None;
                self.session.presented = None;
                self.session.is_opening = false;
                self.session.has_ended = false;
            }
            SourceAction::ListCameras => {
                let list = Arc::clone(&self.gui.list_cameras);
                let task = self
                    .desk
                    .task("camera list", move || News::Cameras(list()))?;
                self.tasks.push(task);
                self.session.cameras = None;
            }
            SourceAction::Mirror(is_on) => self.state.is_mirrored = is_on,
            SourceAction::Loop(is_on) => {
                self.state.is_looping = is_on;
                self.look_changed();
            }
        }
        Ok(())
    }

    /// Opens what the user typed, picked or dropped.
    pub(super) fn open_path(&mut self, path: String) {
        self.state.path.clone_from(&path);
        let name = std::path::Path::new(&path).file_name();
        let label = name.map_or_else(|| path.clone(), |n| n.to_string_lossy().into_owned());
        let choice = SourceChoice { label, spec: path };
        self.run_action(match self.view {
            View::Live => Action::Source(SourceAction::Open(choice)),
            View::Inspect => Action::Inspect(InspectAction::Open(choice)),
        });
    }

    fn open(&mut self, choice: SourceChoice) -> Result<()> {
        if self.session.cameras.iter().flatten().any(|c| *c == choice) {
            self.state.camera = Some(choice.label.clone());
        }
        let (open, spec) = (Arc::clone(&self.gui.open_source), choice.spec.clone());
        self.session.wanted_source = Some(choice);
        self.session.is_opening = true;
        self.session.is_playing = true;
        self.session.status = None;
        self.session.zoom = Zoom::WHOLE;
        self.look_changed();
        let opener = Arc::new(move || open(&spec));
        if self.session.has_crashed {
            return self.restart_pipeline();
        }
        let name = self.session.wanted_source.as_ref().map(|w| w.label.clone());
        self.pipeline
            .switch_source(&name.unwrap_or_default(), opener)
    }

    /// Loads a model beside the running one.
    pub(super) fn load_model(&mut self, name: String) {
        self.session.wanted_model = Some(name.clone());
        if self.session.has_crashed {
            if let Err(error) = self.restart_pipeline() {
                self.session.say(Level::Error, error.to_string());
            }
            return;
        }
        let (make, wanted) = (Arc::clone(&self.gui.make_infer), name.clone());
        let started = self
            .pipeline
            .switch_model(&name, Box::new(move || make(&wanted)));
        match started {
            Ok(()) => self.session.loading_model = Some(name),
            Err(error) => self.session.say(Level::Error, error.to_string()),
        }
    }

    fn run_model(&mut self, action: ModelAction) {
        match action {
            ModelAction::Choose(name) => {
                self.state.model = Some(name.clone());
                self.session.status = None;
                self.load_model(name);
            }
            ModelAction::Smooth(is_on) => self.state.is_smoothed = is_on,
            ModelAction::Threshold(value) => self.state.keypoint_threshold = value,
        }
        self.look_changed();
    }

    fn run_overlay(&mut self, action: OverlayAction) {
        match action {
            OverlayAction::Toggle(name) => {
                if !self.state.overlays.remove(&name) {
                    self.state.overlays.insert(name);
                }
            }
            OverlayAction::AllOff => self.state.overlays.clear(),
            OverlayAction::Opacity(value) => self.state.opacity = value,
            OverlayAction::Joint(joint) => self.state.joint = joint,
            OverlayAction::Attention(map) => self.state.attention = map,
            OverlayAction::SmoothMaps(is_on) => self.state.is_map_smooth = is_on,
            OverlayAction::MapThreshold(value) => self.state.map_threshold = value,
        }
        self.look_changed();
    }

    fn run_playback(&mut self, action: &PlaybackAction) -> Result<()> {
        if self.session.source.is_none() {
            return Ok(());
        }
        let is_over = std::mem::take(&mut self.session.has_ended);
        match action {
            PlaybackAction::PlayPause if is_over => {
                self.session.is_playing = true;
                self.pipeline.restart()?;
            }
            PlaybackAction::PlayPause => self.session.is_playing = !self.session.is_playing,
            PlaybackAction::Restart if self.session.is_live() => {}
            PlaybackAction::Restart => self.pipeline.restart()?,
        }
        self.look_changed();
        Ok(())
    }

    fn run_record(&mut self, action: &RecordAction) -> Result<()> {
        let folder = &self.gui.recordings_folder;
        let now = SystemTime::now();
        match action {
            RecordAction::Snapshot => {
                let Some(presented) = &self.session.presented else {
                    return Ok(());
                };
                let presented = presented.clone();
                let path = folder.join(format!("{}.png", stamp(now)));
                let save = move || {
                    let picture = presented.drawn(&FramePool::new());
                    News::Saved(save_png(&picture, &path).map(|()| path))
                };
                self.tasks.push(self.desk.task("snapshot", save)?);
            }
            RecordAction::StartStop if self.session.recording.is_some() => {
                self.pipeline.stop_recording()?;
                // Nothing was recorded yet: no news will come of it.
                if self
                    .session
                    .recording
                    .as_ref()
                    .is_some_and(|r| r.progress.is_none())
                {
                    self.session.recording = None;
                }
            }
            RecordAction::StartStop if self.session.source.is_none() => {}
            RecordAction::StartStop => {
                let source = self.session.source.as_ref();
                let folder = session_folder(folder, now, source.map_or("", |s| &s.name));
                let (start, into) = (Arc::clone(&self.gui.start_recording), folder.clone());
                self.pipeline
                    .start_recording(Box::new(move |first| start(&into, first)))?;
                self.session.recording = Some(Recording {
                    started: Instant::now(),
                    folder,
                    progress: None,
                });
            }
        }
        Ok(())
    }
}
