//! Commands that are there whatever is shown, and their keys.

use eframe::egui::{Key, KeyboardShortcut, Modifiers};

use super::Group;
use crate::gui::action::{
    Action, OverlayAction, PlaybackAction, RecordAction, SourceAction, WindowAction,
};
use crate::gui::inspect::InspectAction;
use crate::gui::panels::View;
use crate::gui::session::Sheet;
use crate::gui::train::{Ask, Role, TrainAction};

const fn key(key: Key) -> KeyboardShortcut {
    KeyboardShortcut::new(Modifiers::NONE, key)
}

const fn shift(key: Key) -> KeyboardShortcut {
    KeyboardShortcut::new(Modifiers::SHIFT, key)
}

const fn command(key: Key) -> KeyboardShortcut {
    KeyboardShortcut::new(Modifiers::COMMAND, key)
}

/// Commands that are always there. Keys with Shift stand before the same without: egui lets the
/// latter match both.
pub const FIXED: &[(Group, &str, &[KeyboardShortcut], Action)] = &[
    (
        Group::Source,
        "Open a file…",
        &[command(Key::O)],
        Action::Source(SourceAction::OpenDialog),
    ),
    (
        Group::Source,
        "Look for cameras",
        &[],
        Action::Source(SourceAction::ListCameras),
    ),
    (
        Group::Source,
        "Close the source",
        &[],
        Action::Source(SourceAction::Close),
    ),
    (
        Group::Overlays,
        "All overlays off",
        &[key(Key::Num0)],
        Action::Overlay(OverlayAction::AllOff),
    ),
    (
        Group::Overlays,
        "Show all joints",
        &[],
        Action::Overlay(OverlayAction::ShowAllJoints),
    ),
    (
        Group::Overlays,
        "The attention map or layer before",
        &[shift(Key::Tab)],
        Action::Overlay(OverlayAction::NextMap(-1)),
    ),
    (
        Group::Overlays,
        "Next attention map or layer",
        &[key(Key::Tab)],
        Action::Overlay(OverlayAction::NextMap(1)),
    ),
    (
        Group::Inspect,
        "Look inside the network, or back to the picture",
        &[key(Key::I)],
        Action::Inspect(InspectAction::InOrOut),
    ),
    (
        Group::Playback,
        "Play or pause",
        &[key(Key::Space)],
        Action::Playback(PlaybackAction::PlayPause),
    ),
    (
        Group::Playback,
        "Ten frames back",
        &[shift(Key::ArrowLeft)],
        Action::Playback(PlaybackAction::Step(-10)),
    ),
    (
        Group::Playback,
        "Ten frames on",
        &[shift(Key::ArrowRight)],
        Action::Playback(PlaybackAction::Step(10)),
    ),
    (
        Group::Playback,
        "One frame back",
        &[key(Key::ArrowLeft), key(Key::Comma)],
        Action::Playback(PlaybackAction::Step(-1)),
    ),
    (
        Group::Playback,
        "One frame on",
        &[key(Key::ArrowRight), key(Key::Period)],
        Action::Playback(PlaybackAction::Step(1)),
    ),
    (
        Group::Playback,
        "To the beginning, or the oldest picture held",
        &[key(Key::Home)],
        Action::Playback(PlaybackAction::First),
    ),
    (
        Group::Playback,
        "To the end, or follow the live picture",
        &[key(Key::End)],
        Action::Playback(PlaybackAction::Last),
    ),
    (
        Group::Playback,
        "Slower",
        &[key(Key::OpenBracket)],
        Action::Playback(PlaybackAction::Faster(false)),
    ),
    (
        Group::Playback,
        "Faster",
        &[key(Key::CloseBracket)],
        Action::Playback(PlaybackAction::Faster(true)),
    ),
    (
        Group::Recording,
        "Start or stop recording",
        &[key(Key::R)],
        Action::Record(RecordAction::StartStop),
    ),
    (
        Group::Recording,
        "Save a snapshot",
        &[shift(Key::Enter), command(Key::S)],
        Action::Record(RecordAction::Snapshot),
    ),
    (
        Group::Recording,
        "Look for recordings",
        &[],
        Action::Record(RecordAction::List),
    ),
    (
        Group::Training,
        "Train a network",
        &[key(Key::T)],
        Action::Window(WindowAction::Show(View::Train)),
    ),
    (
        Group::Training,
        "Choose labels to learn from…",
        &[],
        Action::Train(TrainAction::Ask(Ask::Labels(Role::Learn))),
    ),
    (
        Group::Training,
        "Choose held-out labels…",
        &[],
        Action::Train(TrainAction::Ask(Ask::Labels(Role::HeldOut))),
    ),
    (
        Group::Training,
        "Check the training data",
        &[],
        Action::Train(TrainAction::Check),
    ),
    (
        Group::Training,
        "Preview a training batch",
        &[],
        Action::Train(TrainAction::Preview),
    ),
    (
        Group::Training,
        "Start the training",
        &[],
        Action::Train(TrainAction::Start),
    ),
    (
        Group::Training,
        "Pause the training, or go on",
        &[],
        Action::Train(TrainAction::Pause),
    ),
    (
        Group::Training,
        "Stop the training",
        &[],
        Action::Train(TrainAction::Stop),
    ),
    (
        Group::Training,
        "Use the trained weights",
        &[],
        Action::Train(TrainAction::Use),
    ),
    (
        Group::Training,
        "Keep the old weights",
        &[],
        Action::Train(TrainAction::KeepOld),
    ),
    (
        Group::Window,
        "Move the keyboard into the panels",
        &[key(Key::F6)],
        Action::Window(WindowAction::FocusPanels),
    ),
    (
        Group::Window,
        "Full screen",
        &[key(Key::F11)],
        Action::Window(WindowAction::FullScreen),
    ),
    (
        Group::Window,
        "Everything larger",
        &[command(Key::Plus), command(Key::Equals)],
        Action::Window(WindowAction::Larger(true)),
    ),
    (
        Group::Window,
        "Everything smaller",
        &[command(Key::Minus)],
        Action::Window(WindowAction::Larger(false)),
    ),
    (
        Group::Window,
        "Usual size",
        &[command(Key::Num0)],
        Action::Window(WindowAction::Scale(1.0)),
    ),
    (
        Group::Window,
        "Commands…",
        &[command(Key::K)],
        Action::Window(WindowAction::OpenSheet(Sheet::Palette)),
    ),
    (
        Group::Window,
        "Keys",
        &[key(Key::F1), key(Key::Questionmark)],
        Action::Window(WindowAction::OpenSheet(Sheet::Keys)),
    ),
    (
        Group::Window,
        "Settings",
        &[command(Key::Comma)],
        Action::Window(WindowAction::OpenSheet(Sheet::Settings)),
    ),
    (
        Group::Window,
        "Log",
        &[command(Key::L)],
        Action::Window(WindowAction::OpenSheet(Sheet::Log)),
    ),
    (
        Group::Window,
        "About PoseLens",
        &[],
        Action::Window(WindowAction::OpenSheet(Sheet::About)),
    ),
    (
        Group::Window,
        "First steps",
        &[],
        Action::Window(WindowAction::OpenSheet(Sheet::Welcome)),
    ),
];

/// The n-th overlay is toggled by the n-th of these.
pub const OVERLAY_KEYS: [&[KeyboardShortcut]; 5] = [
    &[key(Key::Num1)],
    &[key(Key::Num2)],
    &[key(Key::Num3)],
    &[key(Key::Num4)],
    &[key(Key::Num5)],
];
