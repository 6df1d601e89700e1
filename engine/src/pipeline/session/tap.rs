//! The [`Tap`] that writes a recording's folder.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use super::clock::{RecordingPosition, RunClock};
use super::manifest::{self, LookRecord, Manifest, ModelRecord, SourceRecord};
use super::part::{Closed, Part, PartPlan, note};
use crate::concurrency::{StopFlag, Worker};
use crate::error::{Error, Result};
use crate::frame::{Frame, FramePool};
use crate::pipeline::{Look, Presented, Tap, TapProgress};
use crate::record::{Backpressure, Closing, Recorder, seconds, stamp};
use crate::sound::{Sound, SoundEnd};
use crate::source::{SourceInfo, SourceSpec};

/// Frame rate assumed for a source without one; only the duration of the last frame depends on it.
const UNKNOWN_RATE: f64 = 30.0;

/// Interval at which the manifest is updated: its counts are at most this old after a crash.
const UPDATE: Duration = Duration::from_secs(2);

/// Options of a recording.
#[derive(Debug, Clone)]
pub struct SessionPlan {
    /// The folder to create: see [`super::session_folder`].
    pub folder: PathBuf,
    /// Specification to open the source again: `camera:0`, a path.
    pub source_spec: String,
    /// The running model, if any.
    pub model: Option<ModelRecord>,
    /// Whether full encoder queues drop frames (live sources) or block.
    pub backpressure: Backpressure,
    /// Names of exporters in addition to poses and COCO results.
    pub exports: Vec<String>,
    /// The file, if one is recorded whole, front to back: its sound is copied.
    pub file: Option<SourceSpec>,
}

/// A running recording.
pub struct SessionTap {
    plan: SessionPlan,
    manifest: Manifest,
    /// The look of the first frame.
    look: Arc<Look>,
    clock: RunClock,
    part: Option<Part>,
    /// Buffers for annotated frames on their way to the encoder.
    pool: FramePool,
    sound_end: SoundEnd,
    /// Missing parts of the sound in closed parts.
    notes: Vec<String>,
    closing: Vec<Worker>,
    /// Parts that were closed on separate threads, by index from 0.
    closed: Arc<Mutex<Vec<(usize, Closed)>>>,
    /// Number of bytes of the closed parts.
    closed_bytes: u64,
    /// Number of frames that the source lost before the next one.
    n_skipped: u64,
    /// Failed outputs not yet reported, one line each.
    failures: Vec<String>,
    news: Vec<String>,
    /// Whether a failure to write the manifest was reported; it is reported once.
    is_manifest_lost: bool,
    updated: Instant,
}

impl SessionTap {
    /// Creates the folder with its manifest and starts with the frame `first`.
    ///
    /// # Errors
    /// When the folder exists already or is not writable, or no video of such frames can be
    /// written. Nothing is left behind then.
    pub fn create(plan: SessionPlan, first: &Presented) -> Result<Self> {
        if let Some(parent) = plan.folder.parent() {
            std::fs::create_dir_all(parent).map_err(Error::io("create", parent))?;
        }
        std::fs::create_dir(&plan.folder).map_err(Error::io("create", &plan.folder))?;
        let manifest = Manifest {
            program: manifest::program(),
            is_finished: false,
            started: stamp(SystemTime::now()),
            failure: None,
            shortfall: None,
            remarks: Vec::new(),
            source: SourceRecord {
                name: first.source.name.clone(),
                spec: plan.source_spec.clone(),
                is_live: first.source.is_live,
                rate: first.source.rate.map(seconds),
            },
            model: plan.model.clone(),
            overlay: LookRecord::from(&*first.look),
            parts: Vec::new(),
            annotations: Vec::new(),
        };
        let mut this = Self {
            clock: RunClock::new(plan.file.is_some()),
            plan,
            manifest,
            look: Arc::clone(&first.look),
            part: None,
            pool: FramePool::new(),
            sound_end: SoundEnd::WithVideo,
            notes: Vec::new(),
            closing: Vec::new(),
            closed: Arc::default(),
            closed_bytes: 0,
            n_skipped: 0,
            failures: Vec::new(),
            news: Vec::new(),
            is_manifest_lost: false,
            updated: Instant::now(),
        };
        match this.begin(first) {
            Ok(()) => Ok(this),
            Err(error) => {
                let folder = this.plan.folder.clone();
                // Files are closed before they are removed.
                drop(this);
                if let Err(error) = std::fs::remove_dir_all(&folder) {
                    tracing::warn!("{} is left behind: {error}", folder.display());
                }
                Err(error)
            }
        }
    }

