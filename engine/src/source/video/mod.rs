//! Videos.
//!
//! H.264 (8 bits, 4:2:0, progressive) in MP4 or Matroska, plain, fragmented or cut off, is read
//! here: a container ([`demux_mp4`], [`demux_mkv`]) gives a [`stream`] of packets, [`h264`] makes
//! pictures of them in order of presentation, [`colour`] and [`orientation`] make frames of those.
//! [`index`] and [`random`] give any frame of such a file in any order.
//! Everything else goes through an [`ffmpeg`] process, in any order through [`ffmpeg_random`]. What a file holds decides, not its name.

mod aspect;
mod damage;
#[cfg(test)]
mod damage_tests;
mod demux_mkv;
mod demux_mp4;
pub(in crate::source) mod ebml;
pub(in crate::source) mod ffmpeg;
mod ffmpeg_notes;
mod ffmpeg_random;
pub(in crate::source) mod ffmpeg_sound;
mod h264;
mod index;
pub(in crate::source) mod mkv_blocks;
pub(in crate::source) mod mp4_boxes;
pub(in crate::source) mod mp4_samples;
mod native;
mod orientation;
mod random;
mod sps;
pub(in crate::source) mod stream;
#[cfg(test)]
mod tests;

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use self::ffmpeg::{Ffmpeg, FfmpegVideo};
use self::ffmpeg_random::FfmpegRandom;
use self::native::NativeVideo;
use self::random::NativeRandom;
use super::colour;
use super::scrub::RandomAccess;
use super::sound;
use super::{FrameSource, OpenOptions, SourceKind};
use crate::error::{Error, Result};
use crate::frame::Frame;
use crate::geometry::Size;
use crate::sound::Sound;

pub use self::ffmpeg::ffmpeg_version;

/// File name extensions for file dialogs. Any name is read; these are the usual ones.
pub const EXTENSIONS: &[&str] = &[
    "mp4", "m4v", "mov", "mkv", "webm", "avi", "mpg", "mpeg", "ts", "mts", "wmv", "flv", "3gp",
    "ogv", "gif",
];

/// The row of [`super::SOURCES`]. It takes every argument that nothing else takes.
pub(super) const KIND: SourceKind = SourceKind {
    name: "video",
    help: "FILE: a video; H.264 in MP4 or Matroska is read directly, all else through ffmpeg",
    stands_alone: false,
    accepts: |text| !text.is_empty(),
    open: |argument, _: &OpenOptions| open(Path::new(argument)),
    scrub: Some(|argument, options| {
        let path = Path::new(argument);
        scrub_as(path, &name_of(path), options)
    }),
    sound: Some(|argument| sound(Path::new(argument))),
};

/// Pixels along a side that are believed; a file that declares more is damaged or hostile.
const MAX_SIDE: usize = 16_384;

/// Pixels of a frame that are believed: 8192x8192, 256 MB in RGBA.
const MAX_AREA: usize = 1 << 26;

/// Opens a video file.
///
/// # Errors
/// One line that names the file and says what to do: missing, empty, not a video, or in need of an
/// ffmpeg that is not installed.
pub fn open(path: &Path) -> Result<Box<dyn FrameSource>> {
    open_as(path, &name_of(path))
}

/// The sound of a video file: none where it has none.
pub fn sound(path: &Path) -> Sound {
    sound::open(path, &name_of(path))
}

/// The sound of a video in memory.
///
/// # Errors
/// Why it cannot be read without ffmpeg.
pub fn sound_bytes(bytes: &Arc<[u8]>, name: &str) -> Result<Sound> {
    sound::open_bytes(bytes, name).map_err(|reason| Error::source(name, reason))
}

/// As [`open`], under another name than the file's.
pub(super) fn open_as(path: &Path, name: &str) -> Result<Box<dyn FrameSource>> {
    open_with(path, name, &Ffmpeg::on_path())
}

/// Opens a video file for reading in any order; indexing ends with an error when the options'
/// flag is raised.
pub(super) fn scrub_as(
    path: &Path,
    name: &str,
    options: &OpenOptions,
) -> Result<Box<dyn RandomAccess>> {
    match NativeRandom::open(Box::new(open_file(path)?), name, options) {
        Ok(video) => Ok(Box::new(video)),
        Err(reason) if options.stop.is_stopped() => Err(Error::source(name, reason)),
        Err(reason) => {
            let video = FfmpegRandom::open(&Ffmpeg::on_path(), path, &reason, options)?;
            Ok(Box::new(video))
        }
    }
}

fn open_with(path: &Path, name: &str, ffmpeg: &Ffmpeg) -> Result<Box<dyn FrameSource>> {
    match NativeVideo::open(Box::new(open_file(path)?), name) {
        Ok(video) => {
            tracing::info!(path = %path.display(), "H.264, decoded here");
            Ok(Box::new(video))
        }
        Err(reason) => {
            tracing::info!(path = %path.display(), reason, "decoded by ffmpeg");
            Ok(Box::new(FfmpegVideo::open(ffmpeg, path, &reason)?))
        }
    }
}

/// The picture in a file that only ffmpeg reads; `what` it is, for the message.
pub(super) fn still(path: &Path, what: &str) -> Result<Frame> {
    let mut video = FfmpegVideo::open(&Ffmpeg::on_path(), path, what)?;
    let frame = video.next_frame()?;
    frame.ok_or_else(|| Error::source(path.display().to_string(), "has no frames"))
}

/// Opens what can be a video file.
fn open_file(path: &Path) -> Result<File> {
    let fail = |reason: &str| Err(Error::source(path.display().to_string(), reason));
    let metadata = match std::fs::metadata(path) {
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
            return fail("no such file; give a video, an image, a folder or camera:0");
        }
        other => other.map_err(Error::io("open", path))?,
    };
    if metadata.is_dir() {
        return fail("this is a folder, not a video; write folder:PATH to read its images");
    }
    if !metadata.is_file() {
        return fail("this is a device or a pipe, not a video; for a camera write camera:0");
    }
    if metadata.len() == 0 {
        return fail("the file is empty; record or copy it again");
    }
    File::open(path).map_err(Error::io("open", path))
}

/// Opens a video in memory. Only what needs no ffmpeg can be read so.
///
/// # Errors
/// One line that names the video.
pub fn open_bytes(
    bytes: impl AsRef<[u8]> + Send + 'static,
    name: &str,
) -> Result<Box<dyn FrameSource>> {
    let input = Box::new(std::io::Cursor::new(bytes));
    let video = NativeVideo::open(input, name).map_err(|reason| Error::source(name, reason))?;
    Ok(Box::new(video))
}

/// As [`open_bytes`], for reading in any order.
///
/// # Errors
/// Like [`open_bytes`].
pub fn scrub_bytes(
    bytes: impl AsRef<[u8]> + Send + 'static,
    name: &str,
    options: &OpenOptions,
) -> Result<Box<dyn RandomAccess>> {
    let input = Box::new(std::io::Cursor::new(bytes));
    let video = NativeRandom::open(input, name, options);
    let video = video.map_err(|reason| Error::source(name, reason))?;
    Ok(Box::new(video))
}

/// The file's name without its folders.
fn name_of(path: &Path) -> String {
    path.file_name()
        .unwrap_or(path.as_os_str())
        .to_string_lossy()
        .into_owned()
}

/// Whether a declared size can be a picture's.
fn is_believable(size: Size) -> bool {
    let sides = 1..=MAX_SIDE;
    sides.contains(&size.width) && sides.contains(&size.height) && size.area() <= MAX_AREA
}
