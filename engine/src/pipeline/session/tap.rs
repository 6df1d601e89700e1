//! The tap that writes a recording's folder.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use super::clock::{Place, RunClock};
use super::manifest::{self, LookRecord, Manifest, ModelRecord, SourceRecord};
use super::part::{Part, PartPlan, note};
use crate::concurrency::{StopFlag, Worker};
use crate::error::{Error, Result};
use crate::frame::{Frame, FramePool};
use crate::pipeline::{Presented, Tap, TapProgress};
use crate::record::{Backpressure, stamp};
use crate::sound::{Sound, SoundEnd};
use crate::source::{SourceInfo, SourceSpec};

/// A video whose source does not know its rate; only the last frame's length follows from it.
const UNKNOWN_RATE: f64 = 30.0;

/// How often the manifest's figures are brought up to date: after a crash they are this old.
const UPDATE: Duration = Duration::from_secs(2);

/// What is to be recorded.
#[derive(Debug, Clone)]
pub struct SessionPlan {
    /// The folder, which is created: see [`super::session_folder`].
    pub folder: PathBuf,
    /// The source as it can be opened again: `camera:0`, a path.
    pub source_spec: String,
    /// The model at work, if any.
    pub model: Option<ModelRecord>,
    /// Whether full encoder queues drop (live pictures) or wait.
    pub backpressure: Backpressure,
    /// Exporters beside the poses and COCO results, by name.
    pub exports: Vec<String>,
    /// The file, where one is recorded whole, front to back: its sound goes along.
    pub file: Option<SourceSpec>,
}

/// What came of closed parts.
#[derive(Default)]
struct Closed {
    bytes: u64,
    /// What is lacking of the sound.
    notes: Vec<String>,
}

/// A running recording.
pub struct SessionTap {
    plan: SessionPlan,
    manifest: Manifest,
    clock: RunClock,
    part: Option<Part>,
    /// Annotated pictures on their way to the encoder.
    pool: FramePool,
    /// What is known of the parts that are closed.
    closed: Arc<Mutex<Closed>>,
    sound_end: SoundEnd,
    closing: Vec<Worker>,
    /// Frames that the source lost before the next one.
    n_skipped: u64,
    failure: Arc<Mutex<Option<Error>>>,
    updated: Instant,
}

impl SessionTap {
    /// Creates the folder with its manifest and begins with the picture `first`.
    ///
    /// # Errors
    /// When the folder exists already or cannot be written, or the pictures cannot be encoded.
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
            source: SourceRecord {
                name: first.source.name.clone(),
                spec: plan.source_spec.clone(),
                is_live: first.source.is_live,
                rate: first.source.rate,
            },
            model: plan.model.clone(),
            overlay: LookRecord::from(&*first.look),
            parts: Vec::new(),
            annotations: Vec::new(),
        };
        manifest.write(&plan.folder)?;
        let mut this = Self {
            clock: RunClock::new(plan.file.is_some()),
            plan,
            manifest,
            part: None,
            pool: FramePool::new(),
            closed: Arc::default(),
            sound_end: SoundEnd::WithVideo,
            closing: Vec::new(),
            n_skipped: 0,
            failure: Arc::default(),
            updated: Instant::now(),
        };
        // Only later frames come from the capture thread.
        this.offer_raw(&first.frame, &first.source)?;
        Ok(this)
    }

    /// The part for pictures like `frame`: the one at work, or a new one when the size changed.
    fn part_for(&mut self, frame: &Frame, rate: Option<f64>) -> Result<&mut Part> {
        let is_other = |part: &mut Part| {
            let size = frame.size();
            (part.record.width, part.record.height) != (size.width, size.height)
        };
        if let Some(part) = self.part.take_if(is_other) {
            self.close(part)?;
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
                sound: &|| {
                    let file = self.plan.file.as_ref();
                    file.map_or_else(Sound::default, SourceSpec::sound)
                },
            };
            let part = Part::create(&plan, frame)?;
            self.manifest.parts.push(part.record.clone());
            self.manifest.write(&self.plan.folder)?;
            part
        };
        Ok(self.part.insert(part))
    }

    /// Closes a part on a thread of its own: the encoders' queues may take a second.
    fn close(&mut self, part: Part) -> Result<()> {
        self.note(&part);
        let (closed, failure) = (Arc::clone(&self.closed), Arc::clone(&self.failure));
        let sound_end = self.sound_end;
        self.closing.push(Worker::spawn(
            "recording part",
            StopFlag::new(),
            move |_| {
                let (bytes, notes) = part.finish(sound_end)?;
                let mut closed = closed.lock().unwrap_or_else(PoisonError::into_inner);
                closed.bytes += bytes;
                note(&mut closed.notes, &notes);
                Ok(())
            },
            move |error| {
                let mut failure = failure.lock().unwrap_or_else(PoisonError::into_inner);
                failure.get_or_insert(error);
            },
        )?);
        Ok(())
    }

    /// Puts a part's figures into the manifest.
    fn note(&mut self, part: &Part) {
        if let Some(record) = self.manifest.parts.last_mut() {
            record.clone_from(&part.record);
            // What the model had no time for is lost to the annotated video as well.
            record.annotated_drops = record.frames.saturating_sub(record.annotated_frames);
        }
    }

    fn update(&mut self) -> Result<()> {
        if self.updated.elapsed() < UPDATE {
            return Ok(());
        }
        self.updated = Instant::now();
        if let Some(part) = self.part.take() {
            self.note(&part);
            self.part = Some(part);
        }
        self.manifest.write(&self.plan.folder)
    }
}

