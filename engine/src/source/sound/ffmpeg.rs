//! Sound of unsupported containers: `ffmpeg` copies it, without decoding, into Matroska on a pipe,
//! and blocks while the pipe is full, so that memory use stays bounded.

use std::fs::File;
use std::io::{Error, ErrorKind, Read, Result as IoResult, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::mkv;
use crate::sound::Sound;
use crate::source::video::ebml::Elements;
use crate::source::video::ffmpeg::FfmpegVideo;
use crate::source::video::ffmpeg_program::{Ffmpeg, Job};
use crate::source::video::mkv_blocks::Head;

/// Added to all times in the pipe, because Matroska has no negative times.
const OFFSET_SECS: f64 = 1000.0;

/// Opens the sound of a file. The error explains why there is none.
pub(super) fn open(path: &Path, name: &str) -> Result<Sound, String> {
    let ffmpeg = Ffmpeg::on_path();
    let start = |track, into| {
        let copy = ffmpeg.copy_sound(path, track, OFFSET_SECS, into);
        copy.map_err(|e| format!("this needs ffmpeg, which does not start: {e}"))
    };
    let mut copy = start(None, None)?;
    let mut elements = Elements::of_pipe(Box::new(ForwardOnly(copy.take_output()?)));
    let head = Head::read(&mut elements);
    drop(elements);
    let has_none = |complaint: String| complaint.contains("does not contain any stream");
    if head.is_err() && copy.complaint().is_some_and(has_none) {
        return Ok(Sound::default());
    }
    drop(copy);
    let video = FfmpegVideo::open_at(&ffmpeg, path, "", Job::ReadFrom(0.0));
    let origin_secs = video.map_err(|e| e.to_string())?.first_secs() + OFFSET_SECS;
    let origin_nanos = origin_secs * 1e9;
    if let Ok(head) = head {
        return Ok(mkv::sound(name, &head, origin_nanos, &|track| {
            let mut copy = start(Some(track), None)?;
            let output = copy.take_output()?;
            let input = Owning(ForwardOnly(output), copy);
            Ok(Elements::of_pipe(Box::new(input)))
        }));
    }
    // Broadcast AAC has its parameters in the packets: they are written to the header at the end.
    let file = Arc::new(Temporary::new());
    let copied = start(None, Some(&file.0))?.finish();
    copied.map_err(|complaint| format!("ffmpeg says: {complaint}"))?;
    let open = || {
        let input = File::open(&file.0).map_err(|e| format!("it cannot be read: {e}"))?;
        Elements::new(Box::new(Owning(input, Arc::clone(&file))))
    };
    let head = Head::read(&mut open()?)?;
    Ok(mkv::sound(name, &head, origin_nanos, &|_| open()))
}

/// A file that is removed with its last reader.
struct Temporary(PathBuf);

impl Temporary {
    fn new() -> Self {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let n = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("poselens-sound-{}-{n}.mkv", std::process::id());
        Self(std::env::temp_dir().join(name))
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        // It does not exist if ffmpeg could not write it.
        let _ = std::fs::remove_file(&self.0);
    }
}

/// A pipe, which can only seek forwards.
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

/// An input, and a value that is dropped only after it.
struct Owning<T, O>(T, O);

impl<T: Read, O> Read for Owning<T, O> {
    fn read(&mut self, bytes: &mut [u8]) -> IoResult<usize> {
        self.0.read(bytes)
    }
}

impl<T: Seek, O> Seek for Owning<T, O> {
    fn seek(&mut self, to: SeekFrom) -> IoResult<u64> {
        self.0.seek(to)
    }
}
