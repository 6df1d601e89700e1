//! State and actions shared by all views: sources, models, playback, recordings.
//!
//! [`Core`] owns the settings, the threads and the transient UI state. It runs the shared actions;
//! actions of views and of the window are queued in [`Core::asked`].

mod busy;
mod destination;
mod events;
mod model;
mod parts;
mod people;
mod playback;
mod queue;
mod record_files;
mod recordings;
mod source;
mod streams;

use std::collections::VecDeque;
use std::sync::Arc;

use crossbeam::channel::{Receiver, bounded};
use poselens_engine::Result;
use poselens_engine::concurrency::Worker;
use poselens_engine::pipeline::session::Annotation;
use poselens_engine::pipeline::{Notify, Pacing, Pipeline};
use poselens_engine::send::Streams;

use crate::figures::EverySecond;
use crate::gui::action::{Action, Sheet, SourceAction, StageAction, WindowAction};
use crate::gui::context::GuiContext;
use crate::gui::state::{AppState, SCALES};
use crate::gui::tasks::{TaskResult, Tasks};
use crate::gui::ui_state::{Level, MapTitle, UiState};
use crate::gui::waker::Waker;
use crate::gui::zoom::magnified;

/// Capacity for pending task results; tasks are started by hand, so there are never more.
const N_RESULTS: usize = 64;

/// State and threads shared by all views.
pub struct Core {
    /// Functions and choices provided by the program.
    pub gui: GuiContext,
    /// The user's settings.
    pub state: AppState,
    /// Settings as last saved to the file.
    saved: AppState,
    /// Transient UI state.
    pub ui_state: UiState,
    /// Threads of the live view.
    pub pipeline: Pipeline,
    /// Starts background tasks.
    pub tasks: Tasks,
    /// Threads of running tasks.
    pub workers: Vec<Worker>,
    /// Actions of views and of the window that are run next.
    pub asked: VecDeque<Action>,
    /// Reason for the loss of the GPU device; the window is then rebuilt.
    pub device_lost: Option<String>,
    results: Receiver<TaskResult>,
    annotation: Option<Annotation>,
    queue: queue::Queue,
    streams: Option<Arc<Streams>>,
    /// Number of times that streams were started or stopped; only the latest result counts.
    n_streams: u64,
    /// Number of times the recordings were listed; only the latest result counts.
    n_listings: u64,
    /// Number of times the folder of recordings was chosen; only the latest choice counts.
    n_destinations: u64,
    is_look_sent: bool,
    /// Path being opened; added to the recent list once it is open.
    opening_path: Option<String>,
    /// No source was requested yet, so the first camera found may start.
    may_start_camera: bool,
    every_second: EverySecond,
}

impl Core {
    /// Loads the settings and starts the threads.
    ///
    /// # Errors
    /// If the operating system cannot create threads.
    pub(in crate::gui) fn new(gui: GuiContext) -> Result<Self> {
        let (sender, results) = bounded(N_RESULTS);
        let tasks = Tasks {
            results: sender,
            waker: Waker::default(),
        };
        let mut ui_state = UiState::default();
        let state = match gui.settings_file.as_deref().map(AppState::load) {
            Some(Ok((state, refused))) => {
                if !refused.is_empty() {
                    ui_state.say(
                        Level::Warning,
                        format!(
                            "the settings file holds values of another version ({}): they are \
                             kept in the file, defaults are used",
                            refused.join(", ")
                        ),
                    );
                }
                state
            }
            Some(Err(error)) => {
                let kept = gui.settings_file.as_deref().and_then(AppState::set_aside);
                let kept = kept.map_or_else(String::new, |path| {
                    format!(", the file was renamed to {}", path.display())
                });
                ui_state.say(
                    Level::Warning,
                    format!("{error:#}; using the defaults{kept}"),
                );
                AppState::default()
            }
            None => AppState::default(),
        };
        let is_first_run = gui.settings_file.as_deref().is_some_and(|f| !f.exists())
            && gui.input.is_none()
            && gui.project.is_none()
            && ui_state.status.is_none();
        ui_state.sheet = is_first_run.then_some(Sheet::Welcome);
        ui_state.people = gui.people.unwrap_or(state.people);
        ui_state.selection.follow = gui.follow;
        Ok(Self {
            pipeline: start_pipeline(&tasks.waker)?,
            // On the first run the user is informed before any camera starts.
            may_start_camera: gui.input.is_none() && gui.project.is_none() && !is_first_run,
            saved: state.clone(),
            gui,
            state,
            ui_state,
            tasks,
            workers: Vec::new(),
            asked: VecDeque::new(),
            device_lost: None,
            results,
            annotation: None,
            queue: queue::Queue::default(),
            streams: None,
            n_streams: 0,
            n_listings: 0,
            n_destinations: 0,
            is_look_sent: false,
            opening_path: None,
            every_second: EverySecond::default(),
        })
    }

    /// Runs an action and reports failure to the user. Actions of views and of the window are
    /// queued in [`Core::asked`].
    pub(in crate::gui) fn run_action(&mut self, action: Action) {
        let left = self.run_shared(action);
        self.asked.extend(left);
    }

