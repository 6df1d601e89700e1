//! Recording in parallel with live inference: a queue and a thread around [`VideoWriter`].

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Instant;

use crossbeam::channel::{Receiver, Sender, TrySendError, bounded};

use super::encoder::H264Encoder;
use super::video_writer::{VideoSummary, VideoWriter};
use crate::concurrency::{StopFlag, Worker};
use crate::error::{Error, Result};
use crate::frame::{Frame, FramePool, letterboxed};
use crate::geometry::Size;
use crate::sound::{Sound, SoundEnd};

/// Queue length in live mode: two seconds at 30 frames per second.
const LIVE_QUEUE: usize = 64;

/// Queue length if the caller waits for room: enough to keep both threads busy, and short enough to
/// be written quickly at the end of the run.
const WAITING_QUEUE: usize = 4;

/// Behaviour if the queue is full.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Backpressure {
    /// Drops and counts the frame; the caller never waits (live sources).
    DropNewest,
    /// Blocks the caller until there is room (files: every frame counts).
    Block,
}

/// Options for closing a recording.
#[derive(Debug, Clone, Copy, Default)]
pub struct Closing {
    /// Deadline after which queued frames are skipped and counted as dropped; `None` waits for all.
    pub by: Option<Instant>,
    /// End of the sound.
    pub sound: SoundEnd,
}

/// Result of offering a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Offered {
    /// The frame will be written.
    Queued,
    /// The queue was full; the frame was counted as dropped.
    Dropped,
    /// The recording has failed, see [`Recorder::failure`]; stop offering.
    Failed,
}

/// Summary of a finished recording.
#[derive(Debug, Clone, PartialEq)]
pub struct RecordSummary {
    /// Number of frames in the file.
    pub frames: u64,
    /// Number of frames dropped because of a full queue or the deadline.
    pub dropped: u64,
    /// Sum of the durations of the frames in seconds.
    pub duration_secs: f64,
    /// Length of the file in bytes.
    pub bytes: u64,
    /// Number of frames whose time stamp was adjusted.
    pub adjusted_times: u64,
    /// Time to convert, encode and write each frame, in order of the frames.
    pub encode_millis: Vec<f32>,
    /// Problems of the sound, one line per track.
    pub sound_notes: Vec<String>,
}

/// A running recording. Dropping it discards queued frames and closes the file.
pub struct Recorder {
    path: PathBuf,
    backpressure: Backpressure,
    dropped: u64,
    outcome: Arc<Mutex<Outcome>>,
    /// Deadline after which queued frames are skipped.
    by: Arc<OnceLock<Instant>>,
    // Before the worker: the sender must be dropped before the worker is joined.
    frames: Sender<Frame>,
    worker: Worker,
}

#[derive(Default)]
struct Outcome {
    /// End of the sound; set before the queue is closed.
    sound_end: SoundEnd,
    finished: Option<Written>,
    error: Option<Error>,
}

/// Result of the recording thread.
struct Written {
    video: VideoSummary,
    encode_millis: Vec<f32>,
    /// Number of frames skipped after the deadline.
    n_left_out: u64,
}

impl Recorder {
    /// Describes how the video of frames of `size` differs from them; `None` if it does not. Frames
    /// that are too large or too small for the encoder are scaled to the nearest size that it takes.
    pub fn size_note(size: Size) -> Option<String> {
        H264Encoder::fitted_text(size)
    }

    /// Creates the file for frames of `size` and starts the thread. `rate` is the nominal frame rate.
    ///
    /// # Errors
    /// Those of [`VideoWriter::create`]; also when the system cannot create a thread.
    pub fn start(path: &Path, size: Size, rate: f64, backpressure: Backpressure) -> Result<Self> {
        let size = H264Encoder::fitted(size);
        let writer = VideoWriter::create(path, size, rate)?;
        Self::with_writer(path, writer, size, backpressure)
    }

    /// Like [`Recorder::start`], with the sound of the frames' source. The first frame is the one
    /// that the source shows at `begin_secs`.
    ///
    /// # Errors
    /// Those of [`VideoWriter::with_sound`]; also when the system cannot create a thread.
    pub fn start_with_sound(
        path: &Path,
        size: Size,
        rate: f64,
        backpressure: Backpressure,
        (sound, begin_secs): (Sound, f64),
    ) -> Result<Self> {
        let size = H264Encoder::fitted(size);
        let writer = VideoWriter::with_sound(path, size, rate, sound, begin_secs)?;
        Self::with_writer(path, writer, size, backpressure)
    }

