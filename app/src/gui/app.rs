//! The window's own thread: channels, handles, and the one place where actions are run.

mod news;
mod remembered;

use std::sync::Arc;
use std::time::Instant;

use crossbeam::channel::{Receiver, bounded};
use eframe::egui::{self, Ui};
use poselens_engine::concurrency::Worker;
use poselens_engine::pipeline::session::Annotation;
use poselens_engine::pipeline::{Look, Notify, Pacing, Pipeline};

use self::remembered::remembered;
use super::action::{Action, RecordAction, SourceAction};
use super::files::{Desk, News, Waker};
use super::inspect::{self, Inspect};
use super::keyboard::Keyboard;
use super::panels::{self, PanelContext, View, any_camera, sample_clip};
use super::picture::Picture;
use super::queue::Queue;
use super::session::{Adapter, Level, MapTitle, Sheet, Status};
use super::train::{self, Train};
use super::{AppState, GuiContext, Session, theme};
use crate::figures::EverySecond;

/// News that may wait: there are never more tasks than a person starts by hand.
const N_NEWS: usize = 64;

/// The window: handles and channels around [`AppState`] and [`Session`].
pub struct App {
    pub(super) gui: GuiContext,
    pub(super) state: AppState,
    /// The state as the file has it.
    saved: AppState,
    pub(super) session: Session,
    pub(super) view: View,
    pub(super) inspect: Inspect,
    pub(super) train: Train,
    pub(super) pipeline: Pipeline,
    pub(super) desk: Desk,
    news: Receiver<News>,
    pub(super) tasks: Vec<Worker>,
    pub(super) annotation: Option<Annotation>,
    pub(super) queue: Queue,
    picture: Option<Picture>,
    keyboard: Keyboard,
    /// What the window is called.
    title: String,
    /// Why the graphics device is gone; the window is then built anew.
    pub(super) device_lost: Option<String>,
    is_look_sent: bool,
    /// A path that is being opened; remembered once it is open.
    pub(super) opening_path: Option<String>,
    /// Nothing was asked for yet: the first camera found may start.
    may_start_camera: bool,
    every_second: EverySecond,
}

impl App {
    /// Starts the workers, the model and the source; call [`App::attach`] with the window.
    ///
    /// # Errors
    /// When the operating system gives no threads.
    pub fn new(gui: GuiContext) -> anyhow::Result<Self> {
        let (news_tx, news) = bounded(N_NEWS);
        let desk = Desk {
            news: news_tx,
            waker: Waker::default(),
        };
        let mut session = Session::default();
        let state = match gui.settings_file.as_deref().map(AppState::load) {
            Some(Ok((state, refused))) => {
                if !refused.is_empty() {
                    session.say(
                        Level::Warning,
                        format!(
                            "the settings file holds values of another version ({}): they stay \
                             there, the defaults are used",
                            refused.join(", ")
                        ),
                    );
                }
                state
            }
            Some(Err(error)) => {
                let kept = gui.settings_file.as_deref().and_then(AppState::set_aside);
                let kept = kept.map_or_else(String::new, |path| {
                    format!(", the file is kept as {}", path.display())
                });
                session.say(
                    Level::Warning,
                    format!("{error:#}; the defaults are used{kept}"),
                );
                AppState::default()
            }
            None => AppState::default(),
        };
        let is_first_run = gui.settings_file.as_deref().is_some_and(|f| !f.exists())
            && gui.input.is_none()
            && session.status.is_none();
        session.sheet = is_first_run.then_some(Sheet::Welcome);
        let mut app = Self {
            pipeline: start_pipeline(&desk.waker)?,
            // The first time the user is told before a camera starts.
            may_start_camera: gui.input.is_none() && !is_first_run,
            saved: state.clone(),
            gui,
            state,
            session,
            view: View::Live,
            inspect: Inspect::new(desk.waker.clone()),
            train: Train::new(desk.waker.clone()),
            desk,
            news,
            tasks: Vec::new(),
            annotation: None,
            queue: Queue::default(),
            picture: None,
            keyboard: Keyboard::default(),
            title: String::new(),
            device_lost: None,
            is_look_sent: false,
            opening_path: None,
            every_second: EverySecond::default(),
        };
        app.offer_trained();
        app.start_model();
        if let Some(input) = app.gui.input.clone() {
            let choice = app.choose(input);
            app.run_action(Action::Source(SourceAction::Open(choice)));
        }
        app.run_action(Action::Source(SourceAction::ListCameras));
        app.run_action(Action::Record(RecordAction::List));
        app.look_for_recent();
        Ok(app)
    }