    /// Writes the manifest and the first frame.
    fn begin(&mut self, first: &Presented) -> Result<()> {
        self.manifest.write(&self.plan.folder)?;
        // A recording without a video cannot be played or annotated.
        self.part_for(&first.frame, first.source.rate)?
            .has_video()?;
        // Only later frames come from the capture thread.
        self.offer_raw(&first.frame, &first.source)
    }

    /// Returns the part for frames like `frame`: the current one, or a new one if the size changed.
    fn part_for(&mut self, frame: &Frame, rate: Option<f64>) -> Result<&mut Part> {
        let is_other = |part: &mut Part| {
            let size = frame.size();
            (part.record.width, part.record.height) != (size.width, size.height)
        };
        if let Some(part) = self.part.take_if(is_other) {
            self.close(part, None)?;
        }
        let part = if let Some(part) = self.part.take() {
            part
        } else {
            let plan = PartPlan {
                folder: &self.plan.folder,
                number: self.manifest.parts.len() + 1,
                suffix: "",
                has_raw: true,
                rate: rate.unwrap_or(UNKNOWN_RATE),
                backpressure: self.plan.backpressure,
                exports: &self.plan.exports,
                look: &self.look,
                sound: &|| {
                    let file = self.plan.file.as_ref();
                    file.map_or_else(Sound::default, SourceSpec::sound)
                },
            };
            let part = Part::create(&plan, frame)?;
            let remark = Recorder::size_note(frame.size());
            note(&mut self.manifest.remarks, remark.as_slice());
            self.manifest.parts.push(part.record.clone());
            self.write_manifest();
            part
        };
        Ok(self.part.insert(part))
    }

    /// Closes a part on a separate thread: flushing the encoder queues may take a second.
    fn close(&mut self, mut part: Part, by: Option<Instant>) -> Result<()> {
        self.note(&mut part);
        let (number, closed) = (self.manifest.parts.len() - 1, Arc::clone(&self.closed));
        let sound = self.sound_end;
        self.closing.push(Worker::spawn(
            "recording part",
            StopFlag::new(),
            move |_| {
                let part = part.finish(Closing { by, sound });
                lock(&closed).push((number, part));
                Ok(())
            },
            |error| tracing::error!(%error, "closing a part of a recording failed"),
        )?);
        Ok(())
    }

    /// Takes over the counts of closed parts.
    fn collect(&mut self) {
        let closed = std::mem::take(&mut *lock(&self.closed));
        for (number, closed) in closed {
            self.closed_bytes += closed.bytes;
            note(&mut self.notes, &closed.notes);
            if let Some(record) = self.manifest.parts.get_mut(number) {
                *record = closed.record;
            }
            self.fail(closed.finished.news());
        }
    }

    /// Records failed outputs.
    fn fail(&mut self, failures: Vec<String>) {
        self.failures.extend_from_slice(&failures);
        self.news.extend(failures);
    }

    /// Copies a part's counts into the manifest, and records its failures.
    fn note(&mut self, part: &mut Part) {
        self.fail(part.news());
        if let Some(record) = self.manifest.parts.last_mut() {
            *record = part.record();
        }
    }

    fn update(&mut self) {
        if self.updated.elapsed() < UPDATE {
            return;
        }
        self.updated = Instant::now();
        if let Some(mut part) = self.part.take() {
            self.note(&mut part);
            self.part = Some(part);
        }
        self.collect();
        self.write_manifest();
    }

    /// Writes the manifest. The other outputs continue if this fails; it is retried until the end.
    fn write_manifest(&mut self) {
        self.manifest.failure = (!self.failures.is_empty()).then(|| self.failures.join("; "));
        if let Err(error) = self.manifest.write(&self.plan.folder)
            && !std::mem::replace(&mut self.is_manifest_lost, true)
        {
            self.fail(vec![error.to_string()]);
        }
    }

