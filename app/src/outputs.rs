//! What a run leaves behind: an annotated video and exports, fed by the pipeline's tap.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use poselens_engine::concurrency::StopFlag;
use poselens_engine::frame::FramePool;
use poselens_engine::output::Stage;
use poselens_engine::pipeline::{Presented, Tap, TapProgress};
use poselens_engine::record::{
    Backpressure, ExportContext, ExporterSpec, Exports, Offered, Recorder,
};
use poselens_engine::sound::SoundEnd;
use poselens_engine::source::{SourceSpec, Trim};
use poselens_engine::{Error, Result};

use crate::stats::{StageTimes, Times};

/// Frames per second written into a video whose source does not know its own rate; only the
/// length of the last frame follows from it.
const UNKNOWN_RATE: f64 = 30.0;

/// What is to be written.
#[derive(Clone)]
pub struct OutputPlan {
    /// Name of the source without folder and extension, for file names inside exports.
    pub name: String,
    /// Whether an older run's files may be removed.
    pub overwrite: bool,
    /// Annotated video.
    pub record: Option<PathBuf>,
    /// Exports with their targets.
    pub exports: Vec<(&'static ExporterSpec, PathBuf)>,
    /// Whether a full recorder queue waits or drops.
    pub backpressure: Backpressure,
    /// The sound that goes with the annotated video.
    pub sound: SoundPlan,
}

/// Whose sound is recorded, and how far.
#[derive(Clone)]
pub struct SoundPlan {
    /// The source.
    pub source: SourceSpec,
    /// The part of it that is read.
    pub trim: Trim,
    /// Raised when the run is ended before its source.
    pub stop: StopFlag,
}

impl SoundPlan {
    /// Where the sound of a recording of `frames` frames ends: where the reading of pictures was
    /// ended, else with the source.
    fn end(&self, frames: u64) -> SoundEnd {
        let is_cut = self.trim.max_frames.is_some_and(|max| frames >= max);
        if is_cut || self.stop.is_stopped() {
            return SoundEnd::WithVideo;
        }
        SoundEnd::At(self.trim.end_secs.unwrap_or(f64::INFINITY))
    }
}

/// Figures of a run, readable while it goes on.
#[derive(Debug, Clone, Default)]
pub struct Figures {
    /// Frames written.
    pub frames: u64,
    /// Frames in which a person was found.
    pub frames_with_a_person: u64,
    /// Frames the recorder's queue had no room for.
    pub record_drops: u64,
    /// Time of the last frame in the source.
    pub time_secs: f64,
    /// Time per stage.
    pub stages: StageTimes,
    /// Capture to annotated picture.
    pub latencies: Times,
    /// The same since they were last taken.
    pub recent_latencies: Times,
    /// What the annotated video lacks of the sound, one line each.
    pub sound_notes: Vec<String>,
}

/// [`Figures`] shared between the run and its tap.
pub type SharedFigures = Arc<Mutex<Figures>>;

/// The tap that writes. An output that fails leaves the others whole.
pub struct Outputs {
    recorder: Option<Recorder>,
    /// What ended the annotated video.
    failure: Option<Error>,
    /// Number of outputs that were asked for.
    n_planned: usize,
    /// Annotated pictures on their way to the recorder.
    pool: FramePool,
    exports: Exports,
    figures: SharedFigures,
    path: PathBuf,
    sound: SoundPlan,
}

impl Outputs {
    /// Opens everything in `plan`, sized for `first`.
    ///
    /// # Errors
    /// When one of the targets cannot be written.
    pub fn open(plan: &OutputPlan, figures: SharedFigures, first: &Presented) -> Result<Self> {
        let context = ExportContext {
            name: plan.name.clone(),
            frames_are_files: first.frame.file.is_some(),
            n_frames: first.source.n_frames,
            overwrite: plan.overwrite,
        };
        let exporters = plan
            .exports
            .iter()
            .map(|(spec, path)| (spec.open)(path, &context))
            .collect::<Result<_>>()?;
        let rate = first.source.rate.unwrap_or(UNKNOWN_RATE);
        let start = |path: &PathBuf| {
            let sound = plan.sound.source.sound();
            let mut noted = figures.lock().unwrap_or_else(PoisonError::into_inner);
            noted.sound_notes.extend(sound.left_out.iter().cloned());
            drop(noted);
            let sound = (sound, first.frame.time_secs);
            let size = first.frame.size();
            Recorder::start_with_sound(path, size, rate, plan.backpressure, sound)
        };
        let recorder = plan.record.as_ref().map(start).transpose()?;
        Ok(Self {
            recorder,
            failure: None,
            n_planned: plan.exports.len() + usize::from(plan.record.is_some()),
            pool: FramePool::new(),
            exports: Exports::new(exporters),
            figures,
            path: plan.record.clone().unwrap_or_default(),
            sound: plan.sound.clone(),
        })
    }
}

impl Outputs {
    /// Why nothing is left to be written.
    fn give_up(&mut self) -> Error {
        let exports = std::mem::take(&mut self.exports).finish();
        let failure = self.failure.take().or(exports.err());
        failure.unwrap_or_else(|| Error::Invalid("every output has failed".to_owned()))
    }
}

impl Tap for Outputs {
    fn offer(&mut self, presented: &Presented) -> Result<()> {
        let mut timings = presented.timings;
        let picture = self
            .recorder
            .as_ref()
            .map(|_| timings.measure(Stage::Overlay, || presented.drawn(&self.pool)));
        let mut figures = self.figures.lock().unwrap_or_else(PoisonError::into_inner);
        figures.frames += 1;
        figures.time_secs = presented.frame.time_secs;
        figures.stages.push(&timings);
        let latency = presented.frame.captured.elapsed().as_secs_f64() * 1e3;
        figures.latencies.push(latency);
        figures.recent_latencies.push(latency);
        if let Some(output) = &presented.output {
            figures.frames_with_a_person += u64::from(!output.poses.is_empty());
            self.exports.push(output);
        }
        if let (Some(recorder), Some(picture)) = (&mut self.recorder, picture) {
            match recorder.offer(picture) {
                Offered::Queued => {}
                Offered::Dropped => figures.record_drops += 1,
                Offered::Failed => {
                    self.failure = Some(recorder.failure());
                    self.recorder = None;
                }
            }
        }
        drop(figures);
        let is_useless = self.n_planned > 0 && self.recorder.is_none() && self.exports.is_empty();
        if is_useless {
            return Err(self.give_up());
        }
        Ok(())
    }

    fn progress(&self) -> TapProgress {
        let figures = self.figures.lock().unwrap_or_else(PoisonError::into_inner);
        TapProgress {
            bytes: std::fs::metadata(&self.path).map_or(0, |m| m.len()),
            path: self.path.clone(),
            frames: figures.frames,
            drops: figures.record_drops,
            annotated: figures.frames,
            secs: figures.time_secs,
            notes: figures.sound_notes.clone(),
        }
    }

    fn finish(mut self: Box<Self>) -> Result<TapProgress> {
        let mut outcome = self.failure.take().map_or(Ok(()), Err);
        outcome = outcome.and(std::mem::take(&mut self.exports).finish());
        if let Some(recorder) = self.recorder.take() {
            let frames = self.progress().frames;
            match recorder.finish_at(self.sound.end(frames)) {
                Ok(summary) => {
                    let mut figures = self.figures.lock().unwrap_or_else(PoisonError::into_inner);
                    figures.sound_notes.extend(summary.sound_notes);
                    for millis in summary.encode_millis {
                        figures.stages.push_millis(Stage::Encode, f64::from(millis));
                    }
                }
                Err(error) => outcome = outcome.and(Err(error)),
            }
        }
        outcome.map(|()| self.progress())
    }
}
