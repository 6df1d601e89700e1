//! Handles reports of the worker threads.

use std::sync::Arc;
use std::time::Duration;

use eframe::egui;
use poselens_engine::Error;
use poselens_engine::pipeline::Event;
use poselens_engine::source::{ONE_OF_ITS_VIDEOS, SourceInfo, SourceStatus};
use poselens_engine::track::Selection;

use crate::figures;
use crate::gui::action::{Action, ModelAction, RecordAction, Sheet, SourceAction, WindowAction};
use crate::gui::core::Core;
use crate::gui::tasks::TaskResult;
use crate::gui::titles::{about, saved_text};
use crate::gui::trained;
use crate::gui::ui_state::Level;
use crate::logs::{LogBook, N_LINES};

/// Poll interval of the indexing progress.
const COUNTING: Duration = Duration::from_millis(200);
/// Poll interval of log lines while the log is open.
const LOGGING: Duration = Duration::from_millis(500);

impl Core {
    /// Handles reports of the pipeline and results of the tasks.
    pub(in crate::gui) fn poll(&mut self) {
        while let Some(event) = self.pipeline.try_event() {
            self.on_event(event);
        }
        while let Ok(result) = self.results.try_recv() {
            self.on_result(result);
        }
    }

    /// Copies what has changed since the last frame into the UI state.
    pub(in crate::gui) fn refresh(&mut self, ctx: &egui::Context) {
        self.workers.retain(|task| !task.is_finished());
        self.follow_annotation();
        self.follow_queue();
        self.ui_state.stats = self.pipeline.stats();
        if self.every_second.is_due() {
            let millis = |time: Duration| time.as_secs_f64() * 1e3;
            let stats = &self.ui_state.stats;
            let latency = stats
                .latency_p50
                .map(millis)
                .zip(stats.latency_p95.map(millis));
            figures::trace(stats.frames, stats.drops, latency);
        }
        self.ui_state.extent = self.pipeline.extent();
        self.ui_state.formats = self.pipeline.formats();
        let extent = self.ui_state.extent.as_ref();
        if extent.is_some_and(|e| !e.is_complete && e.failure.is_none()) {
            // Indexing sends no events.
            ctx.request_repaint_after(COUNTING);
        }
        self.read_log(ctx);
        if let Some(streams) = &self.streams {
            self.ui_state.sending.tallies = streams.tallies();
        }
        if let Some(recording) = &mut self.ui_state.recording
            && !recording.is_file
            && let Some(progress) = self.pipeline.recording()
            && recording.progress.replace(progress).is_none()
        {
            // The recording's folder exists from its first frame on.
            self.run_action(Action::Record(RecordAction::List));
        }
    }

    fn on_event(&mut self, event: Event) {
        let ui_state = &mut self.ui_state;
        match event {
            Event::SourceReady(info) => self.on_source_ready(info),
            Event::SourceFailed { name, error } => {
                tracing::warn!(source = name, %error, "source failed");
                self.on_source_failed(&error);
            }
            Event::SourceWarning { name, warning, .. } => {
                ui_state.say(Level::Warning, about(&name, &warning));
            }
            Event::SourceStatus { name, status } => {
                // An unfinished reconnection is shown over the image; see `stage::connection_ui`.
                ui_state.source_status = status;
                if status == SourceStatus::Ok {
                    ui_state.say(Level::Info, format!("{name}: reconnected"));
                }
            }
            Event::SourceEnded => {
                ui_state.has_ended = true;
                if ui_state.recording.as_ref().is_some_and(|r| !r.is_file) {
                    self.run_action(Action::Record(RecordAction::StartStop));
                }
                self.play_next_part();
            }
            Event::ModelReady(name) => {
                ui_state.loading_model = None;
                if let Some(device) = ui_state.loading_device.take() {
                    ui_state.device = device;
                }
                ui_state.attention_maps.clear();
                self.is_look_sent = false;
                ui_state.model = Some(name);
            }
            Event::ModelFailed { name, error } => {
                ui_state.loading_device = None;
                if ui_state.loading_model.take().is_none() {
                    ui_state.model = None;
                }
                tracing::warn!(model = name, %error, "model failed");
                let retry = Action::Model(ModelAction::Choose(name.clone()));
                ui_state.fail(format!("{}: {error}", trained::title(&name)), retry);
            }
            Event::Recorded(progress) => self.on_recorded(&progress),
            Event::OutputFailed(failure) => {
                tracing::error!(failure, "an output of the recording failed");
                let text = format!("{failure}; the recording continues without it");
                ui_state.say(Level::Error, text);
            }
            Event::RecordingFailed(error) => {
                ui_state.recording.take_if(|r| !r.is_file);
                tracing::error!(%error, "recording failed");
                ui_state.say(Level::Error, error.to_string());
                self.run_action(Action::Record(RecordAction::List));
            }
            Event::WorkerFailed(error) => {
                tracing::error!(%error, "a worker failed");
                ui_state.has_crashed = true;
                ui_state.is_opening = false;
                ui_state.loading_model = None;
                ui_state.loading_device = None;
                ui_state.model = None;
                ui_state.fail(
                    error.to_string(),
                    Action::Window(WindowAction::RestartWorkers),
                );
            }
        }
    }

