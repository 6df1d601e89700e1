//! The source panel.

use eframe::egui::{self, Button, RichText, Spinner, Ui};

use crate::gui::action::{Action, SourceAction};
use crate::gui::context::{SourceChoice, sample_clip};
use crate::gui::icons::Icon;
use crate::gui::path_field::path_field_ui;
use crate::gui::titles::format_text;
use crate::gui::views::live::state::LiveContext;
use crate::gui::{theme, widgets};

pub(super) fn source_ui(ui: &mut Ui, cx: &mut LiveContext<'_>) {
    widgets::section_ui(ui, "Source", |ui| {
        list_ui(ui, cx);
        buttons_ui(ui, cx);
        path_ui(ui, cx);
        if cx.ui_state.is_opening {
            ui.horizontal(|ui| {
                ui.add(Spinner::new().size(14.0));
                ui.label(RichText::new("Opening…").small().color(theme::WEAK));
            });
        }
        if cx.ui_state.is_live() {
            format_ui(ui, cx);
        }
        let is_on = cx.ui_state.is_mirrored(cx.state);
        if widgets::switch_row_ui(ui, "Mirror", None, is_on)
            .on_hover_text("Mirrors the image. Display only: left stays left in all results")
            .clicked()
        {
            send(cx, SourceAction::MirrorShown);
        }
        if !cx.ui_state.is_live() {
            let is_on = cx.state.is_looping;
            if widgets::switch_row_ui(ui, "Loop", None, is_on)
                .on_hover_text("Restart files when they end")
                .clicked()
            {
                send(cx, SourceAction::Loop(!is_on));
            }
        }
    });
}

fn list_ui(ui: &mut Ui, cx: &mut LiveContext<'_>) {
    let mut sources = cx.ui_state.cameras.clone().unwrap_or_default();
    sources.extend(sample_clip(cx.gui));
    sources.push(SourceChoice {
        label: "Synthetic figure".to_owned(),
        spec: cx.gui.synthetic.clone(),
    });
    let wanted = cx.ui_state.wanted_source.as_ref();
    let shown = wanted.map_or("Choose…", |w| w.label.as_str());
    let choices: Vec<_> = sources
        .iter()
        .map(|s| (s.label.clone(), Some(s) == wanted))
        .collect();
    let help = "Cameras by name, the sample clip, or a synthetic figure";
    if let Some(i) = widgets::choice_ui(ui, "Input", help, shown, choices) {
        send(cx, SourceAction::Open(sources.swap_remove(i)));
    }
}

/// Shows the camera formats; nothing if the camera does not list them.
fn format_ui(ui: &mut Ui, cx: &mut LiveContext<'_>) {
    let formats = &cx.ui_state.formats;
    let Some(current) = formats.current else {
        return;
    };
    let camera = cx.ui_state.running_source.as_ref();
    let chosen = camera.and_then(|c| cx.state.camera_format(&c.spec, &c.label));
    let automatic = std::iter::once(("Automatic".to_owned(), chosen.is_none()));
    let offered = formats
        .offered
        .iter()
        .map(|f| (format_text(f), Some(f) == chosen));
    let shown = format_text(&current);
    let help = format!(
        "Camera mode: size, frame rate, pixel format. Larger frames take more time, while \
         networks see only a crop. Remembered for this camera.\nCurrent: {current}"
    );
    if let Some(i) = widgets::choice_ui(ui, "Format", &help, &shown, automatic.chain(offered)) {
        let format = i.checked_sub(1).map(|i| formats.offered[i]);
        send(cx, SourceAction::Format(format));
    }
}

fn buttons_ui(ui: &mut Ui, cx: &mut LiveContext<'_>) {
    ui.horizontal(|ui| {
        let dialog = Button::new("Open file…").min_size(egui::vec2(112.0, 28.0));
        if ui
            .add_enabled(!cx.ui_state.is_choosing, dialog)
            .on_hover_text("A video or image (Ctrl+O)")
            .clicked()
        {
            send(cx, SourceAction::OpenDialog);
        }
        let is_looking = cx.ui_state.cameras.is_none();
        if ui
            .add_enabled(
                !is_looking,
                Button::new(Icon::Refresh.atom(None)).min_size(egui::vec2(38.0, 28.0)),
            )
            .on_hover_text("Look for cameras again")
            .accessible_name("Look for cameras")
            .clicked()
        {
            send(cx, SourceAction::ListCameras);
        }
        let rest = egui::vec2(ui.available_width(), 28.0);
        if ui
            .add_enabled(
                cx.ui_state.source.is_some(),
                Button::new("Close").min_size(rest),
            )
            .on_hover_text("Releases the camera or file")
            .accessible_name("Close source")
            .clicked()
        {
            send(cx, SourceAction::Close);
        }
    });
}

fn path_ui(ui: &mut Ui, cx: &mut LiveContext<'_>) {
    ui.horizontal(|ui| {
        let width = (ui.available_width() - 80.0).max(44.0);
        let path = &cx.state.path;
        let is_entered = path_field_ui(ui, path, width, cx.ui_state, cx.actions);
        let rest = egui::vec2(ui.available_width(), 30.0);
        let button = ui
            .add_enabled(
                !cx.state.path.trim().is_empty(),
                Button::new("Open").min_size(rest),
            )
            .on_hover_text("Opens the path")
            .accessible_name("Open path");
        if button.clicked() || (is_entered && !cx.state.path.trim().is_empty()) {
            send(cx, SourceAction::OpenPath);
        }
    });
}

fn send(cx: &mut LiveContext<'_>, action: SourceAction) {
    cx.actions.push(Action::Source(action));
}