    /// Returns an error if no output is left, which ends the recording.
    fn some_left(&mut self) -> Result<()> {
        let outcome = self.part.as_mut().map_or(Ok(()), Part::some_left);
        if let Err(error) = &outcome {
            self.failures.push(error.to_string());
        }
        outcome
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Tap for SessionTap {
    fn offer_raw(&mut self, frame: &Frame, source: &Arc<SourceInfo>) -> Result<()> {
        let secs = self.clock.secs(source, frame);
        let n_skipped = std::mem::take(&mut self.n_skipped);
        let part = self.part_for(frame, source.rate)?;
        part.record.drops += n_skipped;
        if let Some(id) = part.raw(frame, secs) {
            let part = self.manifest.parts.len();
            self.clock
                .remember(source, frame, RecordingPosition { part, id, secs });
        }
        self.update();
        self.some_left()
    }

    fn skipped(&mut self, n: u64) {
        self.n_skipped += n;
    }

    fn offer(&mut self, presented: &Presented) -> Result<()> {
        let (frame, source) = (&presented.frame, &presented.source);
        if self.clock.place(source, frame).is_none() && self.clock.is_next(source, frame) {
            // The frame was in flight when the recording started.
            self.offer_raw(frame, source)?;
        }
        let n_parts = self.manifest.parts.len();
        match (&mut self.part, self.clock.place(source, frame)) {
            (Some(part), Some(place)) if place.part == n_parts => {
                let picture = part.is_annotated().then(|| presented.drawn(&self.pool));
                part.annotate(picture.as_ref(), presented.output.as_deref(), place);
            }
            // The raw video dropped the frame, or the frame belongs to a closed part.
            _ => {}
        }
        self.some_left()
    }

    fn news(&mut self) -> Vec<String> {
        if let Some(failures) = self.part.as_mut().map(Part::news) {
            self.fail(failures);
        }
        std::mem::take(&mut self.news)
    }

    fn progress(&self) -> TapProgress {
        let mut parts: Vec<_> = self.manifest.parts.iter().collect();
        let mut bytes = self.closed_bytes;
        let mut frames = 0;
        let notes = self.notes.clone();
        if let Some(part) = &self.part {
            parts.pop();
            parts.push(&part.record);
            bytes += part.bytes();
            // Without a raw video, frames are still counted.
            frames = part.n_taken.saturating_sub(part.record.frames);
        }
        TapProgress {
            path: self.plan.folder.clone(),
            frames: frames + parts.iter().map(|p| p.frames).sum::<u64>(),
            drops: parts.iter().map(|p| p.drops).sum(),
            annotated: parts.iter().map(|p| p.annotated_frames).sum(),
            secs: parts.iter().map(|p| p.seconds).sum(),
            n_parts: self.manifest.parts.len(),
            bytes,
            notes,
            remarks: self.manifest.remarks.clone(),
        }
    }

    fn source_ended(&mut self) {
        self.sound_end = SoundEnd::At(f64::INFINITY);
    }

    fn source_lacks(&mut self, what: &str) {
        self.manifest.shortfall = Some(what.to_owned());
    }

    fn ended_early(&mut self, reason: &str) {
        self.failures.push(reason.to_owned());
    }

    fn finish(mut self: Box<Self>, by: Option<Instant>) -> Result<TapProgress> {
        if let Some(part) = self.part.take() {
            self.close(part, by)?;
        }
        for worker in self.closing.drain(..) {
            worker.join();
        }
        self.collect();
        let progress = self.progress();
        note(&mut self.manifest.remarks, &progress.notes);
        self.manifest.is_finished = true;
        self.manifest.failure = (!self.failures.is_empty()).then(|| self.failures.join("; "));
        if let Err(error) = self.manifest.write(&self.plan.folder)
            && !self.is_manifest_lost
        {
            return Err(error);
        }
        if self.news.is_empty() {
            Ok(progress)
        } else {
            Err(Error::Failed(self.news.join("; ")))
        }
    }
}
