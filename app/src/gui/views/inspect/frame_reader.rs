//! Random access to the frames of a file, on its own thread.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use eframe::egui::{self, ColorImage, TextureHandle, TextureOptions};
use poselens_engine::concurrency::{Slot, StopFlag, Worker};
use poselens_engine::error::Result;
use poselens_engine::frame::Frame;
use poselens_engine::source::scrub::{Scrub, Thumbnail, Thumbnails};
use poselens_engine::source::{Extent, Indexing, OpenOptions, SAME_SECS, SourceSpec};

use crate::gui::waker::Waker;

/// How often the thread checks whether it should stop.
const POLL: Duration = Duration::from_millis(100);
/// Number of thumbnails in the strip: at a width of 1280 points they are about square.
pub(super) const N_THUMBNAILS: usize = 16;
/// Longer side of a thumbnail in pixels.
const THUMBNAIL_SIDE: usize = 128;

/// The frame shown after opening.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum InitialFrame {
    /// The first frame.
    First,
    /// The frame at this time, which is already on the screen.
    At(f64),
}

/// Properties of an open file.
#[derive(Debug, Clone)]
struct Opened {
    /// Timestamp of each frame in seconds.
    times: Arc<[f64]>,
    /// Index of the first frame to show.
    start: usize,
}

#[derive(Debug, Default)]
struct Update {
    opened: Option<Opened>,
    frame: Option<(usize, Frame)>,
    fault: Option<String>,
}

/// A thumbnail in the strip.
#[derive(Clone)]
pub struct StripPicture {
    /// Index of its frame.
    pub index: usize,
    /// The thumbnail.
    pub texture: TextureHandle,
}

/// A file whose frames are inspected one by one.
pub struct FrameReader {
    /// Display name.
    pub name: String,
    /// Timestamp of each frame in seconds; empty while the file is being opened.
    pub times: Arc<[f64]>,
    /// Index of the frame requested last.
    pub index: usize,
    /// Finished thumbnails by position.
    pub strip: [Option<StripPicture>; N_THUMBNAILS],
    wanted: Slot<usize>,
    update: Arc<Mutex<Update>>,
    thumbnails: Option<Thumbnails>,
    /// Source text of the file.
    pub(super) spec: String,
    indexing: Indexing,
    waker: Waker,
    worker: Option<Worker>,
}

/// Updates from the reader.
#[derive(Debug, Default)]
pub struct FrameUpdate {
    /// The frame requested last, once read.
    pub frame: Option<Frame>,
    /// Error message with a suggested remedy.
    pub fault: Option<String>,
}

impl FrameReader {
    /// Opens a source by its text; live sources are rejected in the reader's update.
    ///
    /// # Errors
    /// If the operating system cannot create a thread.
    pub fn open(name: &str, spec: &str, start: InitialFrame, waker: &Waker) -> Result<Self> {
        let wanted = Slot::new();
        let indexing = Indexing::default();
        let update = Arc::new(Mutex::new(Update::default()));
        let failed = (Arc::clone(&update), waker.clone());
        let thread = ReaderThread {
            wanted: wanted.clone(),
            update: Arc::clone(&update),
            waker: waker.clone(),
            indexing: indexing.clone(),
        };
        let text = spec.to_owned();
        let worker = Worker::spawn(
            "frame reader",
            StopFlag::new(),
            move |stop| thread.run(&text, start, stop),
            move |error| {
                lock(&failed.0).fault = Some(error.to_string());
                failed.1.wake();
            },
        )?;
        Ok(Self {
            name: name.to_owned(),
            times: Arc::new([]),
            index: 0,
            strip: Default::default(),
            wanted,
            update,
            thumbnails: None,
            spec: spec.to_owned(),
            indexing,
            waker: waker.clone(),
            worker: Some(worker),
        })
    }

    /// Returns whether the file is still being opened.
    pub fn is_opening(&self) -> bool {
        self.times.is_empty() && self.worker.as_ref().is_some_and(|w| !w.is_finished())
    }

    /// Returns the progress of opening: some files have to be read completely.
    pub fn extent(&self) -> Option<Extent> {
        self.indexing.extent()
    }

