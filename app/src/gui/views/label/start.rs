//! The stage without a project: how to begin.

use std::path::PathBuf;

use eframe::egui::{self, Align, Button, Label as TextLabel, Layout, Rect, RichText, Ui};

use crate::gui::action::Action;
use crate::gui::action::label::{Ask, LabelAction};
use crate::gui::theme;
use crate::gui::titles::folder_name;
use crate::gui::view::card_rect;
use crate::gui::views::label::state::LabelContext;

/// Number of recent projects that are shown.
const N_RECENT: usize = 4;

/// Shows the first steps and recent projects.
pub(super) fn start_ui(ui: &mut Ui, area: Rect, cx: &mut LabelContext<'_>) {
    let recent = &cx.state.label.recent;
    let n_recent = recent.len().min(N_RECENT);
    let height = 150.0 + 30.0 * n_recent as f32;
    let rect = card_rect(area, egui::vec2(430.0_f32.min(area.width() - 24.0), height));
    let builder = egui::UiBuilder::new()
        .max_rect(rect)
        .layout(Layout::top_down(Align::Center));
    let mut ui = ui.new_child(builder);
    if let Some(folder) = &cx.view.opening {
        let text = format!("Opening {}…", folder_name(folder));
        ui.add(TextLabel::new(RichText::new(text).heading().strong()).selectable(false));
        return;
    }
    let title = RichText::new("Label your own clips").heading().strong();
    ui.add(TextLabel::new(title).selectable(false));
    let text = "Correct what the model proposes in frames of your recordings and videos. Every \
                edit is saved at once.";
    ui.add(TextLabel::new(RichText::new(text).color(theme::WEAK)).selectable(false));
    for (text, help, ask) in [
        (
            "Label a video…",
            "Creates a project with this video; drop a file here for the same",
            Ask::Clip,
        ),
        (
            "Open a project…",
            "The folder of a project that you created before",
            Ask::Project,
        ),
    ] {
        let is_free = !cx.ui_state.is_choosing;
        if ui
            .add_enabled(is_free, Button::new(text))
            .on_hover_text(help)
            .clicked()
        {
            cx.actions.push(Action::Label(LabelAction::Ask(ask)));
        }
    }
    for folder in recent.iter().take(n_recent) {
        let name = cx.state.label.recent_name(folder);
        if ui
            .link(&name)
            .on_hover_text(folder)
            .accessible_name(format!("Open the project {name}"))
            .clicked()
        {
            let action = LabelAction::Open(PathBuf::from(folder));
            cx.actions.push(Action::Label(action));
        }
    }
}
