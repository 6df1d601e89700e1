//! Video files.
//!
//! H.264 (8 bits, 4:2:0, progressive) in MP4 or Matroska, plain, fragmented or truncated, is read
//! natively: a container ([`demux_mp4`], [`demux_mkv`]) yields a [`stream`] of packets, [`h264`]
//! decodes them in presentation order, [`colour`] and [`orientation`] convert the result to frames.
//! [`index`] and [`random`] provide random access. Everything else goes through an [`ffmpeg`]
//! process, with random access by [`ffmpeg_random`]. The content of a file decides, not its name.

mod aspect;
mod cut;
mod damage;
#[cfg(test)]
mod damage_tests;
mod demux_mkv;
mod demux_mp4;
pub(in crate::source) mod ebml;
pub(in crate::source) mod ffmpeg;
mod ffmpeg_notes;
pub(in crate::source) mod ffmpeg_program;
mod ffmpeg_random;
pub(in crate::source) mod ffmpeg_sound;
mod h264;
mod index;
pub(in crate::source) mod mkv_blocks;
pub(in crate::source) mod mp4_boxes;
pub(in crate::source) mod mp4_samples;
mod native;
mod orientation;
mod pace;
mod random;
mod sound_only;
mod sps;
pub(in crate::source) mod stream;
#[cfg(test)]
mod tests;

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use self::ffmpeg::FfmpegVideo;
use self::ffmpeg_program::Ffmpeg;
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

pub use self::ffmpeg_program::ffmpeg_version;

/// Common file name extensions for file dialogs and for files of unknown content. Any name is
/// accepted.
pub const EXTENSIONS: &[&str] = &[
    "mp4", "m4v", "mov", "mkv", "webm", "avi", "mpg", "mpeg", "ts", "mts", "wmv", "flv", "3gp",
    "ogv", "gif",
];

/// Returns whether the file name has the extension of a video.
pub(crate) fn has_extension(path: &Path) -> bool {
    path.extension().is_some_and(|extension| {
        let mut known = EXTENSIONS.iter();
        known.any(|known| extension.eq_ignore_ascii_case(known))
    })
}

/// Entry of [`super::SOURCES`]. It accepts every argument that no other entry accepts.
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

/// Maximum side in pixels; a file that declares more is damaged or hostile.
const MAX_SIDE: usize = 16_384;

/// Maximum area of a frame in pixels: 8192x8192, 256 MB in RGBA.
const MAX_AREA: usize = 1 << 26;

/// Opens a video file.
///
/// # Errors
/// One line with the file and the remedy: missing, empty, not a video, or in need of an ffmpeg that
/// is not installed.
pub fn open(path: &Path) -> Result<Box<dyn FrameSource>> {
    open_as(path, &name_of(path))
}

/// Returns the sound of a video file; empty if it has none.
pub fn sound(path: &Path) -> Sound {
    sound::open(path, &name_of(path))
}

/// Returns the sound of a video in memory.
///
/// # Errors
/// The reason why it cannot be read without ffmpeg.
pub fn sound_bytes(bytes: &Arc<[u8]>, name: &str) -> Result<Sound> {
    sound::open_bytes(bytes, name).map_err(|reason| Error::source(name, reason))
}

/// Like [`open`], with another display name.
pub(super) fn open_as(path: &Path, name: &str) -> Result<Box<dyn FrameSource>> {
    open_with(path, name, &Ffmpeg::on_path())
}

/// Opens a video file for random access; indexing ends with an error if the options' stop flag is
/// raised.
pub(super) fn scrub_as(
    path: &Path,
    name: &str,
    options: &OpenOptions,
) -> Result<Box<dyn RandomAccess>> {
    match NativeRandom::open(Box::new(open_file(path)?), name, options) {
        Ok(video) => Ok(Box::new(video)),
        Err(reason) if options.stop.is_stopped() => {
            Err(Error::Cancelled(format!("{name}: {reason}")))
        }
        Err(reason) => {
            if let Some(error) = refusal(path, name, &reason) {
                return Err(error);
            }
            let video = FfmpegRandom::open(&Ffmpeg::on_path(), path, &reason, options);
            let video = video.map_err(|error| sound_only::or_refusal(path, name, error))?;
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
            if let Some(error) = refusal(path, name, &reason) {
                return Err(error);
            }
            tracing::info!(path = %path.display(), reason, "decoded by ffmpeg");
            let video = FfmpegVideo::open(ffmpeg, path, &reason);
            let video = video.map_err(|error| sound_only::or_refusal(path, name, error))?;
            Ok(Box::new(video))
        }
    }
}

/// Returns the number of frames in an MP4 file and the seconds from the first to the last, by its
/// tables alone; `None` if they cannot be read. Also correct for a file that is not closed yet.
pub(crate) fn extent(path: &Path) -> Option<(u64, f64)> {
    let stream = demux_mp4::open(Box::new(open_file(path).ok()?)).ok()?;
    let n_frames = stream.n_frames?;
    let secs = |rate| n_frames.saturating_sub(1) as f64 / rate;
    Some((n_frames, stream.rate.map_or(0.0, secs)))
}

/// Returns the error for a file that has no frames for ffmpeg either; `None` for other files.
/// `reason` is why it is not read natively.
fn refusal(path: &Path, name: &str, reason: &str) -> Option<Error> {
    without_frames(path, name).or_else(|| sound_only::refusal(path, name, reason))
}

/// Returns the error for an MP4 video without frames; `None` for other files.
fn without_frames(path: &Path, name: &str) -> Option<Error> {
    let mut stream = demux_mp4::open(Box::new(open_file(path).ok()?)).ok()?;
    if stream.n_frames? > 0 {
        return None;
    }
    let reason = match stream.packets.next_packet(&mut Vec::new()) {
        Err(reason) if reason == stream::OUTSIDE => {
            format!("holds no readable frames: {reason}; copy the file again")
        }
        _ => "holds no frames: the program ended before the first ones were written".to_owned(),
    };
    Some(Error::source(name, reason))
}

/// Decodes the image in a file that only ffmpeg reads; `what` is its format, for the message.
pub(super) fn still(path: &Path, what: &str) -> Result<Frame> {
    let mut video = FfmpegVideo::open(&Ffmpeg::on_path(), path, what)?;
    let frame = video.next_frame()?;
    frame.ok_or_else(|| Error::source(path.display().to_string(), "has no frames"))
}

/// Opens a file that may be a video.
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

/// Opens a video in memory. Formats that need ffmpeg are not supported.
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

/// Like [`open_bytes`], for random access.
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

/// Returns the file name without its folder.
fn name_of(path: &Path) -> String {
    path.file_name()
        .unwrap_or(path.as_os_str())
        .to_string_lossy()
        .into_owned()
}

/// Returns whether a declared frame size is plausible.
fn is_believable(size: Size) -> bool {
    let sides = 1..=MAX_SIDE;
    sides.contains(&size.width) && sides.contains(&size.height) && size.area() <= MAX_AREA
}
