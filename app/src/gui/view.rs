//! Definition of a view: a working mode of the program with its own panels, stage and commands.
//!
//! A view's state implements [`AppView`]; its row of [`VIEWS`](crate::gui::views::VIEWS) is a
//! [`ViewSpec`]. Views do not depend on each other: shared state is in [`Core`], and requests to
//! another view are [`Action`]s.

use std::any::Any;
use std::path::{Path, PathBuf};

use eframe::egui::{self, Color32, Context, Rect, Ui, Vec2};
use eframe::egui_wgpu::RenderState;
use poselens_engine::Result;
use poselens_engine::frame::Frame;
use poselens_engine::output::PoseOutput;
use poselens_engine::source::SourceStatus;

use crate::gui::action::{Action, RecordAction, ViewId};
use crate::gui::command::{Command, FixedCommand, Group};
use crate::gui::context::{DeviceChoice, GuiContext};
use crate::gui::core::Core;
use crate::gui::state::AppState;
use crate::gui::theme;
use crate::gui::ui_state::UiState;
use crate::gui::waker::Waker;
use crate::words::counted;

/// The state of a view and its callbacks. The default implementations suit views that do not need
/// them.
pub trait AppView: Any + Send + ShowPanels {
    /// Lays out the stage in the middle of the window.
    fn stage_ui(&self, ui: &mut Ui, area: Rect, cx: &mut PanelContext<'_>);

    /// Returns the label of its button, if different from [`ViewSpec::name`].
    fn title(&self) -> Option<String> {
        None
    }

    /// Returns the name of the shown file for the window's title; `None` means the live source.
    fn shown_name(&self) -> Option<&str> {
        None
    }

    /// Returns the position of messages, if different from [`ViewSpec::messages`].
    fn message_place(&self) -> Option<MessagePlace> {
        None
    }

    /// Returns the header text.
    fn header(&self, cx: &PanelContext<'_>) -> Option<HeaderText> {
        HeaderText::of_source(cx.ui_state)
    }

    /// Returns the commands currently available in addition to [`ViewSpec::commands`].
    fn commands(&self, _cx: &PanelContext<'_>) -> Vec<Command> {
        Vec::new()
    }

    /// Translates a command for this view while it is shown; `None` disables the command.
    fn meaning(&self, action: Action, _state: &AppState) -> Option<Action> {
        Some(action)
    }

    /// Called at program start: settings are loaded, no threads run yet.
    fn started(&mut self, _core: &mut Core) {}

    /// Called when a window has been created with this GPU device.
    ///
    /// # Errors
    /// A message for the user.
    fn attached(&mut self, _render: Option<&RenderState>, _core: &Core) -> Result<()> {
        Ok(())
    }

    /// Called when the user switches to this view.
    ///
    /// # Errors
    /// A message for the user.
    fn opened(&mut self, _core: &mut Core) -> Result<()> {
        Ok(())
    }

    /// Called when the user switches to another view.
    fn closed(&mut self, _core: &mut Core) {}

    /// Opens a path that was typed, picked or dropped while this view is shown.
    ///
    /// # Errors
    /// A message for the user.
    fn open_path(&mut self, path: String, core: &mut Core) -> Result<()> {
        let choice = core.choose(path);
        core.open(choice)
    }

    /// Returns the action for several dropped files or folders: they are recorded.
    fn dropped(&self, paths: Vec<PathBuf>) -> Action {
        Action::Record(RecordAction::Queue(paths))
    }

    /// Runs an action of this view; returns any other action unchanged.
    ///
    /// # Errors
    /// A message for the user.
    fn run(&mut self, action: Action, _core: &mut Core) -> Result<Option<Action>> {
        Ok(Some(action))
    }

    /// Receives results from the view's threads, also while it is hidden.
    fn poll(&mut self, _core: &mut Core, _ctx: &Context) {}

    /// Called for each new live frame.
    ///
    /// # Errors
    /// A message for the user.
    fn picture_changed(&mut self, _core: &mut Core) -> Result<()> {
        Ok(())
    }

    /// Returns the running training in one line; the user is asked before it is stopped.
    fn busy(&self) -> Option<String> {
        None
    }

    /// Called after the window has closed; stops the view's threads.
    fn finish(&mut self) {}
}

/// A view: a row of [`VIEWS`](crate::gui::views::VIEWS).
#[derive(Debug)]
pub struct ViewSpec {
    /// Identifier used in actions.
    pub id: ViewId,
    /// Label of its button.
    pub name: &'static str,
    /// Tooltip of its button, with the shortcut.
    pub help: &'static str,
    /// Height of its bottom panels in points.
    pub bottom_height: f32,
    /// Whether full screen hides its panels; a view that is operated by its panels keeps them.
    pub hides_panels: bool,
    /// Position of messages on its stage.
    pub messages: MessagePlace,
    /// Group under which its commands are listed.
    pub group: Option<Group>,
    /// Commands that are always available, with their shortcuts.
    pub commands: &'static [FixedCommand],
    /// Commands that are available while the view is shown. Their shortcuts replace shared ones.
    pub own_commands: &'static [FixedCommand],
    /// Creates its state; threads start only when there is work to do.
    pub make: fn(&Waker) -> Box<dyn AppView>,
}

/// Position of a message at the left of the stage.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum MessagePlace {
    /// Over the image, below an area of this height in points and the view's panels at the top of
    /// the stage. Map scales are at the bottom.
    Below(f32),
    /// In a strip of its own below the stage.
    Bottom,
}

