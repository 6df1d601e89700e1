//! Recordings, each in its own folder.
//!
//! ```text
//! 2026-03-01_14-05-59.250 front door/
//!     session.toml      what was recorded, from what, with what; says whether it was finished
//!     raw.mp4           every frame of the source, whether the model had time for it or not
//!     annotated.mp4     what was seen: the frames that the model had time for, with overlays
//!     poses.jsonl       the poses of those frames
//!     coco.json         the same as COCO results
//! ```
//!
//! Corrections of track ids are in further files ([`crate::record::tracks`]).
//!
//! Everything is on disk within about a second and intact after a kill: the videos play, the lines
//! can be read, `coco.json.part` holds the list, and [`Manifest::is_finished`] is false. What a
//! damaged source lacks is in [`Manifest::shortfall`]. Frames that H.264 cannot hold are scaled in
//! the videos; poses are always in pixels of the source's frames. Times
//! start at 0 with the first frame. A recording belongs to one source. For a file it contains every
//! frame once, front to back, in the file's own time ([`FileRecording`]), regardless of playback in
//! the window; for a live source it contains the frames that the encoder and the model had time
//! for, and the number of missing ones. A line's `frame` and `time_secs` are those of the frame in
//! `raw.mp4`. Frames of another size continue in a further part: `raw-2.mp4` and so on.
//!
//! [`Annotation`] computes annotated video and poses again from the raw video.

mod annotate;
mod clock;
mod file;
mod job;
mod list;
mod manifest;
mod part;
mod poses;
mod tap;

#[cfg(test)]
mod file_tests;
#[cfg(test)]
mod sound_tests;
#[cfg(test)]
mod tests;

pub use annotate::{Annotation, AnnotationPlan, AnnotationProgress};
pub use file::{FileOutcome, FilePlan, FileProgress, FileRecording};
pub use list::{SessionEntry, sessions_in};
pub use manifest::{LookRecord, Manifest, ModelRecord, PartRecord, SourceRecord, weights_digest};
pub use poses::RecordedPoses;
pub use tap::{SessionPlan, SessionTap};

use std::path::{Path, PathBuf};
use std::time::SystemTime;

use crate::disk::shortened;
use crate::record::stamp;
use crate::source::video;

/// Returns the folder for a recording that starts at `now`: the date and the source's name,
/// restricted to characters that file systems allow.
pub fn session_folder(parent: &Path, now: SystemTime, source: &str) -> PathBuf {
    let source = without_extension(source);
    parent.join(format!("{} {}", stamp(now), file_name(source)).trim_end())
}

/// Returns the name of a file without the extension of a video; other names unchanged.
fn without_extension(name: &str) -> &str {
    match name.rsplit_once('.') {
        Some((stem, _)) if video::has_extension(Path::new(name)) => stem,
        _ => name,
    }
}

/// Maximum length of a source's or a model's name within file names, in bytes.
const MAX_NAMED_BYTES: usize = 180;

/// Removes the characters of `text` that some file system forbids; at most 60 characters.
fn file_name(text: &str) -> String {
    let allowed = |c: char| c.is_alphanumeric() || " ._-()".contains(c);
    let name: String = text
        .chars()
        .map(|c| if allowed(c) { c } else { '-' })
        .take(60)
        .collect();
    // A trailing dot is forbidden on Windows, a leading one hides the file elsewhere.
    let name = name.trim_matches(|c: char| c == '.' || c.is_whitespace());
    shortened(name, MAX_NAMED_BYTES).into_owned()
}

/// Returns the raw video of a part of a recording, counted from 1.
pub fn raw_part(folder: &Path, part: usize) -> PathBuf {
    part_path(folder, "raw", part, "mp4")
}

/// Returns `stem.ext` for the first part, `stem-2.ext` for the second; a folder has no extension.
fn part_path(folder: &Path, stem: &str, part: usize, extension: &str) -> PathBuf {
    let stem = match part {
        1 => stem.to_owned(),
        n => format!("{stem}-{n}"),
    };
    folder.join(match extension {
        "" => stem,
        extension => format!("{stem}.{extension}"),
    })
}
