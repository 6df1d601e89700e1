//! Sources of frames: cameras, videos, images, folders and a synthetic person.
//!
//! A [`SourceSpec`] is the parsed command-line argument; [`SourceSpec::open`] turns it into a
//! [`FrameSource`]. To add a kind of source: a new file with a [`SourceKind`], one line in
//! [`SOURCES`].

mod animation;
pub mod camera;
mod colour;
pub mod folder;
pub mod image;
mod indexing;
mod listing;
mod monitor;
mod moving;
pub mod pixels;
pub mod recording;
mod sample;
pub mod scrub;
mod sound;
pub mod synthetic;
mod trim;
pub mod video;

pub use folder::ONE_OF_ITS_VIDEOS;
pub use indexing::{Extent, Indexing};
pub(crate) use listing::natural_order;
pub use monitor::{CameraFormats, CameraReport, SourceMonitor, SourceStatus};
pub use moving::is_video;
pub(crate) use sample::CLIP as SAMPLE_CLIP;
pub use trim::{Trim, Trimmed};

use std::ffi::{OsStr, OsString};

use crate::concurrency::StopFlag;
use crate::error::{Error, Result};
use crate::frame::Frame;
use crate::geometry::Size;
use crate::sound::Sound;

/// A stream of frames, read from one thread.
pub trait FrameSource: Send {
    /// Returns the properties known before the first frame.
    fn info(&self) -> &SourceInfo;

    /// Returns the next frame, blocking until there is one; `None` at the end and soon (within 250
    /// ms) after [`OpenOptions::stop`] was raised.
    ///
    /// A live source that loses its device blocks here while it reconnects; meanwhile
    /// [`FrameSource::monitor`] exposes its state to other threads.
    ///
    /// A source that is damaged midway continues after the damage if possible, keeps the ids of
    /// lost frames unused, and reports them in [`FrameSource::warning`].
    ///
    /// # Errors
    /// One line with the file or device and the remedy.
    fn next_frame(&mut self) -> Result<Option<Frame>>;

    /// Returns a remark on the frames delivered so far, if any.
    fn warning(&self) -> Option<&str> {
        None
    }

    /// Returns whether frames were lost or are unreliable because the input is damaged.
    fn is_damaged(&self) -> bool {
        false
    }

    /// Seeks: the next frame read is the one at `to`, or the nearest one. Returns `false` if the
    /// source cannot seek (cameras).
    ///
    /// # Errors
    /// When the file cannot be indexed.
    fn seek(&mut self, _to: SeekTo) -> Result<bool> {
        Ok(false)
    }

    /// Restarts with the first frame, keeping the index; returns `false` if the file must be
    /// reopened instead.
    ///
    /// # Errors
    /// When the file can no longer be opened.
    fn rewind(&mut self) -> Result<bool> {
        Ok(false)
    }

    /// Returns a view of this source for other threads: state of the device and lost frames.
    fn monitor(&self) -> SourceMonitor {
        SourceMonitor::default()
    }

    /// Returns the current state of the source's device.
    fn status(&self) -> SourceStatus {
        self.monitor().status()
    }
}

/// Properties of a source known before its first frame.
#[derive(Debug, Clone, PartialEq)]
pub struct SourceInfo {
    /// Name for the window and messages: of the camera or file.
    pub name: String,
    /// Size of the frames in pixels, if known.
    pub size: Option<Size>,
    /// Nominal frames per second, if known.
    pub rate: Option<f64>,
    /// Number of frames, if known.
    pub n_frames: Option<u64>,
    /// Whether frames arrive in real time and may be dropped (cameras).
    pub is_live: bool,
}

/// Times closer than this many seconds are the same: those of frames are multiples of a tick, which
/// rounding moves by far less.
pub const SAME_SECS: f64 = 1e-4;

/// A position in a file.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum SeekTo {
    /// A frame by its index; the last one if there are fewer.
    Frame(u64),
    /// The frame shown at this time, in seconds since the first.
    Secs(f64),
}