    /// Ties the app to a window: theme, texture, wake-ups, messages of the graphics device.
    pub fn attach(&mut self, cc: &eframe::CreationContext<'_>) {
        theme::apply(&cc.egui_ctx);
        // A new window has no title yet.
        self.title.clear();
        // Keys for it are commands like any other, and the choice is kept.
        cc.egui_ctx.options_mut(|o| o.zoom_with_keyboard = false);
        cc.egui_ctx.set_zoom_factor(self.state.scale);
        self.inspect.attach(cc.wgpu_render_state.clone());
        self.train.attach();
        self.desk.waker.attach(cc.egui_ctx.clone());
        self.picture = cc.wgpu_render_state.clone().map(|render| {
            let info = render.adapter.get_info();
            let is_software = info.device_type == eframe::egui_wgpu::wgpu::DeviceType::Cpu;
            self.session.adapter = Some(Adapter {
                name: info.name.clone(),
                is_software,
            });
            if is_software {
                tracing::warn!(
                    adapter = info.name,
                    "no graphics device: drawing by software"
                );
            }
            let desk = self.desk.clone();
            render
                .device
                .set_device_lost_callback(move |reason, message| {
                    desk.tell(News::DeviceLost(format!("{reason:?}: {message}")));
                });
            // wgpu's default handler panics, which would cut a recording short.
            render
                .device
                .on_uncaptured_error(Arc::new(|error| tracing::error!(%error, "drawing failed")));
            Picture::new(render)
        });
        // A new device has an empty texture.
        if let (Some(picture), Some(presented)) = (&self.picture, &self.session.presented)
            && let Err(text) = picture.upload(&presented.frame)
        {
            self.session.say(Level::Error, text);
        }
    }

