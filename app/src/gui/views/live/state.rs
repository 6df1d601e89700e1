//! The state of the Live view.

use crate::gui::picture::FrameCanvas;
use crate::gui::view::PanelContext;
use crate::gui::views::live::measure_series::Series;

/// State of this view alone; all other state is shared.
#[derive(Default)]
pub(super) struct Live {
    /// The displayed frame on the GPU; `None` if there is no window.
    pub picture: Option<FrameCanvas>,
    /// The measures of the last seconds.
    pub measured: Series,
}

/// Context passed to the panels of this view.
pub(super) type LiveContext<'a> = PanelContext<'a, Live>;
