//! Commands that are always available, and their shortcuts.

use eframe::egui::Key;
use poselens_shaders::view::Zoom;

use crate::gui::action::{
    Action, OverlayAction, PlaybackAction, RecordAction, Sheet, SourceAction, StageAction,
    WindowAction,
};
use crate::gui::command::{FixedCommand, Group, command, key, shift};
use crate::gui::views::VIEWS;

/// Magnification of one step of a zoom command.
const ZOOM_STEP: f64 = 1.5;

/// Commands of all views. Shortcuts with Shift precede those without, because egui lets the latter
/// match both.
const FIXED: &[FixedCommand] = &[
    (
        Group::SOURCE,
        "Open a file…",
        &[command(Key::O)],
        Action::Source(SourceAction::OpenDialog),
    ),
    (
        Group::SOURCE,
        "Look for cameras",
        &[],
        Action::Source(SourceAction::ListCameras),
    ),
    (
        Group::SOURCE,
        "Close the source",
        &[],
        Action::Source(SourceAction::Close),
    ),
    (
        Group::OVERLAYS,
        "All overlays off",
        &[key(Key::Num0)],
        Action::Overlay(OverlayAction::AllOff),
    ),
    (
        Group::OVERLAYS,
        "Show all joints",
        &[],
        Action::Overlay(OverlayAction::ShowAllJoints),
    ),
    (
        Group::OVERLAYS,
        "Previous attention map or layer",
        &[shift(Key::Tab)],
        Action::Overlay(OverlayAction::NextMap(-1)),
    ),
    (
        Group::OVERLAYS,
        "Next attention map or layer",
        &[key(Key::Tab)],
        Action::Overlay(OverlayAction::NextMap(1)),
    ),
    (
        Group::PLAYBACK,
        "Play or pause",
        &[key(Key::Space)],
        Action::Playback(PlaybackAction::PlayPause),
    ),
    (
        Group::PLAYBACK,
        "Back ten frames",
        &[shift(Key::ArrowLeft)],
        Action::Playback(PlaybackAction::Step(-10)),
    ),
    (
        Group::PLAYBACK,
        "Forward ten frames",
        &[shift(Key::ArrowRight)],
        Action::Playback(PlaybackAction::Step(10)),
    ),
    (
        Group::PLAYBACK,
        "Previous frame",
        &[key(Key::ArrowLeft), key(Key::Comma)],
        Action::Playback(PlaybackAction::Step(-1)),
    ),
    (
        Group::PLAYBACK,
        "Next frame",
        &[key(Key::ArrowRight), key(Key::Period)],
        Action::Playback(PlaybackAction::Step(1)),
    ),
    (
        Group::PLAYBACK,
        "To the beginning, or the oldest frame kept",
        &[key(Key::Home)],
        Action::Playback(PlaybackAction::First),
    ),
    (
        Group::PLAYBACK,
        "To the end, or follow the live view",
        &[key(Key::End)],
        Action::Playback(PlaybackAction::Last),
    ),
    (
        Group::PLAYBACK,
        "Slower",
        &[key(Key::OpenBracket)],
        Action::Playback(PlaybackAction::Faster(false)),
    ),
    (
        Group::PLAYBACK,
        "Faster",
        &[key(Key::CloseBracket)],
        Action::Playback(PlaybackAction::Faster(true)),
    ),
    (
        Group::PLAYBACK,
        "Zoom in",
        &[],
        Action::Stage(StageAction::ZoomBy(ZOOM_STEP)),
    ),
    (
        Group::PLAYBACK,
        "Zoom out",
        &[],
        Action::Stage(StageAction::ZoomBy(1.0 / ZOOM_STEP)),
    ),
    (
        Group::PLAYBACK,
        "Whole image",
        &[],
        Action::Stage(StageAction::Zoom(Zoom::WHOLE)),
    ),
    (
        Group::RECORDING,
        "Start or stop recording",
        &[key(Key::R)],
        Action::Record(RecordAction::StartStop),
    ),
    (
        Group::RECORDING,
        "Save a snapshot",
        &[shift(Key::Enter), command(Key::S)],
        Action::Record(RecordAction::Snapshot),
    ),
    (
        Group::RECORDING,
        "Look for recordings",
        &[],
        Action::Record(RecordAction::List),
    ),
    (
        Group::WINDOW,
        "Move keyboard focus to the panels",
        &[key(Key::F6)],
        Action::Window(WindowAction::FocusPanels),
    ),
    (
        Group::WINDOW,
        "Full screen",
        &[key(Key::F11)],
        Action::Window(WindowAction::FullScreen),
    ),
    (
        Group::WINDOW,
        "Larger interface",
        &[command(Key::Plus), command(Key::Equals)],
        Action::Window(WindowAction::Larger(true)),
    ),
    (
        Group::WINDOW,
        "Smaller interface",
        &[command(Key::Minus)],
        Action::Window(WindowAction::Larger(false)),
    ),
    (
        Group::WINDOW,
        "Default interface size",
        &[command(Key::Num0)],
        Action::Window(WindowAction::Scale(1.0)),
    ),
    (
        Group::WINDOW,
        "Commands…",
        &[command(Key::K)],
        Action::Window(WindowAction::OpenSheet(Sheet::Palette)),
    ),
    (
        Group::WINDOW,
        "Keys",
        &[key(Key::F1), key(Key::Questionmark)],
        Action::Window(WindowAction::OpenSheet(Sheet::Keys)),
    ),
    (
        Group::WINDOW,
        "Settings",
        &[command(Key::Comma)],
        Action::Window(WindowAction::OpenSheet(Sheet::Settings)),
    ),
    (
        Group::WINDOW,
        "Log",
        &[command(Key::L)],
        Action::Window(WindowAction::OpenSheet(Sheet::Log)),
    ),
    (
        Group::WINDOW,
        "About PoseLens",
        &[],
        Action::Window(WindowAction::OpenSheet(Sheet::About)),
    ),
    (
        Group::WINDOW,
        "Getting started",
        &[],
        Action::Window(WindowAction::OpenSheet(Sheet::Welcome)),
    ),
    (
        Group::WINDOW,
        "Quit",
        &[command(Key::Q)],
        Action::Window(WindowAction::Quit),
    ),
];

/// Returns the commands of all views and of each view that are always available, in group order.
pub(super) fn fixed() -> Vec<&'static FixedCommand> {
    let of_views = VIEWS.iter().flat_map(|view| view.commands);
    let mut all: Vec<_> = FIXED.iter().chain(of_views).collect();
    all.sort_by_key(|(group, ..)| group.rank);
    all
}
