//! The list of measures that the overlay "measures" draws.

use eframe::egui::{self, Button, RichText, TextEdit, Ui};
use poselens_engine::measure::MeasureSpec;
use poselens_engine::skeleton::Skeleton;

use crate::gui::action::{Action, OverlayAction};
use crate::gui::theme;
use crate::gui::views::live::state::LiveContext;

/// Shows a checkbox for every named angle and for the user's own measures, and a field for new ones.
pub(super) fn measures_ui(ui: &mut Ui, cx: &mut LiveContext<'_>) {
    let Some(skeleton) = cx.ui_state.skeleton else {
        return;
    };
    let chosen = &cx.state.measures;
    let mut names: Vec<String> = MeasureSpec::named()
        .iter()
        .map(ToString::to_string)
        .collect();
    let own = chosen.iter().filter(|name| !names.contains(name));
    let own: Vec<_> = own.cloned().collect();
    names.extend(own);
    let title = format!("Measures shown: {}", chosen.len());
    egui::CollapsingHeader::new(RichText::new(title).small())
        .id_salt("shown measures")
        .show(ui, |ui| {
            for name in &names {
                let mut is_shown = cx.state.measures.contains(name);
                let missing = name
                    .parse::<MeasureSpec>()
                    .and_then(|spec| spec.check(skeleton));
                let help = match missing {
                    Ok(()) => "Writes this value at its joint",
                    Err(_) => "The model's skeleton lacks a joint of this measure",
                };
                if ui
                    .checkbox(&mut is_shown, name.replace('_', " "))
                    .on_hover_text(help)
                    .accessible_name(format!("Measure {}", name.replace('_', " ")))
                    .changed()
                {
                    let action = OverlayAction::Measure(name.clone(), is_shown);
                    cx.actions.push(Action::Overlay(action));
                }
            }
            own_ui(ui, cx, skeleton);
        })
        .header_response
        .on_hover_text("Chooses the angles, distances and speeds that are drawn")
        .accessible_name("Measures shown");
}

/// Shows the field for a measure of the user's own, with what is wrong with it.
fn own_ui(ui: &mut Ui, cx: &mut LiveContext<'_>, skeleton: &Skeleton) {
    let id = ui.scope_id().with("own measure");
    let mut text = ui.data_mut(|data| data.get_temp::<String>(id).unwrap_or_default());
    let field = TextEdit::singleline(&mut text)
        .hint_text("left_hip-left_knee|vertical")
        .desired_width(f32::INFINITY);
    let response = ui.add(field).on_hover_text(
        "Own measure: A-B-C (angle at B), A-B|vertical, A-B (distance) or A|speed with names of \
         joints",
    );
    let response = response.accessible_name("Own measure");
    let parsed = text.parse::<MeasureSpec>().and_then(|spec| {
        spec.check(skeleton)?;
        Ok(spec)
    });
    if let (Err(reason), false) = (&parsed, text.trim().is_empty()) {
        ui.label(RichText::new(reason).small().color(theme::WEAK));
    }
    let is_entered = response.lost_focus() && ui.input(|input| input.key_pressed(egui::Key::Enter));
    let add = ui.add_enabled(parsed.is_ok(), Button::new("Add measure"));
    let is_clicked = add.on_hover_text("Adds this measure to the list").clicked();
    if let (Ok(spec), true) = (parsed, is_clicked || is_entered) {
        let action = OverlayAction::Measure(spec.name().to_owned(), true);
        cx.actions.push(Action::Overlay(action));
        text.clear();
    }
    ui.data_mut(|data| data.insert_temp(id, text));
}
