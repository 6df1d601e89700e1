//! What every [`Action`] does.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use eframe::egui::{self, FocusDirection, ViewportCommand};
use poselens_engine::Result;
use poselens_engine::source::camera::CameraFormat;
use poselens_engine::source::{SeekTo, SourceSpec, SourceStatus};
use poselens_shaders::view::Zoom;

use super::action::{
    Action, ModelAction, OverlayAction, PlaybackAction, SourceAction, StageAction, WindowAction,
};
use super::files::News;
use super::inspect::InspectAction;
use super::panels::View;
use super::session::Level;
use super::state::SCALES;
use super::{App, MakeByName, SourceChoice, catalog, panels};

/// How long a camera may take to be let go, before it is opened anew; and between two tries.
const RELEASE: Duration = Duration::from_secs(2);
const AGAIN: Duration = Duration::from_millis(100);

impl App {
    /// Runs an action that may concern the window itself.
    pub(super) fn run_window_action(&mut self, action: Action, ctx: &egui::Context) {
        match action {
            Action::Window(WindowAction::FullScreen) => {
                let is_full = panels::is_full_screen(ctx);
                ctx.send_viewport_cmd(ViewportCommand::Fullscreen(!is_full));
            }
            Action::Window(WindowAction::FocusPanels) => {
                ctx.memory_mut(|m| m.move_focus(FocusDirection::Next));
            }
            other => self.run_action(other),
        }
    }

    /// Runs a command of the keyboard or the palette as it is meant in this view.
    pub(super) fn run_command(&mut self, action: Action, ctx: &egui::Context) {
        let meant = catalog::meant(action, self.view, &self.state);
        if let Some(action) = meant {
            self.run_window_action(action, ctx);
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
            Action::Record(action) => self.run_record(action),
            Action::Inspect(action) => self.run_inspect(action),
            Action::Train(action) => self.run_train(action),
            Action::Window(action) => self.run_window(action),
        };
        if let Err(error) = done {
            self.session.say(Level::Error, error.to_string());
        }
    }

    fn run_window(&mut self, action: WindowAction) -> Result<()> {
        match action {
            WindowAction::Show(view) => return self.show_view(view),
            WindowAction::OpenSheet(sheet) => {
                self.session.sheet = Some(sheet);
                self.session.search.clear();
            }
            WindowAction::CloseSheet => self.session.sheet = None,
            WindowAction::Search(text) => self.session.search = text,
            WindowAction::DismissStatus => self.session.status = None,
            WindowAction::RestartWorkers => {
                self.session.status = None;
                return self.restart_pipeline();
            }
            WindowAction::Larger(is_larger) => {
                let step = if is_larger { 0.1 } else { -0.1 };
                self.set_scale(self.state.scale + step);
            }
            WindowAction::Scale(scale) => self.set_scale(scale),
            WindowAction::LogLevel(level) => self.session.log_level = level,
            // Need the window: see `run_window_action`.
            WindowAction::FullScreen | WindowAction::FocusPanels => {}
        }
        Ok(())
    }

    fn set_scale(&mut self, scale: f32) {
        // Tenths, without what adding them up loses.
        let scale = (scale * 10.0).round() / 10.0;
        self.state.scale = scale.clamp(*SCALES.start(), *SCALES.end());
    }

