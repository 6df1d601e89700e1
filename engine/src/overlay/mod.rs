//! Overlays drawn onto a picture on the CPU: what recordings show, and the window's pictures.
//! Adding one: a new file, one line in [`OVERLAYS`].

use poselens_shaders::canvas::Canvas;

use crate::output::PoseOutput;

/// What the user chose to see.
#[derive(Debug, Clone, PartialEq)]
pub struct OverlayStyle {
    /// Joints below this score are not drawn, [0, 1].
    pub keypoint_threshold: f32,
    /// Strength of maps over the picture, [0, 1].
    pub opacity: f32,
    /// Joint whose heatmap is shown; `None` shows the maximum over joints.
    pub joint: Option<usize>,
    /// Name of the attention map shown; `None` shows the model's first.
    pub attention: Option<String>,
}

impl Default for OverlayStyle {
    fn default() -> Self {
        Self {
            keypoint_threshold: 0.3,
            opacity: 0.6,
            joint: None,
            attention: None,
        }
    }
}

/// One overlay: a row of [`OVERLAYS`].
#[derive(Debug)]
pub struct OverlaySpec {
    /// `skeleton`, `heatmap`, `attention`.
    pub name: &'static str,
    /// One line for `--help` and tooltips.
    pub help: &'static str,
    /// Needs the region's heatmaps.
    pub needs_heatmaps: bool,
    /// Needs the region's attention maps.
    pub needs_attention: bool,
    /// Draws it.
    pub draw: fn(&mut Canvas<'_>, &PoseOutput, &OverlayStyle),
}

/// Every overlay, in drawing order: maps below, skeleton above.
pub const OVERLAYS: &[OverlaySpec] = &[];

/// The row called `name`.
pub fn overlay(name: &str) -> Option<&'static OverlaySpec> {
    OVERLAYS.iter().find(|o| o.name == name)
}
