//! The project and its clips.

use std::path::PathBuf;

use eframe::egui::{Align, Button, Label as TextLabel, Layout, ProgressBar, RichText, Ui};

use crate::gui::action::label::{Ask, LabelAction, Page};
use crate::gui::action::{Action, SourceAction};
use crate::gui::path_field::path_field_ui;
use crate::gui::views::label::side::frames::{row_height, scrolled_area};
use crate::gui::views::label::side::more::more_ui;
use crate::gui::views::label::state::LabelContext;
use crate::gui::{theme, widgets};
use crate::words::counted;

/// Width of the menu of further actions in points.
const MORE: f32 = 60.0;
/// Height of the list of clips in points.
const LIST: f32 = 92.0;

/// Shows the buttons that open projects and add clips, and the clips.
pub(in crate::gui::views::label) fn project_ui(ui: &mut Ui, cx: &mut LabelContext<'_>) {
    widgets::card_ui(ui, |ui| {
        ui.horizontal(|ui| {
            widgets::title_ui(ui, "Project");
            ui.with_layout(Layout::right_to_left(Align::Center), |ui| open_ui(ui, cx));
        });
        if cx.view.project.is_some() {
            pages_ui(ui, cx);
        }
        let (path, width) = (&cx.state.path, ui.available_width() - 2.0);
        if path_field_ui(ui, path, width, cx.ui_state, cx.actions) && !path.trim().is_empty() {
            cx.actions.push(Action::Source(SourceAction::OpenPath));
        }
        clips_ui(ui, cx);
        copy_ui(ui, cx);
    });
}

/// Shows the switch between the pages, and the menu of the project.
fn pages_ui(ui: &mut Ui, cx: &mut LabelContext<'_>) {
    ui.horizontal(|ui| {
        let gap = ui.spacing().item_spacing.x;
        let width = (ui.available_width() - MORE - 2.0 * gap) / 2.0;
        let size = eframe::egui::vec2(width, 28.0);
        for (page, text, help) in [
            (Page::Label, "Label", "Frames and their labels"),
            (
                Page::Train,
                "Train",
                "Trains on the confirmed labels and measures the result (Shift+T)",
            ),
        ] {
            let button = Button::selectable(cx.view.page == page, text).min_size(size);
            if ui
                .add(button)
                .on_hover_text(help)
                .accessible_name(format!("Page {text}"))
                .clicked()
            {
                send(cx, LabelAction::Page(page));
            }
        }
        more_ui(ui, cx);
    });
}

/// Laid out from right to left.
fn open_ui(ui: &mut Ui, cx: &mut LabelContext<'_>) {
    ui.spacing_mut().button_padding.x = 8.0;
    let is_free = !cx.ui_state.is_choosing;
    let menu = widgets::menu_ui(ui, "Recent", |ui| {
        for folder in &cx.state.label.recent {
            let name = cx.state.label.recent_name(folder);
            if ui.button(name).on_hover_text(folder).clicked() {
                send(cx, LabelAction::Open(PathBuf::from(folder)));
                ui.close();
            }
        }
        if cx.state.label.recent.is_empty() {
            ui.label(RichText::new("None yet").color(theme::WEAK));
        } else if ui.button("Clear this list").clicked() {
            send(cx, LabelAction::ForgetRecent);
            ui.close();
        }
    });
    menu.on_hover_text("Projects opened before")
        .accessible_name("Recent projects");
    for (text, label, help, ask) in [
        (
            "Clip…",
            "Add a video…",
            "Adds a video to the project; without a project, creates one",
            Ask::Clip,
        ),
        (
            "Open…",
            "Open a label project…",
            "The folder of a project",
            Ask::Project,
        ),
    ] {
        let button = ui.add_enabled(is_free, Button::new(text));
        if button.on_hover_text(help).accessible_name(label).clicked() {
            send(cx, LabelAction::Ask(ask));
        }
    }
}

fn clips_ui(ui: &mut Ui, cx: &mut LabelContext<'_>) {
    let Some(project) = &cx.view.project else {
        let text = "Drop a video or the folder of a project here, or type its path.";
        ui.add(TextLabel::new(
            RichText::new(text).small().color(theme::WEAK),
        ));
        return;
    };
    let info = std::sync::Arc::clone(&project.info);
    let clips = &info.file.clips;
    let height = row_height(ui);
    let at = cx.view.at;
    let shown = at.and_then(|at| clips.iter().position(|clip| clip.id == at.clip));
    let area = scrolled_area(ui, "clips", LIST, height, shown);
    area.show_rows(ui, height, clips.len(), |ui, rows| {
        for index in rows {
            let clip = &clips[index];
            let size = eframe::egui::vec2(ui.available_width(), height);
            let button = Button::selectable(shown == Some(index), &clip.name)
                .shortcut_text(counted(clip.n_frames, "frame"))
                .truncate()
                .min_size(size);
            if ui
                .add_sized(size, button)
                .on_hover_text(clip.place(&info.folder).display().to_string())
                .accessible_name(format!("Clip {}", clip.name))
                .clicked()
            {
                if cx.view.page != Page::Label {
                    send(cx, LabelAction::Page(Page::Label));
                }
                send(cx, LabelAction::ShowClip(clip.id));
            }
        }
    });
}

/// Shows the button that copies the shown clip, or the progress of a copy.
fn copy_ui(ui: &mut Ui, cx: &mut LabelContext<'_>) {
    let view = cx.view;
    if let Some(copying) = view.project.as_ref().and_then(|p| p.copying.as_ref()) {
        ui.horizontal(|ui| {
            let (done, all) = copying.progress.get();
            let share = done as f32 / all.max(1) as f32;
            let text = format!("copying {}: {:.0} %", copying.name, (100.0 * share).floor());
            let bar = ProgressBar::new(share).text(RichText::new(text).small());
            ui.add(bar.desired_width((ui.available_width() - 84.0).max(60.0)))
                .on_hover_text("The copy is compared with the clip before it is used")
                .accessible_name("Copy of the clip");
            if ui
                .button("Cancel")
                .accessible_name("Cancel the copy")
                .clicked()
            {
                send(cx, LabelAction::CancelCopy);
            }
        });
        return;
    }
    let Some(clip) = view.clip().filter(|_| view.page == Page::Label) else {
        return;
    };
    if clip.is_copied {
        return;
    }
    let help = format!(
        "Copies {} ({}) into the folder of the project, so that both are kept and moved together; the \
         original stays where it is",
        clip.name,
        widgets::megabytes(clip.bytes)
    );
    if ui
        .small_button("Copy into the project")
        .on_hover_text(help)
        .clicked()
    {
        send(cx, LabelAction::CopyClip);
    }
}

fn send(cx: &mut LabelContext<'_>, action: LabelAction) {
    cx.actions.push(Action::Label(action));
}
