//! The stage with the live frame.

use eframe::egui::{Rect, Ui};
use poselens_engine::output::PoseOutput;
use poselens_engine::track::Selection;

use crate::gui::action::people::PeopleAction;
use crate::gui::action::{Action, StageAction};
use crate::gui::views::live::state::LiveContext;
use crate::gui::zoom::{Zoomed, zoom_ui};

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
    select_ui(&zoomed, cx);
    if let Some(picture) = &cx.view.picture {
        picture.show_ui(ui, area, &presented.scene, zoomed.placed.view);
    }
}

/// Handles clicks on people: the primary button follows one person, the secondary one hides one.
fn select_ui(zoomed: &Zoomed, cx: &mut LiveContext<'_>) {
    let output = cx
        .ui_state
        .presented
        .as_ref()
        .and_then(|p| p.output.as_ref());
    let is_selected = cx.ui_state.selection != Selection::default();
    if !is_selected && !output.is_some_and(|output| has_several(output)) {
        return;
    }
    let response = &zoomed.response;
    let point = response
        .interact_pointer_pos()
        .map(|at| zoomed.placed.to_image(at));
    let action = if response.double_clicked() || response.triple_clicked() {
        // Its first click has already changed the selection.
        Some(PeopleAction::Restore)
    } else if response.secondary_clicked() {
        point.map(PeopleAction::HideAt)
    } else if response.clicked() {
        point.map(PeopleAction::FollowAt)
    } else {
        None
    };
    cx.actions.extend(action.map(Action::People));
}

fn has_several(output: &PoseOutput) -> bool {
    output.people.found.max(output.poses.len()) > 1
}
