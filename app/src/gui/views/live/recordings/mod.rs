//! The recordings panel: open recordings, or annotate them again with another model.

mod files;
mod more;
mod send;
mod streams;

use eframe::egui::{
    Align, Button, Color32, Label, Layout, ProgressBar, RichText, ScrollArea, Ui, vec2,
};
use poselens_engine::pipeline::TapProgress;
use poselens_engine::pipeline::session::{Manifest, PartRecord, SessionEntry};

use crate::gui::action::RecordAction;
use crate::gui::titles::{clock, folder_name, moment, parts_text, recording_name, sentence};
use crate::gui::ui_state::Recording;
use crate::gui::views::live::recordings::send::send;
use crate::gui::views::live::state::LiveContext;
use crate::gui::{theme, widgets};
use crate::words::counted;

/// Height of the second line of a list entry in points.
const STATE_HEIGHT: f32 = 16.0;

/// Returns the height of the list in points: three recordings in a window 800 points high.
fn list_height(ui: &Ui) -> f32 {
    (0.45 * ui.ctx().content_rect().height() - 190.0).clamp(92.0, 320.0)
}

pub(super) fn recordings_ui(ui: &mut Ui, cx: &mut LiveContext<'_>) {
    widgets::section_ui(ui, "Recordings", |ui| {
        files::settings_ui(ui, cx);
        streams::state_ui(ui, cx);
        // Files are shown in the queue instead.
        if let Some(recording) = cx.ui_state.recording.as_ref().filter(|r| !r.is_file) {
            running_ui(ui, recording);
        }
        files::queue_ui(ui, cx);
        annotating_ui(ui, cx);
        let ui_state = cx.ui_state;
        let weak = |text: &str| RichText::new(text).small().color(theme::WEAK);
        match &ui_state.recordings {
            None => {
                ui.label(weak("Looking for recordings…"));
            }
            Some(list) if list.is_empty() && ui_state.recording.is_some() => {}
            Some(list) if list.is_empty() => {
                ui.label(weak("None yet. Record (R) creates one."))
                    .on_hover_text(format!(
                        "Each is a folder with the raw video, the annotated video and the poses, in\n{}",
                        cx.recordings_folder().display()
                    ));
            }
            Some(list) => {
                ScrollArea::vertical()
                    .id_salt("recordings")
                    .max_height(list_height(ui))
                    .auto_shrink([false, true])
                    .show(ui, |ui| {
                        // The floating bar would cover the buttons.
                        let bar = ui.spacing().scroll.bar_width + 4.0;
                        ui.set_max_width(ui.available_width() - bar);
                        for entry in list {
                            entry_ui(ui, entry, cx);
                        }
                    });
            }
        }
    });
}

/// Shows the running recording: duration, size, lost frames.
fn running_ui(ui: &mut Ui, recording: &Recording) {
    let number = |text: String, color| {
        let text = RichText::new(text)
            .font(theme::number_font(12.5))
            .color(color);
        Label::new(text).selectable(false).truncate()
    };
    let Some(progress) = &recording.progress else {
        ui.add(number("waiting for a frame".to_owned(), theme::TEXT))
            .on_hover_text(format!("Recording to {}", recording.folder.display()));
        return;
    };
    let drops = progress.drops;
    ui.horizontal(|ui| {
        widgets::dot_ui(ui, theme::RED);
        let elapsed = clock(recording.started.elapsed().as_secs_f64());
        let color = if drops > 0 { theme::RIGHT } else { theme::TEXT };
        let text = format!("{elapsed}  {}", widgets::megabytes(progress.bytes));
        ui.add(number(text, theme::TEXT))
            .on_hover_text(format!("Recording to {}", recording.folder.display()));
        ui.add(number(format!("{drops} dropped"), color))
            .on_hover_text("Frames that the raw video lacks: the camera or the encoder lost them");
    });
    // On a line of its own: after hours the counts have six digits.
    let text = format!("{} of {} annotated", progress.annotated, progress.frames);
    ui.add(number(text, theme::TEXT)).on_hover_text(
        "The model only processed the newest frames; the others are in the raw video and can be \
         annotated with More, Annotate again",
    );
}

fn entry_ui(ui: &mut Ui, entry: &SessionEntry, cx: &mut LiveContext<'_>) {
    let (manifest, name) = (&entry.manifest, folder_name(&entry.folder));
    let recording = cx.ui_state.recording.as_ref();
    let queue = &cx.ui_state.queue;
    let is_queued = queue.running.is_some() && queue.folder == entry.folder;
    let recording = recording.filter(|r| r.folder == entry.folder);
    let is_running = is_queued || recording.is_some();
    let progress = if is_queued {
        queue.progress.tap.as_ref()
    } else {
        recording.and_then(|r| r.progress.as_ref())
    };
    let (state, color, help) = state_of(entry, is_running);
    let written = || manifest.length_secs();
    let secs = progress.map_or_else(written, TapProgress::length_secs);
    let model = manifest.model.as_ref().map_or("no model", |m| &m.name);
    ui.add_space(2.0);
    ui.horizontal(|ui| {
        let width = (ui.available_width() - 68.0).max(60.0);
        let called = recording_name(&name, &manifest.source.name);
        let title = format!("{}  {called}", moment(&manifest.started));
        let open = Button::new(title)
            .truncate()
            .frame(false)
            // Right-hand text, even if empty, keeps the title left-aligned.
            .shortcut_text("")
            .min_size(vec2(width, 0.0));
        ui.scope(|ui| {
            ui.set_max_width(width);
            if ui
                .add(open)
                .on_hover_text(format!(
                    "Opens the raw video of {} in Inspect\n(times are UTC)",
                    entry.folder.display()
                ))
                .accessible_name(format!("Open {name}"))
                .clicked()
            {
                send(cx, RecordAction::Open(entry.folder.clone(), 1));
            }
        });
        more::more_ui(ui, entry, &name, is_running, cx);
    });
    // Lower than a row of buttons.
    let row = vec2(ui.available_width(), STATE_HEIGHT);
    ui.allocate_ui_with_layout(row, Layout::left_to_right(Align::Center), |ui| {
        ui.spacing_mut().item_spacing.x = 6.0;
        widgets::dot_ui(ui, color);
        let more = match manifest.annotations.len() {
            0 => String::new(),
            n => format!(" · annotated {}×", n + 1),
        };
        let counts = match lacking(manifest) {
            text if text.is_empty() || is_running => String::new(),
            text => format!(" · {text}"),
        };
        let text = format!("{state} · {} · {model}{counts}{more}", clock(secs));
        let label = Label::new(RichText::new(text).small().color(theme::WEAK)).truncate();
        ui.add(label.selectable(false)).on_hover_text(help);
    });
    // On a line of its own: the other one is full.
    if let Some(text) = parts_text(manifest.parts.len()) {
        let label = Label::new(RichText::new(text).small().color(theme::WEAK)).truncate();
        ui.add(label.selectable(false))
            .on_hover_text("Each part is a video of its own: More opens each of them");
    }
}

