//! Scrubbing: random access to the frames of a file.
//!
//! A [`Scrub`] knows the number of frames of a file and their times, and returns frame `i` exactly
//! as sequential reading does. It uses a [`RandomAccess`] for each kind of file:
//!
//! * H.264 in MP4 and Matroska is indexed by one pass over the packets' headers, without decoding
//!   (regardless of an index in the file), then decoded from the key frame before the requested
//!   frame.
//! * Everything else goes through ffmpeg, which decodes the file once for an exact index and is
//!   restarted for every jump, at the key frame before it.
//! * Images are read one by one.
//!
//! Decoded frames around the last position are cached, up to [`CACHE_BYTES`]: a step back is
//! immediate. [`Thumbnails`] fill a strip on a separate thread. A [`Player`] is an ordinary source
//! that can seek.

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

use super::{OpenOptions, SAME_SECS, SourceInfo, SourceSpec};
use crate::error::{Error, Result};
use crate::frame::Frame;
use crate::geometry::Size;

/// Memory for decoded frames in bytes: 69 of 1280x720, 32 of 1920x1080. At least one is kept.
pub const CACHE_BYTES: usize = 256 << 20;

/// Number of frames before a jump's target that are cached on the way: the first steps back are
/// immediate, and a dragged slider costs at most eight conversions per jump.
const BEFORE_JUMP: usize = 8;
/// The same for a step back that misses the cache, so that the following ones hit it. A whole group
/// would be best, but a group of 250 frames may not fit into the memory.
const BEFORE_STEP: usize = 120;

/// Receives decoded frames with their index.
pub type Keep<'a> = &'a mut dyn FnMut(usize, Frame);

/// A file whose frames are numbered in presentation order.
pub trait RandomAccess: Send {
    /// Returns the properties of the file, including the number of frames.
    fn info(&self) -> &SourceInfo;

    /// Returns the time of each frame in seconds since the first; never decreasing.
    fn times(&self) -> &[f64];

    /// Returns a frame at or before `i` from which decoding can start directly.
    fn key_before(&self, i: usize) -> usize;

    /// Returns the image file that contains just frame `i`; `None` for videos.
    fn file(&self, _i: usize) -> Option<&Path> {
        None
    }

    /// Decodes up to frame `to`; frames of `from..=to` that are decoded on the way go to `keep`.
    ///
    /// # Errors
    /// When the file is damaged there.
    fn decode(&mut self, from: usize, to: usize, keep: Keep<'_>) -> Result<()>;

    /// Returns whether playback skips frames that cannot be decoded: images are independent, frames
    /// of a video depend on earlier ones.
    fn frames_stand_alone(&self) -> bool {
        false
    }

    /// Returns a remark on the file, if any.
    fn warning(&self) -> Option<&str> {
        None
    }
}

/// Opens a file for random access: a field of [`super::SourceKind`].
pub type OpenScrub = fn(argument: &OsStr, options: &OpenOptions) -> Result<Box<dyn RandomAccess>>;

/// Random access to a file with a cache.
pub struct Scrub {
    file: Box<dyn RandomAccess>,
    cache: BTreeMap<usize, Frame>,
    max_bytes: usize,
    /// Index of the frame last requested.
    position: usize,
}

impl Scrub {
    /// Opens and indexes a file, a folder of images or a folder of a recording. Call it on a thread
    /// that may block: a video that ffmpeg reads is decoded once.
    ///
    /// # Errors
    /// Those of [`SourceSpec::open`]; also when the source is live or has no frames.
    pub fn open(path: &Path) -> Result<Self> {
        Self::open_spec(&SourceSpec::parse(path)?, &OpenOptions::default())
    }

    /// Like [`Scrub::open`], for any source except cameras.
    ///
    /// # Errors
    /// Those of [`Scrub::open`].
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

    /// Returns name, size if all frames have the same, nominal rate, number of frames.
    pub fn info(&self) -> &SourceInfo {
        self.file.info()
    }

    /// Returns the image file that contains just frame `i`; `None` for videos.
    pub fn file(&self, i: usize) -> Option<&Path> {
        self.file.file(i)
    }

    /// Returns the size of the first frame, if known without decoding; images of a folder have
    /// individual sizes.
    pub fn size(&self) -> Option<Size> {
        self.info().size
    }

    /// Returns the number of frames, at least 1.
    pub fn n_frames(&self) -> usize {
        self.times().len()
    }

    /// Returns the time of each frame in seconds since the first, never decreasing.
    pub fn times(&self) -> &[f64] {
        self.file.times()
    }

    /// Returns the index of the frame shown at this time.
    pub fn index_at(&self, secs: f64) -> usize {
        self.times()
            .partition_point(|&time| time <= secs + SAME_SECS)
            .saturating_sub(1)
    }

    /// Returns a remark on the file, for instance that it is truncated.
    pub fn warning(&self) -> Option<&str> {
        self.file.warning()
    }

    /// Returns frame `i`, identical to the `i`-th frame of sequential reading.
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

    /// Decodes frame `i` into the cache, unless it is lost to damage.
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

    /// Returns frame `i`, or the next one that is not lost to damage; `None` after the last.
    ///
    /// # Errors
    /// Those of [`Scrub::frame`] except damage.
    pub fn frame_from(&mut self, i: usize) -> Result<Option<Frame>> {
        for i in i..self.n_frames() {
            self.load(i)?;
            if let Some(frame) = self.cached(i) {
                return Ok(Some(frame));
            }
        }
        Ok(None)
    }

    /// Returns a copy of a cached frame, with the current time as capture time.
    fn cached(&self, i: usize) -> Option<Frame> {
        let mut frame = self.cache.get(&i)?.clone();
        frame.captured = std::time::Instant::now();
        Some(frame)
    }

    /// Returns whether playback continues after a frame that cannot be decoded.
    fn frames_stand_alone(&self) -> bool {
        self.file.frames_stand_alone()
    }

    /// Returns how many frames have to be decoded before frame `i` after a jump.
    pub fn n_before(&self, i: usize) -> usize {
        i.saturating_sub(self.file.key_before(i))
    }

    /// Keeps at most `max_bytes` of decoded frames from now on, and at least one.
    pub fn limit_cache(&mut self, max_bytes: usize) {
        self.max_bytes = max_bytes;
    }

    /// Frees the cache; the index stays.
    fn forget(&mut self) {
        self.cache.clear();
    }

    /// Returns the number of frames that fit into the cache.
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

    /// Returns a frame near `i`, at most `reach` before it, that is cheap to decode; else `i`.
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
