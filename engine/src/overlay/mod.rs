//! Overlays: drawings that show parts of a [`PoseOutput`] on its image. To add one, write a new
//! file and add one line to [`OVERLAYS`].
//!
//! An overlay reads a [`PoseOutput`] and an [`OverlayStyle`] and adds shapes to a [`Scene`], which
//! recordings draw on a canvas and the window draws on the GPU. Overlays with maps add a legend:
//! caption, colour bar and value range.

mod attention;
mod attention_figure;
mod boxes;
mod caption;
mod fields;
mod fields_figure;
mod heatmap;
mod measures;
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
pub use fields_figure::FieldsFigure;

use crate::geometry::Size;
use crate::measure::Measures;
use crate::output::PoseOutput;
use crate::pose::Keypoint;

/// How the value range of a colour map is chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RangeMode {
    /// The full range of possible values, so that frames can be compared with each other.
    Fixed,
    /// The range of values in this frame, so that weak maps show their structure.
    PerFrame,
}

/// Display options of the overlays, chosen by the user.
#[derive(Debug, Clone, PartialEq)]
pub struct OverlayStyle {
    /// Joints with a lower score are not drawn, [0, 1].
    pub keypoint_threshold: f32,
    /// Indices of joints that are not drawn, nor the limbs that end at them.
    pub hidden_joints: BTreeSet<usize>,
    /// Opacity of maps on the image, [0, 1].
    pub opacity: f32,
    /// Index of the joint whose heatmap is shown; `None` shows the maximum over all joints.
    pub joint: Option<usize>,
    /// Name of the attention map to show; `None` shows the model's first. Of a map with one plane
    /// per joint, the plane of [`Self::joint`] is shown, or else the maximum.
    pub attention: Option<String>,
    /// Name of the limb whose field is shown ([`Skeleton::limb_name`]). `None` shows those of all
    /// limbs, or of the limbs at [`Self::joint`] if there is one.
    ///
    /// [`Skeleton::limb_name`]: crate::skeleton::Skeleton::limb_name
    pub limb: Option<String>,
    /// Colour map of maps that start at 0. Signed maps are always blue and red.
    pub colors: ColorMap,
    /// Map values below this are transparent, [0, 1]: a fraction of the range, or of the distance
    /// from the neutral value for signed maps.
    pub map_threshold: f32,
    /// Interpolation between a map's pixels.
    pub sampling: Sampling,
    /// Range of heatmaps; [`RangeMode::Fixed`] is [0, 1].
    pub heatmap_range: RangeMode,
    /// Range of attention maps; [`RangeMode::PerFrame`] spans the 1st to the 99th percentile.
    pub attention_range: RangeMode,
    /// One colour for all limbs and joints, to tell two predictions on one image apart; `None`
    /// colours left and right differently.
    pub tint: Option<Rgb>,
    /// Writes the track id above each head.
    pub track_ids: bool,
    /// Writes L and R next to hands and feet.
    pub side_badges: bool,
    /// Draws a legend for each map.
    pub legends: bool,
    /// What is measured and written at the joints.
    pub measures: Measures,
}

impl OverlayStyle {
    /// Returns whether a joint is drawn: not hidden, with a finite position and a score above the
    /// threshold.
    pub fn draws(&self, joint: usize, keypoint: &Keypoint) -> bool {
        keypoint.score >= self.keypoint_threshold
            && keypoint.x.is_finite()
            && keypoint.y.is_finite()
            && !self.hidden_joints.contains(&joint)
    }
}

impl Default for OverlayStyle {
    fn default() -> Self {
        Self {
            keypoint_threshold: 0.3,
            hidden_joints: BTreeSet::new(),
            opacity: 0.6,
            joint: None,
            attention: None,
            limb: None,
            colors: ColorMap::Viridis,
            map_threshold: 0.0,
            sampling: Sampling::Bilinear,
            heatmap_range: RangeMode::Fixed,
            attention_range: RangeMode::PerFrame,
            tint: None,
            track_ids: true,
            side_badges: true,
            legends: true,
            measures: Measures::default(),
        }
    }
}

/// Maps that an overlay shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MapKind {
    /// Heatmaps of the regions.
    Heatmaps,
    /// Attention maps of the regions.
    Attention,
    /// Part affinity fields of the regions.
    Fields,
}

/// Overlays that are drawn together, from below.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Layer {
    Maps,
    Shapes,
    Numbers,
}

