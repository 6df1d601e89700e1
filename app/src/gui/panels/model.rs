//! Which network runs, and what counts as a joint.

use eframe::egui::{RichText, Spinner, Ui};

use super::super::action::{Action, ModelAction};
use super::super::train::trained;
use super::super::{theme, widgets};
use super::PanelContext;

pub fn model_ui(ui: &mut Ui, cx: &mut PanelContext<'_>) {
    widgets::section_ui(ui, "Model", |ui| {
        let wanted = cx
            .session
            .loading_model
            .as_ref()
            .or(cx.session.model.as_ref());
        let choices = cx
            .gui
            .models
            .iter()
            .map(|m| (trained::title(&m.name), Some(&m.name) == wanted));
        let shown = wanted.map_or_else(|| "Choose…".to_owned(), |name| trained::title(name));
        let help = "The network that finds the joints; the old one runs until the new one is ready";
        if let Some(i) = widgets::choice_ui(ui, "Network", help, &shown, choices) {
            let name = cx.gui.models[i].name.clone();
            cx.actions.push(Action::Model(ModelAction::Choose(name)));
        }
        if let Some(name) = &cx.session.loading_model {
            ui.horizontal(|ui| {
                ui.add(Spinner::new().size(14.0));
                ui.label(
                    RichText::new(format!("Loading {}…", trained::title(name)))
                        .small()
                        .color(theme::WEAK),
                );
            });
        } else if let Some(model) = cx.gui.models.iter().find(|m| Some(&m.name) == wanted) {
            ui.label(RichText::new(&model.help).small().color(theme::WEAK));
        }
        let help = "Joints the network is less sure of than this are not drawn";
        let threshold = cx.state.keypoint_threshold;
        if let Some(value) = widgets::fraction_ui(ui, "Threshold", help, threshold) {
            cx.actions
                .push(Action::Model(ModelAction::Threshold(value)));
        }
        let is_smoothed = cx.state.is_smoothed;
        if widgets::switch_row_ui(ui, "Smoothing", None, is_smoothed)
            .on_hover_text("Calms trembling joints; exports keep the raw values as well")
            .clicked()
        {
            cx.actions
                .push(Action::Model(ModelAction::Smooth(!is_smoothed)));
        }
    });
}
