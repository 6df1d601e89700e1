//! What is drawn into the pictures.

use crate::overlay::{OverlaySpec, OverlayStyle};
use crate::track::OneEuro;

/// What is drawn into the pictures.
#[derive(Debug, Clone)]
pub struct Look {
    /// Overlays; the first is drawn last, above the others.
    pub overlays: Vec<&'static OverlaySpec>,
    /// How they are drawn.
    pub style: OverlayStyle,
    /// Joints smoothed over time; otherwise as decoded.
    pub is_smoothed: bool,
    /// How they are smoothed.
    pub smoothing: OneEuro,
}

impl Default for Look {
    fn default() -> Self {
        Self {
            overlays: Vec::new(),
            style: OverlayStyle::default(),
            is_smoothed: true,
            smoothing: OneEuro::default(),
        }
    }
}
