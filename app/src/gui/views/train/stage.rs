//! The stage of the Train view: data findings, batch preview, progress.

use eframe::egui::{
    self, Button, Image, Label, Layout, Rect, RichText, ScrollArea, Spinner, Stroke, Ui, UiBuilder,
};

use crate::gui::action::train::{Ask, Page, TrainAction};
use crate::gui::state::train::Role;
use crate::gui::training::progress::TrainProgress;
use crate::gui::views::train::results::curves::curves_ui;
use crate::gui::views::train::results::outcome::outcome_ui;
use crate::gui::views::train::results::people::people_ui;
use crate::gui::views::train::setup::findings::report_ui;
use crate::gui::views::train::state::{BatchPreview, TrainContext, send};
use crate::gui::widgets::{fault_ui, main_button, note_ui};
use crate::gui::{theme, trained};
use crate::words::{counted, grouped_count};

/// Shows the pages of the view.
pub(super) fn stage_ui(ui: &mut Ui, area: Rect, cx: &mut TrainContext<'_>) {
    let mut ui = ui.new_child(UiBuilder::new().max_rect(area.shrink2(egui::vec2(18.0, 12.0))));
    let ui = &mut ui;
    ui.horizontal(|ui| {
        for (page, name, help) in [
            (
                Page::Data,
                "Data",
                "Problems found in the images and labels",
            ),
            (
                Page::Preview,
                "Preview",
                "Training samples as the network will see them",
            ),
            (
                Page::Progress,
                "Progress",
                "Curves, metrics and people of a training",
            ),
        ] {
            let tab = Button::selectable(cx.view.page == page, name);
            let tab = ui.add(tab).on_hover_text(help);
            if tab.accessible_name(format!("Page {name}")).clicked() {
                send(cx, TrainAction::Show(page));
            }
        }
    });
    ui.separator();
    ScrollArea::vertical()
        .id_salt(("train page", cx.view.page as u8))
        .auto_shrink(false)
        .show(ui, |ui| match cx.view.page {
            Page::Data => data_page_ui(ui, cx),
            Page::Preview => preview_page_ui(ui, cx),
            Page::Progress => progress_page_ui(ui, cx),
        });
}

fn data_page_ui(ui: &mut Ui, cx: &mut TrainContext<'_>) {
    let Some(config) = &cx.state.train.config else {
        return;
    };
    interrupted_ui(ui, cx);
    if config.data.is_empty() {
        empty_ui(ui, cx);
        return;
    }
    if let Some(check) = &cx.view.check {
        let (looked, all) = check.looked();
        ui.horizontal(|ui| {
            ui.add(Spinner::new().size(16.0));
            ui.label(format!("Checking image {looked} of {all}…"));
        });
    }
    match cx.view.report_of(config) {
        Some(report) => report_ui(ui, report, &cx.view.listed),
        None if cx.view.check.is_none() => {
            note_ui(ui, "The data have not been checked yet.");
        }
        None => {}
    }
}

/// Offers to resume a training that was running when the program ended.
fn interrupted_ui(ui: &mut Ui, cx: &mut TrainContext<'_>) {
    let Some(folder) = &cx.state.train.at_work else {
        return;
    };
    let mut known = cx.view.earlier.iter().flatten();
    let Some(run) = known.find(|run| run.folder == *folder) else {
        return;
    };
    // The training may have finished while the window was closing.
    if cx.view.progress.is_some() || cx.view.is_active() || run.epochs() >= run.config.epochs {
        return;
    }
    let name = folder.file_name().unwrap_or_default().to_string_lossy();
    let title = trained::folder_title(&run.config.model, &name);
    let (done, all) = (run.epochs(), run.config.epochs);
    egui::Frame::new()
        .fill(theme::CARD)
        .stroke(Stroke::new(1.0, theme::RIGHT))
        .corner_radius(8)
        .inner_margin(14)
        .show(ui, |ui| {
            ui.set_width(ui.available_width());
            ui.label(RichText::new(format!("{title} was interrupted")).strong());
            note_ui(
                ui,
                format!(
                    "{done} of {} done; it resumes exactly where it was saved.",
                    counted(all, "epoch")
                ),
            );
            ui.horizontal_wrapped(|ui| {
                if ui
                    .add(main_button("Continue this training"))
                    .on_hover_text("With its original data and options")
                    .clicked()
                {
                    send(cx, TrainAction::Continue(folder.clone(), None));
                }
                let size = egui::vec2(90.0, 34.0);
                for (text, help, action) in [
                    (
                        "Show it",
                        "Results so far",
                        TrainAction::Open(folder.clone()),
                    ),
                    (
                        "Not now",
                        "It remains in the list of earlier trainings",
                        TrainAction::Forget,
                    ),
                ] {
                    let button = ui.add(Button::new(text).min_size(size));
                    if button.on_hover_text(help).clicked() {
                        send(cx, action);
                    }
                }
            });
        });
    ui.add_space(12.0);
}

