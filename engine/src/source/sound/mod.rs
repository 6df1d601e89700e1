//! Sound of video files: packets are copied, never decoded.
//!
//! [`mp4`] and [`mkv`] read the audio tracks of their containers packet by packet, with one reader
//! per track. For other containers, `ffmpeg` copies the sound into Matroska. [`entry`] creates the
//! sample entries that describe a codec in a recording; [`codec`] determines packet durations.

mod codec;
mod entry;
mod ffmpeg;
mod mkv;
mod mp4;
#[cfg(test)]
mod tests;

use std::fs::File;
use std::io::Cursor;
use std::path::Path;
use std::sync::Arc;

use super::video::{mkv_blocks, stream::Input};
use crate::sound::{Sound, SoundTrack};

/// Opens the sound of a video file; `name` is the file's name for messages. A file without sound
/// yields an empty one, and tracks that cannot be copied are listed in [`Sound::left_out`].
pub(super) fn open(path: &Path, name: &str) -> Sound {
    let file = || -> Result<Box<dyn Input>, String> {
        let file = File::open(path).map_err(|e| format!("it cannot be read: {e}"))?;
        Ok(Box::new(file))
    };
    match read(&file, name) {
        Ok(sound) => sound,
        Err(reason) => {
            tracing::info!(path = %path.display(), reason, "sound is read through ffmpeg");
            ffmpeg::open(path, name).unwrap_or_else(|reason| Sound {
                tracks: Vec::new(),
                left_out: vec![format!("{name}: its sound is not recorded: {reason}")],
            })
        }
    }
}

/// Opens the sound of a video in memory.
///
/// # Errors
/// The reason why it cannot be read without ffmpeg.
pub(super) fn open_bytes(bytes: &Arc<[u8]>, name: &str) -> Result<Sound, String> {
    read(&|| Ok(Box::new(Cursor::new(Arc::clone(bytes)))), name)
}

/// Opens sound that needs no ffmpeg. The error explains why the file needs it.
fn read(open: Open<'_>, name: &str) -> Result<Sound, String> {
    let mut magic = [0; 8];
    let whole = open()?.read_exact(&mut magic);
    whole.map_err(|_| "neither MP4 nor Matroska")?;
    if magic.starts_with(&mkv_blocks::MAGIC) {
        mkv::open(open, name)
    } else if matches!(&magic[4..], b"ftyp" | b"moov" | b"mdat" | b"free" | b"wide") {
        mp4::open(open, name)
    } else {
        Err("neither MP4 nor Matroska".to_owned())
    }
}

/// Opens the file again: every track has its own reader.
type Open<'a> = &'a dyn Fn() -> Result<Box<dyn Input>, String>;

/// Collects the tracks found, numbered from 1 for the user.
struct Tracks<'a> {
    name: &'a str,
    n_found: usize,
    sound: Sound,
}

impl<'a> Tracks<'a> {
    fn new(name: &'a str) -> Self {
        Self {
            name,
            n_found: 0,
            sound: Sound::default(),
        }
    }

    /// Adds a track of a codec, or records why it is left out.
    fn add(&mut self, codec: &str, open: impl FnOnce(String) -> Result<SoundTrack, String>) {
        self.n_found += 1;
        let label = format!("{}: audio track {} ({codec})", self.name, self.n_found);
        match open(label.clone()) {
            Ok(track) => self.sound.tracks.push(track),
            Err(reason) => {
                let line = format!("{label} is not recorded: {reason}");
                self.sound.left_out.push(line);
            }
        }
    }
}

/// Returns the three-letter language code, or that of an unknown language.
fn language(text: &str) -> String {
    let is_code = text.len() == 3 && text.bytes().all(|b| b.is_ascii_lowercase());
    if is_code { text } else { "und" }.to_owned()
}
