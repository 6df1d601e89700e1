//! The parts of the window. Adding one: a new file, one line in [`PANELS`].

mod connection;
mod header;
mod hud;
mod model;
mod notes;
mod overlay;
pub mod place;
mod recordings;
mod sheets;
mod source;
mod stage;
mod transport;

use std::path::Path;

use eframe::egui::{self, Context, Ui};

use super::inspect::{self, Inspect};
use super::train::{self, Train};
use super::{Action, AppState, DeviceChoice, GuiContext, Session, theme};

pub use notes::of_answer;
pub use overlay::{joint_title, sentence};
pub use recordings::moment;
pub use sheets::sheet_ui;
pub use source::{any_camera, sample_clip};
pub use stage::{view_ui, zoom_ui};

/// A way of working with the program: which panels are there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum View {
    /// The running picture.
    Live,
    /// Single frames, and what the network sees in them.
    Inspect,
    /// Better weights from labelled people.
    Train,
}

impl PanelContext<'_> {
    /// What the running model runs on.
    pub fn device(&self) -> &DeviceChoice {
        &self.gui.devices[self.session.device]
    }

    /// Where recordings and snapshots go.
    pub fn recordings_folder(&self) -> &Path {
        let chosen = self.state.recordings_folder.as_deref();
        chosen.unwrap_or(&self.gui.recordings_folder)
    }
}

/// Where a panel stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// Across the top.
    Top,
    /// Across the bottom.
    Bottom,
    /// One below the other at the right.
    Side,
    /// At the right, always in sight below the others.
    SideBottom,
    /// Over the picture.
    Stage,
}

/// What a panel reads, and where its wishes go.
#[derive(Debug)]
pub struct PanelContext<'a> {
    /// What the program can do.
    pub gui: &'a GuiContext,
    /// The user's choices.
    pub state: &'a AppState,
    /// The present.
    pub session: &'a Session,
    /// The view that is shown.
    pub view: View,
    /// Single frames, and what the network sees in them.
    pub inspect: &'a Inspect,
    /// Trainings.
    pub train: &'a Train,
    /// What the user asks for.
    pub actions: &'a mut Vec<Action>,
}

