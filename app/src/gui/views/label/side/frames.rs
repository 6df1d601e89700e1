//! Which frames to label: progress, suggestions and the list.

use eframe::egui::{Atom, Button, ProgressBar, RichText, ScrollArea, Stroke, TextStyle, Ui, Vec2};

use crate::gui::action::Action;
use crate::gui::action::label::LabelAction;
use crate::gui::state::label::Listed;
use crate::gui::views::label::published::{ListPart, Published, Row, without_people};
use crate::gui::views::label::state::LabelContext;
use crate::gui::{theme, widgets};
use crate::words::counted;

/// Height of the list in points.
const LIST: f32 = 176.0;

/// Shows progress, the search for frames and the list.
pub(in crate::gui::views::label) fn frames_ui(ui: &mut Ui, cx: &mut LabelContext<'_>) {
    let view = cx.view;
    let Some(project) = &view.project else {
        return;
    };
    widgets::section_ui(ui, "Frames", |ui| {
        progress_ui(ui, project, cx);
        search_ui(ui, project, cx);
        ui.horizontal(|ui| {
            ui.spacing_mut().button_padding.x = 8.0;
            for listed in Listed::ALL {
                let button = Button::selectable(project.list.listed == listed, listed.name());
                if ui.add(button).on_hover_text(listed.help()).clicked() {
                    send(cx, LabelAction::List(listed));
                }
            }
        });
        list_ui(ui, &project.list, cx);
    });
}

fn progress_ui(ui: &mut Ui, project: &Published, cx: &LabelContext<'_>) {
    let (n_done, n_suggested) = (project.n_done, project.tally.suggested);
    if n_suggested > 0 {
        let share = n_done as f32 / n_suggested as f32;
        let text = format!("{n_done} of {n_suggested} suggested frames");
        let bar = ProgressBar::new(share).text(RichText::new(text).color(theme::TEXT));
        ui.add(bar.desired_height(18.0))
            .on_hover_text("Suggested frames that are confirmed")
            .accessible_name("Progress");
    }
    let pace = cx.view.pace.secs_per_frame();
    let pace = pace.map_or(String::new(), |secs| format!(" · {secs:.0} s per frame"));
    let text = format!(
        "{} confirmed{} · {} held out{pace}",
        project.tally.confirmed,
        without_people(project.tally),
        project.n_held_out
    );
    let help = format!(
        "{} confirmed; {} are not trained on but measure training. Seconds per frame \
         are those since the project was opened, without its first frame.",
        counted(project.tally.confirmed, "frame"),
        counted(project.n_held_out as usize, "frame")
    );
    ui.label(RichText::new(text).small().color(theme::WEAK))
        .on_hover_text(help);
}

fn search_ui(ui: &mut Ui, project: &Published, cx: &mut LabelContext<'_>) {
    let Some(search) = &project.search else {
        let help = "Looks for frames that the model is unsure about, and proposes labels in them \
                    (G)";
        let has_clips = !project.info.file.clips.is_empty();
        if ui
            .add_enabled(has_clips, Button::new("Suggest frames"))
            .on_hover_text(help)
            .clicked()
        {
            send(cx, LabelAction::Suggest);
        }
        return;
    };
    ui.horizontal(|ui| {
        let (examined, total) = search.get();
        let text = match total {
            0 => "loading the model…".to_owned(),
            total => format!("{examined} of {total} examined"),
        };
        let bar = ProgressBar::new(examined as f32 / total.max(1) as f32).text(text);
        ui.add(bar.desired_width((ui.available_width() - 84.0).max(60.0)))
            .accessible_name("Search for frames");
        if ui
            .button("Cancel")
            .accessible_name("Cancel the search")
            .clicked()
        {
            send(cx, LabelAction::CancelSuggest);
        }
    });
}

