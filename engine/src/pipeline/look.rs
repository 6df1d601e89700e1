//! Appearance of the frames: overlays and smoothing.

use crate::estimator::RequestedMaps;
use crate::measure::Measures;
use crate::overlay::{MapKind, OverlaySpec, OverlayStyle};
use crate::track::{OneEuro, Selection};

/// Selection and style of what is drawn into the frames.
#[derive(Debug, Clone)]
pub struct Look {
    /// Overlays; the first is topmost and drawn last.
    pub overlays: Vec<&'static OverlaySpec>,
    /// Colours, sizes and thresholds of the overlays.
    pub style: OverlayStyle,
    /// Whether joints are temporally smoothed; otherwise they are drawn as decoded.
    pub is_smoothed: bool,
    /// Parameters of the smoothing filter.
    pub smoothing: OneEuro,
    /// The people that are shown and recorded.
    pub selection: Selection,
}

impl Look {
    /// Returns the maps that the overlays need.
    pub fn requested(&self) -> RequestedMaps {
        let needs = |maps| self.overlays.iter().any(|o| o.needs == Some(maps));
        RequestedMaps {
            heatmaps: needs(MapKind::Heatmaps),
            attention: needs(MapKind::Attention),
            fields: needs(MapKind::Fields),
            description: false,
        }
    }
}

impl Look {
    /// Returns the measures that are drawn; none without their overlay.
    pub fn drawn_measures(&self) -> Measures {
        if self.overlays.iter().any(|o| o.name == "measures") {
            self.style.measures.clone()
        } else {
            Measures::default()
        }
    }
}

impl Default for Look {
    fn default() -> Self {
        Self {
            overlays: Vec::new(),
            style: OverlayStyle::default(),
            is_smoothed: true,
            smoothing: OneEuro::default(),
            selection: Selection::default(),
        }
    }
}
