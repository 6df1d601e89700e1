//! Outputs of a run: an annotated video and exports, written by the pipeline's tap.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use poselens_engine::Result;
use poselens_engine::concurrency::StopFlag;
use poselens_engine::frame::FramePool;
use poselens_engine::measure::Measures;
use poselens_engine::output::Stage;
use poselens_engine::pipeline::{Presented, Tap, TapProgress};
use poselens_engine::record::{
    Backpressure, Closing, ExportContext, ExporterSpec, Offered, Outputs, Recorder,
};
use poselens_engine::sound::SoundEnd;
use poselens_engine::source::{SourceSpec, Trim};

use crate::people::PeopleFigures;
use crate::stats::{StageTimes, Times};

/// Frame rate written into a video whose source has no known rate; it only affects the duration of
/// the last frame.
const UNKNOWN_RATE: f64 = 30.0;

/// Everything a run writes.
#[derive(Clone)]
pub struct OutputPlan {
    /// Name of the source without folder and extension, used for file names within exports.
    pub name: String,
    /// Whether files of an earlier run may be deleted.
    pub overwrite: bool,
    /// What is measured of each person.
    pub measures: Measures,
    /// Joints with a lower score are not measured.
    pub least_score: f32,
    /// Path of the annotated video.
    pub record: Option<PathBuf>,
    /// Exporters with their paths.
    pub exports: Vec<(&'static ExporterSpec, PathBuf)>,
    /// Whether a full recorder queue blocks or drops frames.
    pub backpressure: Backpressure,
    /// The sound that goes with the annotated video.
    pub sound: SoundPlan,
}

/// Source and extent of the recorded sound.
#[derive(Clone)]
pub struct SoundPlan {
    /// The source.
    pub source: SourceSpec,
    /// The part of the source that is read.
    pub trim: Trim,
    /// Raised when the run ends before its source.
    pub stop: StopFlag,
}

impl SoundPlan {
    /// Returns where the sound of a recording of `frames` frames ends: with the frames if reading
    /// was interrupted, else with the source.
    fn end(&self, frames: u64) -> SoundEnd {
        let is_cut = self.trim.max_frames.is_some_and(|max| frames >= max);
        if is_cut || self.stop.is_stopped() {
            return SoundEnd::WithVideo;
        }
        SoundEnd::At(self.trim.end_secs.unwrap_or(f64::INFINITY))
    }
}

/// Statistics of a run, readable while it is running.
#[derive(Debug, Clone, Default)]
pub struct Figures {
    /// Number of frames written.
    pub frames: u64,
    /// Number of frames in which a person was found.
    pub frames_with_a_person: u64,
    /// Numbers of people.
    pub people: PeopleFigures,
    /// Number of frames dropped because the recorder's queue was full.
    pub record_drops: u64,
    /// Time of the last frame in the source, in seconds.
    pub time_secs: f64,
    /// Times per stage.
    pub stages: StageTimes,
    /// Latencies from capture to the annotated frame.
    pub latencies: Times,
    /// Latencies since they were last taken.
    pub recent_latencies: Times,
    /// Notes on parts of the sound missing in the annotated video, one line each.
    pub sound_notes: Vec<String>,
    /// How the frames of the annotated video differ from those of the input, if they do.
    pub size_note: Option<String>,
}

/// [`Figures`] shared between the run and its tap.
pub type SharedFigures = Arc<Mutex<Figures>>;

/// The tap that writes the outputs. A failed output does not affect the others.
pub struct RunTap {
    outputs: Outputs,
    /// Index of the annotated video among the outputs.
    video: Option<usize>,
    /// Number of outputs.
    n_outputs: usize,
    /// Buffers of annotated frames passed to the recorder.
    pool: FramePool,
    figures: SharedFigures,
    path: PathBuf,
    sound: SoundPlan,
}

impl RunTap {
    /// Opens all outputs in `plan`, sized for `first`.
    ///
    /// # Errors
    /// If one of the outputs cannot be written, except for the video if there are others: these are
    /// written without it, and [`Tap::finish`] fails.
    pub fn open(plan: &OutputPlan, figures: SharedFigures, first: &Presented) -> Result<Self> {
        let context = ExportContext {
            name: plan.name.clone(),
            frames_are_files: first.frame.file.is_some(),
            is_renumbered: false,
            n_frames: first.source.n_frames,
            overwrite: plan.overwrite,
            measures: plan.measures.clone(),
            least_score: plan.least_score,
        };
        let size = first.frame.size();
        let mut outputs = Outputs::default();
        for (spec, path) in &plan.exports {
            outputs.export(spec, path, &context);
        }
        let continues = outputs.is_whole() && !plan.exports.is_empty();
        let rate = first.source.rate;
        let video = plan.record.as_ref().map(|path| {
            let sound = plan.sound.source.sound();
            let mut noted = figures.lock().unwrap_or_else(PoisonError::into_inner);
            noted.sound_notes.extend(sound.left_out.iter().cloned());
            noted.size_note = Recorder::size_note(size);
            drop(noted);
            let sound = (sound, first.frame.time_secs);
            let rate = rate.unwrap_or(UNKNOWN_RATE);
            outputs.video(path, size, rate, plan.backpressure, sound)
        });
        if !continues && let Err(error) = outputs.whole() {
            outputs.discard();
            return Err(error);
        }
        Ok(Self {
            outputs,
            video,
            n_outputs: usize::from(video.is_some()) + plan.exports.len(),
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
            figures.people.push(output);
            self.outputs.push(output);
        }
        if let (Some(video), Some(picture)) = (video, picture) {
            let is_dropped = self.outputs.offer(video, picture) == Offered::Dropped;
            figures.record_drops += u64::from(is_dropped);
        }
        drop(figures);
        if self.n_outputs > 0 {
            self.outputs.some_left()?;
        }
        Ok(())
    }

    fn news(&mut self) -> Vec<String> {
        self.outputs.news()
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
            n_parts: 1,
            notes: figures.sound_notes.clone(),
            remarks: figures.size_note.iter().cloned().collect(),
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
        let has_others = finished.failures.len() < self.n_outputs;
        match finished.failure() {
            // The reader of a pipe has all it wanted; the other outputs are complete.
            Some(failure) if failure.is_reader_gone() && has_others => Ok(self.progress()),
            Some(failure) => Err(failure),
            None => Ok(self.progress()),
        }
    }
}
