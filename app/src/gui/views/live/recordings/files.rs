//! Settings of recordings: files to record, destination, and output formats.

use std::path::PathBuf;

use eframe::egui::{Button, Id, Label, ProgressBar, RichText, TextEdit, Ui};

use crate::folders::typed_path;
use crate::gui::action::{RecordAction, RecordAsk};
use crate::gui::context::extra_exporters;
use crate::gui::views::live::recordings::send::send;
use crate::gui::views::live::recordings::streams;
use crate::gui::views::live::state::LiveContext;
use crate::gui::{theme, widgets};
use crate::words::counted;

/// Shows the menus above the list.
pub(super) fn settings_ui(ui: &mut Ui, cx: &mut LiveContext<'_>) {
    ui.horizontal(|ui| {
        widgets::menu_ui(ui, "Record files…", |ui| files_ui(ui, cx))
            .on_hover_text("Records several files or a folder of videos, each completely")
            .accessible_name("Record files");
        widgets::menu_ui(ui, "Folder", |ui| place_ui(ui, cx))
            .on_hover_text(format!(
                "Recordings go to {}",
                cx.recordings_folder().display()
            ))
            .accessible_name("Folder of recordings");
        widgets::menu_ui(ui, "Outputs", |ui| outputs_ui(ui, cx))
            .on_hover_text("Files that new recordings contain, and live streams of joints")
            .accessible_name("Outputs of recordings");
    });
}

fn files_ui(ui: &mut Ui, cx: &mut LiveContext<'_>) {
    for (text, ask) in [
        ("Choose files…", RecordAsk::Files),
        ("Choose a folder of videos…", RecordAsk::Folder),
    ] {
        let button = Button::new(text);
        if ui
            .add_enabled(!cx.ui_state.is_choosing, button)
            .on_hover_text("Each is recorded completely, with the current model and overlays")
            .clicked()
        {
            send(cx, RecordAction::Ask(ask));
            ui.close();
        }
    }
    if let Some(path) = path_ui(ui, "queued path", "File or folder to record", "Add") {
        send(cx, RecordAction::Queue(vec![path]));
    }
}

/// Shows a path field with a button; returns the path when the button is clicked.
fn path_ui(ui: &mut Ui, id: &str, name: &str, verb: &str) -> Option<PathBuf> {
    let id = Id::unique(id);
    let mut text = ui.data(|d| d.get_temp::<String>(id)).unwrap_or_default();
    let mut is_sent = false;
    ui.horizontal(|ui| {
        let field = TextEdit::singleline(&mut text)
            .hint_text(name)
            .margin(widgets::FIELD_MARGIN)
            .desired_width(236.0);
        let field = ui.add(field).on_hover_text(name).accessible_name(name);
        let can = !text.trim().is_empty();
        is_sent = can && widgets::is_entered(ui, &field);
        is_sent |= ui
            .add_enabled(can, Button::new(verb))
            .on_hover_text(format!("{verb}: {}", text.trim()))
            .accessible_name(format!("{verb}: {name}"))
            .clicked();
    });
    let path = is_sent.then(|| PathBuf::from(typed_path(&text)));
    if is_sent {
        text.clear();
        ui.close();
    }
    ui.data_mut(|d| d.insert_temp(id, text));
    path
}

fn place_ui(ui: &mut Ui, cx: &mut LiveContext<'_>) {
    let place = cx.recordings_folder().to_owned();
    let text = format!("Recordings go to {}", place.display());
    ui.label(RichText::new(text).small().color(theme::WEAK));
    if ui
        .button("Open folder")
        .on_hover_text("Shows it in the file manager")
        .accessible_name("Open the folder of recordings")
        .clicked()
    {
        send(cx, RecordAction::ShowFolder(place));
        ui.close();
    }
    let choose = Button::new("Change folder…");
    if ui
        .add_enabled(!cx.ui_state.is_choosing, choose)
        .on_hover_text("Existing recordings stay where they are")
        .clicked()
    {
        send(cx, RecordAction::Ask(RecordAsk::Destination));
        ui.close();
    }
    if cx.state.recordings_folder.is_some()
        && ui
            .button("Use the default folder")
            .on_hover_text(cx.gui.recordings_folder.display().to_string())
            .clicked()
    {
        send(cx, RecordAction::Destination(None));
        ui.close();
    }
    if let Some(path) = path_ui(ui, "place", "Folder for recordings", "Use") {
        send(cx, RecordAction::Destination(Some(path)));
    }
}

fn outputs_ui(ui: &mut Ui, cx: &mut LiveContext<'_>) {
    let text = "Always: raw and annotated video, poses as JSON Lines, COCO results";
    ui.label(RichText::new(text).small().color(theme::WEAK));
    for spec in extra_exporters() {
        let mut is_on = cx.state.exports.contains(spec.name);
        if ui
            .checkbox(&mut is_on, spec.title)
            .on_hover_text(spec.help)
            .changed()
        {
            send(cx, RecordAction::Export(spec.name.to_owned(), is_on));
        }
    }
    ui.separator();
    streams::choice_ui(ui, cx);
}

/// Shows the running file and the waiting ones.
pub(super) fn queue_ui(ui: &mut Ui, cx: &mut LiveContext<'_>) {
    let queue = &cx.ui_state.queue;
    let Some(file) = &queue.running else {
        return;
    };
    let frames = queue.progress.tap.as_ref().map_or(0, |tap| tap.frames);
    let waiting = match queue.waiting.len() {
        0 => String::new(),
        n => format!(", {n} more waiting"),
    };
    let text = format!("Recording all of {}{waiting}", file.label);
    ui.add(Label::new(RichText::new(text).small()).truncate())
        .on_hover_text(format!(
            "Every frame once, at the file's own times, independent of playback.\nTo {}{}",
            queue.folder.display(),
            queue
                .waiting
                .iter()
                .fold(String::new(), |text, name| text + "\n" + name)
        ));
    ui.horizontal(|ui| {
        let width = (ui.available_width() - 64.0).max(60.0);
        let text = match queue.progress.total {
            Some(total) => format!("{frames} of {}", counted(total, "frame")),
            None => counted(frames, "frame"),
        };
        let share = queue
            .progress
            .total
            .map_or(0.0, |total| frames as f32 / total.max(1) as f32);
        ui.add(ProgressBar::new(share).desired_width(width).text(text))
            .on_hover_text("Frames recorded and annotated so far");
        if ui
            .add_enabled(!queue.is_stopping, Button::new("Stop"))
            .on_hover_text("Stops now; everything written is kept. Waiting files are skipped")
            .accessible_name("Stop recording files")
            .clicked()
        {
            send(cx, RecordAction::StopQueue);
        }
    });
}