impl Tap for SessionTap {
    fn offer_raw(&mut self, frame: &Frame, source: &Arc<SourceInfo>) -> Result<()> {
        let secs = self.clock.secs(source, frame);
        let n_skipped = std::mem::take(&mut self.n_skipped);
        let part = self.part_for(frame, source.rate)?;
        part.record.drops += n_skipped;
        let id = part.raw(frame, secs)?;
        if let Some(id) = id {
            let part = self.manifest.parts.len();
            self.clock.remember(source, frame, Place { part, id, secs });
        }
        self.update()
    }

    fn skipped(&mut self, n: u64) {
        self.n_skipped += n;
    }

    fn offer(&mut self, presented: &Presented) -> Result<()> {
        let (frame, source) = (&presented.frame, &presented.source);
        if self.clock.place(source, frame).is_none() && self.clock.is_next(source, frame) {
            // It was on its way when the recording began.
            self.offer_raw(frame, source)?;
        }
        let n_parts = self.manifest.parts.len();
        match (&mut self.part, self.clock.place(source, frame)) {
            (Some(part), Some(place)) if place.part == n_parts => {
                let picture = presented.drawn(&self.pool);
                part.annotate(&picture, presented.output.as_deref(), place)
            }
            // The raw video has lost it, or a part that is closed has it.
            _ => Ok(()),
        }
    }

    fn progress(&self) -> TapProgress {
        let mut parts: Vec<_> = self.manifest.parts.iter().collect();
        let closed = self.closed.lock().unwrap_or_else(PoisonError::into_inner);
        let (mut bytes, notes) = (closed.bytes, closed.notes.clone());
        drop(closed);
        if let Some(part) = &self.part {
            parts.pop();
            parts.push(&part.record);
            bytes += part.bytes();
        }
        TapProgress {
            path: self.plan.folder.clone(),
            frames: parts.iter().map(|p| p.frames).sum(),
            drops: parts.iter().map(|p| p.drops).sum(),
            annotated: parts.iter().map(|p| p.annotated_frames).sum(),
            secs: parts.iter().map(|p| p.seconds).sum(),
            bytes,
            notes,
        }
    }

    fn source_ended(&mut self) {
        self.sound_end = SoundEnd::At(f64::INFINITY);
    }

    fn finish(mut self: Box<Self>) -> Result<TapProgress> {
        if let Some(part) = self.part.take() {
            self.close(part)?;
        }
        for worker in self.closing.drain(..) {
            worker.join();
        }
        let failure = self
            .failure
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        self.manifest.is_finished = true;
        self.manifest.failure = failure.as_ref().map(ToString::to_string);
        let written = self.manifest.write(&self.plan.folder);
        failure.map_or(Ok(()), Err).and(written)?;
        Ok(self.progress())
    }
}