    /// Runs a shared action; returns an action of a view or of the window unchanged.
    pub(in crate::gui) fn run_shared(&mut self, action: Action) -> Option<Action> {
        let done = match action {
            Action::Source(action) => self.run_source(action),
            Action::Model(action) => {
                self.run_model(action);
                Ok(())
            }
            Action::People(action) => {
                self.run_people(action);
                Ok(())
            }
            Action::Overlay(action) => {
                self.run_overlay(action);
                Ok(())
            }
            Action::Stage(StageAction::Zoom(zoom)) => {
                self.ui_state.zoom = zoom;
                Ok(())
            }
            Action::Stage(StageAction::ZoomBy(factor)) => {
                self.ui_state.zoom = magnified(self.ui_state.zoom, factor);
                Ok(())
            }
            Action::Playback(action) => self.run_playback(&action),
            Action::Record(action) => self.run_record(action),
            Action::Stream(action) => self.run_stream(action),
            Action::Window(WindowAction::RestartWorkers) => {
                self.ui_state.status = None;
                self.restart_pipeline()
            }
            Action::Window(action) => return self.run_window(action).map(Action::Window),
            other => return Some(other),
        };
        if let Err(error) = done {
            self.ui_state.say(Level::Error, error.to_string());
        }
        None
    }

    fn run_window(&mut self, action: WindowAction) -> Option<WindowAction> {
        match action {
            WindowAction::OpenSheet(sheet) => {
                self.ui_state.sheet = Some(sheet);
                self.ui_state.search.clear();
            }
            WindowAction::CloseSheet => self.ui_state.sheet = None,
            WindowAction::Search(text) => self.ui_state.search = text,
            WindowAction::DismissStatus => self.ui_state.status = None,
            WindowAction::Larger(is_larger) => {
                let step = if is_larger { 0.1 } else { -0.1 };
                self.set_scale(self.state.scale + step);
            }
            WindowAction::Scale(scale) => self.set_scale(scale),
            WindowAction::LogLevel(level) => self.ui_state.log_level = level,
            other => return Some(other),
        }
        None
    }

    fn set_scale(&mut self, scale: f32) {
        // Rounded to tenths, so that repeated steps do not accumulate rounding errors.
        let scale = (scale * 10.0).round() / 10.0;
        self.state.scale = scale.clamp(*SCALES.start(), *SCALES.end());
    }

    /// Takes the latest frame from the pipeline; returns whether there was one.
    pub(in crate::gui) fn take_picture(&mut self) -> bool {
        let Some(presented) = self.pipeline.take() else {
            return false;
        };
        if let Some(output) = &presented.output {
            if self.ui_state.skeleton.map(|s| &s.name) != Some(&output.skeleton.name) {
                self.ui_state.skeleton = Some(output.skeleton);
                self.is_look_sent = false;
            }
            let maps = output.regions.first().map_or(&[][..], |r| &r.attention);
            let known = &self.ui_state.attention_maps;
            let names = maps.iter().map(|map| &map.name);
            if !maps.is_empty() && !names.eq(known.iter().map(|map| &map.name)) {
                self.ui_state.attention_maps = maps.iter().map(MapTitle::of).collect();
                // The selected map may belong to another model.
                let is_there = |name: &mut String| maps.iter().any(|map| map.name == *name);
                self.state.attention.take_if(|name| !is_there(name));
                self.is_look_sent = false;
            }
        }
        if self.ui_state.source.is_some() {
            self.ui_state.presented = Some(presented);
        }
        true
    }

    fn restart_pipeline(&mut self) -> Result<()> {
        let old = std::mem::replace(&mut self.pipeline, start_pipeline(&self.tasks.waker)?);
        old.dismiss();
        self.pipeline.send_to(self.streams.clone());
        self.ui_state.has_crashed = false;
        self.ui_state.recording.take_if(|r| !r.is_file);
        self.is_look_sent = false;
        if let Some(wanted) = self.ui_state.wanted_model.clone() {
            self.load_model(wanted);
        }
        if let Some(wanted) = self.ui_state.wanted_source.clone() {
            self.run_action(Action::Source(SourceAction::Open(wanted)));
        }
        Ok(())
    }

    /// Saves the settings if they differ from the file.
    pub(in crate::gui) fn save(&mut self) {
        let Some(path) = &self.gui.settings_file else {
            return;
        };
        if self.state != self.saved || !path.exists() {
            if let Err(error) = self.state.save(path, &self.saved) {
                tracing::warn!("{error:#}");
                let text = format!("{error:#}; your settings apply until the window is closed");
                self.ui_state.say(Level::Warning, text);
            }
            // After a failure, e.g. on a full disk, the same settings are not written again at
            // every click.
            self.saved = self.state.clone();
        }
    }

    /// Returns whether the settings differ from the file.
    pub(in crate::gui) fn is_unsaved(&self) -> bool {
        self.state != self.saved
    }

    /// Detaches the tasks after the window has closed.
    pub(in crate::gui) fn finish(self) {
        for worker in self.workers {
            // Joining an open dialog would keep the program alive without a window.
            worker.detach();
        }
    }
}

fn start_pipeline(waker: &Waker) -> Result<Pipeline> {
    let waker = waker.clone();
    let notify: Notify = Arc::new(move || waker.wake());
    Pipeline::start(Pacing::Live, notify)
}
