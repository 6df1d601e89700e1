//! Recordings: one folder each.
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
//! Everything is on the disk within about a second and whole after a kill: the videos play, the
//! lines read, `coco.json.part` holds the list, and [`Manifest::is_finished`] says no. Times begin
//! at 0 with the first frame. A recording belongs to one source. Of a file it holds every frame once,
//! front to back, in the file's own time ([`FileRecording`]), however the window plays it; of a live
//! source what the encoder and the model had time for, and how many they had not. A line's `frame` and `time_secs` are those of the frame in `raw.mp4`. Pictures of another size
//! go on in a further part: `raw-2.mp4` and so on.
//!
//! [`Annotation`] makes annotated video and poses anew from the raw video.

mod annotate;
mod clock;
mod file;
mod list;
mod manifest;
mod part;
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
pub use tap::{SessionPlan, SessionTap};

use std::path::{Path, PathBuf};
use std::time::SystemTime;

use crate::record::stamp;
use crate::source::video;

/// The folder for a recording that begins `now`: the date, the source's name as far as file
/// systems allow it.
pub fn session_folder(parent: &Path, now: SystemTime, source: &str) -> PathBuf {
    let source = without_extension(source);
    parent.join(format!("{} {}", stamp(now), file_name(source)).trim_end())
}

/// The name of a file without what says that it is a video; other names as they are.
fn without_extension(name: &str) -> &str {
    match name.rsplit_once('.') {
        Some((stem, extension))
            if !stem.is_empty()
                && video::EXTENSIONS
                    .iter()
                    .any(|known| extension.eq_ignore_ascii_case(known)) =>
        {
            stem
        }
        _ => name,
    }
}

/// `text` without what some file system forbids in a name; at most 60 letters.
fn file_name(text: &str) -> String {
    let allowed = |c: char| c.is_alphanumeric() || " ._-()".contains(c);
    let name: String = text
        .chars()
        .map(|c| if allowed(c) { c } else { '-' })
        .take(60)
        .collect();
    // A dot at the end is forbidden on Windows, one at the begin hides the file elsewhere.
    name.trim_matches(|c: char| c == '.' || c.is_whitespace())
        .to_owned()
}

/// `stem.ext` for the first part, `stem-2.ext` for the second; a folder has no extension.
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
