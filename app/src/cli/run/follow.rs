//! Follows a run from its first frame to the closed files, or cuts it short.

use std::sync::PoisonError;
use std::time::{Duration, Instant};

use anyhow::anyhow;
use poselens_engine::concurrency::StopFlag;
use poselens_engine::pipeline::{Event, Pipeline};

use crate::cli::progress::Progress;
use crate::figures::{self, EverySecond};
use crate::outputs::SharedFigures;

/// How often a run looks for news: fast enough for a progress bar.
const POLL: Duration = Duration::from_millis(20);

/// Waits until poses can be computed.
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

/// What there is to say of a run that came to its end.
#[derive(Default)]
pub(super) struct Warnings {
    pub(super) texts: Vec<String>,
    pub(super) is_damaged: bool,
    /// What is not taken from the source is gone.
    pub(super) is_live: bool,
    /// The run was told to end before its source did.
    pub(super) is_interrupted: bool,
}

impl Warnings {
    /// Says that a run was interrupted, and what that has cost.
    pub(super) fn interrupted(&mut self, n_left_out: u64, n_not_encoded: u64) {
        let left_out = match n_left_out {
            0 => String::new(),
            1 => ", 1 captured frame was left out".to_owned(),
            n => format!(", {n} captured frames were left out"),
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

/// How long an interrupted run waits for the frame at work.
const LAST_FRAME: Duration = Duration::from_millis(400);

/// Follows the run to its end; returns the warnings, and the failure that ended the source after
/// its first frame. Whatever fails, the recording is closed before the failure is reported.
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
            // A failed output is the run's failure when the others are closed.
            Some(Event::ModelReady(_) | Event::SourceStatus { .. } | Event::OutputFailed(_)) => {}
            None => {
                let n = figures
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .frames;
                progress.set(n);
                // Nothing was recorded when the source gave no frame at all.
                if is_ending && pipeline.recording().is_none() && n == 0 {
                    break;
                }
                // The source ends by itself; what was computed is still written.
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
            anyhow!("the input has no frames in the chosen range")
        }
    }))
}
