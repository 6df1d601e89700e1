//! The view's commands with their keys, and the meaning of shared ones.

use eframe::egui::{Key, KeyboardShortcut, Modifiers};
use poselens_shaders::view::Zoom;

use crate::gui::action::finetune::FinetuneAction;
use crate::gui::action::label::{Ask, LabelAction, LabelFormat, Page, PersonChange};
use crate::gui::action::{Action, PlaybackAction, RecordAction, StageAction, WindowAction};
use crate::gui::command::{FixedCommand, Group, command, key, shift};
use crate::gui::views::label::state::ID;
use crate::gui::zoom::magnified;

/// Group under which this view's commands are listed.
pub(super) const GROUP: Group = Group::new("Label", 75);

/// Steps of the arrow keys in pixels, alone and with Shift.
const COARSE: f64 = 1.0;
const FINE: f64 = 0.25;
/// Steps of turning in degrees and of scaling, of keys and of a notch of the wheel.
pub(super) const TURN: f64 = 2.0;
pub(super) const SCALE: f64 = 1.02;

const fn alt(key: Key) -> KeyboardShortcut {
    KeyboardShortcut::new(Modifiers::ALT, key)
}

const fn row(
    title: &'static str,
    keys: &'static [KeyboardShortcut],
    action: LabelAction,
) -> FixedCommand {
    (GROUP, title, keys, Action::Label(action))
}

/// Commands that are always available.
pub(super) const COMMANDS: &[FixedCommand] = &[
    (
        GROUP,
        "Label frames of your own clips",
        &[key(Key::L)],
        Action::Window(WindowAction::Show(ID)),
    ),
    row("Open a label project…", &[], LabelAction::Ask(Ask::Project)),
    row("Label a video…", &[], LabelAction::Ask(Ask::Clip)),
    row(
        "Label a recording or a folder of images…",
        &[],
        LabelAction::Ask(Ask::ClipFolder),
    ),
    row(
        "Add the shown frame to the label project",
        &[key(Key::P)],
        LabelAction::AddFrame(None),
    ),
];

