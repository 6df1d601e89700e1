//! Sources of frames: cameras, videos, pictures, folders and a synthetic figure.
//!
//! A [`SourceSpec`] is what the user typed, parsed once; [`SourceSpec::open`] turns it into a
//! [`FrameSource`]. Adding a kind of source: a new file with a [`SourceKind`], one line in
//! [`SOURCES`].

mod animation;
pub mod camera;
mod colour;
pub mod folder;
pub mod image;
mod indexing;
mod listing;
mod monitor;
pub mod pixels;
pub mod recording;
mod sample;
pub mod scrub;
mod sound;
pub mod synthetic;
mod trim;
pub mod video;

pub use indexing::{Extent, Indexing};
pub use monitor::{CameraFormats, CameraReport, SourceMonitor, SourceStatus};
pub use trim::{Trim, Trimmed};

use std::ffi::{OsStr, OsString};

use crate::concurrency::StopFlag;
use crate::error::{Error, Result};
use crate::frame::Frame;
use crate::geometry::Size;
use crate::sound::Sound;

/// A stream of frames, read from one thread.
pub trait FrameSource: Send {
    /// What is known before the first frame.
    fn info(&self) -> &SourceInfo;

    /// The next frame, blocking until there is one; `None` at the end and soon (within 250 ms)
    /// after [`OpenOptions::stop`] was raised.
    ///
    /// A live source that loses its device waits here while it reconnects; meanwhile
    /// [`FrameSource::monitor`] tells other threads what is going on.
    ///
    /// A source that is damaged half way goes on behind the damage where it can, keeps the numbers
    /// of the frames that are lost, and says so in [`FrameSource::warning`].
    ///
    /// # Errors
    /// One line naming the file or device and the remedy.
    fn next_frame(&mut self) -> Result<Option<Frame>>;

    /// What the user should know about the frames delivered so far, if anything.
    fn warning(&self) -> Option<&str> {
        None
    }

    /// Whether frames were lost or are not to be trusted because the input is damaged.
    fn is_damaged(&self) -> bool {
        false
    }

    /// Goes on from another frame: the next one read is the one at `to`, or the nearest there is.
    /// `false` when the source cannot jump (cameras).
    ///
    /// # Errors
    /// When the file cannot be indexed.
    fn seek(&mut self, _to: SeekTo) -> Result<bool> {
        Ok(false)
    }

    /// Begins again with the first frame, keeping what is known of the file; `false` when it must
    /// be opened anew for that.
    ///
    /// # Errors
    /// When the file cannot be opened any more.
    fn rewind(&mut self) -> Result<bool> {
        Ok(false)
    }

    /// A view of this source for other threads: how the device does and what was lost.
    fn monitor(&self) -> SourceMonitor {
        SourceMonitor::default()
    }

    /// How the source's device does at this moment.
    fn status(&self) -> SourceStatus {
        self.monitor().status()
    }
}

/// What is known of a source before its first frame.
#[derive(Debug, Clone, PartialEq)]
pub struct SourceInfo {
    /// For the window and messages: the camera's name, the file's name.
    pub name: String,
    /// Size of the frames where known.
    pub size: Option<Size>,
    /// Nominal frames per second where known.
    pub rate: Option<f64>,
    /// Number of frames where known.
    pub n_frames: Option<u64>,
    /// Frames come on their own clock and may be dropped (cameras).
    pub is_live: bool,
}

/// A place in a file.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum SeekTo {
    /// A frame by its number; the last when there are fewer.
    Frame(u64),
    /// The frame on the screen at this time, seconds since the first.
    Secs(f64),
}

/// Wishes for opening; a source takes what it understands.
#[derive(Debug, Clone)]
pub struct OpenOptions {
    /// Wanted picture size (cameras, synthetic).
    pub size: Size,
    /// Wanted frames per second (cameras, synthetic).
    pub rate: f64,
    /// The format a camera shall deliver, where it offers it; it goes before size and rate.
    pub format: Option<camera::CameraFormat>,
    /// Files that do not say how many frames they have are indexed while they play: jumps are
    /// instant, and [`SourceMonitor::extent`] tells their length.
    pub is_indexed_ahead: bool,
    /// Told of the making of an index.
    pub indexing: Indexing,
    /// Stop after this many frames where the source would never end (synthetic).
    pub max_frames: Option<u64>,
    /// Raised by the owner to end waiting inside `open` and `next_frame` (cameras, live sources).
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

/// One kind of source: a row of [`SOURCES`].
#[derive(Debug)]
pub struct SourceKind {
    /// `camera`, `video`, ...; also the prefix in `camera:0`.
    pub name: &'static str,
    /// How to write it and what it is, one line for `--help`.
    pub help: &'static str,
    /// Whether the name alone, without a colon, means this kind. Where a path must follow, it
    /// does not: `folder` is then a folder of this name.
    pub stands_alone: bool,
    /// Whether a bare argument without a known prefix belongs to this kind.
    pub accepts: fn(&OsStr) -> bool,
    /// Opens it.
    pub open: fn(argument: &OsStr, options: &OpenOptions) -> Result<Box<dyn FrameSource>>,
    /// Opens it for reading in any order; `None` where there is nothing to go back to.
    pub scrub: Option<scrub::OpenScrub>,
    /// Finds its sound; `None` where there can be none.
    pub sound: Option<fn(argument: &OsStr) -> Sound>,
}

/// Every kind of source. A bare argument goes to the first row that accepts it.
/// `video` takes whatever is left and must stay last.
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

/// A source the user named: its kind and the argument for it.
#[derive(Debug, Clone)]
pub struct SourceSpec {
    kind: &'static SourceKind,
    argument: OsString,
}

impl SourceSpec {
    /// Parses `camera:0`, `camera:NAME`, `synthetic`, or a path to a video, picture or folder.
    /// A path need not be UTF-8.
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

    /// The sound that belongs to its frames, from the begin on; none where it has none.
    pub fn sound(&self) -> Sound {
        self.kind
            .sound
            .map_or_else(Sound::default, |open| open(&self.argument))
    }

    /// What follows the kind: a path, a camera's number or name.
    pub fn argument(&self) -> &OsStr {
        &self.argument
    }

    /// The kind of source.
    pub fn kind(&self) -> &'static SourceKind {
        self.kind
    }

    /// Opens it; files can be jumped in ([`FrameSource::seek`]).
    ///
    /// # Errors
    /// One line naming the file or device and the remedy.
    pub fn open(&self, options: &OpenOptions) -> Result<Box<dyn FrameSource>> {
        let source = (self.kind.open)(&self.argument, options)?;
        if self.kind.scrub.is_none() {
            return Ok(source);
        }
        let player = scrub::Player::new(self.clone(), options.clone(), source);
        Ok(Box::new(player))
    }
}
