//! Results of the frame path: maps from the network, poses, and time per stage.

mod attention_map;
mod limb_fields;
mod timings;

use std::sync::Arc;

use serde::Serialize;

use crate::frame::Frame;
use crate::geometry::{Affine2, Size};
use crate::pose::Pose;
use crate::skeleton::Skeleton;

pub use attention_map::{AttentionKind, AttentionMap, Direction, MapPlace, QueryKey};
pub use limb_fields::LimbFields;
pub use timings::{Stage, Timings};

/// How a network finds people.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Approach {
    /// Processes the region of one person and predicts one heatmap per joint.
    TopDown,
    /// Processes the whole frame and predicts fields for all people in it.
    BottomUp,
}

/// A stack of float maps of equal size, such as one heatmap per joint. `V` is the memory of the
/// values: a vector while they are computed, shared once they are a result ([`SharedPlanes`]).
#[derive(Debug, Clone, PartialEq)]
pub struct Planes<V = Vec<f32>> {
    /// Number of maps.
    pub n: usize,
    /// Size of each map in pixels.
    pub size: Size,
    /// `n * size.area()` values, map by map, row by row.
    pub values: V,
}

/// Maps that are passed on without being copied, up to the GPU.
pub type SharedPlanes = Planes<Arc<[f32]>>;

impl From<Planes> for SharedPlanes {
    fn from(Planes { n, size, values }: Planes) -> Self {
        Self {
            n,
            size,
            values: values.into(),
        }
    }
}

impl<V: AsRef<[f32]>> Planes<V> {
    /// Returns map `i`, row by row.
    pub fn plane(&self, i: usize) -> &[f32] {
        let area = self.size.area();
        &self.values.as_ref()[i * area..(i + 1) * area]
    }
}

/// Maps predicted for one region of the frame.
#[derive(Debug, Clone, PartialEq)]
pub struct RegionOutput {
    /// One map per joint; empty (`n == 0`) if not requested.
    pub heatmaps: SharedPlanes,
    /// Maps heatmap pixels to image pixels.
    pub image_from_heatmap: Affine2,
    /// Attention maps; empty if not requested.
    pub attention: Vec<AttentionMap>,
    /// Self-attention layers; empty if not requested.
    pub query_key: Vec<QueryKey>,
    /// Part affinity fields; `None` if not requested, or for a network that has none.
    pub fields: Option<LimbFields>,
    /// Numbers whose distance says how different two regions are to the network; empty if not
    /// requested.
    pub description: Vec<f32>,
    /// Track id of the person in the region; `None` for a whole frame or an unknown person.
    pub track_id: Option<u64>,
}

/// Numbers of people in one frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct PeopleCount {
    /// People seen in the frame or a moment before, selected or not.
    pub found: usize,
    /// Those of them whose region a top-down network processed after a bottom-up network had found
    /// them.
    pub closely: usize,
    /// Those of them whose region was due but not processed, because there are too many people or
    /// there was too little time: their poses are those of the bottom-up network.
    pub left_out: usize,
}

/// Results for one frame, with the frame that the poses were computed from.
#[derive(Debug, Clone)]
pub struct PoseOutput {
    /// The processed frame.
    pub frame: Frame,
    /// Name of the model.
    pub model: Arc<str>,
    /// Defines the keypoints.
    pub skeleton: &'static Skeleton,
    /// People, best first.
    pub poses: Vec<Pose>,
    /// Heatmaps and attention maps for each processed region.
    pub regions: Vec<RegionOutput>,
    /// Time per stage so far.
    pub timings: Timings,
    /// Numbers of people; those in `poses` are the selected ones.
    pub people: PeopleCount,
}

impl PoseOutput {
    /// Returns the part affinity fields of the frame: those of the first region that has any.
    pub fn limb_fields(&self) -> Option<&LimbFields> {
        self.regions.iter().find_map(|r| r.fields.as_ref())
    }

    /// Returns a copy with the poses ordered by track id, those without one last, and without maps.
    pub fn by_track_id(&self) -> Self {
        let mut poses = self.poses.clone();
        poses.sort_by_key(|pose| pose.track_id.unwrap_or(u64::MAX));
        Self {
            frame: self.frame.clone(),
            model: self.model.clone(),
            skeleton: self.skeleton,
            poses,
            regions: Vec::new(),
            timings: self.timings,
            people: self.people,
        }
    }
}