/// Position of a panel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PanelPosition {
    /// Along the bottom edge.
    Bottom,
    /// Stacked in the right-hand column.
    Side,
    /// Bottom of the right-hand column, always visible.
    SideBottom,
    /// Over the image.
    Stage,
}

/// What a panel can read, and the queue for its actions. Panels of a view get that view's state;
/// shared panels get any view's.
pub struct PanelContext<'a, V: ?Sized = dyn AppView> {
    /// Functions and choices provided by the program.
    pub gui: &'a GuiContext,
    /// The user's settings.
    pub state: &'a AppState,
    /// Transient UI state.
    pub ui_state: &'a UiState,
    /// The active view.
    pub view: &'a V,
    /// Actions requested by the user.
    pub actions: &'a mut Vec<Action>,
}

impl<V: ?Sized> PanelContext<'_, V> {
    /// Returns the same context with another view's state.
    pub fn with<'b, W: ?Sized>(&'b mut self, view: &'b W) -> PanelContext<'b, W> {
        PanelContext {
            gui: self.gui,
            state: self.state,
            ui_state: self.ui_state,
            view,
            actions: self.actions,
        }
    }

    /// Returns the device that the running model uses.
    pub fn device(&self) -> &DeviceChoice {
        &self.gui.devices[self.ui_state.device]
    }

    /// Returns the folder of recordings and snapshots.
    pub fn recordings_folder(&self) -> &Path {
        let chosen = self.state.recordings_folder.as_deref();
        chosen.unwrap_or(&self.gui.recordings_folder)
    }
}

/// A panel of a view.
#[derive(Debug)]
pub struct PanelSpec<V> {
    /// Position of the panel.
    pub place: PanelPosition,
    /// Lays out the panel.
    pub show: fn(&mut Ui, &mut PanelContext<'_, V>),
}

/// Height of a message of one line with its margins, in points.
pub(super) const MESSAGE: f32 = 70.0;

/// Returns the place of a card in the middle of the stage `area`, with room for a message above.
pub(super) fn card_rect(area: Rect, size: Vec2) -> Rect {
    let mut rect = Rect::from_center_size(area.center(), size);
    let down = (area.top() + MESSAGE - rect.top()).max(0.0);
    rect = rect.translate(egui::vec2(0.0, down));
    let up = (rect.bottom() - area.bottom() + 8.0).max(0.0);
    rect.translate(egui::vec2(0.0, -up))
}

/// The table of a view's panels.
pub trait Panels: Sized + 'static {
    /// Panels in layout order.
    const PANELS: &'static [PanelSpec<Self>];
}

