//! Sends actions of sheets to the window.

use crate::gui::action::{Action, WindowAction};
use crate::gui::view::PanelContext;

pub(super) fn send(cx: &mut PanelContext<'_>, action: WindowAction) {
    cx.actions.push(Action::Window(action));
}
