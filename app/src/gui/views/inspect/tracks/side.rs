//! The panel of recorded people: who is in the frame, and corrections of tracks.

use eframe::egui::{Button, Color32, DragValue, Label, ProgressBar, RichText, Ui};
use poselens_engine::record::tracks::{Track, TrackEdit};

use crate::gui::action::Action;
use crate::gui::action::inspect::{InspectAction, TrackRange, TracksAction};
use crate::gui::views::inspect::state::InspectContext;
use crate::gui::views::inspect::tracks::people::{RecordedPeople, color};
use crate::gui::views::inspect::tracks::thread::Summary;
use crate::gui::{theme, widgets};
use crate::words::counted;

/// Number of people outside the frame that are listed: those that are nearest in time.
const N_OTHERS: usize = 40;

/// Shows the recorded people of a recording.
pub(in crate::gui::views::inspect) fn tracks_ui(ui: &mut Ui, cx: &mut InspectContext<'_>) {
    let Some(people) = cx.view.people.as_ref().filter(|people| people.is_found) else {
        return;
    };
    let mut actions = Vec::new();
    widgets::section_ui(ui, "Tracks", |ui| {
        let Some(summary) = &people.summary else {
            let share = people.share_read();
            let text = format!("Reading the recorded people, {:.0} %", 100.0 * share);
            let bar = ProgressBar::new(share).text(text);
            ui.add(bar.desired_width(ui.available_width()).desired_height(16.0));
            return;
        };
        switch_ui(ui, people, &mut actions);
        people_ui(ui, people, &mut actions);
        range_ui(ui, people, &mut actions);
        edits_ui(ui, people, summary, &mut actions);
        written_ui(ui, people, summary);
    });
    let actions = actions.into_iter().map(InspectAction::Tracks);
    cx.actions.extend(actions.map(Action::Inspect));
}

fn switch_ui(ui: &mut Ui, people: &RecordedPeople, actions: &mut Vec<TracksAction>) {
    let switch = widgets::switch_row_ui(ui, "Show recorded people", None, people.is_drawn);
    let help = "The skeletons in the recording, each in the colour of its track, instead of those \
                that the model predicts here";
    if switch.on_hover_text(help).clicked() {
        actions.push(TracksAction::Show(!people.is_drawn));
    }
}

/// Returns `#1, frames 0 to 240`, or `#1, frame 7`.
fn track_text(track: &Track) -> String {
    let Track {
        id, first, last, ..
    } = track;
    if first == last {
        format!("#{id}, frame {first}")
    } else {
        format!("#{id}, frames {first} to {last}")
    }
}

/// Shows the people in the frame and chosen ones elsewhere, and the list of all others.
fn people_ui(ui: &mut Ui, people: &RecordedPeople, actions: &mut Vec<TracksAction>) {
    let here: Vec<u64> = match people.recorded() {
        Some(frame) if frame.poses.is_empty() => {
            widgets::note_ui(ui, "No person was recorded in this frame.");
            Vec::new()
        }
        Some(frame) => frame.poses.iter().filter_map(|p| p.track_id).collect(),
        None if people.has_answer() => {
            widgets::note_ui(ui, "No poses were recorded for this frame.");
            Vec::new()
        }
        None => Vec::new(),
    };
    let is_listed = |track: &&Track| here.contains(&track.id) || people.chosen.contains(&track.id);
    for track in people.tracks().iter().filter(is_listed) {
        ui.horizontal(|ui| {
            let [r, g, b] = color(Some(track.id));
            widgets::dot_ui(ui, Color32::from_rgb(r, g, b));
            let is_chosen = people.chosen.contains(&track.id);
            let button = Button::selectable(is_chosen, track_text(track));
            let help = format!(
                "In {}. Choose one or two people to correct their tracks, here or by a click on \
                 them in the image",
                counted(track.n_frames, "frame")
            );
            if ui.add(button).on_hover_text(help).clicked() {
                actions.push(TracksAction::Choose(track.id));
            }
        });
    }
    let number = people.number().unwrap_or_default();
    let distance = |track: &&Track| {
        let before = track.first.saturating_sub(number);
        before.max(number.saturating_sub(track.last))
    };
    let mut others: Vec<&Track> = people.tracks().iter().filter(|t| !is_listed(t)).collect();
    if others.is_empty() {
        return;
    }
    others.sort_by_key(distance);
    let n_more = others.len().saturating_sub(N_OTHERS);
    others.truncate(N_OTHERS);
    let rows = others.iter().map(|track| (track_text(track), false));
    let help = "People who are not in this frame, the nearest in time first";
    if let Some(i) = widgets::choice_ui(ui, "Others", help, "not in this frame", rows) {
        actions.push(TracksAction::Choose(others[i].id));
    }
    if n_more > 0 {
        let more = counted(n_more, "further track");
        widgets::note_ui(
            ui,
            format!("{more} farther away in time: go there to choose"),
        );
    }
}

