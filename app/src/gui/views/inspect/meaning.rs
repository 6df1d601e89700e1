//! Interpretation of shared commands in this view, and the view's own commands.

use eframe::egui::{Key, KeyboardShortcut, Modifiers};
use poselens_engine::output::{PoseOutput, RegionOutput};

use crate::gui::action::inspect::{Form, InspectAction, TracksAction};
use crate::gui::action::label::LabelAction;
use crate::gui::action::{
    Action, ModelAction, OverlayAction, PlaybackAction, RecordAction, StageAction,
};
use crate::gui::command::{Command, FixedCommand, Group, command, key};
use crate::gui::state::inspect::{Choices, Pick, What};
use crate::gui::titles::joint_title;
use crate::gui::trained;
use crate::gui::view::PanelContext;
use crate::gui::views::inspect::state::Inspect;
use crate::gui::views::inspect::{limbs, shown};
use crate::gui::zoom::magnified;

/// Group under which this view's commands are listed.
pub(super) const GROUP: Group = Group::new("Inspect", 50);

/// Commands that are always available.
pub(super) const COMMANDS: &[FixedCommand] = &[(
    GROUP,
    "Inspect this frame, or return to the live view",
    &[key(Key::I)],
    Action::Inspect(InspectAction::InOrOut),
)];

/// Commands that are available while this view is shown.
pub(super) const OWN_COMMANDS: &[FixedCommand] = &[
    (
        GROUP,
        "Redo the correction of tracks",
        &[
            command(Key::Y),
            KeyboardShortcut::new(Modifiers::COMMAND.plus(Modifiers::SHIFT), Key::Z),
        ],
        Action::Inspect(InspectAction::Tracks(TracksAction::Redo)),
    ),
    (
        GROUP,
        "Undo the correction of tracks",
        &[command(Key::Z)],
        Action::Inspect(InspectAction::Tracks(TracksAction::Undo)),
    ),
];

/// Translates `action` for single frames; `None` disables it.
pub(super) fn meaning(action: Action, inspect: &Inspect, choices: &Choices) -> Option<Action> {
    let zoom = inspect.zoom;
    let action = match action {
        Action::Label(LabelAction::AddFrame(None)) => {
            return Some(Action::Label(LabelAction::AddFrame(inspect.place())));
        }
        Action::Playback(PlaybackAction::Step(n)) => InspectAction::Step(n),
        Action::Playback(PlaybackAction::First) => InspectAction::Step(i64::MIN),
        Action::Playback(PlaybackAction::Last) => InspectAction::Step(i64::MAX),
        Action::Overlay(OverlayAction::AllOff) => chosen(choices, |c| {
            (c.what, c.has_skeleton, c.has_measures) = (Some(What::Picture), false, false);
        }),
        Action::Overlay(OverlayAction::Toggle(name)) => toggled(&name, choices)?,
        Action::Overlay(OverlayAction::NextMap(n)) => InspectAction::Next(n),
        Action::Model(ModelAction::Choose(name)) => InspectAction::Model(0, Some(name)),
        Action::Stage(StageAction::Zoom(zoom)) => InspectAction::Zoom(zoom),
        Action::Stage(StageAction::ZoomBy(factor)) => InspectAction::Zoom(magnified(zoom, factor)),
        Action::Record(RecordAction::Snapshot) => InspectAction::Export(Form::Png),
        Action::Playback(_) | Action::Overlay(_) | Action::Record(RecordAction::StartStop) => {
            return None;
        }
        Action::Inspect(InspectAction::Tracks(tracks)) => {
            let people = inspect.people.as_ref()?;
            if !people.takes(&tracks) {
                return None;
            }
            InspectAction::Tracks(tracks)
        }
        other => return Some(other),
    };
    Some(Action::Inspect(action))
}

/// Toggles the overlay of this name if this view supports it.
fn toggled(name: &str, choices: &Choices) -> Option<InspectAction> {
    let map = match name {
        "skeleton" => {
            return Some(chosen(choices, |c| c.has_skeleton = !c.has_skeleton));
        }
        "measures" => {
            return Some(chosen(choices, |c| c.has_measures = !c.has_measures));
        }
        "heatmap" => Some(What::Heatmap),
        "fields" => Some(What::Fields),
        // The most informative one of the model.
        "attention" => None,
        _ => return None,
    };
    Some(chosen(choices, |c| {
        c.what = if c.what == map {
            Some(What::Picture)
        } else {
            map
        };
    }))
}

fn chosen(choices: &Choices, change: impl FnOnce(&mut Choices)) -> InspectAction {
    let mut choices = choices.clone();
    change(&mut choices);
    InspectAction::Choose(Box::new(choices))
}

