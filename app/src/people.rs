//! Numbers of people in a run.

use std::collections::BTreeSet;

use poselens_engine::output::PoseOutput;
use poselens_engine::words::{counted, were};
use serde::Serialize;

/// Numbers of people, collected frame by frame.
#[derive(Debug, Clone, Default)]
pub struct PeopleFigures {
    most: usize,
    ids: BTreeSet<u64>,
    frames_with_left_out: u64,
    most_left_out: usize,
}

/// The numbers for `--json`.
#[derive(Debug, Clone, Serialize)]
pub struct PeopleSummary {
    /// Largest number of people in one frame.
    pub most: usize,
    /// Number of track ids in the output.
    ids: usize,
    /// Number of frames in which people were not examined closely because there were too many.
    frames_with_left_out: u64,
    /// Largest number of such people in one frame.
    most_left_out: usize,
}

impl PeopleFigures {
    /// Adds a frame.
    pub fn push(&mut self, output: &PoseOutput) {
        self.most = self.most.max(output.poses.len());
        let ids = output.poses.iter().filter_map(|pose| pose.track_id);
        self.ids.extend(ids);
        let n_left_out = output.people.left_out;
        self.frames_with_left_out += u64::from(n_left_out > 0);
        self.most_left_out = self.most_left_out.max(n_left_out);
    }

    /// Returns the totals.
    pub fn summary(&self) -> PeopleSummary {
        PeopleSummary {
            most: self.most,
            ids: self.ids.len(),
            frames_with_left_out: self.frames_with_left_out,
            most_left_out: self.most_left_out,
        }
    }

    /// Describes the people who were not examined closely; `None` if there are none.
    pub fn note(&self) -> Option<String> {
        let n = self.most_left_out;
        let up_to = if n > 1 { "up to " } else { "" };
        (n > 0).then(|| format!(
            "{up_to}{} not examined closely in {}, more than --people several:N allows: their poses are \
             those of ssa-sfm-2",
            were(n, "person"),
            counted(self.frames_with_left_out, "frame")
        ))
    }
}
