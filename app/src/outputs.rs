//! What a run leaves behind: an annotated video and exports, fed by the pipeline's tap.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use poselens_engine::Result;
use poselens_engine::concurrency::StopFlag;
use poselens_engine::frame::FramePool;
use poselens_engine::output::Stage;
use poselens_engine::pipeline::{Presented, Tap, TapProgress};
use poselens_engine::record::{
    Backpressure, Closing, ExportContext, ExporterSpec, Offered, Outputs,
};
use poselens_engine::sound::SoundEnd;
use poselens_engine::source::{SourceSpec, Trim};

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
pub struct RunTap {
    outputs: Outputs,
    /// The annotated video's number among the outputs.
    video: Option<usize>,
    /// Whether anything was to be written.
    is_writing: bool,
    /// Annotated pictures on their way to the recorder.
    pool: FramePool,
    figures: SharedFigures,
    path: PathBuf,
    sound: SoundPlan,
}

impl RunTap {
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
        let mut outputs = Outputs::default();
        for (spec, path) in &plan.exports {
            outputs.export(spec, path, &context);
        }
        let (size, rate) = (first.frame.size(), first.source.rate);
        let video = plan.record.as_ref().map(|path| {
            let sound = plan.sound.source.sound();
            let mut noted = figures.lock().unwrap_or_else(PoisonError::into_inner);
            noted.sound_notes.extend(sound.left_out.iter().cloned());
            drop(noted);
            let sound = (sound, first.frame.time_secs);
            let rate = rate.unwrap_or(UNKNOWN_RATE);
            outputs.video(path, size, rate, plan.backpressure, sound)
        });
        outputs.whole()?;
        Ok(Self {
            outputs,
            video,
            is_writing: video.is_some() || !plan.exports.is_empty(),
            pool: FramePool::new(),
            figures,
            path: plan.record.clone().unwrap_or_default(),
            sound: plan.sound.clone(),
        })
    }
}

impl Tap for RunTap {
    fn offer(&mut self, presented: &Presented) -> Result<()> {
        let mut timings = presented.timings;
        let video = self.video.filter(|&video| self.outputs.has_video(video));
        let picture =
            video.map(|_| timings.measure(Stage::Overlay, || presented.drawn(&self.pool)));
        let mut figures = self.figures.lock().unwrap_or_else(PoisonError::into_inner);
        figures.frames += 1;
        figures.time_secs = presented.frame.time_secs;
        figures.stages.push(&timings);
        let latency = presented.frame.captured.elapsed().as_secs_f64() * 1e3;
        figures.latencies.push(latency);
        figures.recent_latencies.push(latency);
        if let Some(output) = &presented.output {
            figures.frames_with_a_person += u64::from(!output.poses.is_empty());
            self.outputs.push(output);
        }
        if let (Some(video), Some(picture)) = (video, picture) {
            let is_dropped = self.outputs.offer(video, picture) == Offered::Dropped;
            figures.record_drops += u64::from(is_dropped);
        }
        drop(figures);
        if self.is_writing {
            self.outputs.some_left()?;
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

    fn finish(mut self: Box<Self>, by: Option<Instant>) -> Result<TapProgress> {
        let sound = self.sound.end(self.progress().frames);
        let finished = std::mem::take(&mut self.outputs).finish(Closing { by, sound });
        let summaries = finished.videos.iter().flatten();
        let mut figures = self.figures.lock().unwrap_or_else(PoisonError::into_inner);
        for summary in summaries {
            figures.record_drops = summary.dropped;
            figures
                .sound_notes
                .extend(summary.sound_notes.iter().cloned());
            for &millis in &summary.encode_millis {
                figures.stages.push_millis(Stage::Encode, f64::from(millis));
            }
        }
        drop(figures);
        match finished.failure() {
            Some(failure) => Err(failure),
            None => Ok(self.progress()),
        }
    }
}
