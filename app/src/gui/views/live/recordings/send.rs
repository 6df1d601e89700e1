//! Sends actions of the recordings panel.

use crate::gui::action::{Action, RecordAction};
use crate::gui::views::live::state::LiveContext;

pub(super) fn send(cx: &mut LiveContext<'_>, action: RecordAction) {
    cx.actions.push(Action::Record(action));
}