/// Layout of the panels of any view.
pub trait ShowPanels {
    /// Lays out the panels at `place`, in table order. Those over the image share its area; what
    /// they occupy at its top is included in the size of `ui`.
    fn panels_ui(&self, ui: &mut Ui, place: PanelPosition, cx: &mut PanelContext<'_>);

    /// Returns whether the view has a panel at `place`.
    fn has_panels(&self, place: PanelPosition) -> bool;
}

impl<V: Panels> ShowPanels for V {
    fn panels_ui(&self, ui: &mut Ui, place: PanelPosition, cx: &mut PanelContext<'_>) {
        for panel in V::PANELS.iter().filter(|panel| panel.place == place) {
            let cx = &mut cx.with(self);
            if place == PanelPosition::Stage {
                let area = ui.max_rect();
                let builder = egui::UiBuilder::new().max_rect(area);
                let mut over = ui.new_child(builder);
                (panel.show)(&mut over, cx);
                ui.expand_to_include_rect(over.min_rect());
            } else {
                (panel.show)(ui, cx);
            }
        }
    }

    fn has_panels(&self, place: PanelPosition) -> bool {
        V::PANELS.iter().any(|panel| panel.place == place)
    }
}

/// Header text about the shown image or video.
#[derive(Debug)]
pub struct HeaderText {
    /// Name of the source or file.
    pub name: String,
    /// Image size, and the frame number of a file.
    pub more: String,
    /// Tooltip of the name.
    pub help: &'static str,
    /// Colour of the status dot.
    pub color: Color32,
}

impl HeaderText {
    /// Describes the live source.
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
            name: presented.map_or_else(
                || source.name.clone(),
                |presented| frame_title(&source.name, &presented.frame),
            ),
            more: presented.map_or(String::new(), |p| {
                let people = p.output.as_ref().and_then(|output| people_text(output));
                let people = people.map_or(String::new(), |people| format!("   {people}"));
                format!("{}{people}", size_text(&p.frame))
            }),
            help: "Source of the frames",
            color,
        })
    }
}

/// Returns how many people there are, if more than one: `3 people`, `#2 of 3 people`.
fn people_text(output: &PoseOutput) -> Option<String> {
    let n = output.people.found.max(output.poses.len());
    let all = counted(n, "person");
    match &output.poses[..] {
        _ if n < 2 => None,
        [] => Some(format!("none of {all} shown")),
        [one] => Some(match one.track_id {
            Some(id) => format!("#{id} of {all}"),
            None => format!("one of {all}"),
        }),
        some if some.len() < n => Some(format!("{} of {all}", some.len())),
        _ => Some(all),
    }
}

/// Returns the name of the source of a frame; for a folder of images, with the file of the frame.
pub(super) fn frame_title(source: &str, frame: &Frame) -> String {
    match &frame.file {
        Some(file) if !source.ends_with(&**file) => format!("{file} in {source}"),
        _ => source.to_owned(),
    }
}

/// Formats the size: `1280 × 720`.
pub(super) fn size_text(frame: &Frame) -> String {
    let size = frame.size();
    format!("{} × {}", size.width, size.height)
}

#[cfg(test)]
mod tests {
    use poselens_engine::frame::Pixels;
    use poselens_engine::geometry::Size;

    use super::*;

    /// Fails when nothing says which image of a folder is shown, or the name of a single image is
    /// written twice.
    #[test]
    fn the_file_of_a_frame_is_named() {
        let frame = || Frame::new(1, 0.0, Size::new(1, 1), Pixels::unpooled(vec![0; 4]));
        let image = frame().of_file("b.png");
        assert_eq!(frame_title("holiday", &image), "b.png in holiday");
        assert_eq!(frame_title("b.png", &image), "b.png");
        assert_eq!(frame_title("clip.mp4", &frame()), "clip.mp4");
    }
}
