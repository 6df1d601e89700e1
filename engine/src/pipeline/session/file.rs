//! A file recorded whole: every frame once, front to back, however fast the model is and whatever
//! the window plays meanwhile.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use poselens_shaders::scene::Scene;

use super::super::{
    Look, MakeInfer, MakeTap, Notify, OpenSource, Presented, Tap, TapProgress, draw,
};
use crate::concurrency::{StopFlag, Worker};
use crate::error::{Error, Result};
use crate::estimator::{Infer, Want};
use crate::frame::Frame;
use crate::output::{Stage, Timings};
use crate::overlay;
use crate::source::{FrameSource, SourceInfo};

/// What is to be recorded.
pub struct FilePlan {
    /// Opens the file, on the worker.
    pub open: OpenSource,
    /// Builds the model, on the worker; without one the pictures are recorded bare.
    pub make_infer: Option<MakeInfer>,
    /// What is drawn.
    pub look: Look,
    /// Creates the recording with the first picture.
    pub make_tap: MakeTap,
}

/// How far the recording of a file is.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct FileProgress {
    /// Frames of the file, as soon as that is known.
    pub total: Option<u64>,
    /// What is written; `None` before the first frame.
    pub tap: Option<TapProgress>,
}

/// What became of the recording of a file.
#[derive(Debug, Clone, PartialEq)]
pub struct FileOutcome {
    /// What was written.
    pub tap: TapProgress,
    /// The file was read to its end; otherwise it was stopped before.
    pub is_whole: bool,
    /// What the file lacks, and the outputs that could not be written.
    pub warning: Option<String>,
}

/// A running recording of a file. Dropping it stops; what was written is closed and stays.
pub struct FileRecording {
    shared: Arc<Mutex<Shared>>,
    worker: Worker,
}

#[derive(Default)]
struct Shared {
    progress: FileProgress,
    outcome: Option<Result<FileOutcome>>,
}

impl FileRecording {
    /// Starts the work on a thread of its own; `notify` is called after each frame and at the
    /// end.
    ///
    /// # Errors
    /// When the operating system gives no thread.
    pub fn start(plan: FilePlan, notify: Notify) -> Result<Self> {
        let shared = Arc::new(Mutex::new(Shared::default()));
        let (ours, failed) = (Arc::clone(&shared), Arc::clone(&shared));
        let notify_failed = Arc::clone(&notify);
        let worker = Worker::spawn(
            "file recording",
            StopFlag::new(),
            move |stop| {
                let outcome = record(plan, stop, |progress| {
                    lock(&ours).progress = progress;
                    notify();
                })?;
                lock(&ours).outcome = Some(Ok(outcome));
                notify();
                Ok(())
            },
            move |error| {
                lock(&failed).outcome = Some(Err(error));
                notify_failed();
            },
        )?;
        Ok(Self { shared, worker })
    }

    /// How far it is.
    pub fn progress(&self) -> FileProgress {
        lock(&self.shared).progress.clone()
    }

    /// Ends it after the frame at work; what was written stays.
    pub fn stop(&self) {
        self.worker.stop();
    }

    /// What became of it; `None` while it runs and once it was taken.
    pub fn try_outcome(&self) -> Option<Result<FileOutcome>> {
        lock(&self.shared).outcome.take()
    }
}

fn lock(shared: &Mutex<Shared>) -> MutexGuard<'_, Shared> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

fn record(
    plan: FilePlan,
    stop: &StopFlag,
    mut report: impl FnMut(FileProgress),
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
    // Whatever ended it, what was written is closed.
    if let (Some(tap), Ok(true)) = (&mut tap, &ended) {
        tap.source_ended();
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

/// How many frames the file has, as it says itself or its index.
fn n_frames(source: &dyn FrameSource) -> Option<u64> {
    let counted = || source.monitor().extent().filter(|e| e.is_complete);
    source
        .info()
        .n_frames
        .or_else(|| counted().map(|e| e.frames))
}

/// The model, and how what it finds is drawn.
struct Looking {
    infer: Option<Box<dyn Infer>>,
    look: Arc<Look>,
    want: Want,
}

impl Looking {
    fn new(mut infer: Option<Box<dyn Infer>>, look: Look) -> Self {
        if let Some(infer) = &mut infer {
            infer.set_smoothing(look.smoothing);
        }
        let want = Want {
            heatmaps: look.overlays.iter().any(|o| o.needs_heatmaps),
            attention: look.overlays.iter().any(|o| o.needs_attention),
        };
        Self {
            infer,
            look: Arc::new(look),
            want,
        }
    }

    fn at(&mut self, frame: Frame, source: &Arc<SourceInfo>) -> Result<Presented> {
        let mut scene = Arc::new(Scene::default());
        let mut timings = Timings::default();
        let mut output = None;
        if let Some(infer) = &mut self.infer {
            let mut found = Arc::new(infer.infer(&frame, self.want)?);
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
