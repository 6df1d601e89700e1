//! The state of the Live view.

use crate::gui::picture::FrameCanvas;
use crate::gui::view::PanelContext;

/// The displayed frame on the GPU; all other state is shared.
#[derive(Default)]
pub(super) struct Live {
    /// `None` if there is no window.
    pub picture: Option<FrameCanvas>,
}

/// Context passed to the panels of this view.
pub(super) type LiveContext<'a> = PanelContext<'a, Live>;
