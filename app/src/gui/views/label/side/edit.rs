//! Buttons of the gestures, for working with the mouse alone.

use eframe::egui::{Button, Grid, RichText, Ui};

use crate::gui::action::Action;
use crate::gui::action::label::{LabelAction, PersonChange};
use crate::gui::theme;
use crate::gui::views::label::state::LabelContext;
use crate::gui::widgets;

/// A button: text, tooltip, action, and whether it needs a person.
type Tool = (&'static str, &'static str, LabelAction, bool);

const TOOLS: &[Tool] = &[
    (
        "Add person",
        "Adds the person that the model finds in the middle, with N at the pointer; else a template",
        LabelAction::AddPerson,
        false,
    ),
    (
        "Delete person",
        "Deletes the picked person (Delete)",
        LabelAction::Person(PersonChange::Delete),
        true,
    ),
    (
        "Swap sides",
        "Swaps left and right of the picked person (X)",
        LabelAction::Person(PersonChange::Swap),
        true,
    ),
    (
        "Copy previous",
        "Copies the people of the previous labelled frame (C)",
        LabelAction::Copy,
        false,
    ),
    (
        "Fill between",
        "Fills in the frames between two confirmed ones (I)",
        LabelAction::Fill,
        false,
    ),
    (
        "Accept person",
        "Accepts the picked person alone, or withdraws that (E)",
        LabelAction::Person(PersonChange::Confirm),
        true,
    ),
];

/// What the pointer does, one line each.
const POINTER: [(&str, &str); 5] = [
    ("Drag a joint", "moves it"),
    ("Right-click a joint", "visible, occluded, absent"),
    ("Alt and drag", "moves a person"),
    ("Alt and wheel", "turns it, with Shift scales it"),
    ("Double click", "accepts a person"),
];

/// What the marks of joints in the image mean.
const MARKS: &str = "A ring is proposed, a ring with a dot was touched, a disc is confirmed. Crossed \
                     out means occluded, a small cross absent: a right-click brings it back.";

/// Shows the buttons, what the pointer does, and what the marks of joints mean.
pub(in crate::gui::views::label) fn edit_ui(ui: &mut Ui, cx: &mut LabelContext<'_>) {
    if cx.view.at.is_none() {
        return;
    }
    widgets::section_ui(ui, "Edit", |ui| {
        let has_person = cx.view.picked().is_some();
        let width = (ui.available_width() - ui.spacing().item_spacing.x) / 2.0;
        for pair in TOOLS.chunks(2) {
            ui.horizontal(|ui| {
                for (text, help, action, needs_person) in pair {
                    let size = eframe::egui::vec2(width, 26.0);
                    let button = Button::new(*text).truncate().min_size(size);
                    if ui
                        .add_enabled(has_person || !needs_person, button)
                        .on_hover_text(*help)
                        .clicked()
                    {
                        cx.actions.push(Action::Label(action.clone()));
                    }
                }
            });
        }
        let small = |text: &str, color| RichText::new(text).small().color(color);
        Grid::new("pointer").num_columns(2).show(ui, |ui| {
            for (gesture, effect) in POINTER {
                ui.label(small(gesture, theme::TEXT));
                ui.label(small(effect, theme::WEAK));
                ui.end_row();
            }
        });
        widgets::note_ui(ui, MARKS);
        let text = "Every gesture has a key: F1 lists them";
        ui.label(small(text, theme::WEAK));
    });
}