    /// Closes the window from another thread, as the system asks for it.
    pub fn closer(&self) -> impl Fn() + Send + 'static {
        let waker = self.desk.waker.clone();
        move || waker.ask_to_close()
    }

    /// What is saved.
    pub fn state(&self) -> &AppState {
        &self.state
    }

    /// What the network's inside looks like.
    pub fn inspect(&self) -> &Inspect {
        &self.inspect
    }

    /// How trainings go.
    pub fn train(&self) -> &Train {
        &self.train
    }

    /// What is true at the moment.
    pub fn session(&self) -> &Session {
        &self.session
    }

    fn start_model(&mut self) {
        let is_known = |name: &&String| self.gui.models.iter().any(|m| m.name == **name);
        let remembered = self.state.model.as_ref().filter(is_known);
        let first = self.gui.models.first().map(|m| &m.name);
        if let Some(name) = self.gui.model.as_ref().or(remembered).or(first).cloned() {
            self.load_model(name);
        }
    }

    /// Whether the graphics device is gone, also when drawing broke off before the news was read.
    pub(super) fn take_device_loss(&mut self) -> bool {
        if let Some(picture) = self.picture.take() {
            picture.poll_device();
        }
        while let Ok(news) = self.news.try_recv() {
            if let News::DeviceLost(message) = news {
                self.on_device_lost(message);
            }
        }
        self.device_lost.take().is_some()
    }

    /// The remembered camera, or else the first, or else the sample clip: only when nothing else
    /// was asked for.
    fn start_camera(&mut self) {
        if !std::mem::take(&mut self.may_start_camera) || self.session.wanted_source.is_some() {
            return;
        }
        let cameras = self.session.cameras.as_deref().unwrap_or_default();
        let remembered = remembered(cameras, &self.state);
        let camera = remembered.cloned().or_else(|| any_camera(cameras));
        let has_camera = camera.is_some();
        if let Some(choice) = camera.or_else(|| sample_clip(&self.gui)) {
            self.run_action(Action::Source(SourceAction::Open(choice)));
        }
        if !has_camera && self.session.wanted_source.is_some() {
            let text = "No camera found: this is the sample clip. Open a file at the right.";
            self.session.say(Level::Info, text.to_owned());
        }
    }

    /// Takes the newest picture to the screen.
    fn take_picture(&mut self) {
        let Some(presented) = self.pipeline.take() else {
            return;
        };
        if let Some(picture) = &self.picture
            && let Err(text) = picture.upload(&presented.frame)
        {
            self.session.say(Level::Error, text);
        }
        if let Some(output) = &presented.output {
            if self.session.skeleton.map(|s| &s.name) != Some(&output.skeleton.name) {
                self.session.skeleton = Some(output.skeleton);
                self.is_look_sent = false;
            }
            let maps = output.regions.first().map_or(&[][..], |r| &r.attention);
            let known = &self.session.attention_maps;
            let names = maps.iter().map(|map| &map.name);
            if !maps.is_empty() && !names.eq(known.iter().map(|map| &map.name)) {
                self.session.attention_maps = maps.iter().map(MapTitle::of).collect();
                // A map of another model.
                let is_there = |name: &mut String| maps.iter().any(|map| map.name == *name);
                self.state.attention.take_if(|name| !is_there(name));
                self.is_look_sent = false;
            }
        }
        if self.session.source.is_some() {
            self.session.presented = Some(presented);
        }
        self.follow_live_picture();
    }

    /// Tells the infer thread what to draw from now on.
    pub(super) fn look_changed(&mut self) {
        self.is_look_sent = false;
    }

    /// The choices as the infer thread needs them for a model: it is asked for a map of its own, or
    /// else for its first, never for a map of another model.
    pub(super) fn look(&self, model: Option<&str>) -> Look {
        let mut look = self.state.look(self.gui.overlays, self.session.skeleton);
        let is_running = self.session.model.as_deref() == model;
        let maps = self.session.attention_maps.iter().filter(|_| is_running);
        let names: Vec<_> = maps.map(|map| &map.name).collect();
        look.style
            .attention
            .take_if(|name| !names.iter().any(|known| *known == name));
        look
    }

    fn send_look(&mut self) {
        if !self.is_look_sent {
            self.pipeline
                .set_look(self.look(self.session.model.as_deref()));
            let playback = self
                .state
                .playback(self.session.is_playing, self.session.speed);
            self.pipeline.set_playback(playback);
            self.is_look_sent = true;
        }
    }

    pub(super) fn restart_pipeline(&mut self) -> poselens_engine::Result<()> {
        let old = std::mem::replace(&mut self.pipeline, start_pipeline(&self.desk.waker)?);
        old.dismiss();
        self.session.has_crashed = false;
        self.session.recording.take_if(|r| !r.is_file);
        self.is_look_sent = false;
        if let Some(wanted) = self.session.wanted_model.clone() {
            self.load_model(wanted);
        }
        if let Some(wanted) = self.session.wanted_source.clone() {
            self.run_action(Action::Source(SourceAction::Open(wanted)));
        }
        Ok(())
    }

    /// Writes the choices where they differ from the file.
    fn save(&mut self) {
        let Some(path) = &self.gui.settings_file else {
            return;
        };
        if self.state != self.saved || !path.exists() {
            if let Err(error) = self.state.save(path, &self.saved) {
                tracing::warn!("{error:#}");
                let text = format!("{error:#}; your choices hold until the window is closed");
                self.session.say(Level::Warning, text);
            }
            // A disk that is full is not tried again with every click.
            self.saved = self.state.clone();
        }
    }

    /// Saves the choices and ends the workers; a running recording is closed first.
    pub(super) fn finish(mut self) {
        self.save();
        self.close_training();
        for task in self.tasks {
            // An open dialog would keep the program alive without a window.
            task.detach();
        }
    }

    /// Names the window after what it shows.
    fn send_title(&mut self, ctx: &egui::Context) {
        let shown = match self.view {
            View::Inspect => self.inspect.name(),
            View::Live | View::Train => None,
        };
        let source = self.session.running_source.as_ref();
        let shown = shown.or(source.map(|s| s.label.as_str()));
        let title = shown.map_or_else(|| "PoseLens".to_owned(), |s| format!("{s} - PoseLens"));
        if self.title != title {
            ctx.send_viewport_cmd(egui::ViewportCommand::Title(title.clone()));
            self.title = title;
        }
    }

    fn stage_ui(&mut self, ui: &mut Ui, actions: &mut Vec<Action>) {
        let stage = egui::Frame::new().fill(theme::STAGE);
        egui::CentralPanel::default().frame(stage).show(ui, |ui| {
            let area = ui.max_rect();
            if self.view == View::Inspect {
                inspect::stage_ui(ui, area, &mut cx(self, actions));
            } else if self.view == View::Train {
                train::stage_ui(ui, area, &mut cx(self, actions));
            } else if let Some(presented) = &self.session.presented {
                let size = presented.frame.size();
                let view = panels::view_ui(ui, area, size, &mut cx(self, actions));
                if let Some(picture) = &self.picture {
                    picture.show_ui(ui, area, &presented.scene, view);
                }
            }
            panels::stage_ui(ui, self.view, area, &mut cx(self, actions));
        });
    }
}

