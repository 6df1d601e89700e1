//! Sound of containers that are not read here: `ffmpeg` copies it, without decoding, into Matroska
//! on a pipe. It waits while nobody reads, so that nothing piles up.

use std::io::{Error, ErrorKind, Read, Result as IoResult, Seek, SeekFrom};
use std::path::Path;

use super::mkv;
use crate::sound::Sound;
use crate::source::video::ebml::Elements;
use crate::source::video::ffmpeg::{Ffmpeg, FfmpegVideo};
use crate::source::video::ffmpeg_sound::SoundCopy;
use crate::source::video::mkv_blocks::Head;

/// Added to all times on the way through the pipe: Matroska has none below 0.
const OFFSET_SECS: f64 = 1000.0;

/// The sound of a file. The error says why there is none to be had.
pub(super) fn open(path: &Path, name: &str) -> Result<Sound, String> {
    let ffmpeg = Ffmpeg::on_path();
    let mut copy = start(&ffmpeg, path, None)?;
    let mut elements = Elements::of_pipe(Box::new(ForwardOnly(copy.take_output()?)));
    let head = match Head::read(&mut elements) {
        Ok(head) => head,
        Err(_) => {
            return match copy.complaint() {
                Some(complaint) if complaint.contains("does not contain any stream") => {
                    Ok(Sound::default())
                }
                complaint => Err(format!(
                    "ffmpeg says: {}",
                    complaint.unwrap_or_else(|| "it ended without a word".to_owned())
                )),
            };
        }
    };
    drop((elements, copy));
    let video = FfmpegVideo::open(&ffmpeg, path, "").map_err(|e| e.to_string())?;
    let origin_nanos = (video.first_secs() + OFFSET_SECS) * 1e9;
    drop(video);
    Ok(mkv::sound(name, &head, origin_nanos, &|track| {
        let mut copy = start(&ffmpeg, path, Some(track))?;
        let output = copy.take_output()?;
        let input = Owning(ForwardOnly(output), copy);
        Ok(Elements::of_pipe(Box::new(input)))
    }))
}

fn start(ffmpeg: &Ffmpeg, path: &Path, track: Option<usize>) -> Result<SoundCopy, String> {
    let copy = ffmpeg.copy_sound(path, track, OFFSET_SECS);
    copy.map_err(|e| format!("this needs ffmpeg, which does not start: {e}"))
}

/// A pipe, in which one can only go forwards.
struct ForwardOnly<T>(T);

impl<T: Read> Read for ForwardOnly<T> {
    fn read(&mut self, bytes: &mut [u8]) -> IoResult<usize> {
        self.0.read(bytes)
    }
}

impl<T: Read> Seek for ForwardOnly<T> {
    fn seek(&mut self, to: SeekFrom) -> IoResult<u64> {
        let SeekFrom::Current(distance @ 0..) = to else {
            return Err(Error::from(ErrorKind::Unsupported));
        };
        let distance = distance as u64;
        let passed = std::io::copy(&mut self.0.by_ref().take(distance), &mut std::io::sink())?;
        if passed < distance {
            return Err(Error::from(ErrorKind::UnexpectedEof));
        }
        Ok(passed)
    }
}

/// A pipe with the process behind it, which ends with it.
struct Owning<T>(
    ForwardOnly<T>,
    #[expect(dead_code, reason = "it ends when dropped")] SoundCopy,
);

impl<T: Read> Read for Owning<T> {
    fn read(&mut self, bytes: &mut [u8]) -> IoResult<usize> {
        self.0.read(bytes)
    }
}

impl<T: Read> Seek for Owning<T> {
    fn seek(&mut self, to: SeekFrom) -> IoResult<u64> {
        self.0.seek(to)
    }
}
