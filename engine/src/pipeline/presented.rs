//! Playback options of the window, and the frames presented to it.

use std::sync::Arc;

use poselens_shaders::scene::Scene;

use super::{Look, draw};
use crate::frame::{Frame, FramePool};
use crate::output::{PoseOutput, Timings};
use crate::source::SourceInfo;

/// Behaviour if frames arrive faster than the model can process them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pacing {
    /// The newest frame wins, the others are dropped and counted; files play at their own speed.
    Live,
    /// The source waits: every frame is processed, in order, as fast as possible.
    EveryFrame,
}

/// Playback state of files. Paused cameras stay open: resuming shows the live frame.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Playback {
    /// Whether frames are passed on.
    pub is_playing: bool,
    /// Whether a file restarts at its end.
    pub is_looping: bool,
    /// Playback speed of files: 1 is their own speed, useful from 0.1 to 8.
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

/// A frame with its results, ready to be shown.
#[derive(Debug, Clone)]
pub struct Presented {
    /// Source of the frame.
    pub source: Arc<SourceInfo>,
    /// The frame as captured.
    pub frame: Frame,
    /// Overlays in frame pixels; empty if none is enabled or nothing was found.
    pub scene: Arc<Scene>,
    /// Output of the model; `None` while no model is loaded.
    pub output: Option<Arc<PoseOutput>>,
    /// Time per stage; for overlays, the time to build the scene.
    pub timings: Timings,
    /// Position in the history, if the user stepped back in a live source.
    pub review: Option<Review>,
    /// Look with which the scene was built.
    pub look: Arc<Look>,
    /// Whether it was redrawn because the look changed, not because a frame arrived.
    pub is_redraw: bool,
}

impl Presented {
    /// Returns the frame with its overlays drawn in, in a buffer of `pool`; the frame itself if
    /// there are none.
    pub fn drawn(&self, pool: &FramePool) -> Frame {
        draw::annotated(&self.scene, &self.frame, pool)
    }
}

/// Position of a past frame in the history.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Review {
    /// Number of frames between it and the newest one.
    pub frames_back: usize,
    /// Time between it and the newest one in seconds.
    pub secs_back: f64,
}
