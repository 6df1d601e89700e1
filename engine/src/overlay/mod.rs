//! Overlays: what is shown of a [`PoseOutput`] over its picture. Adding one: a new file, one line
//! in [`OVERLAYS`].
//!
//! An overlay reads a [`PoseOutput`] and an [`OverlayStyle`] and adds marks to a [`Scene`], which
//! recordings draw on a canvas and the window on its graphics device. Maps bring a legend:
//! caption, colours, numbers.

mod attention;
mod attention_figure;
mod boxes;
mod caption;
mod heatmap;
mod skeleton;
mod trail;

use std::collections::BTreeSet;

use poselens_shaders::Rgb;
use poselens_shaders::canvas::Canvas;
use poselens_shaders::colormap::ColorMap;
use poselens_shaders::heat::Sampling;
use poselens_shaders::scene::Scene;
use poselens_shaders::view::View;

pub use attention_figure::AttentionFigure;
pub use caption::with_caption;

use crate::geometry::Size;
use crate::output::PoseOutput;

/// Which values the ends of a colour map stand for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RangeMode {
    /// The values that are possible at all: pictures can be compared with each other.
    Fixed,
    /// The values of this frame: weak maps show their structure.
    PerFrame,
}

/// What the user chose to see.
#[derive(Debug, Clone, PartialEq)]
pub struct OverlayStyle {
    /// Joints below this score are not drawn, [0, 1].
    pub keypoint_threshold: f32,
    /// Joints that are not drawn, nor their limbs.
    pub hidden_joints: BTreeSet<usize>,
    /// Strength of maps over the picture, [0, 1].
    pub opacity: f32,
    /// Joint whose heatmap is shown; `None` shows the maximum over joints.
    pub joint: Option<usize>,
    /// Name of the attention map shown; `None` shows the model's first. Of a map with a plane for
    /// each joint, that of [`Self::joint`] or else the largest value.
    pub attention: Option<String>,
    /// Colours of maps that start at nothing. Maps around a middle are always blue and red.
    pub colors: ColorMap,
    /// Strength of a map below which the picture is left alone, [0, 1]: the share of its range,
    /// for maps around a middle the distance from it.
    pub map_threshold: f32,
    /// How values between a map's pixels are found.
    pub sampling: Sampling,
    /// Range of heatmaps; fixed is [0, 1].
    pub heatmap_range: RangeMode,
    /// Range of attention maps; per frame is from the 1st to the 99th percentile.
    pub attention_range: RangeMode,
    /// All limbs and joints in this colour, which tells two answers in one picture apart; `None`
    /// gives left and right theirs.
    pub tint: Option<Rgb>,
    /// Write the track id above each head.
    pub track_ids: bool,
    /// Write L and R beside hands and feet.
    pub side_badges: bool,
    /// Draw a legend with each map.
    pub legends: bool,
}

impl Default for OverlayStyle {
    fn default() -> Self {
        Self {
            keypoint_threshold: 0.3,
            hidden_joints: BTreeSet::new(),
            opacity: 0.6,
            joint: None,
            attention: None,
            colors: ColorMap::Viridis,
            map_threshold: 0.0,
            sampling: Sampling::Bilinear,
            heatmap_range: RangeMode::Fixed,
            attention_range: RangeMode::PerFrame,
            tint: None,
            track_ids: true,
            side_badges: true,
            legends: true,
        }
    }
}

/// One overlay: a row of [`OVERLAYS`].
#[derive(Debug)]
pub struct OverlaySpec {
    /// `skeleton`, `heatmap`, `attention`, ...
    pub name: &'static str,
    /// One line for `--help` and tooltips.
    pub help: &'static str,
    /// Needs the region's heatmaps.
    pub needs_heatmaps: bool,
    /// Needs the region's attention maps.
    pub needs_attention: bool,
    /// Writes each person's id, where no overlay behind it in the list does.
    pub writes_ids: bool,
    /// Adds its marks.
    pub mark: fn(&mut Scene, &PoseOutput, &OverlayStyle),
}

impl OverlaySpec {
    /// Whether it covers the picture with a map.
    pub fn is_map(&self) -> bool {
        self.needs_heatmaps || self.needs_attention
    }
}

/// Every overlay, as people list them. Maps lie lowest; apart from that the first is drawn last,
/// above the others.
pub const OVERLAYS: &[OverlaySpec] = &[
    OverlaySpec {
        name: "skeleton",
        help: "limbs and joints; left is blue, right is orange",
        needs_heatmaps: false,
        needs_attention: false,
        writes_ids: true,
        mark: skeleton::mark,
    },
    OverlaySpec {
        name: "heatmap",
        help: "where the network sees joints: the strongest of all joints, or one joint",
        needs_heatmaps: true,
        needs_attention: false,
        writes_ids: false,
        mark: heatmap::mark,
    },
    OverlaySpec {
        name: "attention",
        help: "one attention map of the network, blue and red around its neutral value",
        needs_heatmaps: false,
        needs_attention: true,
        writes_ids: false,
        mark: attention::mark,
    },
    OverlaySpec {
        name: "trail",
        help: "the way that hands, feet and the head came in the last second",
        needs_heatmaps: false,
        needs_attention: false,
        writes_ids: false,
        mark: trail::mark,
    },
    OverlaySpec {
        name: "box",
        help: "a box around each person with the identity and how sure the network is",
        needs_heatmaps: false,
        needs_attention: false,
        writes_ids: true,
        mark: boxes::mark,
    },
];

/// The row called `name`.
pub fn overlay(name: &str) -> Option<&'static OverlaySpec> {
    OVERLAYS.iter().find(|o| o.name == name)
}

/// What `overlays` show of `output`: maps lowest, and the first of them above the others.
pub fn scene(output: &PoseOutput, overlays: &[&OverlaySpec], style: &OverlayStyle) -> Scene {
    let mut scene = Scene::default();
    let writer = overlays.iter().rposition(|o| o.writes_ids);
    let without_ids = OverlayStyle {
        track_ids: false,
        ..style.clone()
    };
    for is_map in [true, false] {
        for (i, overlay) in overlays.iter().enumerate().rev() {
            if overlay.is_map() == is_map {
                let writes = writer.is_none_or(|writer| writer == i);
                let style = if writes { style } else { &without_ids };
                (overlay.mark)(&mut scene, output, style);
            }
        }
    }
    scene
}

/// Width of the thinnest line that is still seen when a picture of `size` is shown as a whole, in
/// its pixels: 1 up to 1280x720, more in larger pictures, which screens show smaller.
pub fn pen(size: Size) -> f32 {
    (size.width.min(size.height) as f32 / 720.0).max(1.0)
}

/// Draws `overlays` on `canvas`, which holds the picture of `output` at its full size. Whatever
/// the order of `overlays`, the first row of [`OVERLAYS`] is drawn last.
pub fn draw_all(
    canvas: &mut Canvas<'_>,
    output: &PoseOutput,
    overlays: &[&OverlaySpec],
    style: &OverlayStyle,
) {
    let is_wanted = |spec: &&OverlaySpec| overlays.iter().any(|o| o.name == spec.name);
    let sorted: Vec<_> = OVERLAYS.iter().filter(is_wanted).collect();
    let view = View::whole([canvas.width(), canvas.height()]);
    scene(output, &sorted, style).draw(canvas, &view);
}

#[cfg(test)]
mod tests;