/// Commands while the view is shown. Those with Alt or Shift precede the same keys without.
pub(super) const OWN_COMMANDS: &[FixedCommand] = &[
    row(
        "Accept the frame and go to the next one",
        &[shift(Key::Enter)],
        LabelAction::Accept(true),
    ),
    row(
        "Accept the frame",
        &[key(Key::A)],
        LabelAction::Accept(false),
    ),
    row(
        "Next frame of the list",
        &[key(Key::D)],
        LabelAction::NextSuggested(1),
    ),
    row(
        "Previous frame of the list",
        &[key(Key::S)],
        LabelAction::NextSuggested(-1),
    ),
    row(
        "Ten frames back",
        &[key(Key::PageUp)],
        LabelAction::Step(-10),
    ),
    row(
        "Ten frames forward",
        &[key(Key::PageDown)],
        LabelAction::Step(10),
    ),
    row(
        "Redo",
        &[
            command(Key::Y),
            KeyboardShortcut::new(Modifiers::COMMAND.plus(Modifiers::SHIFT), Key::Z),
        ],
        LabelAction::Redo,
    ),
    row("Undo", &[command(Key::Z)], LabelAction::Undo),
    row(
        "Previous joint",
        &[shift(Key::Tab)],
        LabelAction::NextJoint(-1),
    ),
    row("Next joint", &[key(Key::Tab)], LabelAction::NextJoint(1)),
    row(
        "Make the joint visible, occluded or absent",
        &[key(Key::V)],
        LabelAction::Cycle(None),
    ),
    row(
        "Move the person left",
        &[alt(Key::ArrowLeft)],
        LabelAction::Person(PersonChange::Move(-COARSE, 0.0)),
    ),
    row(
        "Move the person right",
        &[alt(Key::ArrowRight)],
        LabelAction::Person(PersonChange::Move(COARSE, 0.0)),
    ),
    row(
        "Move the person up",
        &[alt(Key::ArrowUp)],
        LabelAction::Person(PersonChange::Move(0.0, -COARSE)),
    ),
    row(
        "Move the person down",
        &[alt(Key::ArrowDown)],
        LabelAction::Person(PersonChange::Move(0.0, COARSE)),
    ),
    row(
        "Joint 1/4 px left, or ten frames back",
        &[shift(Key::ArrowLeft)],
        LabelAction::Nudge(-FINE, 0.0),
    ),
    row(
        "Joint 1/4 px right, or ten frames on",
        &[shift(Key::ArrowRight)],
        LabelAction::Nudge(FINE, 0.0),
    ),
    row(
        "Joint 1/4 px up",
        &[shift(Key::ArrowUp)],
        LabelAction::Nudge(0.0, -FINE),
    ),
    row(
        "Joint 1/4 px down",
        &[shift(Key::ArrowDown)],
        LabelAction::Nudge(0.0, FINE),
    ),
    row(
        "Joint left, or previous frame",
        &[key(Key::ArrowLeft)],
        LabelAction::Nudge(-COARSE, 0.0),
    ),
    row(
        "Joint right, or next frame",
        &[key(Key::ArrowRight)],
        LabelAction::Nudge(COARSE, 0.0),
    ),
    row(
        "Joint up",
        &[key(Key::ArrowUp)],
        LabelAction::Nudge(0.0, -COARSE),
    ),
    row(
        "Joint down",
        &[key(Key::ArrowDown)],
        LabelAction::Nudge(0.0, COARSE),
    ),
    row(
        "Previous person",
        &[key(Key::OpenBracket)],
        LabelAction::NextPerson(-1),
    ),
    row(
        "Next person",
        &[key(Key::CloseBracket)],
        LabelAction::NextPerson(1),
    ),
    row(
        "Turn the person left",
        &[alt(Key::Comma)],
        LabelAction::Person(PersonChange::Turn(-TURN)),
    ),
    row(
        "Turn the person right",
        &[alt(Key::Period)],
        LabelAction::Person(PersonChange::Turn(TURN)),
    ),
    row(
        "Make the person smaller",
        &[alt(Key::Minus)],
        LabelAction::Person(PersonChange::Scale(1.0 / SCALE)),
    ),
    row(
        "Make the person larger",
        &[alt(Key::Plus), alt(Key::Equals)],
        LabelAction::Person(PersonChange::Scale(SCALE)),
    ),
    row(
        "Swap left and right of the person",
        &[key(Key::X)],
        LabelAction::Person(PersonChange::Swap),
    ),
    row(
        "Accept the person, or withdraw that",
        &[key(Key::E)],
        LabelAction::Person(PersonChange::Confirm),
    ),
    row(
        "Delete the person",
        &[key(Key::Delete), key(Key::Backspace)],
        LabelAction::Person(PersonChange::Delete),
    ),
    row(
        "Add a person at the pointer",
        &[key(Key::N)],
        LabelAction::AddPerson,
    ),
    row(
        "Copy the people of the previous labelled frame",
        &[key(Key::C)],
        LabelAction::Copy,
    ),
    row(
        "Fill in between two confirmed frames",
        &[key(Key::I)],
        LabelAction::Fill,
    ),
    row("Suggest frames", &[key(Key::G)], LabelAction::Suggest),
    row("Show the labels", &[], LabelAction::Page(Page::Label)),
    row(
        "Train on the label project",
        &[shift(Key::T)],
        LabelAction::Page(Page::Train),
    ),
    row(
        "Compare the labels with the model",
        &[],
        LabelAction::Finetune(FinetuneAction::Compare),
    ),
    row(
        "Roll back to the version before",
        &[],
        LabelAction::Finetune(FinetuneAction::RollBack),
    ),
    row(
        "Copy the shown clip into the project",
        &[],
        LabelAction::CopyClip,
    ),
    row("Import labels…", &[], LabelAction::Ask(Ask::Import)),
    row(
        "Export labels as COCO keypoints…",
        &[],
        LabelAction::Ask(Ask::Export(LabelFormat::Coco)),
    ),
    row(
        "Export labels as DeepLabCut CSV…",
        &[],
        LabelAction::Ask(Ask::Export(LabelFormat::Dlc)),
    ),
    row("Close the label project", &[], LabelAction::Close),
];

/// Translates a command for the page Train; `None` disables it, so that nothing is edited unseen.
/// `index` is the held-out frame that is shown.
pub(super) fn meaning_in_training(action: Action, index: usize) -> Option<Action> {
    let to = match action {
        Action::Label(LabelAction::NextSuggested(n)) => index.saturating_add_signed(isize::from(n)),
        Action::Playback(PlaybackAction::First) => 0,
        Action::Playback(PlaybackAction::Last) => usize::MAX,
        Action::Label(
            LabelAction::Page(_)
            | LabelAction::Finetune(_)
            | LabelAction::Ask(_)
            | LabelAction::Open(_)
            | LabelAction::OpenPaths(_)
            | LabelAction::Close
            | LabelAction::ForgetRecent,
        )
        | Action::Window(_)
        | Action::Model(_)
        | Action::Source(_) => return Some(action),
        _ => return None,
    };
    Some(Action::Label(LabelAction::Finetune(
        FinetuneAction::ShowResult(to),
    )))
}

/// Translates a shared command for this view; `None` disables it.
pub(super) fn meaning(action: Action, zoom: Zoom) -> Option<Action> {
    let action = match action {
        Action::Playback(PlaybackAction::Step(n)) => LabelAction::Step(n),
        Action::Playback(PlaybackAction::First) => LabelAction::Step(i64::MIN),
        Action::Playback(PlaybackAction::Last) => LabelAction::Step(i64::MAX),
        Action::Stage(StageAction::Zoom(zoom)) => LabelAction::Zoom(zoom),
        Action::Stage(StageAction::ZoomBy(factor)) => LabelAction::Zoom(magnified(zoom, factor)),
        // The frame is in the project already.
        Action::Label(LabelAction::AddFrame(None))
        | Action::Playback(_)
        | Action::Overlay(_)
        | Action::Record(RecordAction::StartStop | RecordAction::Snapshot) => return None,
        other => return Some(other),
    };
    Some(Action::Label(action))
}
