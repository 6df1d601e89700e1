//! A frame in, poses out: the frame path without threads.

use crate::error::Result;
use crate::frame::Frame;
use crate::output::PoseOutput;

/// What a caller wants besides poses. Heatmaps cost a copy, attention maps cost extra layers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Want {
    /// Heatmaps per region.
    pub heatmaps: bool,
    /// Attention maps per region.
    pub attention: bool,
}

/// Anything that finds poses in frames, one frame at a time. Frames come in time order; a jump
/// back in time means that a new run has begun.
pub trait Infer: Send {
    /// Poses of one frame.
    ///
    /// # Errors
    /// When the network or its device fails.
    fn infer(&mut self, frame: &Frame, want: Want) -> Result<PoseOutput>;
}
