//! The project and its clips.

use std::path::{Path, PathBuf};

use eframe::egui::{Align, Button, Label as TextLabel, Layout, RichText, ScrollArea, Ui};

use crate::gui::action::label::{Ask, LabelAction, Page};
use crate::gui::action::{Action, SourceAction};
use crate::gui::path_field::path_field_ui;
use crate::gui::titles::folder_name;
use crate::gui::views::label::side::frames::row_height;
use crate::gui::views::label::state::LabelContext;
use crate::gui::{theme, widgets};
use crate::words::counted;

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
    });
}

/// Shows the switch between the pages.
fn pages_ui(ui: &mut Ui, cx: &mut LabelContext<'_>) {
    ui.horizontal(|ui| {
        let gap = ui.spacing().item_spacing.x;
        let size = eframe::egui::vec2((ui.available_width() - gap) / 2.0, 28.0);
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
    });
}

/// Laid out from right to left.
fn open_ui(ui: &mut Ui, cx: &mut LabelContext<'_>) {
    ui.spacing_mut().button_padding.x = 8.0;
    let is_free = !cx.ui_state.is_choosing;
    let menu = widgets::menu_ui(ui, "Recent", |ui| {
        for folder in &cx.state.label.recent {
            let name = folder_name(Path::new(folder));
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
    ScrollArea::vertical()
        .id_salt("clips")
        .max_height(LIST)
        .show_rows(ui, height, clips.len(), |ui, rows| {
            for clip in &clips[rows] {
                let is_shown = cx.view.at.is_some_and(|at| at.clip == clip.id);
                let size = eframe::egui::vec2(ui.available_width(), height);
                let button = Button::selectable(is_shown, &clip.name)
                    .shortcut_text(counted(clip.n_frames, "frame"))
                    .truncate()
                    .min_size(size);
                if ui
                    .add_sized(size, button)
                    .on_hover_text(clip.place(&info.folder).display().to_string())
                    .accessible_name(format!("Clip {}", clip.name))
                    .clicked()
                {
                    send(cx, LabelAction::ShowClip(clip.id));
                }
            }
        });
}

fn send(cx: &mut LabelContext<'_>, action: LabelAction) {
    cx.actions.push(Action::Label(action));
}
