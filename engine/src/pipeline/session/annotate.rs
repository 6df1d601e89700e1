//! Annotated video and poses computed again from the raw video of a recording.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use super::super::{Look, MakeInfer, Notify, draw};
use super::clock::RecordingPosition;
use super::job::Job;
use super::manifest::{AnnotationRecord, LookRecord, Manifest, ModelRecord};
use super::part::{Part, PartPlan, keypoint_files};
use super::{file_name, part_path, raw_part};
use crate::concurrency::StopFlag;
use crate::error::{Error, Result};
use crate::estimator::Infer;
use crate::frame::FramePool;
use crate::overlay;
use crate::record::{Backpressure, Closing, stamp};
use crate::sound::SoundEnd;
use crate::source::video;

/// Options of an annotation.
pub struct AnnotationPlan {
    /// Folder of the recording.
    pub folder: PathBuf,
    /// Part of the new files' names; a number is appended if it exists.
    pub name: String,
    /// Description of the model in the manifest.
    pub model: ModelRecord,
    /// Builds the model on the worker.
    pub make: MakeInfer,
    /// Overlays and smoothing of the annotated video.
    pub look: Look,
    /// Names of exporters in addition to poses and COCO results.
    pub exports: Vec<String>,
}

/// Progress of an annotation.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct AnnotationProgress {
    /// Number of processed frames.
    pub frames: u64,
    /// Total number of frames.
    pub total: u64,
}

/// A running annotation. Dropping it cancels and removes its files.
pub struct Annotation(Job<AnnotationProgress, PathBuf>);

impl Annotation {
    /// Starts the work on a separate thread; `notify` is called after each frame and at the end.
    ///
    /// # Errors
    /// When the operating system cannot create a thread.
    pub fn start(plan: AnnotationPlan, notify: Notify) -> Result<Self> {
        Job::start("annotation", notify, |stop, report| {
            annotate(plan, stop, report)
        })
        .map(Self)
    }

    /// Returns the progress.
    pub fn progress(&self) -> AnnotationProgress {
        self.0.progress()
    }

    /// Cancels soon and removes the partial files.
    pub fn cancel(&self) {
        self.0.stop();
    }

    /// Returns the annotated video of the first part, or the reason for its absence (including a
    /// cancel); `None` while it is running and after it was taken.
    pub fn try_outcome(&self) -> Option<Result<PathBuf>> {
        self.0.try_outcome()
    }
}

fn annotate(
    plan: AnnotationPlan,
    stop: &StopFlag,
    report: &mut dyn FnMut(AnnotationProgress),
) -> Result<PathBuf> {
    let AnnotationPlan {
        folder,
        name,
        model,
        make,
        look,
        exports,
    } = plan;
    let manifest = Manifest::read(&folder)?;
    let mut infer = make()?;
    infer.set_smoothing(look.smoothing);
    // An unfinished recording lists at least its first part.
    let n_parts = manifest.parts.len().max(1);
    let name = free_name(&folder, &file_name(&name));
    let suffix = format!("-{name}");
    let mut made = Made::default();
    let mut progress = AnnotationProgress {
        frames: 0,
        total: manifest.parts.iter().map(|p| p.frames).sum(),
    };
    for number in 1..=n_parts {
        let part_plan = PartPlan {
            folder: &folder,
            number,
            suffix: &suffix,
            has_raw: false,
            rate: 0.0,
            backpressure: Backpressure::Block,
            exports: &exports,
            look: &look,
            sound: &|| video::sound(&raw_part(&folder, number)),
        };
        made.add(&part_plan);
        annotate_part(&part_plan, infer.as_mut(), &look, stop, || {
            progress.frames += 1;
            progress.total = progress.total.max(progress.frames);
            report(progress.clone());
        })?;
    }
    // The recording may have changed meanwhile: another annotation, or it is still running.
    let mut manifest = Manifest::read(&folder)?;
    manifest.annotations.push(AnnotationRecord {
        name: name.clone(),
        started: stamp(SystemTime::now()),
        model,
        overlay: LookRecord::from(&look),
        frames: progress.frames,
    });
    manifest.write(&folder)?;
    made.paths.clear();
    Ok(part_path(&folder, &format!("annotated{suffix}"), 1, "mp4"))
}

fn annotate_part(
    plan: &PartPlan<'_>,
    infer: &mut dyn Infer,
    look: &Look,
    stop: &StopFlag,
    mut done: impl FnMut(),
) -> Result<()> {
    let mut source = video::open(&raw_part(plan.folder, plan.number))?;
    let rate = source.info().rate.unwrap_or(30.0);
    let requested = look.requested();
    let pool = FramePool::new();
    let mut part = None;
    while let Some(frame) = source.next_frame()? {
        if stop.is_stopped() {
            return Err(Error::Cancelled("the annotation was cancelled".to_owned()));
        }
        let mut output = Arc::new(infer.infer(&frame, requested)?);
        draw::apply_smoothing(look, &mut output);
        let picture = draw::annotated(
            &overlay::scene(&output, &look.overlays, &look.style),
            &frame,
            &pool,
        );
        let place = RecordingPosition {
            part: plan.number,
            id: frame.id,
            secs: frame.time_secs,
        };
        let part = match &mut part {
            Some(part) => part,
            none => {
                let part = none.insert(Part::create(&PartPlan { rate, ..*plan }, &frame)?);
                part.whole()?;
                part
            }
        };
        part.annotate(Some(&picture), Some(&output), place);
        // A partial annotation is useless: the first failure ends it.
        part.whole()?;
        done();
    }
    if let Some(warning) = source.warning() {
        tracing::warn!("{warning}");
    }
    let Some(part) = part else {
        return Ok(());
    };
    let closed = part.finish(Closing {
        by: None,
        sound: SoundEnd::At(f64::INFINITY),
    });
    for note in closed.notes {
        tracing::warn!("{note}");
    }
    closed.finished.failure().map_or(Ok(()), Err)
}

/// Returns `name`, or `name-2` and so on if such files exist.
fn free_name(folder: &Path, name: &str) -> String {
    let is_taken = |name: &str| folder.join(format!("annotated-{name}.mp4")).exists();
    let mut free = name.to_owned();
    let mut i = 1;
    while is_taken(&free) {
        i += 1;
        free = format!("{name}-{i}");
    }
    free
}

/// Files that are removed unless the annotation succeeds.
#[derive(Default)]
struct Made {
    paths: Vec<PathBuf>,
}

impl Made {
    fn add(&mut self, plan: &PartPlan<'_>) {
        let mut files = vec![("annotated", "mp4"), ("coco", "json.part")];
        files.extend(keypoint_files(plan.exports).iter().map(|f| (f.1, f.2)));
        for (stem, extension) in files {
            let stem = format!("{stem}{}", plan.suffix);
            self.paths
                .push(part_path(plan.folder, &stem, plan.number, extension));
        }
    }
}

impl Drop for Made {
    fn drop(&mut self) {
        for path in &self.paths {
            // Not all of them were created; OpenPose's is a folder.
            let _ = std::fs::remove_file(path).or_else(|_| std::fs::remove_dir_all(path));
        }
    }
}
