//! On/off settings without shortcuts.

use crate::gui::action::{Action, ModelAction, OverlayAction, SourceAction};
use crate::gui::command::Group;
use crate::gui::state::AppState;

/// An on/off setting.
pub(super) struct Switch {
    pub group: Group,
    pub title: &'static str,
    /// Returns the action that toggles it.
    pub turn: fn(&AppState) -> Action,
}

/// All switches.
pub(super) const SWITCHES: [Switch; 5] = [
    Switch {
        group: Group::SOURCE,
        title: "Mirror the image on or off",
        turn: |_| Action::Source(SourceAction::MirrorShown),
    },
    Switch {
        group: Group::PLAYBACK,
        title: "Loop files on or off",
        turn: |state| Action::Source(SourceAction::Loop(!state.is_looping)),
    },
    Switch {
        group: Group::MODEL,
        title: "Temporal smoothing on or off",
        turn: |state| Action::Model(ModelAction::Smooth(!state.is_smoothed)),
    },
    Switch {
        group: Group::OVERLAYS,
        title: "Smooth maps on or off",
        turn: |state| Action::Overlay(OverlayAction::SmoothMaps(!state.is_map_smooth)),
    },
    Switch {
        group: Group::OVERLAYS,
        title: "Fixed map range on or off",
        turn: |state| Action::Overlay(OverlayAction::FixedRange(!state.is_range_fixed)),
    },
];
