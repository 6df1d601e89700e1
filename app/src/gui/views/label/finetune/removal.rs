//! The question whether a run is deleted.

use std::path::Path;

use eframe::egui::{Button, RichText, Ui};

use crate::gui::action::Action;
use crate::gui::action::finetune::FinetuneAction;
use crate::gui::action::label::LabelAction;
use crate::gui::theme;
use crate::gui::views::label::state::LabelContext;

/// Shows the button that deletes the run `name` in `folder`; once it is pressed, the question.
pub(super) fn removal_ui(
    ui: &mut Ui,
    (name, folder): (&str, &Path),
    is_busy: bool,
    cx: &mut LabelContext<'_>,
) {
    let is_asking = cx.view.finetune.asking.as_deref() == Some(folder);
    if !is_asking {
        let help = "Deletes its images, weights and measurement; versions made of it are kept";
        if ui
            .add_enabled(!is_busy, Button::new("Delete run…"))
            .on_hover_text(help)
            .on_disabled_hover_text("Not now: it is being trained or measured")
            .clicked()
        {
            send(cx, FinetuneAction::AskRemove(Some(folder.to_owned())));
        }
        return;
    }
    let text = format!("Delete run {name} for good? Versions made of it are kept.");
    ui.label(RichText::new(text).color(theme::TEXT));
    if ui
        .button("Delete")
        .on_hover_text("This cannot be undone")
        .accessible_name(format!("Delete run {name} for good"))
        .clicked()
    {
        send(cx, FinetuneAction::Remove(folder.to_owned()));
    }
    if ui
        .button("Keep")
        .accessible_name(format!("Keep run {name}"))
        .clicked()
    {
        send(cx, FinetuneAction::AskRemove(None));
    }
}

fn send(cx: &mut LabelContext<'_>, action: FinetuneAction) {
    cx.actions
        .push(Action::Label(LabelAction::Finetune(action)));
}