/// One panel: a row of [`PANELS`].
#[derive(Debug)]
pub struct PanelSpec {
    /// Its title, and its name in tests.
    pub name: &'static str,
    /// The view it belongs to.
    pub view: View,
    /// Where it stands.
    pub place: Place,
    /// Lays it out.
    pub show: fn(&mut Ui, &mut PanelContext<'_>),
}

/// Every panel, in the order it is laid out.
pub const PANELS: &[PanelSpec] = &[
    PanelSpec {
        name: "Header",
        view: View::Live,
        place: Place::Top,
        show: header::header_ui,
    },
    PanelSpec {
        name: "Transport",
        view: View::Live,
        place: Place::Bottom,
        show: transport::transport_ui,
    },
    PanelSpec {
        name: "Source",
        view: View::Live,
        place: Place::Side,
        show: source::source_ui,
    },
    PanelSpec {
        name: "Model",
        view: View::Live,
        place: Place::Side,
        show: model::model_ui,
    },
    PanelSpec {
        name: "Overlays",
        view: View::Live,
        place: Place::Side,
        show: overlay::overlay_ui,
    },
    PanelSpec {
        name: "Recordings",
        view: View::Live,
        place: Place::SideBottom,
        show: recordings::recordings_ui,
    },
    PanelSpec {
        name: "Empty stage",
        view: View::Live,
        place: Place::Stage,
        show: stage::empty_ui,
    },
    PanelSpec {
        name: "Speed",
        view: View::Live,
        place: Place::Stage,
        show: hud::hud_ui,
    },
    PanelSpec {
        name: "Notes",
        view: View::Live,
        place: Place::Stage,
        show: notes::notes_ui,
    },
    PanelSpec {
        name: "Connection",
        view: View::Live,
        place: Place::Stage,
        show: connection::connection_ui,
    },
    PanelSpec {
        name: "Messages",
        view: View::Live,
        place: Place::Stage,
        show: stage::status_ui,
    },
    PanelSpec {
        name: "Header",
        view: View::Inspect,
        place: Place::Top,
        show: header::header_ui,
    },
    PanelSpec {
        name: "Timeline",
        view: View::Inspect,
        place: Place::Bottom,
        show: inspect::timeline_ui,
    },
    // First, with the models: what an answer brings makes the panels below them grow and shrink.
    PanelSpec {
        name: "Frame",
        view: View::Inspect,
        place: Place::Side,
        show: inspect::open_ui,
    },
    PanelSpec {
        name: "Models",
        view: View::Inspect,
        place: Place::Side,
        show: inspect::models_ui,
    },
    PanelSpec {
        name: "Joint",
        view: View::Inspect,
        place: Place::Side,
        show: inspect::joint_ui,
    },
    PanelSpec {
        name: "Difference",
        view: View::Inspect,
        place: Place::Side,
        show: inspect::difference_ui,
    },
    PanelSpec {
        name: "Show",
        view: View::Inspect,
        place: Place::Side,
        show: inspect::show_ui,
    },
    PanelSpec {
        name: "Export",
        view: View::Inspect,
        place: Place::Side,
        show: inspect::export_ui,
    },
    PanelSpec {
        name: "Messages",
        view: View::Inspect,
        place: Place::Stage,
        show: stage::status_ui,
    },
    PanelSpec {
        name: "Header",
        view: View::Train,
        place: Place::Top,
        show: header::header_ui,
    },
    PanelSpec {
        name: "Training",
        view: View::Train,
        place: Place::Bottom,
        show: train::bar_ui,
    },
    PanelSpec {
        name: "People",
        view: View::Train,
        place: Place::Side,
        show: train::data_ui,
    },
    PanelSpec {
        name: "Learner",
        view: View::Train,
        place: Place::Side,
        show: train::network_ui,
    },
    PanelSpec {
        name: "How it learns",
        view: View::Train,
        place: Place::Side,
        show: train::options_ui,
    },
    PanelSpec {
        name: "Earlier trainings",
        view: View::Train,
        place: Place::Side,
        show: train::earlier_ui,
    },
    PanelSpec {
        name: "Messages",
        view: View::Train,
        place: Place::Stage,
        show: stage::status_ui,
    },
];

/// Lays out the bars and the side panel of `view`.
pub fn around_ui(ui: &mut Ui, view: View, cx: &mut PanelContext<'_>) {
    let bar = egui::Frame::new()
        .fill(theme::PANEL)
        .inner_margin(egui::Margin::symmetric(16, 0));
    egui::Panel::top("top")
        .exact_size(52.0)
        .frame(bar)
        .show(ui, |ui| place_ui(ui, view, Place::Top, cx));
    egui::Panel::bottom("bottom")
        .exact_size(match view {
            View::Live | View::Train => 84.0,
            View::Inspect => 96.0,
        })
        .frame(bar)
        .show(ui, |ui| place_ui(ui, view, Place::Bottom, cx));
    let side = egui::Frame::new()
        .fill(theme::PANEL)
        .inner_margin(egui::Margin {
            left: 12,
            right: 4,
            top: 12,
            bottom: 0,
        });
    egui::Panel::right("side")
        .exact_size(theme::SIDE_WIDTH)
        .resizable(false)
        .frame(side)
        .show(ui, |ui| {
            if panels(view, Place::SideBottom).next().is_some() {
                let frame = egui::Frame::new().inner_margin(egui::Margin {
                    top: 8,
                    right: 8,
                    bottom: 6,
                    ..egui::Margin::ZERO
                });
                egui::Panel::bottom("side bottom")
                    .frame(frame)
                    .resizable(false)
                    .show(ui, |ui| place_ui(ui, view, Place::SideBottom, cx));
            }
            egui::ScrollArea::vertical()
                // Each view keeps its own place.
                .id_salt(view)
                .auto_shrink(false)
                .show(ui, |ui| {
                    egui::Frame::new()
                        .inner_margin(egui::Margin {
                            right: 8,
                            ..egui::Margin::ZERO
                        })
                        .show(ui, |ui| place_ui(ui, view, Place::Side, cx));
                });
        });
}

/// Lays out what lies over the picture; `area` is the whole stage.
pub fn stage_ui(ui: &mut Ui, view: View, area: egui::Rect, cx: &mut PanelContext<'_>) {
    for panel in panels(view, Place::Stage) {
        let mut over = ui.new_child(egui::UiBuilder::new().max_rect(area));
        (panel.show)(&mut over, cx);
    }
}

fn place_ui(ui: &mut Ui, view: View, place: Place, cx: &mut PanelContext<'_>) {
    for panel in panels(view, place) {
        (panel.show)(ui, cx);
    }
}

fn panels(view: View, place: Place) -> impl Iterator<Item = &'static PanelSpec> {
    PANELS
        .iter()
        .filter(move |p| p.view == view && p.place == place)
}

/// Whether the window fills the screen.
pub fn is_full_screen(ctx: &Context) -> bool {
    ctx.input(|i| i.viewport().fullscreen.unwrap_or(false))
}