/// Shows the visible rows. Others are not known here; they are asked for when they scroll into view.
fn list_ui(ui: &mut Ui, list: &ListPart, cx: &mut LabelContext<'_>) {
    if list.n_all == 0 {
        let text = match list.listed {
            Listed::Suggested => "None yet. Suggest frames, or add one with P in Inspect.",
            Listed::Proposed => "None: all people are confirmed.",
            Listed::Confirmed => "None yet. A accepts a frame.",
        };
        ui.label(RichText::new(text).small().color(theme::WEAK));
        return;
    }
    let height = row_height(ui);
    let area = scrolled_area(ui, "frames", LIST, height, list.shown);
    area.show_rows(ui, height, list.n_all, |ui, rows| {
        let wanted = (rows.start, rows.len());
        if wanted != cx.view.rows {
            send(cx, LabelAction::Rows(wanted.0, wanted.1));
        }
        for index in rows {
            let row = index.checked_sub(list.first);
            let row = row.and_then(|row| list.rows.get(row));
            match row {
                Some(row) => row_ui(ui, row, list.shown == Some(index), height, cx),
                None => ui.add_space(height),
            }
        }
    });
}

/// Returns the scroll area of a list `height` points high with rows of `row` points. It scrolls to the
/// row `shown` when that has become another one.
pub(in crate::gui::views::label) fn scrolled_area(
    ui: &Ui,
    name: &str,
    height: f32,
    row: f32,
    shown: Option<usize>,
) -> ScrollArea {
    let area = ScrollArea::vertical().id_salt(name).max_height(height);
    let id = ui.scope_id().with((name, "scrolled to"));
    let before = ui.data(|d| d.get_temp::<Option<usize>>(id)).flatten();
    if shown == before {
        return area;
    }
    ui.data_mut(|d| d.insert_temp(id, shown));
    let Some(shown) = shown else {
        return area;
    };
    let step = row + ui.spacing().item_spacing.y;
    // Some rows before it stay visible.
    area.vertical_scroll_offset((shown as f32 * step - 0.4 * height).max(0.0))
}

/// Returns the height of a row and prepares the layout for rows of that height.
pub(in crate::gui::views::label) fn row_height(ui: &mut Ui) -> f32 {
    let height = ui.text_style_height(&TextStyle::Body) + 4.0;
    let spacing = ui.spacing_mut();
    spacing.item_spacing.y = 2.0;
    spacing.button_padding.y = 0.0;
    spacing.interact_size.y = height;
    height
}

/// Returns the form of a joint in the image: a ring is a proposal, a disc is confirmed.
fn mark(is_confirmed: bool) -> Atom<'static> {
    Atom::paint(Vec2::splat(12.0), move |ui, args| {
        let center = args.rect.center();
        if is_confirmed {
            ui.painter().circle_filled(center, 4.5, theme::GREEN);
        } else {
            let stroke = Stroke::new(1.5, theme::WEAK);
            ui.painter().circle_stroke(center, 4.0, stroke);
        }
    })
}

fn row_ui(ui: &mut Ui, row: &Row, is_shown: bool, height: f32, cx: &mut LabelContext<'_>) {
    let project = cx.view.project.as_ref();
    let clip = project.and_then(|project| project.info.clip(row.at));
    let name = clip.map_or("", |clip| clip.name.as_str());
    let title = format!("{name} {}", row.at.frame);
    let size = eframe::egui::vec2(ui.available_width(), height);
    let button = Button::selectable(is_shown, (mark(row.is_confirmed), title))
        .shortcut_text(RichText::new(row.note()).small())
        .truncate();
    let why = row.suggestion.map_or(String::new(), |suggestion| {
        let value = suggestion.value;
        let value = (value > 0.0).then(|| format!(" ({value:.2})"));
        let text = suggestion.reason.text();
        format!("Suggested: {text}{}", value.unwrap_or_default())
    });
    let response = ui.add_sized(size, button);
    let response = if why.is_empty() {
        response
    } else {
        response.on_hover_text(why)
    };
    if response
        .accessible_name(format!("{name} frame {}, {}", row.at.frame, row.state()))
        .clicked()
    {
        send(cx, LabelAction::ShowFrame(row.at));
    }
}

fn send(cx: &mut LabelContext<'_>, action: LabelAction) {
    cx.actions.push(Action::Label(action));
}