/// An available overlay: a row of [`OVERLAYS`].
#[derive(Debug)]
pub struct OverlaySpec {
    /// Name on the command line: `skeleton`, `heatmap`, `attention`, ...
    pub name: &'static str,
    /// Title in the window, in lower case.
    pub title: &'static str,
    /// One-line description for `--help` and tooltips.
    pub help: &'static str,
    /// Maps that it shows; `None` if it shows poses.
    pub needs: Option<MapKind>,
    /// Whether it writes track ids, unless another overlay later in the list does.
    pub writes_ids: bool,
    /// Adds its shapes to the scene.
    pub mark: fn(&mut Scene, &PoseOutput, &OverlayStyle),
}

impl OverlaySpec {
    /// Returns its layer: maps below all shapes, and the numbers of measures above them.
    fn layer(&self) -> Layer {
        match self.name {
            "measures" => Layer::Numbers,
            _ if self.is_map() => Layer::Maps,
            _ => Layer::Shapes,
        }
    }

    /// Returns whether it covers the image with a map.
    pub fn is_map(&self) -> bool {
        matches!(self.needs, Some(MapKind::Heatmaps | MapKind::Attention))
    }
}

/// All overlays in display order. Maps are drawn first and measures last; apart from that, earlier
/// rows are drawn later and cover the others.
pub const OVERLAYS: &[OverlaySpec] = &[
    OverlaySpec {
        name: "skeleton",
        title: "skeleton",
        help: "limbs and joints; left is blue, right is orange",
        needs: None,
        writes_ids: true,
        mark: skeleton::mark,
    },
    OverlaySpec {
        name: "heatmap",
        title: "heatmap",
        help: "where the network expects joints: the maximum over all joints, or one joint",
        needs: Some(MapKind::Heatmaps),
        writes_ids: false,
        mark: heatmap::mark,
    },
    OverlaySpec {
        name: "attention",
        title: "attention",
        help: "one attention map of the network, blue and red around its neutral value",
        needs: Some(MapKind::Attention),
        writes_ids: false,
        mark: attention::mark,
    },
    OverlaySpec {
        name: "trail",
        title: "trail",
        help: "the path of hands, feet and head over the last second",
        needs: None,
        writes_ids: false,
        mark: trail::mark,
    },
    OverlaySpec {
        name: "box",
        title: "box",
        help: "a box around each person with its identity and score",
        needs: None,
        writes_ids: true,
        mark: boxes::mark,
    },
    OverlaySpec {
        name: "fields",
        title: "limb fields",
        help: "where the network sees limbs, and in which direction: an arrow for each cell of the \
               affinity fields",
        needs: Some(MapKind::Fields),
        writes_ids: false,
        mark: fields::mark,
    },
    OverlaySpec {
        name: "measures",
        title: "measures",
        help: "joint angles, distances and speeds, written at the joints",
        needs: None,
        writes_ids: false,
        mark: measures::mark,
    },
];

/// Returns the overlay named `name`.
pub fn overlay(name: &str) -> Option<&'static OverlaySpec> {
    OVERLAYS.iter().find(|o| o.name == name)
}

/// Builds the scene of `overlays` for `output`: maps at the bottom, measures on top, and otherwise
/// earlier rows above later ones.
pub fn scene(output: &PoseOutput, overlays: &[&OverlaySpec], style: &OverlayStyle) -> Scene {
    let mut scene = Scene::default();
    let writer = overlays.iter().rposition(|o| o.writes_ids);
    let without_ids = OverlayStyle {
        track_ids: false,
        ..style.clone()
    };
    for layer in [Layer::Maps, Layer::Shapes, Layer::Numbers] {
        for (i, overlay) in overlays.iter().enumerate().rev() {
            if overlay.layer() == layer {
                let writes = writer.is_none_or(|writer| writer == i);
                let style = if writes { style } else { &without_ids };
                (overlay.mark)(&mut scene, output, style);
            }
        }
    }
    scene
}

/// Returns the width in image pixels of the thinnest line that remains visible when an image of
/// `size` is shown as a whole: 1 up to 1280x720, more for larger images, which are scaled down on
/// screen.
pub fn pen(size: Size) -> f32 {
    (size.width.min(size.height) as f32 / 720.0).max(1.0)
}

/// Draws `overlays` on `canvas`, which holds the image of `output` at full size. The order of
/// `overlays` does not matter: their rows in [`OVERLAYS`] decide.
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
