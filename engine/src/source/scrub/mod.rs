//! Scrubbing: any frame of a file, in any order.
//!
//! A [`Scrub`] knows how many frames a file has and when each is shown, and gives frame `i` as
//! sequential reading would have given it. Behind it stands a [`RandomAccess`] for each kind of
//! file:
//!
//! * H.264 in MP4 and Matroska is indexed by one pass over the packets' heads, without decoding
//!   (files with or without an index of their own alike), then decoded from the key picture
//!   before a frame.
//! * Everything else goes through ffmpeg, which decodes the file once for an exact index and is
//!   started anew behind every jump, at the key picture before it.
//! * Pictures are read one by one.
//!
//! Decoded frames around the last position are kept, up to [`CACHE_BYTES`]: a step back is
//! instant. [`Thumbnails`] fill a strip on a thread of their own. A [`Player`] is an ordinary
//! source that can jump.

mod player;
mod still;
mod thumbnails;

#[cfg(test)]
mod tests;

pub(super) use player::Player;
pub(super) use still::Stills;
pub use thumbnails::{Thumbnail, Thumbnails};

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::path::Path;

use super::{OpenOptions, SourceInfo, SourceSpec};
use crate::error::{Error, Result};
use crate::frame::Frame;
use crate::geometry::Size;

/// Memory for decoded frames: 69 of 1280x720, 32 of 1920x1080. At least one is kept.
pub const CACHE_BYTES: usize = 256 << 20;

/// Frames before a jump's target that are kept on the way to it: the first steps back are
/// instant, and a slider that is dragged costs eight conversions a jump at most.
const BEFORE_JUMP: usize = 8;
/// The same for a step back that misses the cache: the next ones shall not. A whole group would
/// be best, but a group of 250 frames may not fit into the memory.
const BEFORE_STEP: usize = 120;

/// Takes frames on their way.
pub type Keep<'a> = &'a mut dyn FnMut(usize, Frame);

/// A file whose frames are numbered by the order in which they are shown.
pub trait RandomAccess: Send {
    /// What is known of the file; the number of frames is.
    fn info(&self) -> &SourceInfo;

    /// Seconds of each frame since the first; never decreasing.
    fn times(&self) -> &[f64];

    /// A frame at or before `i` that costs no more than itself to decode.
    fn key_before(&self, i: usize) -> usize;

    /// Decodes to frame `to`; those of `from..=to` that pass on the way go to `keep`.
    ///
    /// # Errors
    /// When the file is damaged there.
    fn decode(&mut self, from: usize, to: usize, keep: Keep<'_>) -> Result<()>;

    /// Whether a frame that cannot be decoded is passed over when the file is played: pictures
    /// know nothing of each other, frames of a video follow from those before.
    fn frames_stand_alone(&self) -> bool {
        false
    }

    /// What the user should know of the file, if anything.
    fn warning(&self) -> Option<&str> {
        None
    }
}

/// Opens a file for random access: a field of [`super::SourceKind`].
pub type OpenScrub = fn(argument: &OsStr, options: &OpenOptions) -> Result<Box<dyn RandomAccess>>;

/// Any frame of a file.
pub struct Scrub {
    file: Box<dyn RandomAccess>,
    cache: BTreeMap<usize, Frame>,
    max_bytes: usize,
    /// The frame that was last asked for.
    position: usize,
}

impl Scrub {
    /// Opens and indexes a file, a folder of pictures or a folder of a recording: work for a
    /// thread that may wait (a video that ffmpeg reads is decoded once).
    ///
    /// # Errors
    /// As those of [`SourceSpec::open`]; when the source is live; when it has no frames.
    pub fn open(path: &Path) -> Result<Self> {
        Self::open_spec(&SourceSpec::parse(path)?, &OpenOptions::default())
    }

    /// As [`Scrub::open`], for any source that is no camera.
    ///
    /// # Errors
    /// As those of [`Scrub::open`].
    pub fn open_spec(spec: &SourceSpec, options: &OpenOptions) -> Result<Self> {
        let name = || format!("{}:{}", spec.kind().name, spec.argument().display());
        let open = spec.kind().scrub.ok_or_else(|| {
            Error::source(name(), "has no frames to go back to; open a file instead")
        })?;
        let file = open(spec.argument(), options)?;
        if file.times().is_empty() {
            return Err(Error::source(name(), "there are no frames"));
        }
        options.indexing.complete(file.times());
        Ok(Self::new(file, CACHE_BYTES))
    }

    fn new(file: Box<dyn RandomAccess>, max_bytes: usize) -> Self {
        Self {
            file,
            cache: BTreeMap::new(),
            max_bytes,
            position: 0,
        }
    }

