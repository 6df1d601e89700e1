//! What a view is: a way of working with the program, with panels, a stage and commands of its
//! own.
//!
//! A view's state implements [`AppView`]; its row of [`VIEWS`](crate::gui::views::VIEWS) is a
//! [`ViewSpec`]. Views know nothing of each other: what they share is [`Core`], and what one asks
//! of another is an [`Action`].

use std::any::Any;
use std::path::Path;

use eframe::egui::{Color32, Context, Rect, Ui};
use eframe::egui_wgpu::RenderState;
use poselens_engine::Result;
use poselens_engine::frame::Frame;
use poselens_engine::source::SourceStatus;

use crate::gui::action::{Action, ViewId};
use crate::gui::command::{Command, FixedCommand, Group};
use crate::gui::context::{DeviceChoice, GuiContext};
use crate::gui::core::Core;
use crate::gui::state::AppState;
use crate::gui::theme;
use crate::gui::ui_state::UiState;
use crate::gui::waker::Waker;

/// The state of a view, and what the window asks of it. What a view does not need it leaves as it
/// is here.
pub trait AppView: Any + Send {
    /// Lays out the middle of the window.
    fn stage_ui(&self, ui: &mut Ui, area: Rect, cx: &mut PanelContext<'_>);

    /// Lays out its panels at `place`; see [`lay_out`].
    fn panels_ui(&self, ui: &mut Ui, place: Place, cx: &mut PanelContext<'_>);

    /// Whether it has a panel at `place`.
    fn has_panels(&self, place: Place) -> bool;

    /// The name of its button where that says more than [`ViewSpec::name`].
    fn title(&self) -> Option<String> {
        None
    }

    /// What it shows, for the window's title; the source of the live picture for `None`.
    fn shown_name(&self) -> Option<&str> {
        None
    }

    /// What it shows, for the header.
    fn header(&self, cx: &PanelContext<'_>) -> Option<HeaderText> {
        HeaderText::of_source(cx.ui_state)
    }

    /// What there is to ask for in this view now, besides [`ViewSpec::commands`].
    fn commands(&self, _cx: &PanelContext<'_>) -> Vec<Command> {
        Vec::new()
    }

    /// What a command means while this view is shown; `None` where it means nothing.
    fn meaning(&self, action: Action, _state: &AppState) -> Option<Action> {
        Some(action)
    }

    /// The program starts: settings are read, nothing runs yet.
    fn started(&mut self, _core: &mut Core) {}

    /// A window is there, with this graphics device.
    ///
    /// # Errors
    /// What the user must know.
    fn attached(&mut self, _render: Option<&RenderState>, _core: &Core) -> Result<()> {
        Ok(())
    }

    /// The user has changed to this view.
    ///
    /// # Errors
    /// What the user must know.
    fn opened(&mut self, _core: &mut Core) -> Result<()> {
        Ok(())
    }

    /// The user has changed to another view.
    fn closed(&mut self, _core: &mut Core) {}

    /// Opens what the user typed, picked or dropped while this view is shown.
    ///
    /// # Errors
    /// What the user must know.
    fn open_path(&mut self, path: String, core: &mut Core) -> Result<()> {
        core.state.path.clone_from(&path);
        let choice = core.choose(path);
        core.open(choice)
    }

    /// Runs an action of its own; gives back one that is not.
    ///
    /// # Errors
    /// What the user must know.
    fn run(&mut self, action: Action, _core: &mut Core) -> Result<Option<Action>> {
        Ok(Some(action))
    }

    /// Takes what its threads have found, whether it is shown or not.
    fn poll(&mut self, _core: &mut Core, _ctx: &Context) {}

    /// A new live picture has come.
    ///
    /// # Errors
    /// What the user must know.
    fn picture_changed(&mut self, _core: &mut Core) -> Result<()> {
        Ok(())
    }

    /// The window has closed: ends its work.
    fn finish(&mut self) {}
}

/// A view: a row of [`VIEWS`](crate::gui::views::VIEWS).
#[derive(Debug)]
pub struct ViewSpec {
    /// Names it in actions.
    pub id: ViewId,
    /// What its button says.
    pub name: &'static str,
    /// What it is for, with its key.
    pub help: &'static str,
    /// Height of its panels across the bottom, points.
    pub bottom_height: f32,
    /// Where messages lie on its stage.
    pub messages: MessagePlace,
    /// What its own commands are listed under.
    pub group: Option<Group>,
    /// Its commands that are always there, with their keys.
    pub commands: &'static [FixedCommand],
    /// Makes its state; no thread is started before there is something to do.
    pub make: fn(&Waker) -> Box<dyn AppView>,
}

/// Where a message lies: at the left of the stage.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum MessagePlace {
    /// At the top, below what lies there, so many points high. Scales of maps lie at the bottom.
    Below(f32),
    /// At the bottom.
    Bottom,
}

/// Where a panel stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// Across the bottom.
    Bottom,
    /// One below the other at the right.
    Side,
    /// At the right, always in sight below the others.
    SideBottom,
    /// Over the picture.
    Stage,
}