    fn on_source_ready(&mut self, info: Arc<SourceInfo>) {
        let ui_state = &mut self.ui_state;
        // Opening the first camera that works yields a source with a different name.
        let cameras = ui_state.cameras.iter().flatten();
        if let Some(wanted) = &mut ui_state.wanted_source
            && wanted.spec == "camera:"
            && let Some(camera) = cameras.into_iter().find(|c| c.label == info.name)
        {
            wanted.clone_from(camera);
        }
        if ui_state.source.replace(info).is_some() {
            // Track ids restart with another source.
            self.select(Selection {
                follow: self.gui.follow,
                ..Selection::default()
            });
        }
        let ui_state = &mut self.ui_state;
        ui_state.running_source = ui_state.wanted_source.clone();
        ui_state.source_status = SourceStatus::Ok;
        ui_state.is_opening = false;
        ui_state.has_ended = false;
        // Warnings and errors about the previous source are obsolete; info messages stay.
        ui_state.status.take_if(|s| s.level != Level::Info);
        self.remember_opened();
        self.say_part();
        self.record_new_source();
    }

    fn on_source_failed(&mut self, error: &Error) {
        self.opening_path = None;
        let ui_state = &mut self.ui_state;
        let failed = ui_state.wanted_source.clone();
        if std::mem::take(&mut ui_state.is_opening) {
            ui_state.wanted_source = ui_state.running_source.clone();
        }
        let mut text = error.to_string();
        if text.ends_with(ONE_OF_ITS_VIDEOS) {
            text.push_str(", or record all of them: Record files… on the right");
        }
        match failed {
            Some(wanted) => ui_state.fail(text, Action::Source(SourceAction::Open(wanted))),
            None => ui_state.say(Level::Error, text),
        }
    }

    fn on_result(&mut self, result: TaskResult) {
        let ui_state = &mut self.ui_state;
        match result {
            TaskResult::Cameras(Ok(cameras)) => {
                ui_state.cameras = Some(cameras);
                self.start_camera();
            }
            TaskResult::Cameras(Err(error)) => {
                ui_state.cameras = Some(Vec::new());
                ui_state.fail(error.to_string(), Action::Source(SourceAction::ListCameras));
            }
            TaskResult::Picked(None) => ui_state.is_choosing = false,
            TaskResult::Picked(Some((path, action))) => {
                ui_state.is_choosing = false;
                self.state.last_folder = path.parent().map(std::path::Path::to_owned);
                self.run_action(action);
            }
            TaskResult::NoDialog => {
                ui_state.is_choosing = false;
                ui_state.say(
                    Level::Warning,
                    "no file dialog is available on this system; type the path into its field, or \
                     drop the file on the window",
                );
            }
            TaskResult::Saved(Ok(paths)) => ui_state.say(Level::Info, saved_text(&paths)),
            TaskResult::Saved(Err(error)) => ui_state.say(Level::Error, error.to_string()),
            // An earlier request that took longer.
            TaskResult::Recordings(serial, _) if serial != self.n_listings => {}
            TaskResult::Recordings(_, Ok(list)) => ui_state.recordings = Some(list),
            TaskResult::Recordings(_, Err(error)) => {
                ui_state.recordings = Some(Vec::new());
                ui_state.fail(error.to_string(), Action::Record(RecordAction::List));
            }
            TaskResult::Destination(serial, _) if serial != self.n_destinations => {}
            TaskResult::Destination(_, Ok(folder)) => {
                self.state.recordings_folder = Some(folder);
                self.run_action(Action::Record(RecordAction::List));
            }
            TaskResult::Destination(_, Err(text)) => ui_state.say(Level::Error, text),
            TaskResult::RecordPicked(ask, paths) => {
                ui_state.is_choosing = false;
                self.on_picked(ask, paths);
            }
            TaskResult::Queue(listing) => self.queue_files(listing),
            TaskResult::Streams(serial, opened) => self.on_streams(serial, opened),
            TaskResult::Changed(Ok(text)) => {
                if let Some(text) = text {
                    ui_state.say(Level::Info, text);
                }
                self.run_action(Action::Record(RecordAction::List));
            }
            TaskResult::Changed(Err(text)) => {
                ui_state.say(Level::Error, text);
                self.run_action(Action::Record(RecordAction::List));
            }
            TaskResult::Missing(missing) => ui_state.missing = missing,
            TaskResult::DeviceLost(message) => self.on_device_lost(message),
        }
    }

    /// Copies new log lines into the UI state.
    fn read_log(&mut self, ctx: &egui::Context) {
        let log = &mut self.ui_state.log;
        while let Some(line) = self.gui.log.as_ref().and_then(LogBook::take) {
            if log.len() == N_LINES {
                log.pop_front();
            }
            log.push_back(line);
        }
        if self.ui_state.sheet == Some(Sheet::Log) {
            ctx.request_repaint_after(LOGGING);
        }
    }

    fn on_device_lost(&mut self, message: String) {
        tracing::error!(
            message,
            "the graphics device is lost; rebuilding the window"
        );
        self.ui_state.say(
            Level::Warning,
            format!("the graphics device was lost and opened again ({message})"),
        );
        self.device_lost = Some(message);
    }

    /// Returns whether the GPU device is lost, including a loss whose report was not handled
    /// because drawing panicked.
    pub(in crate::gui) fn take_device_loss(&mut self) -> bool {
        while let Ok(result) = self.results.try_recv() {
            if let TaskResult::DeviceLost(message) = result {
                self.on_device_lost(message);
            }
        }
        self.device_lost.take().is_some()
    }
}
