//! The UI thread: shared state, the views, and the single place where actions are run.

mod close;
mod layout;
mod run_action;

use std::any::Any;
use std::sync::Arc;
use std::time::Instant;

use eframe::egui::{self, Ui};
use eframe::egui_wgpu::{RenderState, wgpu};

use crate::gui::action::{Action, RecordAction, SourceAction};
use crate::gui::context::GuiContext;
use crate::gui::core::Core;
use crate::gui::keyboard::Keyboard;
use crate::gui::state::AppState;
use crate::gui::tasks::TaskResult;
use crate::gui::ui_state::{Adapter, Level, Status, UiState};
use crate::gui::view::{AppView, PanelContext, ViewSpec};
use crate::gui::views::VIEWS;
use crate::gui::{picture, theme};

/// The application: [`Core`] and the views.
pub struct App {
    core: Core,
    /// Views in the order of [`VIEWS`].
    views: Vec<Box<dyn AppView>>,
    keyboard: Keyboard,
    ctx: egui::Context,
    render: Option<RenderState>,
    /// Current window title.
    title: String,
}

impl App {
    /// Starts the workers, the model and the source; call [`App::attach`] with the window.
    ///
    /// # Errors
    /// If the operating system cannot create threads.
    pub fn new(gui: GuiContext) -> anyhow::Result<Self> {
        let core = Core::new(gui)?;
        let waker = &core.tasks.waker;
        let mut app = Self {
            views: VIEWS.iter().map(|spec| (spec.make)(waker)).collect(),
            core,
            keyboard: Keyboard::default(),
            ctx: egui::Context::default(),
            render: None,
            title: String::new(),
        };
        for view in &mut app.views {
            view.started(&mut app.core);
        }
        app.core.start_model();
        if let Some(input) = app.core.gui.input.clone() {
            let choice = app.core.choose(input);
            app.run_action(Action::Source(SourceAction::Open(choice)));
        }
        app.run_action(Action::Source(SourceAction::ListCameras));
        app.run_action(Action::Record(RecordAction::List));
        app.core.look_for_recent();
        Ok(app)
    }

    /// Binds the app to a window: theme, texture, wake-ups, error callbacks of the GPU device.
    pub fn attach(&mut self, cc: &eframe::CreationContext<'_>) {
        theme::apply(&cc.egui_ctx);
        self.ctx = cc.egui_ctx.clone();
        // A new window has no title yet.
        self.title.clear();
        // Zoom shortcuts are regular commands, so that the scale is saved.
        cc.egui_ctx.options_mut(|o| o.zoom_with_keyboard = false);
        cc.egui_ctx.set_zoom_factor(self.core.state.scale);
        self.core.tasks.waker.attach(cc.egui_ctx.clone());
        self.render.clone_from(&cc.wgpu_render_state);
        if let Some(render) = &self.render {
            let info = render.adapter.get_info();
            let is_software = info.device_type == wgpu::DeviceType::Cpu;
            self.core.ui_state.adapter = Some(Adapter {
                name: info.name.clone(),
                is_software,
            });
            if is_software {
                tracing::warn!(
                    adapter = info.name,
                    "no graphics device: drawing by software"
                );
            }
            let tasks = self.core.tasks.clone();
            render
                .device
                .set_device_lost_callback(move |reason, message| {
                    tasks.tell(TaskResult::DeviceLost(format!("{reason:?}: {message}")));
                });
            // wgpu's default handler panics, which would truncate a recording.
            render
                .device
                .on_uncaptured_error(Arc::new(|error| tracing::error!(%error, "drawing failed")));
        }
        for view in &mut self.views {
            if let Err(error) = view.attached(self.render.as_ref(), &self.core) {
                self.core.ui_state.say(Level::Error, error.to_string());
            }
        }
    }

