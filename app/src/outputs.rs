//! What a run leaves behind: an annotated video and exports, fed by the pipeline's tap.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use poselens_engine::Result;
use poselens_engine::frame::FramePool;
use poselens_engine::output::Stage;
use poselens_engine::pipeline::{Presented, Tap, TapProgress};
use poselens_engine::record::{
    Backpressure, ExportContext, Exporter, ExporterSpec, Offered, Recorder,
};

use crate::cli::stats::StageTimes;

/// Frames per second written into a video whose source does not know its own rate; only the
/// length of the last frame follows from it.
const UNKNOWN_RATE: f64 = 30.0;

/// What is to be written.
#[derive(Clone)]
pub struct OutputPlan {
    /// Name of the source without folder and extension, for file names inside exports.
    pub name: String,
    /// Annotated video.
    pub record: Option<PathBuf>,
    /// Exports with their targets.
    pub exports: Vec<(&'static ExporterSpec, PathBuf)>,
    /// Whether a full recorder queue waits or drops.
    pub backpressure: Backpressure,
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
    /// Capture to annotated picture, milliseconds.
    pub latencies: Vec<f64>,
}

/// [`Figures`] shared between the run and its tap.
pub type SharedFigures = Arc<Mutex<Figures>>;

/// The tap that writes.
pub struct Outputs {
    recorder: Option<Recorder>,
    /// Annotated pictures on their way to the recorder.
    pool: FramePool,
    exporters: Vec<Box<dyn Exporter>>,
    figures: SharedFigures,
    path: PathBuf,
}

impl Outputs {
    /// Opens everything in `plan`, sized for `first`.
    ///
    /// # Errors
    /// When one of the targets cannot be written.
    pub fn open(plan: &OutputPlan, figures: SharedFigures, first: &Presented) -> Result<Self> {
        let context = ExportContext {
            name: plan.name.clone(),
        };
        let exporters = plan
            .exports
            .iter()
            .map(|(spec, path)| (spec.open)(path, &context))
            .collect::<Result<_>>()?;
        let rate = first.source.rate.unwrap_or(UNKNOWN_RATE);
        let recorder = plan
            .record
            .as_ref()
            .map(|path| Recorder::start(path, first.frame.size(), rate, plan.backpressure))
            .transpose()?;
        Ok(Self {
            recorder,
            pool: FramePool::new(),
            exporters,
            figures,
            path: plan.record.clone().unwrap_or_default(),
        })
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
        let latency = presented.frame.captured.elapsed();
        figures.latencies.push(latency.as_secs_f64() * 1e3);
        if let Some(output) = &presented.output {
            figures.frames_with_a_person += u64::from(!output.poses.is_empty());
            for exporter in &mut self.exporters {
                exporter.push(output)?;
            }
        }
        if let (Some(recorder), Some(picture)) = (&mut self.recorder, picture) {
            match recorder.offer(picture) {
                Offered::Queued => {}
                Offered::Dropped => figures.record_drops += 1,
                Offered::Failed => return Err(recorder.failure()),
            }
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
        }
    }

    fn finish(mut self: Box<Self>) -> Result<TapProgress> {
        let mut outcome = Ok(());
        for exporter in self.exporters.drain(..) {
            outcome = outcome.and(exporter.finish());
        }
        if let Some(recorder) = self.recorder.take() {
            match recorder.finish() {
                Ok(summary) => {
                    let mut figures = self.figures.lock().unwrap_or_else(PoisonError::into_inner);
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
