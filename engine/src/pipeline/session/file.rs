//! Recording of a whole file: every frame once, front to back, regardless of the model's speed and
//! the window's playback.

use std::sync::Arc;

use poselens_shaders::scene::Scene;

use super::super::{
    Look, MakeInfer, MakeTap, Notify, OpenSource, Presented, Tap, TapProgress, draw,
};
use super::job::Job;
use crate::concurrency::StopFlag;
use crate::error::{Error, Result};
use crate::estimator::{Infer, RequestedMaps};
use crate::frame::Frame;
use crate::output::{Stage, Timings};
use crate::overlay;
use crate::source::{FrameSource, SourceInfo};

/// Options of the recording.
pub struct FilePlan {
    /// Opens the file on the worker.
    pub open: OpenSource,
    /// Builds the model on the worker; without one, frames are recorded without poses.
    pub make_infer: Option<MakeInfer>,
    /// Overlays and smoothing of the annotated video.
    pub look: Look,
    /// Creates the recording with the first frame.
    pub make_tap: MakeTap,
}

/// Progress of the recording of a file.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct FileProgress {
    /// Number of frames of the file, once it is known.
    pub total: Option<u64>,
    /// Progress of the outputs; `None` before the first frame.
    pub tap: Option<TapProgress>,
}

/// Result of the recording of a file.
#[derive(Debug, Clone, PartialEq)]
pub struct FileOutcome {
    /// Final progress of the outputs.
    pub tap: TapProgress,
    /// Whether the file was read to its end; otherwise the recording was stopped.
    pub is_whole: bool,
    /// Damage of the file, and the outputs that could not be written.
    pub warning: Option<String>,
}

/// A running recording of a file. Dropping it stops; files written so far are closed and kept.
pub struct FileRecording(Job<FileProgress, FileOutcome>);

impl FileRecording {
    /// Starts the work on a separate thread; `notify` is called after each frame and at the end.
    ///
    /// # Errors
    /// When the operating system cannot create a thread.
    pub fn start(plan: FilePlan, notify: Notify) -> Result<Self> {
        Job::start("file recording", notify, |stop, report| {
            record(plan, stop, report)
        })
        .map(Self)
    }

    /// Returns the progress.
    pub fn progress(&self) -> FileProgress {
        self.0.progress()
    }

    /// Stops after the current frame; files written so far are kept.
    pub fn stop(&self) {
        self.0.stop();
    }

    /// Returns the result; `None` while running and after it was taken.
    pub fn try_outcome(&self) -> Option<Result<FileOutcome>> {
        self.0.try_outcome()
    }
}

fn record(
    plan: FilePlan,
    stop: &StopFlag,
    report: &mut dyn FnMut(FileProgress),
) -> Result<FileOutcome> {
    let mut source = (plan.open)()?;
    let info = Arc::new(source.info().clone());
    if info.is_live {
        let what = "a live source has no end and cannot be recorded as a file";
        return Err(Error::source(&info.name, what));
    }
    let infer = plan.make_infer.map(|make| make()).transpose()?;
    let mut failures = Vec::new();
    let mut looking = Looking::new(infer, plan.look);
    let mut make_tap = Some(plan.make_tap);
    let mut tap: Option<Box<dyn Tap>> = None;
    let mut each = |frame: Frame, tap: &mut Option<Box<dyn Tap>>| {
        let presented = looking.at(frame, &info)?;
        let tap = match (tap, make_tap.take()) {
            (none, Some(make)) => none.insert(make(&presented)?),
            (Some(tap), None) => {
                tap.offer_raw(&presented.frame, &info)?;
                tap
            }
            (None, None) => return Ok(None),
        };
        tap.offer(&presented)?;
        failures.extend(tap.news());
        Ok(Some(tap.progress()))
    };
    let ended = loop {
        if stop.is_stopped() {
            break Ok(false);
        }
        let done = match source.next_frame() {
            Ok(Some(frame)) => each(frame, &mut tap),
            Ok(None) => break Ok(true),
            Err(error) => Err(error),
        };
        match done {
            Ok(progress) => report(FileProgress {
                total: n_frames(source.as_ref()),
                tap: progress,
            }),
            Err(error) => break Err(error),
        }
    };
    // However it ended, written files are closed.
    if let Some(tap) = &mut tap {
        if let Some(warning) = source.warning() {
            tap.source_lacks(warning);
        }
        match &ended {
            Ok(true) => tap.source_ended(),
            Ok(false) => tap.ended_early("it was stopped before the end of the file"),
            Err(error) => tap.ended_early(&error.to_string()),
        }
    }
    let written = tap.map(|tap| tap.finish(None)).transpose();
    let is_whole = ended?;
    let Some(tap) = written? else {
        let what = if is_whole {
            "it has no frame"
        } else {
            "it was stopped before the first frame"
        };
        return Err(Error::source(&source.info().name, what));
    };
    let lacks = source.warning().map(str::to_owned).into_iter();
    let lacks = lacks.chain(failures).chain(tap.notes.iter().cloned());
    let lacks: Vec<_> = lacks.collect();
    Ok(FileOutcome {
        tap,
        is_whole,
        warning: (!lacks.is_empty()).then(|| lacks.join("; ")),
    })
}

/// Returns the number of frames by the file's header or its index.
fn n_frames(source: &dyn FrameSource) -> Option<u64> {
    let counted = || source.monitor().extent().filter(|e| e.is_complete);
    source
        .info()
        .n_frames
        .or_else(|| counted().map(|e| e.frames))
}

/// The model, and the look of its overlays.
struct Looking {
    infer: Option<Box<dyn Infer>>,
    look: Arc<Look>,
    requested: RequestedMaps,
}

impl Looking {
    fn new(mut infer: Option<Box<dyn Infer>>, look: Look) -> Self {
        if let Some(infer) = &mut infer {
            infer.set_smoothing(look.smoothing);
        }
        Self {
            infer,
            requested: look.requested(),
            look: Arc::new(look),
        }
    }

    fn at(&mut self, frame: Frame, source: &Arc<SourceInfo>) -> Result<Presented> {
        let mut scene = Arc::new(Scene::default());
        let mut timings = Timings::default();
        let mut output = None;
        if let Some(infer) = &mut self.infer {
            let mut found = Arc::new(infer.infer(&frame, self.requested)?);
            draw::apply_smoothing(&self.look, &mut found);
            timings = found.timings;
            scene = timings.measure(Stage::Overlay, || {
                Arc::new(overlay::scene(
                    &found,
                    &self.look.overlays,
                    &self.look.style,
                ))
            });
            output = Some(found);
        }
        Ok(Presented {
            source: Arc::clone(source),
            frame,
            scene,
            output,
            timings,
            review: None,
            look: Arc::clone(&self.look),
            is_redraw: false,
        })
    }
}