/// Options for opening; a source uses those that apply to it.
#[derive(Debug, Clone)]
pub struct OpenOptions {
    /// Requested frame size in pixels (cameras, synthetic).
    pub size: Size,
    /// Requested frames per second (cameras, synthetic).
    pub rate: f64,
    /// Requested camera format, used if available; overrides size and rate.
    pub format: Option<camera::CameraFormat>,
    /// Whether files without a frame count are indexed while they play: seeking is then immediate,
    /// and [`SourceMonitor::extent`] returns their length.
    pub is_indexed_ahead: bool,
    /// Receives the progress of indexing.
    pub indexing: Indexing,
    /// Number of frames after which an endless source stops (synthetic).
    pub max_frames: Option<u64>,
    /// Raised by the owner to interrupt waiting in `open` and `next_frame` (cameras, live sources).
    pub stop: StopFlag,
}

impl Default for OpenOptions {
    fn default() -> Self {
        Self {
            size: Size::new(640, 480),
            rate: 30.0,
            format: None,
            is_indexed_ahead: false,
            indexing: Indexing::default(),
            max_frames: None,
            stop: StopFlag::new(),
        }
    }
}

/// One kind of source: an entry of [`SOURCES`].
#[derive(Debug)]
pub struct SourceKind {
    /// Name, e.g. `camera` or `video`; also the prefix in `camera:0`.
    pub name: &'static str,
    /// Syntax and description for `--help`, one line.
    pub help: &'static str,
    /// Whether the name alone, without a colon, selects this kind. False for kinds that need a
    /// path: `folder` is then a folder of this name.
    pub stands_alone: bool,
    /// Returns whether an argument without a known prefix belongs to this kind.
    pub accepts: fn(&OsStr) -> bool,
    /// Opens the source.
    pub open: fn(argument: &OsStr, options: &OpenOptions) -> Result<Box<dyn FrameSource>>,
    /// Opens it for random access; `None` for sources without a past.
    pub scrub: Option<scrub::OpenScrub>,
    /// Finds its sound; `None` for kinds without sound.
    pub sound: Option<fn(argument: &OsStr) -> Sound>,
}

/// Every kind of source. An argument without a prefix goes to the first entry that accepts it.
/// `video` accepts everything and must stay last.
pub const SOURCES: &[SourceKind] = &[
    camera::KIND,
    synthetic::KIND,
    sample::KIND,
    recording::KIND,
    folder::KIND,
    animation::KIND,
    image::KIND,
    video::KIND,
];

/// A parsed source argument: its kind and the text for it.
#[derive(Debug, Clone)]
pub struct SourceSpec {
    kind: &'static SourceKind,
    argument: OsString,
}

impl SourceSpec {
    /// Parses `camera:0`, `camera:NAME`, `synthetic`, or a path to a video, image or folder. A path
    /// need not be UTF-8.
    ///
    /// # Errors
    /// When no kind of source accepts the text.
    pub fn parse(text: &(impl AsRef<OsStr> + ?Sized)) -> Result<Self> {
        let whole = text.as_ref();
        let text = whole.to_str().unwrap_or_default();
        let (prefix, rest) = match text.split_once(':') {
            Some((prefix, rest)) => (prefix, Some(rest)),
            None => (text, None),
        };
        let by_prefix = SOURCES
            .iter()
            .find(|k| k.name == prefix && (rest.is_some() || k.stands_alone));
        if let Some(kind) = by_prefix {
            return Ok(Self {
                kind,
                argument: rest.unwrap_or_default().into(),
            });
        }
        let by_shape = SOURCES.iter().find(|k| (k.accepts)(whole));
        let refused = "not a source; give a file, folder or camera:0";
        by_shape
            .map(|kind| Self {
                kind,
                argument: whole.to_owned(),
            })
            .ok_or_else(|| Error::source(whole.to_string_lossy(), refused))
    }

    /// Returns the sound that belongs to its frames, from the start on; empty if it has none.
    pub fn sound(&self) -> Sound {
        self.kind
            .sound
            .map_or_else(Sound::default, |open| open(&self.argument))
    }

    /// Returns the text after the kind: a path, a camera's index or name.
    pub fn argument(&self) -> &OsStr {
        &self.argument
    }

    /// Returns the kind of source.
    pub fn kind(&self) -> &'static SourceKind {
        self.kind
    }

    /// Opens it; files support seeking ([`FrameSource::seek`]).
    ///
    /// # Errors
    /// One line with the file or device and the remedy.
    pub fn open(&self, options: &OpenOptions) -> Result<Box<dyn FrameSource>> {
        let source = (self.kind.open)(&self.argument, options)?;
        if self.kind.scrub.is_none() {
            return Ok(source);
        }
        let player = scrub::Player::new(self.clone(), options.clone(), source);
        Ok(Box::new(player))
    }
}
