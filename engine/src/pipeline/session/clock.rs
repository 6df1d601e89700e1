//! One continuous time for a recording, across restarts and jumps of its source.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::frame::Frame;
use crate::source::SourceInfo;

/// Number of frames remembered until they return from the model: 17 s at 30 per second.
const N_REMEMBERED: usize = 512;

/// Converts source times to recording times, and looks up the index of a frame in the raw video
/// when it returns from the model.
#[derive(Debug, Default)]
pub(super) struct RunClock {
    /// Whether long gaps are kept: there are no jumps in a file that is recorded whole.
    keeps_gaps: bool,
    /// The run that frames come from: a reopened source has another `SourceInfo`.
    run: Option<Arc<SourceInfo>>,
    /// Offset added to the source's times in seconds.
    offset_secs: f64,
    last_source_secs: f64,
    last_source_id: u64,
    /// Time of the newest frame; `None` before the first.
    last_secs: Option<f64>,
    /// Time between the previous frame and the newest in seconds.
    step_secs: Option<f64>,
    known: VecDeque<KnownFrame>,
}

#[derive(Debug)]
struct KnownFrame {
    run: Arc<SourceInfo>,
    source_id: u64,
    place: RecordingPosition,
}

/// Position of a frame in the recording.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct RecordingPosition {
    /// Number of the part, from 1.
    pub(super) part: usize,
    /// Index in the part's raw video.
    pub(super) id: u64,
    /// Seconds since the start of the recording.
    pub(super) secs: f64,
}

/// Minimum length of a jump in seconds: longer than a few lost frames of a file.
const JUMP_SECS: f64 = 1.0;

/// Duration of a frame if the source does not define it: that of most cameras.
const USUAL_STEP_SECS: f64 = 1.0 / 30.0;

impl RunClock {
    /// Creates a clock. `keeps_gaps` is true for a file that is recorded whole, in its own time.
    pub(super) fn new(keeps_gaps: bool) -> Self {
        Self {
            keeps_gaps,
            ..Self::default()
        }
    }

    /// Returns the recording time for the next frame of a source.
    pub(super) fn secs(&mut self, run: &Arc<SourceInfo>, frame: &Frame) -> f64 {
        let is_same = self.run.as_ref().is_some_and(|r| Arc::ptr_eq(r, run));
        // A long frame belongs to the file; a long gap between frames is a jump by the user.
        let has_jumped = !run.is_live
            && !self.keeps_gaps
            && frame.id != self.last_source_id + 1
            && frame.time_secs > self.last_source_secs + JUMP_SECS;
        if !is_same || has_jumped || frame.time_secs < self.last_source_secs {
            let step = self.step_secs.or(run.rate.map(|rate| 1.0 / rate));
            let begin = match self.last_secs {
                Some(last) => last + step.unwrap_or(USUAL_STEP_SECS),
                None => 0.0,
            };
            self.offset_secs = begin - frame.time_secs;
            self.run = Some(Arc::clone(run));
        }
        let secs = frame.time_secs + self.offset_secs;
        self.step_secs = self.last_secs.map(|last| secs - last).filter(|&s| s > 0.0);
        self.last_secs = Some(secs);
        self.last_source_secs = frame.time_secs;
        self.last_source_id = frame.id;
        secs
    }

    /// Stores the position of a frame.
    pub(super) fn remember(
        &mut self,
        run: &Arc<SourceInfo>,
        frame: &Frame,
        place: RecordingPosition,
    ) {
        if self.known.len() == N_REMEMBERED {
            self.known.pop_front();
        }
        self.known.push_back(KnownFrame {
            run: Arc::clone(run),
            source_id: frame.id,
            place,
        });
    }

    /// Returns the position of a frame.
    pub(super) fn place(&self, run: &Arc<SourceInfo>, frame: &Frame) -> Option<RecordingPosition> {
        let is_it = |k: &&KnownFrame| k.source_id == frame.id && Arc::ptr_eq(&k.run, run);
        self.known.iter().rev().find(is_it).map(|k| k.place)
    }

    /// Returns whether a frame is later than all recorded ones.
    pub(super) fn is_next(&self, run: &Arc<SourceInfo>, frame: &Frame) -> bool {
        match &self.run {
            Some(newest) if Arc::ptr_eq(newest, run) => frame.time_secs > self.last_source_secs,
            Some(_) => false,
            None => true,
        }
    }
}
