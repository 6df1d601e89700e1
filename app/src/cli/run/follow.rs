//! Follows a run from its first frame until all files are closed, or ends it early.

use std::sync::PoisonError;
use std::time::{Duration, Instant};

use anyhow::anyhow;
use poselens_engine::concurrency::StopFlag;
use poselens_engine::pipeline::{Event, Pipeline};
use poselens_engine::words::were;

use crate::cli::progress::Progress;
use crate::figures::{self, EverySecond};
use crate::outputs::SharedFigures;

/// Poll interval of events: fast enough for a progress bar.
const POLL: Duration = Duration::from_millis(20);

/// Waits until the model is loaded.
pub(super) fn wait_for_model(pipeline: &Pipeline) -> anyhow::Result<()> {
    loop {
        match pipeline.try_event() {
            Some(Event::ModelReady(_)) => return Ok(()),
            Some(Event::ModelFailed { error, .. } | Event::WorkerFailed(error)) => {
                return Err(error.into());
            }
            _ => std::thread::sleep(POLL),
        }
    }
}

/// Warnings at the end of a run.
#[derive(Default)]
pub(super) struct Warnings {
    pub(super) texts: Vec<String>,
    pub(super) is_damaged: bool,
    /// The source is live: frames that are not read in time are lost.
    pub(super) is_live: bool,
    /// The run was interrupted before its source ended.
    pub(super) is_interrupted: bool,
}

impl Warnings {
    /// Adds a warning that the run was interrupted, and which frames are missing as a result.
    pub(super) fn interrupted(&mut self, n_left_out: u64, n_not_encoded: u64) {
        let left_out = match n_left_out {
            0 => String::new(),
            n => format!(", {} left out", were(n, "captured frame")),
        };
        let not_encoded = match n_not_encoded {
            0 => String::new(),
            n => format!(", the video lacks {n} of the frames"),
        };
        self.texts.push(format!(
            "interrupted; what was done is complete{left_out}{not_encoded}"
        ));
    }
}

/// Time limit for the current frame after an interruption.
const LAST_FRAME: Duration = Duration::from_millis(400);

/// Follows the run to its end; returns the warnings, and the error that ended the source after its
/// first frame. The recording is always closed before an error is reported.
pub(super) fn follow(
    pipeline: &Pipeline,
    figures: &SharedFigures,
    interrupted: &StopFlag,
    progress: &Progress,
) -> anyhow::Result<(Warnings, Option<anyhow::Error>)> {
    let mut warnings = Warnings::default();
    let mut failure = None;
    let mut is_ending = false;
    let mut interrupted_at = None;
    let mut every_second = EverySecond::default();
    loop {
        if every_second.is_due() {
            let mut figures = figures.lock().unwrap_or_else(PoisonError::into_inner);
            let latency = std::mem::take(&mut figures.recent_latencies).percentiles();
            let (frames, drops) = (figures.frames, pipeline.stats().drops);
            figures::trace(frames, drops, latency.map(|p| (p.p50_ms, p.p95_ms)));
        }
        match pipeline.try_event() {
            Some(Event::SourceReady(info)) => {
                warnings.is_live = info.is_live;
                progress.expect(info.n_frames);
            }
            Some(Event::SourceWarning {
                warning, is_damage, ..
            }) => {
                warnings.texts.push(warning);
                warnings.is_damaged |= is_damage;
            }
            Some(Event::SourceEnded) => {
                pipeline.stop_recording()?;
                is_ending = true;
            }
            Some(Event::SourceFailed { error, .. }) => {
                failure.get_or_insert(anyhow::Error::from(error));
                pipeline.stop_recording()?;
                is_ending = true;
            }
            Some(
                Event::RecordingFailed(error)
                | Event::ModelFailed { error, .. }
                | Event::WorkerFailed(error),
            ) => return Err(failure.unwrap_or_else(|| error.into())),
            Some(Event::Recorded(_)) => break,
            // Reported again as the error of the run when the recording is closed.
            Some(Event::OutputFailed(failure)) => {
                progress.say(&format!("{failure}; the other outputs continue"));
            }
            Some(Event::ModelReady(_) | Event::SourceStatus { .. }) => {}
            None => {
                let n = figures
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .frames;
                progress.set(n);
                // No recording was started because the source delivered no frame.
                if is_ending && pipeline.recording().is_none() && n == 0 {
                    break;
                }
                // The source ends by itself; frames computed until then are still written.
                if interrupted.is_stopped() {
                    let at = *interrupted_at.get_or_insert_with(|| {
                        pipeline.cut_short();
                        warnings.is_interrupted = true;
                        Instant::now()
                    });
                    if !is_ending && at.elapsed() >= LAST_FRAME {
                        pipeline.close_recording();
                        is_ending = true;
                    }
                }
                std::thread::sleep(POLL);
            }
        }
    }
    let n = figures
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .frames;
    if n > 0 {
        return Ok((warnings, failure));
    }
    Err(failure.unwrap_or_else(|| {
        if warnings.is_interrupted {
            anyhow!("interrupted before the first frame")
        } else {
            anyhow!("the input has no frames")
        }
    }))
}