/// Shows the first steps for new users.
fn empty_ui(ui: &mut Ui, cx: &mut TrainContext<'_>) {
    // The scroll bar is drawn over the right edge.
    let width = 560.0_f32.min(ui.available_width() - 16.0);
    let margin = ((ui.available_width() - width) / 2.0).max(0.0);
    ui.add_space((ui.available_height() * 0.12).min(80.0));
    ui.horizontal(|ui| {
        ui.add_space(margin);
        ui.vertical(|ui| {
            ui.set_width(width);
            let title = RichText::new("Train the network on your own data").heading();
            ui.add(Label::new(title.strong()).selectable(false));
            let about = "A network is trained on images with labelled joints. A few hundred of \
             your own can make it much better for your camera, clothes and movements. \
             Everything stays on this computer.";
            ui.label(RichText::new(about).color(theme::WEAK));
            ui.add_space(10.0);
            for (number, title, text) in [
                (
                    "1",
                    "Choose labelled people",
                    "A label file with its images, and other images that are held out to measure \
                     improvement.",
                ),
                (
                    "2",
                    "Press Start",
                    "The defaults suit most cases. The old weights stay in use during training; \
                     you can pause at any time.",
                ),
                (
                    "3",
                    "Compare and decide",
                    "Before and after, in metrics and images. Use the new weights or keep the \
                     old ones; nothing is deleted.",
                ),
            ] {
                ui.horizontal_top(|ui| {
                    let number = RichText::new(number).size(22.0).color(theme::LEFT).strong();
                    ui.add_sized([28.0, 30.0], Label::new(number).selectable(false));
                    ui.vertical(|ui| {
                        ui.label(RichText::new(title).strong());
                        ui.label(RichText::new(text).color(theme::WEAK));
                    });
                });
                ui.add_space(6.0);
            }
            ui.add_space(8.0);
            ui.horizontal_wrapped(|ui| {
                let can = !cx.ui_state.is_choosing;
                if ui
                    .add_enabled(can, main_button("Choose labels…"))
                    .on_hover_text("COCO keypoints (.json), MPII or LSP labels")
                    .clicked()
                {
                    send(cx, TrainAction::Ask(Ask::Labels(Role::Learn)));
                }
                let folder = Button::new("Choose a clip's folder…").min_size([150.0, 34.0].into());
                if ui
                    .add_enabled(can, folder)
                    .on_hover_text("A folder with coco.json and images")
                    .clicked()
                {
                    send(cx, TrainAction::Ask(Ask::Clip(Role::Learn)));
                }
            });
            note_ui(
                ui,
                "Or drop a file or folder on this window, or type its path at the right.",
            );
        });
    });
}

fn preview_page_ui(ui: &mut Ui, cx: &mut TrainContext<'_>) {
    let Some(config) = &cx.state.train.config else {
        return;
    };
    if config.data.is_empty() {
        note_ui(ui, "Choose training labels first.");
        return;
    }
    ui.horizontal_wrapped(|ui| {
        let is_busy = cx.view.is_previewing();
        let text = match &cx.view.batch {
            Some(batch) if batch.config == *config => "Next batch",
            Some(_) => "Show with the new options",
            None => "Show a batch",
        };
        if ui
            .add_enabled(!is_busy, main_button(text))
            .on_hover_text("Creates a batch exactly as training will")
            .clicked()
        {
            send(cx, TrainAction::Preview);
        }
        if is_busy {
            ui.add(Spinner::new().size(16.0));
        }
        if let Some(batch) = &cx.view.batch {
            let preview = &batch.preview;
            let text = format!(
                "Batch {} of epoch {}: {} of its {}; {} in all",
                preview.position.batch + 1,
                preview.position.epoch + 1,
                preview.shown,
                counted(preview.batch as u64, "input"),
                grouped_count(preview.people as u64, "person")
            );
            ui.label(text);
        }
    });
    if let Some(fault) = &cx.view.preview_fault {
        fault_ui(ui, fault);
    }
    note_ui(
        ui,
        "Each input as the network sees it (rotated, scaled, darkened by augmentation): on the \
         left with its joints, left side blue, right side orange, occluded ones faint; on \
         the right with its targets.",
    );
    if let Some(batch) = &cx.view.batch {
        batch_ui(ui, batch);
    }
}

