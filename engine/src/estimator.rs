//! Pose estimation on single frames, without threads.
//!
//! A [`Network`] is a model with its model card, which describes preprocessing and decoding; it
//! processes one region. An [`Estimator`] adds the tracker, which chooses the regions and assigns
//! track ids.

mod averaged;
mod described;
mod following;
mod looking;
mod network;
mod people;
mod prepared;
mod several;

use std::time::Duration;

use crate::error::Result;
use crate::frame::Frame;
use crate::geometry::BBox;
use crate::output::PoseOutput;
use crate::pose::Pose;
use crate::track::{OneEuro, Selection};

pub use averaged::Averaging;
pub use following::Estimator;
pub use network::{Network, NetworkOptions, RegionResult, input_spec};
pub use people::People;
pub use prepared::LayerWork;
pub use several::{FINDER, Several};

/// Requested outputs in addition to poses. Heatmaps and fields cost a copy,
/// attention maps cost additional
/// computation, descriptions hardly anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RequestedMaps {
    /// Whether to return the heatmaps of each region.
    pub heatmaps: bool,
    /// Whether to return the attention maps of each region.
    pub attention: bool,
    /// Whether to return the part affinity fields of each region.
    pub fields: bool,
    /// Whether to describe each region by the network's features.
    pub description: bool,
}

impl RequestedMaps {
    /// Returns whether everything in `other` is requested.
    pub fn cover(self, other: Self) -> bool {
        let is_covered = |other: bool, own: bool| own || !other;
        is_covered(other.heatmaps, self.heatmaps)
            && is_covered(other.attention, self.attention)
            && is_covered(other.fields, self.fields)
            && is_covered(other.description, self.description)
    }
}

/// Finds poses in frames, one frame at a time. Frames arrive in time order; a jump back in time
/// starts a new run.
pub trait Infer: Send {
    /// Returns the poses in one frame.
    ///
    /// # Errors
    /// When the network or its device fails.
    fn infer(&mut self, frame: &Frame, requested: RequestedMaps) -> Result<PoseOutput>;

    /// Replaces the parameters of temporal smoothing from the next frame on. The default does
    /// nothing, for implementations without smoothing.
    fn set_smoothing(&mut self, _params: OneEuro) {}

    /// Selects the people to return from the next frame on; all are tracked. The default does
    /// nothing, for implementations without tracking.
    fn set_selection(&mut self, _selection: &Selection) {}

    /// Sets the time available per frame of a live source, from the next frame on; what takes longer is
    /// left out and counted ([`PoseOutput::people`]). `None`, which applies at first, processes frames
    /// independently of the clock. The default does nothing.
    fn set_budget(&mut self, _budget: Option<Duration>) {}

    /// Returns the poses in one frame independently of other frames, in any order: the same frame
    /// always gives the same result, and the tracking state of [`Infer::infer`] is not affected.
    /// `near` are poses known to be close by, whose surroundings are cropped; without them the
    /// frame is searched. Joints are not smoothed; track ids are those of the nearest pose in
    /// `near`. The default calls [`Infer::infer`], for implementations without tracking.
    ///
    /// # Errors
    /// When the network or its device fails.
    fn inspect(
        &mut self,
        frame: &Frame,
        _near: &[Pose],
        requested: RequestedMaps,
    ) -> Result<PoseOutput> {
        self.infer(frame, requested)
    }

    /// Like [`Infer::inspect`], for a frame that the user visits within a run: people have the ids
    /// that [`Infer::infer`] gave them in this frame or, within half a second, in the nearest one, and
    /// the selection applies to these ids. Farther away, ids are those of `near`. The default calls
    /// [`Infer::inspect`], for implementations without tracking.
    ///
    /// # Errors
    /// When the network or its device fails.
    fn visit(
        &mut self,
        frame: &Frame,
        near: &[Pose],
        requested: RequestedMaps,
    ) -> Result<PoseOutput> {
        self.inspect(frame, near, requested)
    }

    /// Returns the people in one frame independently of other frames, of whom one may be in `near`:
    /// a top-down network processes that region, then the one around the joints found in it. The
    /// default calls [`Infer::inspect`], for implementations that process the whole frame.
    ///
    /// # Errors
    /// When the network or its device fails.
    fn look_at(&mut self, frame: &Frame, _near: BBox) -> Result<PoseOutput> {
        self.inspect(frame, &[], RequestedMaps::default())
    }
}