fn cx<'a>(app: &'a App, actions: &'a mut Vec<Action>) -> PanelContext<'a> {
    PanelContext {
        gui: &app.gui,
        state: &app.state,
        session: &app.session,
        view: app.view,
        inspect: &app.inspect,
        train: &app.train,
        actions,
    }
}

fn start_pipeline(waker: &Waker) -> poselens_engine::Result<Pipeline> {
    let waker = waker.clone();
    let notify: Notify = Arc::new(move || waker.wake());
    Pipeline::start(Pacing::Live, notify)
}

impl eframe::App for App {
    fn logic(&mut self, ctx: &egui::Context, _frame: &mut eframe::Frame) {
        if let Some(picture) = &self.picture {
            // A loss must be known before egui draws: it panics on a lost device.
            picture.poll_device();
        }
        self.drain(ctx);
        self.send_title(ctx);
        if self.desk.waker.is_asked_to_close() {
            ctx.send_viewport_cmd(egui::ViewportCommand::Close);
        }
        let is_hidden = ctx.input(|i| i.viewport().visible() == Some(false));
        self.desk.waker.set_hidden(is_hidden);
        if is_hidden {
            if let Some(status) = &mut self.session.status {
                status.since = Instant::now();
            }
            // The input is that of the last frame that was seen.
            return self.send_look();
        }
        match self.session.status.as_ref().and_then(Status::left) {
            Some(left) if left.is_zero() => self.session.status = None,
            Some(left) => ctx.request_repaint_after(left),
            None => {}
        }
        if ctx.zoom_factor() != self.state.scale {
            ctx.set_zoom_factor(self.state.scale);
        }
        let sheet = self.session.sheet;
        for action in self.keyboard.shortcuts(ctx, &self.gui, sheet) {
            self.run_command(action, ctx);
        }
        let dropped: Vec<_> = ctx.input(|i| {
            let files = i.raw.dropped_files.iter();
            files.map(|f| f.path().to_owned()).collect()
        });
        match dropped.as_slice() {
            [] => {}
            [path] => self.open_path(path.to_string_lossy().into_owned()),
            _ => self.run_action(Action::Record(RecordAction::Queue(dropped))),
        }
        self.send_look();
    }

    fn ui(&mut self, ui: &mut Ui, _frame: &mut eframe::Frame) {
        if self.device_lost.is_some() {
            // egui panics when it has something to draw on a lost device.
            return;
        }
        self.take_picture();
        let mut actions = Vec::new();
        if !panels::is_full_screen(ui.ctx()) {
            panels::around_ui(ui, self.view, &mut cx(self, &mut actions));
        }
        self.stage_ui(ui, &mut actions);
        panels::sheet_ui(ui.ctx(), &mut cx(self, &mut actions));
        let ctx = ui.ctx().clone();
        for action in actions {
            self.run_window_action(action, &ctx);
            ctx.request_repaint();
        }
        if self.state != self.saved && !ctx.input(|i| i.pointer.any_down()) {
            // Not while a slider is dragged. A crash later on does not cost the choices made.
            self.save();
        }
        self.send_look();
    }

    fn clear_color(&self, _visuals: &egui::Visuals) -> [f32; 4] {
        theme::STAGE.to_normalized_gamma_f32()
    }
}
