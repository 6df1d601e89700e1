//! Time per processing stage of a frame.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Processing stages of a frame, in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stage {
    /// Cropping and normalisation.
    Warp,
    /// Forward pass of the network.
    Forward,
    /// Decoding of heatmaps to keypoints.
    Decode,
    /// Assignment of track ids and smoothing.
    Track,
    /// Drawing of overlays.
    Overlay,
    /// H.264 encoding and writing.
    Encode,
}

impl Stage {
    /// Every stage in order.
    pub const ALL: [Self; 6] = [
        Self::Warp,
        Self::Forward,
        Self::Decode,
        Self::Track,
        Self::Overlay,
        Self::Encode,
    ];

    /// Returns the name used in reports and JSON.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Warp => "warp",
            Self::Forward => "forward",
            Self::Decode => "decode",
            Self::Track => "track",
            Self::Overlay => "overlay",
            Self::Encode => "encode",
        }
    }
}

/// Time per stage for one frame; stages that did not run are zero.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Timings([Duration; Stage::ALL.len()]);

impl Timings {
    /// Returns the time of `stage`.
    pub fn get(&self, stage: Stage) -> Duration {
        self.0[stage as usize]
    }

    /// Adds to the time of `stage`.
    pub fn add(&mut self, stage: Stage, time: Duration) {
        self.0[stage as usize] += time;
    }

    /// Runs `work` and adds its time to `stage`.
    pub fn measure<T>(&mut self, stage: Stage, work: impl FnOnce() -> T) -> T {
        let start = std::time::Instant::now();
        let result = work();
        self.add(stage, start.elapsed());
        result
    }
}
