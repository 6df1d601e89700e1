//! What the window asks for and what it gets to show.

use std::sync::Arc;

use poselens_shaders::scene::Scene;

use super::{Look, draw};
use crate::frame::{Frame, FramePool};
use crate::output::{PoseOutput, Timings};
use crate::source::SourceInfo;

/// What happens when frames come faster than the model works.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pacing {
    /// The newest frame wins, the others are dropped and counted; files play at their own speed.
    Live,
    /// The source waits: every frame is computed, in order, as fast as possible.
    EveryFrame,
}

/// Whether files go on. Paused cameras stay open: resuming shows the present.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Playback {
    /// Frames are passed on.
    pub is_playing: bool,
    /// A file begins again at its end.
    pub is_looping: bool,
    /// How fast files play: 1 is their own speed, 0.1 to 8 make sense.
    pub speed: f64,
}

impl Default for Playback {
    fn default() -> Self {
        Self {
            is_playing: true,
            is_looping: false,
            speed: 1.0,
        }
    }
}

/// One picture ready to be shown.
#[derive(Debug, Clone)]
pub struct Presented {
    /// Where it comes from.
    pub source: Arc<SourceInfo>,
    /// The picture as captured.
    pub frame: Frame,
    /// What lies over it, in its pixels; empty where nothing is shown or found.
    pub scene: Arc<Scene>,
    /// What was found in it; `None` while no model is loaded.
    pub output: Option<Arc<PoseOutput>>,
    /// Time per stage; for the overlays, the time to say what is drawn.
    pub timings: Timings,
    /// Where it lies in the past, when the user went back in a live picture.
    pub review: Option<Review>,
    /// How the overlays were drawn.
    pub look: Arc<Look>,
    /// Drawn again because the look changed, not because a frame came.
    pub is_redraw: bool,
}

impl Presented {
    /// The frame with its overlays drawn in, in a buffer of `pool`; the frame itself where there
    /// are none.
    pub fn drawn(&self, pool: &FramePool) -> Frame {
        draw::annotated(&self.scene, &self.frame, pool)
    }
}

/// Where a picture of the past lies.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Review {
    /// Frames between it and the newest one held.
    pub frames_back: usize,
    /// The same in seconds.
    pub secs_back: f64,
}
