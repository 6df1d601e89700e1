//! The stage with the live frame.

use eframe::egui::{Rect, Ui};

use crate::gui::action::{Action, StageAction};
use crate::gui::views::live::state::LiveContext;
use crate::gui::zoom::zoom_ui;

/// Shows the frame in `area`.
pub(super) fn stage_ui(ui: &mut Ui, area: Rect, cx: &mut LiveContext<'_>) {
    let Some(presented) = &cx.ui_state.presented else {
        return;
    };
    let size = presented.frame.size();
    let is_mirrored = cx.ui_state.is_mirrored(cx.state);
    let zoomed = zoom_ui(ui, area, size, cx.ui_state.zoom, is_mirrored);
    if zoomed.is_changed {
        // The view's zoom instead of the requested one, because panning stops at the image's edges.
        let zoom = zoomed.placed.view.zoom();
        cx.actions.push(Action::Stage(StageAction::Zoom(zoom)));
    }
    if let Some(picture) = &cx.view.picture {
        picture.show_ui(ui, area, &presented.scene, zoomed.placed.view);
    }
}
