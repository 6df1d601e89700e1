//! The state of the Live view.

use crate::gui::picture::Picture;
use crate::gui::view::PanelContext;

/// The running picture on the graphics device; everything else is shared.
#[derive(Default)]
pub struct Live {
    /// `None` without a window.
    pub picture: Option<Picture>,
}

/// What the panels of this view get.
pub type LiveContext<'a> = PanelContext<'a, Live>;