/// What a panel reads, and where its actions go. A panel of a view gets the view's own state, one
/// that all views have any view's.
pub struct PanelContext<'a, V: ?Sized = dyn AppView> {
    /// What the program can do.
    pub gui: &'a GuiContext,
    /// The user's choices.
    pub state: &'a AppState,
    /// What is true at the moment.
    pub ui_state: &'a UiState,
    /// The view that is shown.
    pub view: &'a V,
    /// What the user asks for.
    pub actions: &'a mut Vec<Action>,
}

impl<V: ?Sized> PanelContext<'_, V> {
    /// The same with the state of a view.
    pub fn with<'b, W: ?Sized>(&'b mut self, view: &'b W) -> PanelContext<'b, W> {
        PanelContext {
            gui: self.gui,
            state: self.state,
            ui_state: self.ui_state,
            view,
            actions: self.actions,
        }
    }

    /// What the running model runs on.
    pub fn device(&self) -> &DeviceChoice {
        &self.gui.devices[self.ui_state.device]
    }

    /// Where recordings and snapshots go.
    pub fn recordings_folder(&self) -> &Path {
        let chosen = self.state.recordings_folder.as_deref();
        chosen.unwrap_or(&self.gui.recordings_folder)
    }
}

/// A panel of a view.
#[derive(Debug)]
pub struct PanelSpec<V> {
    /// Where it stands.
    pub place: Place,
    /// Lays it out.
    pub show: fn(&mut Ui, &mut PanelContext<'_, V>),
}

/// Lays out the panels of `view` that stand at `place`, in the table's order.
pub fn lay_out<V>(
    panels: &[PanelSpec<V>],
    view: &V,
    ui: &mut Ui,
    place: Place,
    cx: &mut PanelContext<'_>,
) {
    for panel in panels.iter().filter(|panel| panel.place == place) {
        let cx = &mut cx.with(view);
        if place == Place::Stage {
            let area = ui.max_rect();
            let builder = eframe::egui::UiBuilder::new().max_rect(area);
            (panel.show)(&mut ui.new_child(builder), cx);
        } else {
            (panel.show)(ui, cx);
        }
    }
}

/// What the header says about what is shown.
#[derive(Debug)]
pub struct HeaderText {
    /// What it is called.
    pub name: String,
    /// Size of the picture, and which frame of a file it is.
    pub more: String,
    /// What the name means.
    pub help: &'static str,
    /// How its source does.
    pub color: Color32,
}

impl HeaderText {
    /// About the source of the live picture.
    pub fn of_source(ui_state: &UiState) -> Option<Self> {
        let source = ui_state.source.as_ref()?;
        let presented = ui_state.presented.as_ref();
        let color = match (ui_state.is_live(), ui_state.is_playing) {
            _ if ui_state.source_status != SourceStatus::Ok => theme::RED,
            (_, false) => theme::RIGHT,
            (true, true) => theme::GREEN,
            (false, true) => theme::LEFT,
        };
        Some(Self {
            name: source.name.clone(),
            more: presented.map_or(String::new(), |p| size_text(&p.frame)),
            help: "Source of the frames",
            color,
        })
    }
}

/// `1280 × 720`.
pub fn size_text(frame: &Frame) -> String {
    let size = frame.size();
    format!("{} × {}", size.width, size.height)
}