/// Returns the commands currently available in this view.
pub(super) fn commands(inspect: &Inspect, cx: &PanelContext<'_>) -> Vec<Command> {
    let command = |title: String, action| Command::new(GROUP, title, Action::Inspect(action));
    let mut all = Vec::new();
    for what in What::ALL {
        let action = chosen(&cx.state.inspect, |c| c.what = Some(what));
        all.push(command(
            format!("See: {}", what.name().to_lowercase()),
            action,
        ));
    }
    let forms = Form::ALL.into_iter();
    all.extend(forms.map(|form| {
        command(
            format!("Export {}", form.name()),
            InspectAction::Export(form),
        )
    }));
    all.push(command(
        "Show all joints' attention".to_owned(),
        InspectAction::Pick(None),
    ));
    if let Some(output) = inspect.slots.iter().find_map(|s| s.found.as_ref()) {
        all.extend(output.skeleton.joints.iter().map(|joint| {
            let pick = Pick::Joint {
                name: joint.clone(),
                person: 0,
            };
            let title = format!(
                "Show attention of the {}",
                joint_title(joint).to_lowercase()
            );
            command(title, InspectAction::Pick(Some(pick)))
        }));
    }
    all.extend(limbs_shown(inspect).into_iter().map(|(title, limb)| {
        let action = chosen(&cx.state.inspect, |c| {
            (c.what, c.limb) = (Some(What::Fields), limb);
        });
        command(format!("Limb fields: {}", title.to_lowercase()), action)
    }));
    all.extend(cx.gui.models.iter().map(|model| {
        let name = model.name.clone();
        command(
            format!("Compare with {}", trained::title(&name)),
            InspectAction::Model(1, Some(name)),
        )
    }));
    all.push(command(
        "Compare with later frames: store this one".to_owned(),
        InspectAction::Keep,
    ));
    all.extend(of_tracks(inspect));
    if inspect.is_compared() {
        let overlaid = chosen(&cx.state.inspect, |c| c.is_overlaid = !c.is_overlaid);
        all.push(command(
            "Comparison in one image on or off".to_owned(),
            overlaid,
        ));
        all.push(command(
            "End comparison".to_owned(),
            InspectAction::Model(1, None),
        ));
    }
    all
}

/// Returns the commands about the recorded people.
fn of_tracks(inspect: &Inspect) -> Vec<Command> {
    let people = inspect.people.as_ref();
    let Some(people) = people.filter(|people| people.summary.is_some()) else {
        return Vec::new();
    };
    let command = |title: String, action| {
        let action = Action::Inspect(InspectAction::Tracks(action));
        Command::new(GROUP, title, action)
    };
    let turn = if people.is_drawn { "off" } else { "on" };
    let mut all = vec![command(
        format!("Show recorded people: turn {turn}"),
        TracksAction::Show(!people.is_drawn),
    )];
    let edits = people.edits().into_iter();
    all.extend(edits.filter_map(|(title, edit)| Some(command(title, TracksAction::Edit(edit?)))));
    let here = people.recorded().into_iter().flat_map(|frame| &frame.poses);
    let here = here.filter_map(|pose| pose.track_id);
    all.extend(here.map(|id| {
        let verb = if people.chosen.contains(&id) {
            "Drop"
        } else {
            "Choose"
        };
        command(
            format!("{verb} recorded person #{id}"),
            TracksAction::Choose(id),
        )
    }));
    all
}

/// Returns the titles and names of the limbs whose fields a model has; first, all of them.
fn limbs_shown(inspect: &Inspect) -> Vec<(String, Option<String>)> {
    let mut outputs = inspect.slots.iter().filter_map(|s| s.found.as_ref());
    let Some(fields) = outputs.find_map(|output| output.limb_fields()) else {
        return Vec::new();
    };
    let all = std::iter::once(("all limbs".to_owned(), None));
    let limbs = limbs::limbs(fields).map(|(title, name)| (title, Some(name)));
    all.chain(limbs).collect()
}

/// Selects the map, limb or self-attention layer `n` positions further, wrapping around; `None` if
/// neither is shown.
pub(super) fn next(
    choices: &Choices,
    output: &PoseOutput,
    region: &RegionOutput,
    n: isize,
) -> Option<Choices> {
    let around = |at: usize, len: usize| (at as isize + n).rem_euclid(len.max(1) as isize) as usize;
    let mut next = choices.clone();
    match What::of(output, region, choices.what) {
        What::Maps => {
            let groups = shown::groups(region);
            let now = shown::chosen_group(&output.model, region, choices)?;
            let at = groups.iter().position(|g| g.name == now.name)?;
            let name = groups[around(at, groups.len())].name.to_owned();
            next.maps.insert(output.model.to_string(), name);
        }
        What::QueryKey => {
            let len = region.query_key.len();
            next.layer = around(choices.layer.min(len.saturating_sub(1)), len);
        }
        What::Fields => {
            next.limb = limbs::next(output.limb_fields()?, choices, n);
        }
        What::Picture | What::Heatmap => return None,
    }
    Some(next)
}