    fn run_source(&mut self, action: SourceAction) -> Result<()> {
        match action {
            SourceAction::Open(choice) => return self.open(choice),
            SourceAction::OpenDialog if self.session.is_choosing => {}
            SourceAction::OpenDialog => {
                let folder = self.state.last_folder.as_deref();
                self.tasks.push(self.desk.choose_file(folder)?);
                self.session.is_choosing = true;
            }
            SourceAction::EditPath(path) => self.state.path = path,
            SourceAction::OpenPath => self.open_path(self.state.path.trim().to_owned()),
            SourceAction::OpenRecent(path) => self.open_path(path),
            SourceAction::ForgetRecent => self.state.recent.clear(),
            SourceAction::Format(format) => return self.choose_format(format),
            SourceAction::Close => {
                // A file that is recorded goes on to its end.
                if self.session.recording.take().is_some_and(|r| !r.is_file) {
                    self.pipeline.stop_recording()?;
                }
                self.pipeline.close_source();
                self.session.source = None;
                self.session.wanted_source = None;
                self.session.running_source = None;
                self.session.presented = None;
                self.session.source_status = SourceStatus::Ok;
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
        if self.view == View::Train {
            self.drop_on_training(path.into());
            return;
        }
        self.state.path.clone_from(&path);
        let choice = self.choose(path);
        self.run_action(match self.view {
            View::Live | View::Train => Action::Source(SourceAction::Open(choice)),
            View::Inspect => Action::Inspect(InspectAction::Open(choice)),
        });
    }

    /// The source that a path or the like means; it is remembered once it is open.
    pub(super) fn choose(&mut self, path: String) -> SourceChoice {
        // `camera:0` and the like are no files.
        let is_path = SourceSpec::parse(&path).is_ok_and(|s| *s.argument() == *path);
        self.opening_path = is_path.then(|| absolute(&path));
        let name = Path::new(&path).file_name();
        let label = name.map_or_else(|| path.clone(), |n| n.to_string_lossy().into_owned());
        SourceChoice { label, spec: path }
    }

    fn open(&mut self, choice: SourceChoice) -> Result<()> {
        self.open_within(choice, Duration::ZERO)
    }

    /// Opens a source; what fails is tried again for so long.
    fn open_within(&mut self, choice: SourceChoice, patience: Duration) -> Result<()> {
        if self.session.cameras.iter().flatten().any(|c| *c == choice) {
            self.state.camera = Some(choice.label.clone());
            self.state.camera_place = Some(choice.spec.clone());
        }
        let (open, spec) = (Arc::clone(&self.gui.open_source), choice.spec.clone());
        let format = self.state.camera_format(&choice).copied();
        self.session.wanted_source = Some(choice);
        self.session.is_opening = true;
        self.session.is_playing = true;
        self.session.status = None;
        self.session.zoom = Zoom::WHOLE;
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
        if self.session.has_crashed {
            return self.restart_pipeline();
        }
        let name = self.session.wanted_source.as_ref().map(|w| w.label.clone());
        self.pipeline
            .switch_source(&name.unwrap_or_default(), opener)
    }

    /// Lets the running camera deliver otherwise, now and whenever it is opened again.
    fn choose_format(&mut self, format: Option<CameraFormat>) -> Result<()> {
        let Some(camera) = self.session.running_source.clone() else {
            return Ok(());
        };
        match format {
            Some(format) => {
                let formats = &mut self.state.camera_formats;
                formats.insert(camera.spec.clone(), format);
            }
            None => {
                self.state.camera_formats.remove(&camera.spec);
                self.state.camera_formats.remove(&camera.label);
            }
        }
        // A camera can be held by one reader only.
        self.pipeline.close_source();
        self.open_within(camera, RELEASE)
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
        let device = self.session.loading_device.unwrap_or(self.session.device);
        let (make, wanted) = (self.maker(device), name.clone());
        let started = self
            .pipeline
            .switch_model(&name, Box::new(move || make(&wanted)));
        match started {
            Ok(()) => self.session.loading_model = Some(name),
            Err(error) => self.session.say(Level::Error, error.to_string()),
        }
    }

    /// Builds models on a device.
    pub(super) fn maker(&self, device: usize) -> MakeByName {
        let make = Arc::clone(&self.gui.make_infer);
        Arc::new(move |name| make(name, device))
    }

    /// Loads the model anew on another device; it runs on the old one until then.
    fn change_device(&mut self, device: usize) {
        self.session.status = None;
        match self.session.wanted_model.clone() {
            Some(name) => {
                self.session.loading_device = Some(device);
                self.load_model(name);
            }
            None => self.session.device = device,
        }
    }

    fn run_model(&mut self, action: ModelAction) {
        match action {
            ModelAction::Device(device) => self.change_device(device),
            ModelAction::Choose(name) => {
                self.state.model = Some(name.clone());
                self.session.status = None;
                self.load_model(name);
            }
            ModelAction::Smooth(is_on) => self.state.is_smoothed = is_on,
            ModelAction::Smoothing(params) => self.state.smoothing = params,
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
            OverlayAction::NextMap(n) => {
                let maps = &self.session.attention_maps;
                let chosen = self.state.attention.as_ref();
                let at = chosen.and_then(|c| maps.iter().position(|map| map.name == *c));
                if !maps.is_empty() {
                    let next = at.unwrap_or(0) as isize + n;
                    let next = next.rem_euclid(maps.len() as isize) as usize;
                    self.state.attention = Some(maps[next].name.clone());
                }
            }
            OverlayAction::SmoothMaps(is_on) => self.state.is_map_smooth = is_on,
            OverlayAction::MapThreshold(value) => self.state.map_threshold = value,
            OverlayAction::FixedRange(is_on) => self.state.is_range_fixed = is_on,
            OverlayAction::ShowJoint(joint, true) => {
                self.state.hidden_joints.remove(&joint);
            }
            OverlayAction::ShowJoint(joint, false) => {
                self.state.hidden_joints.insert(joint);
            }
            OverlayAction::ShowAllJoints => self.state.hidden_joints.clear(),
        }
        self.look_changed();
    }

    fn run_playback(&mut self, action: &PlaybackAction) -> Result<()> {
        if self.session.source.is_none() {
            return Ok(());
        }
        let is_live = self.session.is_live();
        let (session, pipeline) = (&mut self.session, &self.pipeline);
        match *action {
            PlaybackAction::PlayPause if std::mem::take(&mut session.has_ended) => {
                session.is_playing = true;
                pipeline.restart()?;
            }
            PlaybackAction::PlayPause => {
                session.is_playing = !session.is_playing;
                if is_live && session.is_playing {
                    pipeline.follow_live();
                }
            }
            PlaybackAction::First if is_live => self.seek(SeekTo::Frame(0)),
            PlaybackAction::First => {
                session.has_ended = false;
                pipeline.restart()?;
            }
            PlaybackAction::Last if is_live => {
                session.is_playing = true;
                pipeline.follow_live();
            }
            PlaybackAction::Last => {
                session.is_playing = false;
                self.seek(SeekTo::Frame(u64::MAX));
            }
            PlaybackAction::Step(n) => {
                session.is_playing = false;
                session.has_ended = false;
                pipeline.step(n);
            }
            PlaybackAction::Seek(to) => self.seek(to),
            PlaybackAction::Faster(is_up) => session.speed = next_speed(session.speed, is_up),
            PlaybackAction::Speed(speed) => session.speed = speed,
        }
        self.look_changed();
        Ok(())
    }

    fn seek(&mut self, to: SeekTo) {
        // The past of a live picture stands still; a file plays on from the new place.
        self.session.is_playing &= !self.session.is_live();
        self.session.has_ended = false;
        self.pipeline.seek(to);
    }
}

/// The path as it is understood from any folder.
fn absolute(path: &str) -> String {
    std::path::absolute(Path::new(path)).map_or_else(
        |_| path.to_owned(),
        |absolute| absolute.to_string_lossy().into_owned(),
    )
}

/// How fast files can be played.
pub const SPEEDS: [f64; 8] = [0.1, 0.25, 0.5, 1.0, 1.5, 2.0, 4.0, 8.0];

fn next_speed(speed: f64, is_up: bool) -> f64 {
    let next = if is_up {
        SPEEDS.iter().find(|s| **s > speed)
    } else {
        SPEEDS.iter().rev().find(|s| **s < speed)
    };
    next.copied().unwrap_or(speed)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Fails when the speed keys skip a speed, or run over the last one.
    #[test]
    fn speeds_go_up_and_down_by_one_and_stop_at_the_ends() {
        assert_eq!(next_speed(1.0, true), 1.5);
        assert_eq!(next_speed(1.0, false), 0.5);
        assert_eq!(next_speed(8.0, true), 8.0);
        assert_eq!(next_speed(0.1, false), 0.1);
    }
}
