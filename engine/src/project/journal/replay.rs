//! Reading a journal.

use std::borrow::Cow;
use std::fs::File;
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom};
use std::path::Path;

use super::{Act, Head, Line, MAX_LINE, Mark, Timeline};
use crate::error::{Error, Result};
use crate::project::labels::{Change, Labels};
use crate::words::are;

/// A journal that has been read.
#[derive(Debug)]
pub struct Replayed {
    /// The labels after the last line.
    pub labels: Labels,
    /// Number of the last line, or of the snapshot if that is newer.
    pub sequence: u64,
    /// Remarks about lines that were dropped, one line each.
    pub remarks: Vec<String>,
    pub(super) timeline: Timeline,
    /// Length of the complete lines in bytes.
    pub(super) len: u64,
    /// Whether lines that the snapshot contains are missing or damaged.
    is_incomplete: bool,
}

/// Reads a journal and applies every line after number `sequence` to `labels`; earlier ones are
/// part of `labels` already. A missing journal has no lines.
///
/// The last line is dropped with a remark if the program was killed while writing it. Damage in the
/// part that the snapshot contains only costs the history before it.
///
/// # Errors
/// When the file cannot be read, or a later line is damaged.
pub fn replay(path: &Path, labels: Labels, sequence: u64) -> Result<Replayed> {
    let mut replayed = Replayed {
        labels,
        sequence,
        remarks: Vec::new(),
        timeline: Timeline::default(),
        len: 0,
        is_incomplete: false,
    };
    let mut progress = Progress::default();
    match File::open(path) {
        Ok(file) => replayed.read_all(path, file, sequence, &mut progress)?,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        Err(error) => return Err(Error::io("read", path)(error)),
    }
    let Progress { last, damage, .. } = progress;
    replayed.is_incomplete = last < sequence || damage.is_some();
    if last < sequence {
        replayed.timeline = Timeline::default();
    }
    let path = path.display();
    if let Some((first, n)) = damage {
        replayed.remarks.push(format!(
            "{path}: {} damaged, first {first}; no labels are lost, but earlier edits cannot be \
             undone",
            are(n, "line")
        ));
    } else if last < sequence {
        replayed.remarks.push(format!(
            "{path} ends at edit {last}, the labels are of edit {sequence}: nothing before it can \
             be undone"
        ));
    }
    Ok(replayed)
}

/// How far a journal has been read.
#[derive(Default)]
struct Progress {
    /// Number of lines read.
    n_lines: usize,
    /// Number of the last edit.
    last: u64,
    /// The first damaged line that the snapshot contains, and how many there are.
    damage: Option<(String, usize)>,
}

fn is_at_end(reader: &mut impl BufRead) -> bool {
    reader.fill_buf().is_ok_and(<[u8]>::is_empty)
}

impl Replayed {
    /// Returns whether lines that the snapshot contains are missing or damaged. Lines added to such
    /// a journal could be taken for them.
    pub(in crate::project) fn is_incomplete(&self) -> bool {
        self.is_incomplete && self.len > 0
    }

    /// Reads every complete line; those up to edit `covered` are part of the snapshot.
    fn read_all(
        &mut self,
        path: &Path,
        file: File,
        covered: u64,
        progress: &mut Progress,
    ) -> Result<()> {
        let mut reader = BufReader::with_capacity(1 << 20, file);
        let mut bytes = Vec::new();
        loop {
            bytes.clear();
            let read = (&mut reader).take(MAX_LINE).read_until(b'\n', &mut bytes);
            if read.map_err(Error::io("read", path))? == 0 {
                return Ok(());
            }
            progress.n_lines += 1;
            let n_line = progress.n_lines;
            if bytes.len() as u64 == MAX_LINE {
                return Err(Error::data(path, format!("line {n_line} is too long")));
            }
            // A file system may also fill the part of a lost write with zeros.
            let is_zeroed = bytes.contains(&0) && is_at_end(&mut reader);
            if bytes.last() != Some(&b'\n') || is_zeroed {
                self.remarks.push(format!(
                    "{}: the last line is incomplete, as the program was ended while it was \
                     written; that edit is left out",
                    path.display()
                ));
                return Ok(());
            }
            let mark = Mark {
                seq: progress.last.saturating_add(1),
                offset: self.len,
            };
            match self.read(path, &bytes, mark, n_line == 1) {
                Ok(seq) => progress.last = seq,
                Err(reason) if progress.last < covered => {
                    // The snapshot has it.
                    self.timeline = Timeline::default();
                    progress.last += 1;
                    let first = || (format!("line {n_line} ({reason})"), 0);
                    progress.damage.get_or_insert_with(first).1 += 1;
                }
                Err(reason) => {
                    let reason = format!(
                        "line {n_line} is damaged: {reason}. Nothing was changed; restore the \
                         file from a copy, or delete this line and all after it"
                    );
                    return Err(Error::data(path, reason));
                }
            }
            self.len += bytes.len() as u64;
            self.sequence = self.sequence.max(progress.last);
        }
    }

    /// Reads a line, whose number is expected to be that of `mark`; returns its number.
    fn read(
        &mut self,
        path: &Path,
        line: &[u8],
        mark: Mark,
        is_first: bool,
    ) -> Result<u64, String> {
        let parse = |e: serde_json::Error| e.to_string();
        let head: Head = serde_json::from_slice(line).map_err(parse)?;
        // A journal may begin with a later edit, if its first ones were lost.
        let is_next = head.seq == mark.seq || is_first && head.seq > 0;
        if !is_next || head.seq > self.sequence.saturating_add(1) {
            return Err(format!("edit {} follows edit {}", head.seq, mark.seq - 1));
        }
        let act = Act::of(head.changes.is_some(), head.undo, head.redo)?;
        let mark = Mark {
            seq: head.seq,
            ..mark
        };
        let target = self.timeline.record(act, mark)?;
        if head.seq <= self.sequence {
            return Ok(head.seq);
        }
        let changes = match act {
            Act::Edit => changes_of(line)?,
            Act::Undo(_) | Act::Redo(_) => {
                read_changes(path, target).map_err(|error| error.to_string())?
            }
        };
        match act {
            Act::Edit | Act::Redo(_) => self.labels.apply(&changes)?,
            Act::Undo(_) => self.labels.revert(&changes)?,
        }
        Ok(head.seq)
    }
}

fn changes_of(line: &[u8]) -> Result<Vec<Change>, String> {
    let line: Line<'_> = serde_json::from_slice(line).map_err(|e| e.to_string())?;
    let changes = line.changes.map(Cow::into_owned);
    changes.ok_or_else(|| "it has no changes".to_owned())
}

/// Reads the changes of an edit from its line.
pub(super) fn read_changes(path: &Path, mark: Mark) -> Result<Vec<Change>> {
    let io = || Error::io("read", path);
    let mut file = File::open(path).map_err(io())?;
    file.seek(SeekFrom::Start(mark.offset)).map_err(io())?;
    let mut line = Vec::new();
    let mut reader = BufReader::new(file).take(MAX_LINE);
    reader.read_until(b'\n', &mut line).map_err(io())?;
    changes_of(&line)
        .map_err(|reason| Error::data(path, format!("edit {} cannot be read: {reason}", mark.seq)))
}
