//! Decodes the frames of the project's clips, on its own thread.
//!
//! The frame requested last wins. The one after it is decoded ahead, so that a step shows it at once.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use poselens_engine::Result;
use poselens_engine::concurrency::{Slot, StopFlag, Worker};
use poselens_engine::frame::Frame;
use poselens_engine::project::{Clip, FrameKey};
use poselens_engine::source::scrub::Scrub;

use crate::gui::waker::Waker;
use crate::gui::wording::in_window;

/// How often the thread checks whether it should stop.
const POLL: Duration = Duration::from_millis(100);

/// A frame of a clip.
#[derive(Debug, Clone)]
pub(super) struct Wanted {
    /// Folder of the project.
    pub folder: PathBuf,
    /// The clip.
    pub clip: Clip,
    /// Index of the frame.
    pub frame: u32,
}

impl Wanted {
    fn at(&self) -> FrameKey {
        FrameKey::new(self.clip.id, self.frame)
    }
}

/// A decoded frame, or why it cannot be; without a frame, why the thread has failed.
pub(super) type Decoded = (Option<FrameKey>, std::result::Result<Picture, String>);

/// An image with its time.
#[derive(Debug, Clone)]
pub struct Picture {
    /// The image.
    pub frame: Frame,
    /// Time in the clip in seconds.
    pub secs: f64,
}

/// Handle of the thread. Dropping it stops the thread without waiting.
pub(super) struct FrameThread {
    wanted: Slot<Wanted>,
    decoded: Arc<Mutex<Option<Decoded>>>,
    worker: Option<Worker>,
}

impl FrameThread {
    /// Starts the thread.
    ///
    /// # Errors
    /// If the operating system cannot create a thread.
    pub(super) fn start(waker: &Waker) -> Result<Self> {
        let wanted: Slot<Wanted> = Slot::new();
        let decoded = Arc::new(Mutex::new(None));
        let (requests, waker, failed) = (wanted.clone(), waker.clone(), waker.clone());
        let (answer, failure) = (Arc::clone(&decoded), Arc::clone(&decoded));
        let run = move |stop: &StopFlag| {
            let mut reader = Reader::default();
            while !stop.is_stopped() {
                if let Some(wanted) = requests.take_timeout(POLL) {
                    let frame = reader.read(&wanted);
                    let frame = frame.map_err(|error| in_window(&error.to_string()));
                    put(&answer, Some((Some(wanted.at()), frame)));
                    waker.wake();
                    reader.ahead(&wanted);
                }
            }
            Ok(())
        };
        let worker = Worker::spawn("label frames", StopFlag::new(), run, move |error| {
            put(&failure, Some((None, Err(error.to_string()))));
            failed.wake();
        })?;
        Ok(Self {
            wanted,
            decoded,
            worker: Some(worker),
        })
    }

    /// Requests a frame. A newer request replaces an older one.
    pub(super) fn request(&self, wanted: Wanted) {
        self.wanted.put(wanted);
    }

    /// Returns the frame decoded last; only once.
    pub(super) fn take(&self) -> Option<Decoded> {
        put(&self.decoded, None)
    }
}

impl Drop for FrameThread {
    fn drop(&mut self) {
        // Detached, because indexing a file may take a while.
        if let Some(worker) = self.worker.take() {
            worker.detach();
        }
    }
}

fn put(place: &Mutex<Option<Decoded>>, value: Option<Decoded>) -> Option<Decoded> {
    let mut place = place.lock().unwrap_or_else(PoisonError::into_inner);
    std::mem::replace(&mut place, value)
}

/// The clip that was read last.
#[derive(Default)]
struct Reader {
    open: Option<(PathBuf, u32, Scrub)>,
}

impl Reader {
    fn read(&mut self, wanted: &Wanted) -> Result<Picture> {
        let place = wanted.clip.place(&wanted.folder);
        let id = wanted.clip.id;
        let is_open = |(path, clip, _): &(PathBuf, u32, Scrub)| *path == place && *clip == id;
        if !self.open.as_ref().is_some_and(is_open) {
            self.open = None;
        }
        let (.., scrub) = match &mut self.open {
            Some(open) => open,
            none => none.insert((place, id, wanted.clip.open(&wanted.folder)?)),
        };
        let index = wanted.frame as usize;
        Ok(Picture {
            frame: scrub.frame(index)?,
            secs: scrub.times().get(index).copied().unwrap_or_default(),
        })
    }

    /// Decodes the frame after a requested one into the cache.
    fn ahead(&mut self, wanted: &Wanted) {
        let next = wanted.frame.saturating_add(1);
        if let Some((.., scrub)) = &mut self.open
            && next < wanted.clip.n_frames
        {
            // It is reported when it is requested.
            scrub.frame(next as usize).ok();
        }
    }
}
