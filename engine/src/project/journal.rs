//! `labels.journal`: one JSON line for every edit, undo and redo, oldest first.
//!
//! A line is on disk before the edit counts. The journal is never shortened, so that every edit can
//! be undone, also after a restart; in memory an edit takes 16 bytes, the position of its line. A
//! line is `{"seq": 7, "secs": 1767225599, "edit": "move joint", "changes": [...]}`, or has `"undo":
//! 5` or `"redo": 5` instead of `edit` and `changes`. `seq` counts from 1 without gaps, `secs` is
//! the wall clock at the edit, which nothing depends on.

mod replay;
mod writer;

use std::borrow::Cow;

use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};

use super::labels::Change;

pub use replay::{Replayed, replay};
pub(super) use writer::Journal;

/// File name of the journal.
pub const JOURNAL: &str = "labels.journal";

/// Longest edit that is read, in bytes: the proposals of about 4 million people.
const MAX_LINE: u64 = 1 << 30;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Line<'a> {
    seq: u64,
    secs: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    edit: Option<Cow<'a, str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    changes: Option<Cow<'a, [Change]>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    undo: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    redo: Option<u64>,
}

/// A [`Line`] whose changes are skipped.
#[derive(Deserialize)]
struct Head {
    seq: u64,
    changes: Option<IgnoredAny>,
    undo: Option<u64>,
    redo: Option<u64>,
}

/// What a line does.
#[derive(Debug, Clone, Copy)]
enum Act {
    Edit,
    Undo(u64),
    Redo(u64),
}

impl Act {
    fn of(has_changes: bool, undo: Option<u64>, redo: Option<u64>) -> Result<Self, String> {
        match (has_changes, undo, redo) {
            (true, None, None) => Ok(Self::Edit),
            (false, Some(seq), None) => Ok(Self::Undo(seq)),
            (false, None, Some(seq)) => Ok(Self::Redo(seq)),
            _ => Err("it is not one of an edit, an undo and a redo".to_owned()),
        }
    }
}

/// Position of an edit in the journal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Mark {
    seq: u64,
    offset: u64,
}

/// The edits that can be undone and redone, the next one last.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct Timeline {
    done: Vec<Mark>,
    undone: Vec<Mark>,
}

impl Timeline {
    /// Records an edit at `mark`, or moves the last edit from one list to the other. Returns the
    /// edit whose changes apply.
    fn record(&mut self, act: Act, mark: Mark) -> Result<Mark, String> {
        let (from, to, seq, what) = match act {
            Act::Edit => {
                self.done.push(mark);
                self.undone.clear();
                return Ok(mark);
            }
            Act::Undo(seq) => (&mut self.done, &mut self.undone, seq, "undo"),
            Act::Redo(seq) => (&mut self.undone, &mut self.done, seq, "redo"),
        };
        let other = || format!("it would {what} edit {seq}, which is not the last one");
        let mark = from.pop_if(|mark| mark.seq == seq).ok_or_else(other)?;
        to.push(mark);
        Ok(mark)
    }
}
