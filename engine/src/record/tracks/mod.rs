//! The tracks of a recording: who is who in its poses, and corrections of that.
//!
//! ```text
//! poses.jsonl           what was recorded; never changed
//! poses.edits.json      the edits, for undo and redo, with the SHA-256 of both other files
//! poses.edited.jsonl    the poses with all edits; apart from track ids and removed people, every
//!                       line is the recorded one, byte for byte
//! ```
//!
//! An edit counts once both files are on disk, each written atomically. If the program is killed
//! between the two, the list of edits decides, and the other file is written again at the next
//! opening. In memory, a frame takes the place of its line in the file and the ids of its people;
//! poses are read when they are needed.

mod edit;
mod index;
mod line;
mod list;
mod store;
mod table;

#[cfg(test)]
mod tests;

pub use edit::TrackEdit;
pub use store::{At, RecordedFrame, Tracks};
pub use table::Track;

/// The id of a person in a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum TrackId {
    /// The person of this track.
    Id(u64),
    /// Recorded without an id.
    Absent,
    /// Removed by an edit.
    Removed,
}

/// Longest line that is read, in bytes: that of about 50,000 people.
const MAX_LINE: u64 = 1 << 26;