/// Shows the frames that an edit applies to.
fn range_ui(ui: &mut Ui, people: &RecordedPeople, actions: &mut Vec<TracksAction>) {
    let (first, last) = match people.range {
        TrackRange::Between(first, last) => (first, last),
        _ => (people.number().unwrap_or_default(), people.last_frame()),
    };
    let ranges = [
        ("from here on", TrackRange::FromHere),
        ("whole recording", TrackRange::Whole),
        ("a range of frames", TrackRange::Between(first, last)),
    ];
    let rows = ranges.map(|(text, range)| (text.to_owned(), range == people.range));
    let current = rows.iter().find(|(_, is_current)| *is_current);
    let current = current.map_or("", |(text, _)| text.as_str()).to_owned();
    let help =
        "Frames in which the tracks are changed: from the shown one to the end, all, or a range";
    if let Some(i) = widgets::choice_ui(ui, "Frames", help, &current, rows) {
        actions.push(TracksAction::Range(ranges[i].1));
    }
    let TrackRange::Between(mut first, mut last) = people.range else {
        return;
    };
    let end = people.last_frame();
    widgets::labelled_row_ui(ui, "", |ui| {
        for (value, name) in [(&mut first, "First frame"), (&mut last, "Last frame")] {
            ui.add(DragValue::new(value).range(0..=end))
                .on_hover_text(format!("{name} that is changed"))
                .accessible_name(name);
        }
    });
    let range = TrackRange::Between(first, last);
    if range != people.range {
        actions.push(TracksAction::Range(range));
    }
    if first > last {
        widgets::fault_ui(ui, "The first frame is behind the last.");
    }
}

fn edits_ui(
    ui: &mut Ui,
    people: &RecordedPeople,
    summary: &Summary,
    actions: &mut Vec<TracksAction>,
) {
    let hindrance = if summary.obstacle.is_some() {
        Some("Edits are not accepted: the reason is below")
    } else if people.is_writing() {
        Some("The last edit is being written")
    } else if people.frames().is_none() {
        Some("Choose the frames above: no poses were recorded for this one")
    } else {
        None
    };
    let mut undo_or_redo = None;
    let mut edit_ui =
        |ui: &mut Ui, (title, edit): (String, Option<TrackEdit>), help: &str, choice| {
            let button = ui.add_enabled(edit.is_some(), Button::new(title));
            let why_not: &str = hindrance.unwrap_or(choice);
            let button = button.on_hover_text(help);
            if let (true, Some(edit)) = (button.on_disabled_hover_text(why_not).clicked(), edit) {
                actions.push(TracksAction::Edit(edit));
            }
        };
    let [swap, join, remove] = people.edits();
    ui.horizontal_wrapped(|ui| {
        let help = "Exchanges the numbers of two people, where the recording has confused them";
        edit_ui(ui, swap, help, "Choose two people");
        let help = "Gives the person chosen second the number of the one chosen first: both are \
                    one person";
        edit_ui(ui, join, help, "Choose two people");
    });
    ui.horizontal(|ui| {
        edit_ui(
            ui,
            remove,
            "Leaves out a false detection",
            "Choose one person",
        );
        for (text, keys, edit, action) in [
            ("Undo", "Ctrl+Z", &summary.undo, TracksAction::Undo),
            ("Redo", "Ctrl+Y", &summary.redo, TracksAction::Redo),
        ] {
            let help = format!("{text}: {} ({keys})", edit.as_deref().unwrap_or_default());
            let button = ui.add_enabled(people.takes(&action), Button::new(text));
            if button.on_hover_text(help).clicked() {
                undo_or_redo = Some(action);
            }
        }
    });
    actions.extend(undo_or_redo);
}

/// Shows where the edits are, or why there can be none.
fn written_ui(ui: &mut Ui, people: &RecordedPeople, summary: &Summary) {
    if let Some(obstacle) = &summary.obstacle {
        widgets::fault_ui(ui, obstacle);
    }
    if people.is_writing() {
        widgets::note_ui(ui, "Writing…");
    } else if let Some(path) = &summary.written {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let text = RichText::new(format!("Written to {name}"));
        ui.add(Label::new(text.small().color(theme::WEAK)).wrap())
            .on_hover_text(path.display().to_string());
    }
}
