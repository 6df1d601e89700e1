//! The model panel: network, device, joint threshold and smoothing.

use eframe::egui::{Button, CollapsingHeader, Label, RichText, Spinner, Ui};
use poselens_engine::track::OneEuro;

use crate::gui::action::{Action, ModelAction};
use crate::gui::views::live::people::people_ui;
use crate::gui::views::live::state::LiveContext;
use crate::gui::{theme, trained, widgets};
use crate::option_texts::THRESHOLD;

pub(super) fn model_ui(ui: &mut Ui, cx: &mut LiveContext<'_>) {
    widgets::section_ui(ui, "Model", |ui| {
        let wanted = cx
            .ui_state
            .loading_model
            .as_ref()
            .or(cx.ui_state.model.as_ref());
        let choices = cx
            .gui
            .models
            .iter()
            .map(|m| (trained::title(&m.name), Some(&m.name) == wanted));
        let shown = wanted.map_or_else(|| "Choose…".to_owned(), |name| trained::title(name));
        let help = "Model that finds the joints; the previous one runs until the new one is ready";
        if let Some(i) = widgets::choice_ui(ui, "Network", help, &shown, choices) {
            let name = cx.gui.models[i].name.clone();
            send(cx, ModelAction::Choose(name));
        }
        if let Some(name) = &cx.ui_state.loading_model {
            ui.horizontal(|ui| {
                ui.add(Spinner::new().size(14.0));
                ui.label(
                    RichText::new(format!("Loading {}…", trained::title(name)))
                        .small()
                        .color(theme::WEAK),
                );
            });
        } else if let Some(model) = cx.gui.models.iter().find(|m| Some(&m.name) == wanted) {
            let help = RichText::new(&model.help).small().color(theme::WEAK);
            ui.add(Label::new(help).truncate());
        }
        people_ui(ui, cx);
        let (text, threshold) = (&THRESHOLD, cx.state.keypoint_threshold);
        if let Some(value) = widgets::fraction_ui(ui, text.label, text.help, threshold) {
            send(cx, ModelAction::Threshold(value));
        }
        smoothing_ui(ui, cx);
    });
}

/// Shows the smoothing settings.
fn smoothing_ui(ui: &mut Ui, cx: &mut LiveContext<'_>) {
    let is_smoothed = cx.state.is_smoothed;
    if widgets::switch_row_ui(ui, "Smoothing", None, is_smoothed)
        .on_hover_text("Reduces jitter with a One-Euro filter; exports also keep the raw values")
        .clicked()
    {
        send(cx, ModelAction::Smooth(!is_smoothed));
    }
    if !is_smoothed {
        return;
    }
    let params = cx.state.smoothing;
    let header = CollapsingHeader::new(RichText::new("Filter parameters").small());
    let open = header.id_salt("smoothing").show(ui, |ui| {
        let help = "Minimum cutoff frequency in hertz. Lower it until resting joints stop \
         jittering; if it is too low, slow movements lag.";
        if let Some(min_cutoff) =
            widgets::magnitude_ui(ui, "Jitter at rest", help, 0.05..=20.0, params.min_cutoff)
        {
            let params = OneEuro {
                min_cutoff,
                ..params
            };
            send(cx, ModelAction::Smoothing(params));
        }
        let help = "Beta: how much the cutoff rises with speed. Raise it until fast movements no \
         longer lag; if it is too high, they jitter.";
        if let Some(beta) = widgets::magnitude_ui(ui, "Quickness", help, 0.0..=100.0, params.beta) {
            send(cx, ModelAction::Smoothing(OneEuro { beta, ..params }));
        }
        let usual = OneEuro::default();
        let text = format!(
            "Resets to {} Hz and {}, which suit 30 frames per second",
            usual.min_cutoff, usual.beta
        );
        if ui
            .add_enabled(params != usual, Button::new("Reset smoothing"))
            .on_hover_text(text)
            .on_disabled_hover_text("These are the defaults")
            .clicked()
        {
            send(cx, ModelAction::Smoothing(usual));
        }
    });
    open.header_response
        .on_hover_text("Min cutoff and beta of the One-Euro filter")
        .accessible_name("Filter parameters");
}

fn send(cx: &mut LiveContext<'_>, action: ModelAction) {
    cx.actions.push(Action::Model(action));
}
