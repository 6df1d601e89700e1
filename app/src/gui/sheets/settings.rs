//! Settings of the window itself; all other settings are next to what they affect.

use eframe::egui::{Button, Label, RichText, Slider, Ui, vec2};

use crate::gui::action::{Action, ModelAction, SourceAction, WindowAction};
use crate::gui::sheets::send::send;
use crate::gui::state::SCALES;
use crate::gui::view::PanelContext;
use crate::gui::{theme, widgets};

/// Shows the list of compute devices.
fn device_ui(ui: &mut Ui, cx: &mut PanelContext<'_>) {
    let at = cx.ui_state.loading_device.unwrap_or(cx.ui_state.device);
    let devices = cx.gui.devices.iter().enumerate();
    let choices = devices.map(|(i, device)| (device.name.clone(), i == at));
    let help = "Device that models run on; the previous one is used until the new one is ready";
    let shown = &cx.gui.devices[at].name;
    if let Some(i) = widgets::choice_ui(ui, "Compute on", help, shown, choices) {
        cx.actions.push(Action::Model(ModelAction::Device(i)));
    }
}

pub(super) fn settings_ui(ui: &mut Ui, cx: &mut PanelContext<'_>) {
    widgets::labelled_row_ui(ui, "Size", |ui| {
        let mut scale = cx.state.scale;
        let button = |text: &str| Button::new(text.to_owned()).min_size(vec2(34.0, 28.0));
        if ui
            .add_enabled(scale > *SCALES.start(), button("−"))
            .on_hover_text("Smaller (Ctrl and -)")
            .accessible_name("Smaller")
            .clicked()
        {
            send(cx, WindowAction::Larger(false));
        }
        let slider = Slider::new(&mut scale, SCALES)
            .step_by(0.1)
            .custom_formatter(|v, _| format!("{:.0} %", 100.0 * v))
            .custom_parser(|text| {
                let percent = text.trim_end_matches(['%', ' ']).parse::<f64>();
                percent.ok().map(|p| p / 100.0)
            });
        ui.spacing_mut().slider_width = 190.0;
        let response = ui
            .add(slider)
            .on_hover_text("Size of text and controls; the image is not scaled")
            .accessible_name("Size");
        // Applied after the drag: rescaling meanwhile would move the slider away from the pointer.
        if response.changed() && !response.dragged() || response.drag_stopped() {
            send(cx, WindowAction::Scale(scale));
        }
        if ui
            .add_enabled(scale < *SCALES.end(), button("+"))
            .on_hover_text("Larger (Ctrl and +)")
            .accessible_name("Larger")
            .clicked()
        {
            send(cx, WindowAction::Larger(true));
        }
        if ui
            .add_enabled(cx.state.scale != 1.0, Button::new("Default interface size"))
            .on_hover_text("Back to 100 % (Ctrl and 0)")
            .clicked()
        {
            send(cx, WindowAction::Scale(1.0));
        }
    });
    device_ui(ui, cx);
    for (label, help, is_on, action) in [
        (
            "Mirror camera images",
            "Display only: left stays left in every result",
            cx.state.is_mirrored,
            Action::Source(SourceAction::Mirror(!cx.state.is_mirrored)),
        ),
        (
            "Play files in a loop",
            "Restart files when they end",
            cx.state.is_looping,
            Action::Source(SourceAction::Loop(!cx.state.is_looping)),
        ),
        (
            "Smooth joints over time",
            "Reduces jitter; the filter is set under Model",
            cx.state.is_smoothed,
            Action::Model(ModelAction::Smooth(!cx.state.is_smoothed)),
        ),
    ] {
        if widgets::switch_row_ui(ui, label, None, is_on)
            .on_hover_text(help)
            .clicked()
        {
            cx.actions.push(action);
        }
    }
    ui.add_space(6.0);
    let settings = cx.gui.settings_file.as_deref();
    for (what, folder) in [
        ("Recordings and snapshots", Some(cx.recordings_folder())),
        ("These settings", settings),
    ] {
        let place = folder.map_or("nowhere".to_owned(), |f| f.display().to_string());
        let text = RichText::new(format!("{what} are stored in {place}")).small();
        ui.add(Label::new(text.color(theme::WEAK)).wrap());
    }
}