    pub(super) fn with_writer(
        path: &Path,
        writer: VideoWriter,
        size: Size,
        backpressure: Backpressure,
    ) -> Result<Self> {
        let (sender, receiver) = bounded(match backpressure {
            Backpressure::DropNewest => LIVE_QUEUE,
            Backpressure::Block => WAITING_QUEUE,
        });
        let by = Arc::<OnceLock<Instant>>::default();
        let deadline = Arc::clone(&by);
        let outcome = Arc::new(Mutex::new(Outcome::default()));
        let (finished, failed) = (Arc::clone(&outcome), Arc::clone(&outcome));
        // The failure handler keeps the queue connected until the error can be read, so that it is
        // available after `Offered::Failed`.
        let (queue, until_reported) = (receiver.clone(), receiver);
        let worker = Worker::spawn(
            "record",
            StopFlag::new(),
            move |stop| {
                let end = || lock(&finished).sound_end;
                let result = write_all(writer, size, &queue, stop, (&deadline, end))?;
                lock(&finished).finished = Some(result);
                Ok(())
            },
            move |error| {
                lock(&failed).error = Some(error);
                drop(until_reported);
            },
        )?;
        Ok(Self {
            path: path.to_owned(),
            backpressure,
            dropped: 0,
            outcome,
            by,
            frames: sender,
            worker,
        })
    }

    /// Queues a frame. Returns at once with [`Backpressure::DropNewest`]; with
    /// [`Backpressure::Block`] it waits for room and never returns [`Offered::Dropped`].
    pub fn offer(&mut self, frame: Frame) -> Offered {
        match self.backpressure {
            Backpressure::Block => match self.frames.send(frame) {
                Ok(()) => Offered::Queued,
                Err(_) => Offered::Failed,
            },
            Backpressure::DropNewest => match self.frames.try_send(frame) {
                Ok(()) => Offered::Queued,
                Err(TrySendError::Disconnected(_)) => Offered::Failed,
                Err(TrySendError::Full(_)) => {
                    self.dropped += 1;
                    Offered::Dropped
                }
            },
        }
    }

    /// Returns the path of the file being written.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Returns the number of frames dropped so far.
    pub fn dropped(&self) -> u64 {
        self.dropped
    }

    /// Returns the number of queued frames.
    pub fn queued(&self) -> usize {
        self.frames.len()
    }

    /// Returns the error that ended the recording, after [`Offered::Failed`].
    pub fn failure(&self) -> Error {
        let reason = match &lock(&self.outcome).error {
            Some(Error::Record { reason, .. }) => reason.clone(),
            Some(other) => other.to_string(),
            None => "it has ended".to_owned(),
        };
        Error::Record {
            path: self.path.clone(),
            reason,
        }
    }

    /// Returns the deadline, which [`Self::finish`] sets.
    #[cfg(test)]
    pub(super) fn deadline(&self) -> Arc<OnceLock<Instant>> {
        Arc::clone(&self.by)
    }

    /// Writes the queued frames and completes the file.
    ///
    /// # Errors
    /// The first error of the recording; the file is closed and playable up to there.
    pub fn finish(self, closing: Closing) -> Result<RecordSummary> {
        let Self {
            path,
            dropped,
            outcome,
            by: deadline,
            frames,
            worker,
            ..
        } = self;
        if let Some(by) = closing.by {
            // The cell is empty: nothing else sets it.
            let _ = deadline.set(by);
        }
        lock(&outcome).sound_end = closing.sound;
        drop(frames);
        worker.join();
        let Outcome {
            finished, error, ..
        } = std::mem::take(&mut *lock(&outcome));
        if let Some(error) = error {
            return Err(error);
        }
        let Written {
            video,
            encode_millis,
            n_left_out,
        } = finished.ok_or_else(|| {
            let path = path.display();
            Error::Internal(format!("the recording of {path} ended without a result"))
        })?;
        Ok(RecordSummary {
            frames: video.frames,
            dropped: dropped + n_left_out,
            duration_secs: video.duration_secs,
            bytes: video.bytes,
            adjusted_times: video.adjusted_times,
            encode_millis,
            sound_notes: video.sound_notes,
        })
    }
}

fn lock(outcome: &Mutex<Outcome>) -> MutexGuard<'_, Outcome> {
    outcome.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Work of the thread: frames of another size than the video's are fitted into it. However it ends,
/// dropping the writer closes the file.
fn write_all(
    mut writer: VideoWriter,
    size: Size,
    queue: &Receiver<Frame>,
    stop: &StopFlag,
    (by, end): (&OnceLock<Instant>, impl FnOnce() -> SoundEnd),
) -> Result<Written> {
    let mut encode_millis = Vec::new();
    let mut n_left_out = 0;
    let pool = FramePool::new();
    while let Ok(frame) = queue.recv() {
        if stop.is_stopped() {
            break;
        }
        if by.get().is_some_and(|&by| Instant::now() >= by) {
            n_left_out += 1;
            continue;
        }
        let frame = if frame.size() == size {
            frame
        } else {
            letterboxed(&frame, size, &pool)
        };
        let start = Instant::now();
        writer.push(frame.rgba(), frame.time_secs)?;
        encode_millis.push(start.elapsed().as_secs_f32() * 1e3);
    }
    Ok(Written {
        video: writer.finish_at(end())?,
        encode_millis,
        n_left_out,
    })
}
