//! What workers report, and what the window makes of it.

use std::path::Path;
use std::time::Duration;

use eframe::egui::{self, ViewportCommand};
use poselens_engine::pipeline::Event;
use poselens_engine::source::SourceStatus;

use super::App;
use crate::figures;
use crate::gui::action::{Action, ModelAction, RecordAction, SourceAction, WindowAction};
use crate::gui::files::News;
use crate::gui::session::{Level, Sheet};
use crate::gui::train::{TrainAction, trained};
use crate::logs::{LogBook, N_LINES};

/// Between two looks at how far an index is.
const COUNTING: Duration = Duration::from_millis(200);
/// Between two looks at new lines while the log is open.
const LOGGING: Duration = Duration::from_millis(500);

impl App {
    pub(super) fn drain(&mut self, ctx: &egui::Context) {
        while let Some(event) = self.pipeline.try_event() {
            self.on_event(event);
        }
        while let Ok(news) = self.news.try_recv() {
            self.on_news(news, ctx);
        }
        self.poll_inspect(ctx);
        self.poll_train(ctx);
        self.tasks.retain(|task| !task.is_finished());
        self.follow_annotation();
        self.follow_queue();
        self.session.stats = self.pipeline.stats();
        if self.every_second.is_due() {
            let millis = |time: Duration| time.as_secs_f64() * 1e3;
            let stats = &self.session.stats;
            let latency = stats
                .latency_p50
                .map(millis)
                .zip(stats.latency_p95.map(millis));
            figures::trace(stats.frames, stats.drops, latency);
        }
        self.session.extent = self.pipeline.extent();
        self.session.formats = self.pipeline.formats();
        let extent = self.session.extent.as_ref();
        if extent.is_some_and(|e| !e.is_complete && e.failure.is_none()) {
            // The index is made without a word.
            ctx.request_repaint_after(COUNTING);
        }
        self.read_log(ctx);
        if let Some(recording) = &mut self.session.recording
            && !recording.is_file
            && let Some(progress) = self.pipeline.recording()
        {
            recording.progress = Some(progress);
        }
    }

    fn on_event(&mut self, event: Event) {
        let session = &mut self.session;
        match event {
            Event::SourceReady(info) => {
                // The first camera that works has a name of its own.
                let cameras = session.cameras.iter().flatten();
                if let Some(wanted) = &mut session.wanted_source
                    && wanted.spec == "camera:"
                    && let Some(camera) = cameras.into_iter().find(|c| c.label == info.name)
                {
                    wanted.clone_from(camera);
                }
                session.source = Some(info);
                session.running_source = session.wanted_source.clone();
                session.source_status = SourceStatus::Ok;
                session.is_opening = false;
                session.has_ended = false;
                // Complaints about the source before are settled; news still stand.
                session.status.take_if(|s| s.level != Level::Info);
                self.remember_opened();
                self.record_new_source();
            }
            Event::SourceFailed { name, error } => {
                tracing::warn!(source = name, %error, "source failed");
                self.opening_path = None;
                let failed = session.wanted_source.clone();
                if std::mem::take(&mut session.is_opening) {
                    session.wanted_source = session.running_source.clone();
                }
                match failed {
                    Some(wanted) => session.fail(
                        error.to_string(),
                        Action::Source(SourceAction::Open(wanted)),
                    ),
                    None => session.say(Level::Error, error.to_string()),
                }
            }
            Event::SourceWarning { name, warning, .. } => {
                session.say(Level::Warning, format!("{name}: {warning}"));
            }
            Event::SourceStatus { name, status } => {
                // What goes on is told over the picture; see `stage::connection_ui`.
                session.source_status = status;
                if status == SourceStatus::Ok {
                    session.say(Level::Info, format!("{name}: back again"));
                }
            }
            Event::SourceEnded => {
                session.has_ended = true;
                if session.recording.as_ref().is_some_and(|r| !r.is_file) {
                    self.run_action(Action::Record(RecordAction::StartStop));
                }
            }
            Event::ModelReady(name) => {
                session.loading_model = None;
                if let Some(device) = session.loading_device.take() {
                    session.device = device;
                }
                session.attention_maps.clear();
                self.is_look_sent = false;
                session.model = Some(name);
            }
            Event::ModelFailed { name, error } => {
                session.loading_device = None;
                if session.loading_model.take().is_none() {
                    session.model = None;
                }
                tracing::warn!(model = name, %error, "model failed");
                let retry = Action::Model(ModelAction::Choose(name.clone()));
                session.fail(format!("{}: {error}", trained::title(&name)), retry);
            }
            Event::Recorded(progress) => self.on_recorded(&progress),
            Event::OutputFailed(failure) => {
                tracing::error!(failure, "an output of the recording failed");
                let text = format!("{failure}; the recording goes on without it");
                session.say(Level::Error, text);
            }
            Event::RecordingFailed(error) => {
                session.recording.take_if(|r| !r.is_file);
                tracing::error!(%error, "recording failed");
                session.say(Level::Error, error.to_string());
                self.run_action(Action::Record(RecordAction::List));
            }
            Event::WorkerFailed(error) => {
                tracing::error!(%error, "a worker failed");
                session.has_crashed = true;
                session.is_opening = false;
                session.loading_model = None;
                session.loading_device = None;
                session.model = None;
                session.fail(
                    error.to_string(),
                    Action::Window(WindowAction::RestartWorkers),
                );
            }
        }
    }

