//! Codecs: one object encodes training targets and decodes predictions, so that the two can
//! never disagree. Adding one: a new file, one line in [`CODECS`].
//!
//! Coordinates here are heatmap pixels, pixel centres at integers.

use crate::geometry::{Point, Size};
use crate::output::Planes;
use crate::pose::Keypoint;

/// Turns joints into target maps and maps back into joints.
pub trait Codec: Send + Sync {
    /// Targets for one person: one map per joint; `None` (unlabelled) gives an empty map.
    fn encode(&self, joints: &[Option<Point>], size: Size) -> Planes;

    /// People found in one image's maps, joints in the maps' order and pixels.
    /// Codecs for one person per region return exactly one.
    fn decode(&self, heatmaps: &Planes) -> Vec<Vec<Keypoint>>;
}

/// One way of decoding: a row of [`CODECS`].
pub struct CodecSpec {
    /// `argmax`, `quarter`, `dark`.
    pub name: &'static str,
    /// One line for `--help`.
    pub help: &'static str,
    /// Builds it; `sigma` is the width of the target Gaussian in heatmap pixels.
    pub build: fn(sigma: f64) -> Box<dyn Codec>,
}

/// Every codec.
pub const CODECS: &[CodecSpec] = &[];

/// The row called `name`.
pub fn codec(name: &str) -> Option<&'static CodecSpec> {
    CODECS.iter().find(|c| c.name == name)
}