    /// Requests a frame, clamped to the last. A newer request replaces an older one.
    pub fn seek(&mut self, index: usize) {
        let Some(last) = self.times.len().checked_sub(1) else {
            return;
        };
        let index = index.min(last);
        if index != self.index {
            self.index = index;
            self.wanted.put(index);
        }
    }

    /// Returns the index of the frame displayed at this time.
    pub fn index_at(&self, secs: f64) -> usize {
        self.times
            .partition_point(|&time| time <= secs + SAME_SECS)
            .saturating_sub(1)
    }

    /// Returns what has arrived since the last call.
    pub fn poll(&mut self, ctx: &egui::Context) -> FrameUpdate {
        let Update {
            opened,
            frame,
            fault,
        } = std::mem::take(&mut *lock(&self.update));
        if let Some(opened) = opened {
            self.times = opened.times;
            self.index = opened.start;
            if self.times.len() > 1 {
                let (spec, waker) = (self.spec.clone(), self.waker.clone());
                let n = N_THUMBNAILS.min(self.times.len());
                let strip = Thumbnails::start(
                    n,
                    THUMBNAIL_SIDE,
                    move || scrub(&spec, Indexing::default()),
                    move || waker.wake(),
                );
                self.thumbnails = strip
                    .inspect_err(|error| tracing::warn!(%error, "no thumbnails"))
                    .ok();
            }
        }
        while let Some(Thumbnail { slot, frame }) =
            self.thumbnails.as_ref().and_then(Thumbnails::try_next)
        {
            let size = [frame.size().width, frame.size().height];
            let image = ColorImage::from_rgba_unmultiplied(size, frame.rgba());
            if let Some(place) = self.strip.get_mut(slot) {
                *place = Some(StripPicture {
                    index: frame.id as usize,
                    texture: ctx.load_texture("thumbnail", image, TextureOptions::LINEAR),
                });
            }
        }
        FrameUpdate {
            frame: frame.filter(|(i, _)| *i == self.index).map(|(_, f)| f),
            fault,
        }
    }
}

impl Drop for FrameReader {
    fn drop(&mut self) {
        // Detached, because indexing a file may take a while.
        if let Some(worker) = self.worker.take() {
            worker.detach();
        }
    }
}

/// State of the thread.
struct ReaderThread {
    wanted: Slot<usize>,
    update: Arc<Mutex<Update>>,
    waker: Waker,
    indexing: Indexing,
}

impl ReaderThread {
    fn run(&self, spec: &str, start: InitialFrame, stop: &StopFlag) -> Result<()> {
        let mut scrub = scrub(spec, self.indexing.clone())?;
        let first = match start {
            InitialFrame::First => 0,
            InitialFrame::At(secs) => scrub.index_at(secs),
        };
        self.tell(|update| {
            update.opened = Some(Opened {
                times: scrub.times().into(),
                start: first,
            });
            update.fault = scrub.warning().map(str::to_owned);
        });
        if start == InitialFrame::First {
            self.read(&mut scrub, 0);
        }
        while !stop.is_stopped() {
            if let Some(i) = self.wanted.take_timeout(POLL) {
                self.read(&mut scrub, i);
            }
        }
        Ok(())
    }

    /// Reads a frame. An unreadable one does not stop the reader: its neighbours may be intact.
    fn read(&self, scrub: &mut Scrub, i: usize) {
        let frame = scrub.frame(i);
        self.tell(|update| match frame {
            Ok(frame) => update.frame = Some((i, frame)),
            Err(error) => update.fault = Some(error.to_string()),
        });
    }

    fn tell(&self, what: impl FnOnce(&mut Update)) {
        what(&mut lock(&self.update));
        self.waker.wake();
    }
}

fn scrub(spec: &str, indexing: Indexing) -> Result<Scrub> {
    let options = OpenOptions {
        indexing,
        ..OpenOptions::default()
    };
    Scrub::open_spec(&SourceSpec::parse(spec)?, &options)
}

fn lock(update: &Mutex<Update>) -> MutexGuard<'_, Update> {
    update.lock().unwrap_or_else(PoisonError::into_inner)
}
