//! What was recorded: open it again, or annotate it anew.

use eframe::egui::{self, Button, Label, ProgressBar, RichText, ScrollArea, Ui};
use poselens_engine::pipeline::session::SessionEntry;

use super::super::action::{Action, RecordAction};
use super::super::recordings::folder_name;
use super::super::{theme, widgets};
use super::PanelContext;

/// Four recordings and a half: one sees that there are more.
const LIST_HEIGHT: f32 = 270.0;

pub fn recordings_ui(ui: &mut Ui, cx: &mut PanelContext<'_>) {
    widgets::section_ui(ui, "Recordings", |ui| {
        annotating_ui(ui, cx);
        let session = cx.session;
        let weak = |text: &str| RichText::new(text).small().color(theme::WEAK);
        match &session.recordings {
            None => {
                ui.label(weak("Looking for recordings…"));
            }
            Some(list) if list.is_empty() => {
                ui.label(weak(
                    "None yet. Record keeps the raw video, the annotated video and the poses \
                     together in one folder; they are listed here.",
                ))
                .on_hover_text(cx.gui.recordings_folder.display().to_string());
            }
            Some(list) => {
                ScrollArea::vertical()
                    .id_salt("recordings")
                    .max_height(LIST_HEIGHT)
                    .show(ui, |ui| {
                        for entry in list {
                            entry_ui(ui, entry, cx);
                        }
                    });
            }
        }
    });
}

fn entry_ui(ui: &mut Ui, entry: &SessionEntry, cx: &mut PanelContext<'_>) {
    let (manifest, name) = (&entry.manifest, folder_name(&entry.folder));
    let recording = cx.session.recording.as_ref();
    let is_running = recording.is_some_and(|r| r.folder == entry.folder);
    let (state, color, help) = match (is_running, manifest.is_finished, &manifest.failure) {
        (true, ..) => (
            "recording",
            theme::RED,
            "It is being written now".to_owned(),
        ),
        (_, true, None) => (
            "finished",
            theme::GREEN,
            "Everything was written".to_owned(),
        ),
        (_, _, Some(failure)) => (
            "broken off",
            theme::RIGHT,
            format!("It ended early: {failure}"),
        ),
        (_, false, None) => (
            "unfinished",
            theme::RIGHT,
            "The program ended while it was written; what was written until then is there"
                .to_owned(),
        ),
    };
    let secs: f64 = manifest.parts.iter().map(|p| p.seconds).sum();
    let model = manifest.model.as_ref().map_or("no model", |m| &m.name);
    ui.add_space(2.0);
    ui.horizontal(|ui| {
        let width = (ui.available_width() - 92.0).max(60.0);
        let title = format!("{}  {}", moment(&manifest.started), manifest.source.name);
        let open = Button::new(title)
            .truncate()
            .frame(false)
            .min_size(egui::vec2(width, 0.0));
        ui.scope(|ui| {
            ui.set_max_width(width);
            if ui
                .add(open)
                .on_hover_text(format!(
                    "Opens the raw video of {}\n(the time is universal time)",
                    entry.folder.display()
                ))
                .accessible_name(format!("Open {name}"))
                .clicked()
            {
                send(cx, RecordAction::Open(entry.folder.clone()));
            }
        });
        let can = !is_running && cx.session.annotating.is_none() && cx.session.model.is_some();
        let anew = Button::new(RichText::new("Annotate").small());
        let with = cx.session.model.as_deref().unwrap_or("the model");
        if ui
            .add_enabled(can, anew)
            .on_hover_text(format!(
                "Makes an annotated video and poses from the raw video with {with} and the \
                 overlays that are on now, beside those that are there"
            ))
            .on_disabled_hover_text("Not now: a recording or annotation is running")
            .accessible_name(format!("Annotate {name} again"))
            .clicked()
        {
            send(cx, RecordAction::Annotate(entry.folder.clone()));
        }
    });
    ui.horizontal(|ui| {
        ui.spacing_mut().item_spacing.x = 6.0;
        widgets::dot_ui(ui, color);
        let more = match manifest.annotations.len() {
            0 => String::new(),
            n => format!(" · annotated {}×", n + 1),
        };
        let text = format!("{state} · {} · {model}{more}", widgets::clock(secs));
        let label = Label::new(RichText::new(text).small().color(theme::WEAK)).truncate();
        ui.add(label.selectable(false)).on_hover_text(help);
    });
}

fn annotating_ui(ui: &mut Ui, cx: &mut PanelContext<'_>) {
    let Some(work) = &cx.session.annotating else {
        return;
    };
    let (frames, total) = (work.progress.frames, work.progress.total);
    ui.label(RichText::new(format!("Annotating {}", folder_name(&work.folder))).small());
    ui.horizontal(|ui| {
        let width = (ui.available_width() - 84.0).max(60.0);
        let share = frames as f32 / total.max(1) as f32;
        let bar = ProgressBar::new(share)
            .desired_width(width)
            .text(format!("{frames} of {total} frames"));
        ui.add(bar).on_hover_text("Frames annotated so far");
        if ui
            .add_enabled(!work.is_cancelled, Button::new("Cancel"))
            .on_hover_text("Ends it and removes what was made")
            .accessible_name("Cancel annotation")
            .clicked()
        {
            send(cx, RecordAction::CancelAnnotation);
        }
    });
}

/// `2026-03-01_14-05-59.250` -> `03-01 14:05`.
pub fn moment(started: &str) -> String {
    let text = || {
        let (date, time) = started.split_once('_')?;
        let (_, day) = date.split_once('-')?;
        let mut parts = time.split('-');
        Some(format!("{day} {}:{}", parts.next()?, parts.next()?))
    };
    text().unwrap_or_else(|| started.to_owned())
}

fn send(cx: &mut PanelContext<'_>, action: RecordAction) {
    cx.actions.push(Action::Record(action));
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Fails when a recording's time cannot be read in the list, or an odd one breaks it.
    #[test]
    fn moments_are_short() {
        assert_eq!(moment("2026-03-01_14-05-59.250"), "03-01 14:05");
        assert_eq!(moment("someday"), "someday");
    }
}