    /// Name, size where all frames have one, nominal rate, number of frames.
    pub fn info(&self) -> &SourceInfo {
        self.file.info()
    }

    /// Size of the first frame, as far as it is known without decoding; pictures of a folder have
    /// sizes of their own.
    pub fn size(&self) -> Option<Size> {
        self.info().size
    }

    /// Number of frames, at least 1.
    pub fn n_frames(&self) -> usize {
        self.times().len()
    }

    /// When each frame is shown: seconds since the first, never decreasing.
    pub fn times(&self) -> &[f64] {
        self.file.times()
    }

    /// The frame that is on the screen at this time.
    pub fn index_at(&self, secs: f64) -> usize {
        self.times()
            .partition_point(|&time| time <= secs)
            .saturating_sub(1)
    }

    /// What the user should know of the file: that it is cut off, say.
    pub fn warning(&self) -> Option<&str> {
        self.file.warning()
    }

    /// Frame `i`, the same that the `i`-th reading of the source gives.
    ///
    /// # Errors
    /// When there is no such frame, or the file is damaged there.
    pub fn frame(&mut self, i: usize) -> Result<Frame> {
        let n = self.n_frames();
        if i >= n {
            let what = format!("has no frame {i}, the last is {}", n - 1);
            return Err(Error::source(&self.info().name, what));
        }
        self.load(i)?;
        self.cached(i).ok_or_else(|| {
            let what = format!("frame {i} cannot be decoded, the file is damaged there");
            Error::source(&self.info().name, what)
        })
    }

    /// Decodes frame `i` into the memory, unless damage has cost it.
    fn load(&mut self, i: usize) -> Result<()> {
        let is_step_back = i < self.position && self.position - i <= BEFORE_JUMP;
        self.position = i;
        if !self.cache.contains_key(&i) {
            let room = self.room();
            let before = if is_step_back {
                BEFORE_STEP
            } else {
                BEFORE_JUMP
            };
            let from = i.saturating_sub(before.min(room.saturating_sub(1)));
            let (cache, max_bytes) = (&mut self.cache, self.max_bytes);
            self.file.decode(from, i, &mut |j, frame| {
                cache.insert(j, frame);
                shrink(cache, max_bytes, i);
            })?;
        }
        Ok(())
    }

    /// Frame `i`, or the next one that damage has left; `None` behind the last.
    ///
    /// # Errors
    /// As those of [`Scrub::frame`] but for damage.
    pub fn frame_from(&mut self, i: usize) -> Result<Option<Frame>> {
        for i in i..self.n_frames() {
            self.load(i)?;
            if let Some(frame) = self.cached(i) {
                return Ok(Some(frame));
            }
        }
        Ok(None)
    }

    /// A copy of a frame that is in the memory, captured now.
    fn cached(&self, i: usize) -> Option<Frame> {
        let mut frame = self.cache.get(&i)?.clone();
        frame.captured = std::time::Instant::now();
        Some(frame)
    }

    /// Whether playing goes on behind a frame that cannot be decoded.
    fn frames_stand_alone(&self) -> bool {
        self.file.frames_stand_alone()
    }

    /// Gives the memory back; the index stays.
    fn forget(&mut self) {
        self.cache.clear();
    }

    /// Frames that the memory holds.
    fn room(&self) -> usize {
        let largest = self.cache.values().map(|f| f.rgba().len()).max();
        let declared = self
            .size()
            .map(|s| s.area() * crate::frame::BYTES_PER_PIXEL);
        match largest.or(declared) {
            Some(bytes) => (self.max_bytes / bytes.max(1)).max(1),
            None => 1,
        }
    }

    /// A frame near `i`, at most `reach` before it, that is cheap to decode; else `i`.
    fn cheap_near(&self, i: usize, reach: usize) -> usize {
        let key = self.file.key_before(i);
        if i - key <= reach { key } else { i }
    }
}

/// Drops the frames farthest from `position` until the rest fits.
fn shrink(cache: &mut BTreeMap<usize, Frame>, max_bytes: usize, position: usize) {
    let mut bytes: usize = cache.values().map(|f| f.rgba().len()).sum();
    while bytes > max_bytes && cache.len() > 1 {
        let (Some((&first, _)), Some((&last, _))) =
            (cache.first_key_value(), cache.last_key_value())
        else {
            return;
        };
        let farther = if position.abs_diff(first) >= position.abs_diff(last) {
            first
        } else {
            last
        };
        if let Some(frame) = cache.remove(&farther) {
            bytes -= frame.rgba().len();
        }
    }
}