/// Returns the state of a recording, its colour, and an explanation.
fn state_of(entry: &SessionEntry, is_running: bool) -> (String, Color32, String) {
    let manifest = &entry.manifest;
    let (state, color, help) = if is_running {
        let help = "It is being written now".to_owned();
        ("recording".to_owned(), theme::RED, help)
    } else if let Some(failure) = &manifest.failure {
        let help = format!("It ended early: {failure}");
        ("incomplete".to_owned(), theme::RIGHT, help)
    } else if !manifest.is_finished {
        let help = "The program ended during this recording; everything written until then is kept";
        ("unfinished".to_owned(), theme::RIGHT, help.to_owned())
    } else if let Some(shortfall) = &manifest.shortfall {
        // Warnings end with their reason.
        let reason = shortfall.rsplit(": ").next().unwrap_or_default();
        let help = format!("All that could be read was written: {shortfall}");
        (format!("in part: {reason}"), theme::RIGHT, help)
    } else {
        let help = "Everything was written".to_owned();
        ("finished".to_owned(), theme::GREEN, help)
    };
    let mut lines = vec![help];
    if !is_running {
        if !entry.leftovers.is_empty() {
            let names = entry.leftovers.join(", ");
            lines.push(format!("Under temporary names, as far as written: {names}"));
        }
        lines.extend(manifest.remarks.iter().map(|remark| sentence(remark)));
    }
    (state, color, lines.join("\n"))
}

fn annotating_ui(ui: &mut Ui, cx: &mut LiveContext<'_>) {
    let Some(work) = &cx.ui_state.annotating else {
        return;
    };
    let (frames, total) = (work.progress.frames, work.progress.total);
    let text = format!("{} annotates {}", work.model, folder_name(&work.folder));
    ui.add(Label::new(RichText::new(text).small()).truncate());
    ui.horizontal(|ui| {
        let width = (ui.available_width() - 84.0).max(60.0);
        let share = frames as f32 / total.max(1) as f32;
        let bar = ProgressBar::new(share)
            .desired_width(width)
            .text(format!("{frames} of {}", counted(total, "frame")));
        ui.add(bar).on_hover_text("Frames annotated so far");
        if ui
            .add_enabled(!work.is_cancelled, Button::new("Cancel"))
            .on_hover_text("Cancels and deletes the partial files")
            .accessible_name("Cancel annotation")
            .clicked()
        {
            send(cx, RecordAction::CancelAnnotation);
        }
    });
}

/// Returns what a recording lacks: `14 of 65 annotated, 3 of 68 lost`; empty if complete.
fn lacking(manifest: &Manifest) -> String {
    let sum = |of: fn(&PartRecord) -> u64| manifest.parts.iter().map(of).sum::<u64>();
    let (frames, drops) = (sum(|p| p.frames), sum(|p| p.drops));
    let annotated = sum(|p| p.annotated_frames);
    let mut texts = Vec::new();
    if frames == 0 && annotated == 0 && !manifest.parts.is_empty() {
        texts.push("no frames".to_owned());
    }
    if annotated < frames {
        texts.push(format!("{annotated} of {frames} annotated"));
    }
    if drops > 0 {
        texts.push(format!("{drops} of {} lost", frames + drops));
    }
    texts.join(", ")
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use eframe::egui;

    use super::*;
    use crate::gui::context::SourceChoice;

    /// Fails when the counts of a recording of many hours make the panel wider.
    #[test]
    fn long_recordings_fit_into_the_panel() {
        let recording = Recording {
            source: SourceChoice {
                label: "camera".to_owned(),
                spec: "camera:0".to_owned(),
            },
            is_file: false,
            total: None,
            started: Instant::now(),
            folder: "folder".into(),
            progress: Some(TapProgress {
                frames: 2_592_000,
                drops: 123_456,
                annotated: 2_345_678,
                bytes: 123_456_000_000,
                ..TapProgress::default()
            }),
        };
        let ctx = egui::Context::default();
        let mut width = 0.0;
        let mut output = ctx.run_ui(egui::RawInput::default(), |ui| {
            ui.allocate_ui(vec2(240.0, 300.0), |ui| {
                running_ui(ui, &recording);
                width = ui.min_rect().width();
            });
        });
        output.textures_delta.clear();
        assert!(width > 100.0 && width <= 240.0, "{width}");
    }
}