/// Minimum width of an input of a batch in points.
const INPUT_WIDTH: f32 = 280.0;
/// Gap between two inputs in points.
const INPUT_GAP: f32 = 10.0;

/// Shows the inputs of a batch, each above its caption, in as many columns as have room.
fn batch_ui(ui: &mut Ui, batch: &BatchPreview) {
    let tiles = &batch.preview.sheet.tiles;
    // The scroll bar is drawn over the right edge.
    let room = (ui.available_width() - INPUT_GAP).max(1.0);
    let n_columns = ((room + INPUT_GAP) / (INPUT_WIDTH + INPUT_GAP)).max(1.0) as usize;
    let n_columns = n_columns.min(tiles.len().max(1));
    let width = (room + INPUT_GAP) / n_columns as f32 - INPUT_GAP;
    let sheet = batch.texture.size_vec2();
    for row in tiles.chunks(n_columns) {
        ui.horizontal_top(|ui| {
            ui.spacing_mut().item_spacing.x = INPUT_GAP;
            for tile in row {
                let [x, y] = tile.corner.map(|v| v as f32);
                let pixels = egui::vec2(tile.size.width as f32, tile.size.height as f32);
                let rect = Rect::from_min_size(egui::pos2(x, y), pixels);
                let uv = Rect::from_min_max(
                    (rect.min.to_vec2() / sheet).to_pos2(),
                    (rect.max.to_vec2() / sheet).to_pos2(),
                );
                let shown = pixels * (width.min(pixels.x) / pixels.x);
                ui.vertical(|ui| {
                    ui.set_width(width);
                    let image = Image::new((batch.texture.id(), shown)).uv(uv);
                    ui.add(image.alt_text(format!("Input: {}", tile.caption)));
                    note_ui(ui, tile.caption.as_str());
                });
            }
        });
    }
}

/// Width in points from which curves and people have room next to each other: the legend of the
/// loss takes 320, three columns of people 240.
const SIDE_BY_SIDE: f32 = 600.0;

fn progress_page_ui(ui: &mut Ui, cx: &mut TrainContext<'_>) {
    if cx.view.is_opening() {
        ui.horizontal(|ui| {
            ui.add(Spinner::new().size(16.0));
            ui.label("Reading the training and its held-out people…");
        });
        return;
    }
    let Some(progress) = cx.view.progress.as_ref() else {
        ui.add_space(40.0);
        ui.vertical_centered(|ui| {
            ui.label(RichText::new("No training runs").heading().strong());
            note_ui(
                ui,
                "Press Start training below. Curves, metrics and a few held-out people appear \
                 here. An earlier training can be opened on the right.",
            );
        });
        return;
    };
    let room = ui.available_width();
    if progress.phase.is_over() {
        outcome_ui(ui, cx, progress);
    }
    let height = (ui.available_height() - 150.0).clamp(420.0, 900.0);
    let people = (room * 0.36).clamp(240.0, 430.0);
    let gap = 20.0;
    let curves = room - people - gap;
    let column = |ui: &mut Ui, width: f32, content: &mut dyn FnMut(&mut Ui)| {
        let layout = Layout::top_down(egui::Align::Min);
        ui.allocate_ui_with_layout(egui::vec2(width, 0.0), layout, |ui| {
            ui.set_width(width);
            content(ui);
        });
    };
    if room < SIDE_BY_SIDE {
        curves_ui(ui, cx, progress, height);
        // What is wider than the room does not widen what is below it.
        column(ui, room, &mut |ui| people_ui(ui, cx));
        log_ui(ui, progress);
        return;
    }
    ui.horizontal_top(|ui| {
        ui.spacing_mut().item_spacing.x = gap;
        column(ui, curves, &mut |ui| {
            ui.spacing_mut().item_spacing.x = 8.0;
            curves_ui(ui, cx, progress, height);
            log_ui(ui, progress);
        });
        // Whatever the curves take, no column of people is cut off.
        let people = people.min(ui.available_width());
        column(ui, people, &mut |ui| people_ui(ui, cx));
    });
}

fn log_ui(ui: &mut Ui, progress: &TrainProgress) {
    ui.add_space(6.0);
    ui.label(RichText::new("Events, newest first").strong());
    ScrollArea::vertical()
        .id_salt("train log")
        .max_height(120.0)
        .min_scrolled_height(120.0)
        .show(ui, |ui| {
            ui.set_width(ui.available_width());
            ui.spacing_mut().item_spacing.y = 3.0;
            for line in progress.log.iter().rev() {
                let text = RichText::new(line).font(theme::number_font(11.5));
                ui.add(Label::new(text.color(theme::WEAK)).wrap());
            }
        });
}
