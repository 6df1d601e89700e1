//! Writing a journal.

use std::fs::{self, File};
use std::io::{Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use super::replay::{Replayed, read_changes};
use super::{Act, Line, MAX_LINE, Mark, Timeline};
use crate::disk::{is_at, open_exclusive, sync_name};
use crate::error::{Error, Result};
use crate::project::labels::Change;
use crate::record::stamp;

/// A journal open for writing; no other program can write it meanwhile. Or one that was only read.
#[derive(Debug)]
pub(in crate::project) struct Journal {
    path: PathBuf,
    /// The file, or the reason why it cannot be written.
    file: Result<File, String>,
    timeline: Timeline,
    sequence: u64,
    len: u64,
    /// Set when a failed write could not be taken back; the next one begins with that.
    is_broken: bool,
}

impl Journal {
    /// Opens or creates the journal and locks it.
    ///
    /// # Errors
    /// When it cannot be written, or another program has it open.
    pub(in crate::project) fn lock(path: &Path) -> Result<File> {
        Self::try_lock(path)?.map_err(|reason| Error::data(path, reason))
    }

    /// Opens or creates the journal and locks it. The inner error is the reason why an existing one
    /// cannot be written.
    ///
    /// # Errors
    /// When it cannot be created, or another program has it open.
    pub(in crate::project) fn try_lock(path: &Path) -> Result<Result<File, String>> {
        let opened = match open_exclusive(path) {
            Err(Error::Io { source, .. }) if path.exists() => {
                return Ok(Err(format!(
                    "cannot be written: {source}. A project writes every edit into it: make the file \
                     and its folder writable, or open a copy of the project"
                )));
            }
            opened => opened?,
        };
        let reason = "the project is open in another window or program; close it there first";
        let file = opened.ok_or_else(|| Error::data(path, reason))?;
        sync_name(path)?;
        Ok(Ok(file))
    }

    /// Takes up a journal that was read and cannot be written for this reason.
    pub(in crate::project) fn read_only(path: &Path, reason: String, replayed: &Replayed) -> Self {
        Self {
            path: path.to_owned(),
            file: Err(reason),
            timeline: replayed.timeline.clone(),
            sequence: replayed.sequence,
            len: replayed.len,
            is_broken: false,
        }
    }

    /// Checks that the journal was opened for writing.
    ///
    /// # Errors
    /// When it was only read: the reason.
    pub(in crate::project) fn require_writable(&self) -> Result<()> {
        let refusal = |reason: &String| Error::data(&self.path, reason.clone());
        self.file.as_ref().map(|_| ()).map_err(refusal)
    }

    /// Replaces the open file, to test what happens when it cannot be written; returns the old one.
    #[cfg(test)]
    pub(in crate::project) fn swap_file(&mut self, file: File) -> File {
        std::mem::replace(&mut self.file, Ok(file)).unwrap()
    }

    /// Continues a journal that was locked before it was read. An incomplete last line is removed.
    ///
    /// # Errors
    /// When it cannot be written.
    pub(in crate::project) fn resume(
        path: &Path,
        mut file: File,
        replayed: &Replayed,
    ) -> Result<Self> {
        let len = replayed.len;
        let cut = file.set_len(len).and_then(|()| file.seek(SeekFrom::End(0)));
        cut.map_err(Error::io("write", path))?;
        Ok(Self {
            path: path.to_owned(),
            file: Ok(file),
            timeline: replayed.timeline.clone(),
            sequence: replayed.sequence,
            len,
            is_broken: false,
        })
    }

    /// Moves the journal to the folder `history` and continues in an empty one, whose lines are
    /// numbered on. The snapshot must contain all edits.
    ///
    /// # Errors
    /// When it cannot be moved, or the new one not be written.
    pub(in crate::project) fn set_aside(&mut self, history: &Path) -> Result<()> {
        fs::create_dir_all(history).map_err(Error::io("create", history))?;
        let (sequence, stamp) = (self.sequence, stamp(SystemTime::now()));
        let old = history.join(format!("journal-{sequence:010}-{stamp}.jsonl"));
        fs::rename(&self.path, &old).map_err(Error::io("write", &old))?;
        self.file = Ok(Self::lock(&self.path)?);
        self.timeline = Timeline::default();
        self.len = 0;
        Ok(())
    }

    /// Returns the number of the last line.
    pub(in crate::project) fn sequence(&self) -> u64 {
        self.sequence
    }

    /// Returns how many edits can be undone and redone.
    pub(in crate::project) fn depth(&self) -> (usize, usize) {
        (self.timeline.done.len(), self.timeline.undone.len())
    }

    /// Appends an edit and waits until it is on disk.
    ///
    /// # Errors
    /// When it cannot be written; nothing has changed then.
    pub(in crate::project) fn edit(&mut self, name: &str, changes: &[Change]) -> Result<u64> {
        self.append(Act::Edit, |seq, secs| Line {
            seq,
            secs,
            edit: Some(name.into()),
            changes: Some(changes.into()),
            undo: None,
            redo: None,
        })
    }

    /// Returns the changes of the edit that would be undone, with its number.
    ///
    /// # Errors
    /// When its line cannot be read.
    pub(in crate::project) fn last_done(&self) -> Result<Option<(u64, Vec<Change>)>> {
        self.changes(self.timeline.done.last())
    }

    /// Returns the changes of the edit that would be redone, with its number.
    ///
    /// # Errors
    /// When its line cannot be read.
    pub(in crate::project) fn last_undone(&self) -> Result<Option<(u64, Vec<Change>)>> {
        self.changes(self.timeline.undone.last())
    }

    fn changes(&self, mark: Option<&Mark>) -> Result<Option<(u64, Vec<Change>)>> {
        let read = mark.map(|mark| Ok((mark.seq, read_changes(&self.path, *mark)?)));
        read.transpose()
    }

    /// Appends that edit `undo` was undone.
    ///
    /// # Errors
    /// When it cannot be written; nothing has changed then.
    pub(in crate::project) fn undo(&mut self, undo: u64) -> Result<u64> {
        self.append(Act::Undo(undo), |seq, secs| Line {
            seq,
            secs,
            edit: None,
            changes: None,
            undo: Some(undo),
            redo: None,
        })
    }

    /// Appends that edit `redo` was made again.
    ///
    /// # Errors
    /// When it cannot be written; nothing has changed then.
    pub(in crate::project) fn redo(&mut self, redo: u64) -> Result<u64> {
        self.append(Act::Redo(redo), |seq, secs| Line {
            seq,
            secs,
            edit: None,
            changes: None,
            undo: None,
            redo: Some(redo),
        })
    }

    fn append<'a>(&mut self, act: Act, line: impl FnOnce(u64, u64) -> Line<'a>) -> Result<u64> {
        let path = &self.path;
        let file = match &mut self.file {
            Ok(file) => file,
            Err(reason) => return Err(Error::data(path, reason.as_str())),
        };
        if self.is_broken {
            take_back(file, self.len).map_err(Error::io("write", path))?;
            self.is_broken = false;
        }
        if !is_at(file, path) {
            let reason = "has vanished while the project was open; edits are not accepted until it \
                          is back";
            return Err(Error::data(path, reason));
        }
        let since = SystemTime::now().duration_since(UNIX_EPOCH);
        let next = self.sequence.checked_add(1);
        let seq = next.ok_or_else(|| Error::data(path, "every edit number is taken"))?;
        let line = line(seq, since.unwrap_or_default().as_secs());
        let bytes = serde_json::to_vec(&line);
        let mut bytes = bytes.map_err(|e| Error::data(path, format!("cannot be written: {e}")))?;
        bytes.push(b'\n');
        if bytes.len() as u64 >= MAX_LINE {
            let reason = "the edit is too large for one step; split it";
            return Err(Error::data(path, reason));
        }
        let written = file.write_all(&bytes);
        if let Err(error) = written.and_then(|()| file.sync_data()) {
            // A part of the line may have been written.
            self.is_broken = take_back(file, self.len).is_err();
            return Err(Error::io("write", path)(error));
        }
        let mark = Mark {
            seq,
            offset: self.len,
        };
        self.len += bytes.len() as u64;
        self.sequence = seq;
        let recorded = self.timeline.record(act, mark);
        recorded.map_err(|reason| Error::data(&self.path, reason))?;
        Ok(seq)
    }
}

/// Removes a line that was written in part.
fn take_back(file: &mut File, len: u64) -> std::io::Result<()> {
    file.set_len(len)?;
    file.seek(SeekFrom::End(0))?;
    Ok(())
}
