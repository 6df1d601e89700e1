//! The panel of earlier trainings, to view or resume.

use eframe::egui::{self, Atom, Button, Id, Key, RichText, ScrollArea, Ui};
use poselens_engine::train::runs::RunEntry;

use crate::gui::action::train::{Ask, TrainAction};
use crate::gui::views::train::fields::{Entered, path_row_ui};
use crate::gui::views::train::state::{TrainContext, send};
use crate::gui::widgets::note_ui;
use crate::gui::{theme, trained, widgets};
use crate::words::counted;

/// Four and a half rows: the cut row shows that the list scrolls.
const LIST_HEIGHT: f32 = 300.0;

/// Shows the earlier trainings.
pub(crate) fn earlier_ui(ui: &mut Ui, cx: &mut TrainContext<'_>) {
    widgets::section_ui(ui, "Earlier trainings", |ui| {
        match &cx.view.earlier {
            None => note_ui(ui, "Looking for trainings…"),
            Some(list) if list.is_empty() => {
                note_ui(
                    ui,
                    "None yet. Every training keeps its weights and its state in a folder of its \
                     own; nothing is ever deleted.",
                );
            }
            Some(list) => {
                ScrollArea::vertical()
                    .id_salt("trainings")
                    .max_height(LIST_HEIGHT)
                    // Minimum height even in a low window, because the panel itself scrolls.
                    .min_scrolled_height(LIST_HEIGHT)
                    .show(ui, |ui| {
                        for run in list {
                            run_ui(ui, run, cx);
                        }
                    });
            }
        }
        other_ui(ui, cx);
    });
}

/// Shows the field for a training in another folder.
fn other_ui(ui: &mut Ui, cx: &mut TrainContext<'_>) {
    let name = "Folder of another training";
    let typed = Id::unique("typed folder of a training");
    let now: String = ui.data(|d| d.get_temp(typed)).unwrap_or_default();
    let choose = "Another folder…".to_owned();
    let choose = (!cx.ui_state.is_choosing).then_some(&choose);
    let help = "Shows a training in another folder; press Enter";
    let entered = path_row_ui(ui, name, help, "Path of another one", &now, choose);
    match entered {
        Some(Entered::Path(text)) => ui.data_mut(|d| {
            d.insert_temp(typed, text);
        }),
        Some(Entered::Choose) => send(cx, TrainAction::Ask(Ask::Run)),
        None => {}
    }
    let is_left =
        ui.memory(|m| m.had_focus_last_frame(Id::unique(name)) && !m.has_focus(Id::unique(name)));
    let path = now.trim();
    if is_left && !path.is_empty() && ui.input(|i| i.key_pressed(Key::Enter)) {
        ui.data_mut(|d| d.remove::<String>(typed));
        send(cx, TrainAction::Open(path.into()));
    }
}

fn run_ui(ui: &mut Ui, run: &RunEntry, cx: &mut TrainContext<'_>) {
    let name = run.folder.file_name().unwrap_or_default();
    let name = name.to_string_lossy().into_owned();
    let title = trained::folder_title(&run.config.model, &name);
    let (done, all) = (run.epochs(), run.config.epochs);
    let running = cx.view.progress.as_ref().filter(|_| cx.view.is_active());
    let is_running = running.is_some_and(|s| s.folder == run.folder);
    let (color, state) = match (is_running, done >= all) {
        (true, _) => (theme::RED, "running".to_owned()),
        (_, true) => (theme::GREEN, counted(all, "epoch")),
        (_, false) => (theme::RIGHT, format!("{done} of {}", counted(all, "epoch"))),
    };
    ui.add_space(2.0);
    ui.horizontal(|ui| {
        let width = (ui.available_width() - 92.0).max(60.0);
        ui.scope(|ui| {
            ui.set_max_width(width);
            let open = Button::new((title, Atom::grow()))
                .truncate()
                .frame(false)
                .min_size(egui::vec2(width, 0.0));
            if ui
                .add(open)
                .on_hover_text(format!("Shows the results of {}", run.folder.display()))
                .accessible_name(format!("Show {name}"))
                .clicked()
            {
                send(cx, TrainAction::Open(run.folder.clone()));
            }
        });
        if done < all {
            let go_on = Button::new(RichText::new("Continue").small());
            if ui
                .add_enabled(!cx.view.is_active(), go_on)
                .on_hover_text("Resumes exactly where it stopped")
                .on_disabled_hover_text("Not now: a training is running")
                .accessible_name(format!("Continue {name}"))
                .clicked()
            {
                send(cx, TrainAction::Continue(run.folder.clone(), None));
            }
        }
    });
    let figures = run.history.first().and_then(|first| first.pck);
    let figures = figures.zip(run.best().and_then(|best| best.pck));
    let figures = match figures.filter(|_| done > 0) {
        None => String::new(),
        Some((before, after)) if after > before => {
            format!(" · PCK {:.1} to {:.1} %", 100.0 * before, 100.0 * after)
        }
        Some((before, _)) => format!(" · not better than {:.1} %", 100.0 * before),
    };
    ui.horizontal(|ui| {
        ui.spacing_mut().item_spacing.x = 6.0;
        ui.spacing_mut().interact_size.y = 16.0;
        widgets::dot_ui(ui, color);
        note_ui(ui, format!("{state}{figures}"));
    });
}
