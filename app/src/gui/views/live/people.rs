//! The part of the model panel that concerns people: one or several, and which are shown.

use eframe::egui::Ui;
use poselens_engine::estimator::People;
use poselens_engine::output::{Approach, PoseOutput};
use poselens_engine::track::{Follow, Selection};

use crate::gui::action::Action;
use crate::gui::action::people::PeopleAction;
use crate::gui::context::approach;
use crate::gui::views::live::state::LiveContext;
use crate::gui::widgets;
use crate::words::counted;

/// Choices of how many people are examined closely.
const MOST: [usize; 5] = [2, 4, 8, 16, 32];

/// Shows how many people are estimated, and which of them are shown.
pub(super) fn people_ui(ui: &mut Ui, cx: &mut LiveContext<'_>) {
    let model = cx.ui_state.wanted_model.as_deref();
    let finds_all = model.and_then(approach) == Some(Approach::BottomUp);
    if !finds_all {
        estimate_ui(ui, cx);
    }
    let is_several = finds_all || cx.ui_state.people != People::One;
    if is_several && is_crowd(cx) {
        if !finds_all {
            most_ui(ui, cx);
        }
        follow_ui(ui, cx);
        hidden_ui(ui, cx);
    }
}

/// Returns whether there is more than one person, or only some are shown.
fn is_crowd(cx: &LiveContext<'_>) -> bool {
    let output = cx
        .ui_state
        .presented
        .as_ref()
        .and_then(|p| p.output.as_ref());
    let n = output.map_or(0, |output| output.people.found.max(output.poses.len()));
    n > 1 || cx.ui_state.selection != Selection::default()
}

fn estimate_ui(ui: &mut Ui, cx: &mut LiveContext<'_>) {
    let people = cx.ui_state.people;
    let is_one = people == People::One;
    let help = "Several: all people are found about ten times a second, and the network examines \
                the region of each. One: the network finds and follows a single person, which is \
                faster";
    let shown = if is_one { "one" } else { "several" };
    let choices = [("one".to_owned(), is_one), ("several".to_owned(), !is_one)];
    if let Some(i) = widgets::choice_ui(ui, "People", help, shown, choices) {
        let people = [People::One, People::SEVERAL][i];
        send(cx, PeopleAction::Estimate(people));
    }
}

/// Shows how many people are examined closely.
fn most_ui(ui: &mut Ui, cx: &mut LiveContext<'_>) {
    let People::Several { most } = cx.ui_state.people else {
        return;
    };
    let help = "Largest number of people that the network examines in each frame; the others keep the \
                coarser poses with which they were found";
    let text = |n: usize| format!("at most {n}");
    let mut all = MOST.to_vec();
    if !all.contains(&most) {
        all.push(most);
        all.sort_unstable();
    }
    let rows: Vec<_> = all.iter().map(|n| (text(*n), *n == most)).collect();
    if let Some(i) = widgets::choice_ui(ui, "Examine", help, &text(most), rows) {
        let people = People::Several { most: all[i] };
        send(cx, PeopleAction::Estimate(people));
    }
}

/// Shows a list of who can be followed.
fn follow_ui(ui: &mut Ui, cx: &mut LiveContext<'_>) {
    let now = cx.ui_state.selection.follow;
    let output = cx
        .ui_state
        .presented
        .as_ref()
        .and_then(|p| p.output.as_ref());
    let mut choices = vec![
        ("everyone".to_owned(), None),
        ("the largest person".to_owned(), Some(Follow::Largest)),
        (
            "the person nearest to the centre".to_owned(),
            Some(Follow::Nearest),
        ),
    ];
    let mut ids = ids(output.map(|output| &**output), now);
    ids.sort_unstable();
    choices.extend(
        ids.into_iter()
            .map(|id| (format!("#{id}"), Some(Follow::Id(id)))),
    );
    let current = choices.iter().find(|(_, follow)| *follow == now);
    let shown = current.map_or_else(String::new, |(text, _)| text.clone());
    let help = "Shows, records and examines only this person. A click on a person does the same, a \
                click beside one shows everyone, and a right click hides a person";
    let rows = choices
        .iter()
        .map(|(text, follow)| (text.clone(), *follow == now));
    let rows: Vec<_> = rows.collect();
    if let Some(i) = widgets::choice_ui(ui, "Follow", help, &shown, rows) {
        send(cx, PeopleAction::Follow(choices[i].1));
    }
}

/// Returns the track ids of the people that are shown, and the one that is followed.
fn ids(output: Option<&PoseOutput>, follow: Option<Follow>) -> Vec<u64> {
    let poses = output.map_or(&[][..], |output| &output.poses);
    let mut ids: Vec<u64> = poses.iter().filter_map(|pose| pose.track_id).collect();
    if let Some(Follow::Id(id)) = follow
        && !ids.contains(&id)
    {
        ids.push(id);
    }
    ids
}

fn hidden_ui(ui: &mut Ui, cx: &mut LiveContext<'_>) {
    let Selection { hidden, .. } = &cx.ui_state.selection;
    if hidden.is_empty() {
        return;
    }
    let text = format!("Show {} again", counted(hidden.len(), "person"));
    let names: Vec<_> = hidden.iter().map(|id| format!("#{id}")).collect();
    let help = format!("Hidden by a right click: {}", names.join(", "));
    if ui.button(text).on_hover_text(help).clicked() {
        send(cx, PeopleAction::ShowHidden);
    }
}

fn send(cx: &mut LiveContext<'_>, action: PeopleAction) {
    cx.actions.push(Action::People(action));
}