    fn on_news(&mut self, news: News, ctx: &egui::Context) {
        let session = &mut self.session;
        match news {
            News::Cameras(Ok(cameras)) => {
                session.cameras = Some(cameras);
                self.start_camera();
            }
            News::Cameras(Err(error)) => {
                session.cameras = Some(Vec::new());
                session.fail(error.to_string(), Action::Source(SourceAction::ListCameras));
            }
            News::Picked(path) => {
                session.is_choosing = false;
                if let Some(path) = path {
                    self.state.last_folder = path.parent().map(std::path::Path::to_owned);
                    self.open_path(path.to_string_lossy().into_owned());
                }
            }
            News::TrainPicked(ask, path) => {
                session.is_choosing = false;
                self.state.last_folder = path.parent().map(std::path::Path::to_owned);
                self.run_action(Action::Train(TrainAction::Answer(ask, path)));
            }
            News::NoDialog => {
                session.is_choosing = false;
                session.say(
                    Level::Warning,
                    "no file dialog came up on this system; type the path into its field",
                );
            }
            News::Saved(Ok(path)) => session.say(Level::Info, format!("Saved {}", path.display())),
            News::Saved(Err(error)) => session.say(Level::Error, error.to_string()),
            News::Recordings(Ok(list)) => session.recordings = Some(list),
            News::Recordings(Err(error)) => {
                session.recordings = Some(Vec::new());
                session.fail(error.to_string(), Action::Record(RecordAction::List));
            }
            News::RecordPicked(ask, paths) => {
                session.is_choosing = false;
                self.on_picked(ask, paths);
            }
            News::Queue(listing) => self.queue_files(listing),
            News::Changed(Ok(text)) => {
                if let Some(text) = text {
                    session.say(Level::Info, text);
                }
                self.run_action(Action::Record(RecordAction::List));
            }
            News::Changed(Err(text)) => {
                session.say(Level::Error, text);
                self.run_action(Action::Record(RecordAction::List));
            }
            News::Missing(missing) => session.missing = missing,
            News::DeviceLost(message) => {
                self.on_device_lost(message);
                ctx.send_viewport_cmd(ViewportCommand::Close);
            }
        }
    }

    /// A path that the user gave is open: it is offered again the next time.
    pub(in crate::gui) fn remember_opened(&mut self) {
        if let Some(path) = self.opening_path.take() {
            self.state.remember(&path);
            self.look_for_recent();
        }
    }

    /// Looks which of the files opened before are still there; on a thread of its own, as they may
    /// lie on a disk that sleeps.
    pub(super) fn look_for_recent(&mut self) {
        let recent = self.state.recent.clone();
        if recent.is_empty() {
            return;
        }
        let look = move || {
            let gone = recent.into_iter().filter(|path| !Path::new(path).exists());
            News::Missing(gone.collect())
        };
        match self.desk.task("recent files", look) {
            Ok(task) => self.tasks.push(task),
            Err(error) => tracing::warn!(%error, "recent files are not looked for"),
        }
    }

    /// Brings new lines to the log.
    fn read_log(&mut self, ctx: &egui::Context) {
        let log = &mut self.session.log;
        while let Some(line) = self.gui.log.as_ref().and_then(LogBook::take) {
            if log.len() == N_LINES {
                log.pop_front();
            }
            log.push_back(line);
        }
        if self.session.sheet == Some(Sheet::Log) {
            ctx.request_repaint_after(LOGGING);
        }
    }

    pub(super) fn on_device_lost(&mut self, message: String) {
        tracing::error!(
            message,
            "the graphics device is lost; rebuilding the window"
        );
        self.session.say(
            Level::Warning,
            format!("the graphics device was lost and opened again ({message})"),
        );
        self.device_lost = Some(message);
    }
}
