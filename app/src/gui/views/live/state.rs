//! The state of the Live view.

use crate::gui::picture::FrameCanvas;
use crate::gui::view::PanelContext;

/// The displayed frame on the GPU; all other state is shared.
#[derive(Default)]
pub struct Live {
    /// `None` if there is no window.
    pub picture: Option<FrameCanvas>,
}

/// Context passed to the panels of this view.
pub type LiveContext<'a> = PanelContext<'a, Live>;