    /// Returns a function that closes the window from another thread, for signals.
    pub fn closer(&self) -> impl Fn() + Send + 'static {
        let waker = self.core.tasks.waker.clone();
        move || waker.ask_to_close()
    }

    /// Returns the settings.
    pub fn state(&self) -> &AppState {
        &self.core.state
    }

    /// Returns the transient UI state.
    pub fn ui_state(&self) -> &UiState {
        &self.core.ui_state
    }

    /// Returns the state of a view by its type.
    pub fn view<V: AppView>(&self) -> Option<&V> {
        let mut views = self.views.iter();
        views.find_map(|view| (view.as_ref() as &dyn Any).downcast_ref())
    }

    /// Returns the index of the active view in [`VIEWS`].
    fn shown(&self) -> usize {
        let mut views = VIEWS.iter();
        let shown = self.core.ui_state.view;
        views.position(|spec| spec.id == shown).unwrap_or(0)
    }

    fn spec(&self) -> &'static ViewSpec {
        &VIEWS[self.shown()]
    }

    fn shown_view(&self) -> &dyn AppView {
        self.views[self.shown()].as_ref()
    }

    /// Returns whether the GPU device is lost, including a loss whose report was not handled
    /// because drawing panicked.
    pub(super) fn take_device_loss(&mut self) -> bool {
        if let Some(render) = self.render.take() {
            picture::poll_device(&render);
        }
        self.core.take_device_loss()
    }

    /// Saves the settings and stops the workers; a running recording is finalised first.
    pub(super) fn finish(mut self) {
        self.core.save();
        for view in &mut self.views {
            view.finish();
        }
        self.core.finish();
    }

    /// Handles the results of all threads.
    fn poll(&mut self, ctx: &egui::Context) {
        self.core.poll();
        self.run_asked();
        for view in &mut self.views {
            view.poll(&mut self.core, ctx);
        }
        self.core.refresh(ctx);
        self.run_asked();
        if self.core.device_lost.is_some() {
            ctx.send_viewport_cmd(egui::ViewportCommand::Close);
        }
    }

    /// Uploads the latest frame for display.
    fn take_picture(&mut self) {
        if !self.core.take_picture() {
            return;
        }
        for view in &mut self.views {
            if let Err(error) = view.picture_changed(&mut self.core) {
                self.core.ui_state.say(Level::Error, error.to_string());
            }
        }
    }

    /// Sets the window title to what is shown.
    fn send_title(&mut self, ctx: &egui::Context) {
        let shown = self.shown_view().shown_name();
        let source = self.core.ui_state.running_source.as_ref();
        let shown = shown.or(source.map(|s| s.label.as_str()));
        let title = shown.map_or_else(|| "PoseLens".to_owned(), |s| format!("{s} - PoseLens"));
        if self.title != title {
            ctx.send_viewport_cmd(egui::ViewportCommand::Title(title.clone()));
            self.title = title;
        }
    }

    fn context<'a>(&'a self, actions: &'a mut Vec<Action>) -> PanelContext<'a> {
        PanelContext {
            gui: &self.core.gui,
            state: &self.core.state,
            ui_state: &self.core.ui_state,
            view: self.shown_view(),
            actions,
        }
    }
}

impl eframe::App for App {
    fn logic(&mut self, ctx: &egui::Context, _frame: &mut eframe::Frame) {
        if let Some(render) = &self.render {
            // A loss must be detected before egui draws: it panics on a lost device.
            picture::poll_device(render);
        }
        self.poll(ctx);
        self.send_title(ctx);
        self.ask_before_closing(ctx);
        let is_hidden = ctx.input(|i| i.viewport().visible() == Some(false));
        self.core.tasks.waker.set_hidden(is_hidden);
        if is_hidden {
            if let Some(status) = &mut self.core.ui_state.status {
                status.since = Instant::now();
            }
            // The input is still that of the last visible frame.
            return self.core.send_look();
        }
        match self.core.ui_state.status.as_ref().and_then(Status::left) {
            Some(left) if left.is_zero() => self.core.ui_state.status = None,
            Some(left) => ctx.request_repaint_after(left),
            None => {}
        }
        if ctx.zoom_factor() != self.core.state.scale {
            ctx.set_zoom_factor(self.core.state.scale);
        }
        let sheet = self.core.ui_state.sheet;
        let view = self.core.ui_state.view;
        let escape = self.action_of_escape();
        let keyboard = &mut self.keyboard;
        for action in keyboard.shortcuts(ctx, &self.core.gui, view, sheet, escape) {
            self.run_command(action);
        }
        let dropped: Vec<_> = ctx.input(|i| {
            let files = i.raw.dropped_files.iter();
            files.map(|f| f.path().to_owned()).collect()
        });
        match dropped.as_slice() {
            [] => {}
            [path] => self.open_path(path.to_string_lossy().into_owned()),
            _ => {
                let action = self.shown_view().dropped(dropped);
                self.run_action(action);
            }
        }
        self.core.send_look();
    }

    fn ui(&mut self, ui: &mut Ui, _frame: &mut eframe::Frame) {
        if self.core.device_lost.is_some() {
            // egui panics if it has anything to draw on a lost device.
            return;
        }
        self.take_picture();
        let mut actions = Vec::new();
        self.window_ui(ui, &mut actions);
        let ctx = ui.ctx().clone();
        for action in actions {
            self.run_action(action);
            ctx.request_repaint();
        }
        if self.core.is_unsaved() && !ctx.input(|i| i.pointer.any_down()) {
            // Saved at once, but not during a drag, so that a later crash does not lose the
            // settings.
            self.core.save();
        }
        self.core.send_look();
    }

    fn clear_color(&self, _visuals: &egui::Visuals) -> [f32; 4] {
        theme::STAGE.to_normalized_gamma_f32()
    }
}
