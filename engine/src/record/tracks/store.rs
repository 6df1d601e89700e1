//! Recorded poses with their edits, on disk and in memory.

use std::fs::File;
use std::io::{BufRead, BufReader, BufWriter, Read, Result as IoResult, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use sha2::{Digest as _, Sha256};

use super::edit::TrackEdit;
use super::index::{self, Lines};
use super::line::{Line, with_ids};
use super::list::{Digest, EditList};
use super::table::{Table, Track};
use super::{MAX_LINE, TrackId};
use crate::concurrency::StopFlag;
use crate::disk::Draft;
use crate::error::{Error, Result};
use crate::geometry::Size;
use crate::pose::Pose;
use crate::skeleton::Skeleton;

/// Greatest distance of a frame's time from that of its poses, in seconds: both are rounded, to
/// ticks of the video and to microseconds.
const SAME_SECS: f64 = 1e-3;

/// A frame of a recording.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum At {
    /// By its number in the video that holds every frame.
    Frame(u64),
    /// By its time since the first frame with poses, in seconds: the annotated video holds only
    /// those.
    Secs(f64),
}

/// The people recorded in a frame, with their ids as edited.
#[derive(Debug, Clone)]
pub struct RecordedFrame {
    /// Number of the frame.
    pub frame: u64,
    /// Size of the frame in pixels.
    pub size: Size,
    /// Name of the model.
    pub model: Arc<str>,
    /// Defines the joints.
    pub skeleton: &'static Skeleton,
    /// People in the order of the file.
    pub poses: Vec<Pose>,
}

/// The poses of a recording and the edits of its tracks.
#[derive(Debug)]
pub struct Tracks {
    poses: PathBuf,
    table: Table,
    list: EditList,
    /// Contents of the list's file; `None` if there is none.
    stored: Option<Vec<u8>>,
    /// Why edits are not accepted, if they are not.
    obstacle: Option<String>,
    remarks: Vec<String>,
}

impl Tracks {
    /// Reads recorded poses and their edits; `progress` gets the numbers of bytes read and in the
    /// file. Edits that do not belong to these poses are left alone: [`Self::obstacle`] says why.
    ///
    /// # Errors
    /// When the poses cannot be read, there are none, or the reading was stopped.
    pub fn open(poses: &Path, stop: &StopFlag, progress: &mut dyn FnMut(u64, u64)) -> Result<Self> {
        let index = index::read(poses, stop, progress)?;
        let mut tracks = Self {
            poses: poses.to_owned(),
            table: index.table,
            list: EditList::new(index.digest),
            stored: None,
            obstacle: None,
            remarks: index.remarks,
        };
        let path = tracks.list_path();
        match std::fs::read(&path) {
            Ok(text) => {
                if let Err(reason) = tracks.take(&text) {
                    tracks.obstacle = Some(format!("{} {reason}", path.display()));
                }
                tracks.stored = Some(text);
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => tracks.obstacle = Some(Error::io("read", &path)(error).to_string()),
        }
        tracks.restore();
        Ok(tracks)
    }

    /// Returns the path of the poses with all edits, which exists after the first edit.
    pub fn edited_path(&self) -> PathBuf {
        self.beside("edited.jsonl")
    }

    /// Returns the path of the list of edits, which exists after the first edit.
    pub fn list_path(&self) -> PathBuf {
        self.beside("edits.json")
    }

    /// Returns what was left out or repaired while reading, one line each.
    pub fn remarks(&self) -> &[String] {
        &self.remarks
    }

    /// Returns why edits are not accepted, with the remedy; `None` if they are.
    pub fn obstacle(&self) -> Option<&str> {
        self.obstacle.as_deref()
    }

    /// Returns every track, by id.
    pub fn tracks(&self) -> Vec<Track> {
        self.table.tracks()
    }

    /// Returns the edit that [`Self::undo`] would undo.
    pub fn last_done(&self) -> Option<&TrackEdit> {
        self.list.applied().last()
    }

    /// Returns the edit that [`Self::redo`] would make again.
    pub fn last_undone(&self) -> Option<&TrackEdit> {
        self.list.edits.get(self.list.n_applied)
    }

    /// Returns how many edits can be undone and redone.
    pub fn depth(&self) -> (usize, usize) {
        let n = self.list.n_applied;
        (n, self.list.edits.len() - n)
    }

    /// Returns the people in a frame; `None` if no poses were recorded for it.
    ///
    /// # Errors
    /// When the poses cannot be read, or have changed meanwhile.
    pub fn at(&self, at: At) -> Result<Option<RecordedFrame>> {
        let Some(i) = self.find(at) else {
            return Ok(None);
        };
        let (path, entry) = (&self.poses, self.table.entries()[i]);
        let mut file = File::open(path).map_err(Error::io("open", path))?;
        let mut bytes = Vec::new();
        let read = file.seek(SeekFrom::Start(entry.begin)).and_then(|_| {
            let mut file = BufReader::new(file).take(MAX_LINE);
            file.read_until(b'\n', &mut bytes)
        });
        read.map_err(Error::io("read", path))?;
        let people = &self.table.now()[self.table.people(i)];
        let line = Line::parse(&bytes).ok();
        let line = line.filter(|l| l.frame == entry.frame && l.poses.len() == people.len());
        let line = line.ok_or_else(|| changed(path))?;
        let skeleton = line
            .skeleton()
            .map_err(|reason| Error::data(path, reason))?;
        let poses = line.poses.into_iter().zip(people);
        Ok(Some(RecordedFrame {
            frame: entry.frame,
            size: Size::new(line.width, line.height),
            model: line.model.into(),
            skeleton,
            poses: poses
                .filter_map(|(person, id)| match id {
                    TrackId::Id(id) => Some(person.into_pose(Some(*id))),
                    TrackId::Absent => Some(person.into_pose(None)),
                    TrackId::Removed => None,
                })
                .collect(),
        }))
    }

    /// Makes an edit; it is on disk when this returns. Edits that were undone are forgotten.
    ///
    /// # Errors
    /// When the edit is not possible, edits are not accepted, or it cannot be written; nothing has
    /// changed then.
    pub fn edit(&mut self, edit: TrackEdit) -> Result<()> {
        self.accepts()?;
        let now = self.table.edited(&edit).map_err(Error::Invalid)?;
        let mut list = self.list.clone();
        list.edits.truncate(list.n_applied);
        list.edits.push(edit);
        list.n_applied += 1;
        self.write(now, list)
    }

    /// Undoes the last edit; returns whether there is one.
    ///
    /// # Errors
    /// When edits are not accepted, or this cannot be written; nothing has changed then.
    pub fn undo(&mut self) -> Result<bool> {
        match self.list.n_applied.checked_sub(1) {
            Some(n) => self.go_to(n).map(|()| true),
            None => Ok(false),
        }
    }

    /// Makes the edit again that was undone last; returns whether there is one.
    ///
    /// # Errors
    /// When edits are not accepted, or this cannot be written; nothing has changed then.
    pub fn redo(&mut self) -> Result<bool> {
        match self.list.n_applied + 1 {
            n if n <= self.list.edits.len() => self.go_to(n).map(|()| true),
            _ => Ok(false),
        }
    }

    fn accepts(&self) -> Result<()> {
        let obstacle = self.obstacle.clone();
        obstacle.map_or(Ok(()), |obstacle| Err(Error::Failed(obstacle)))
    }

    fn go_to(&mut self, n_applied: usize) -> Result<()> {
        self.accepts()?;
        let mut list = self.list.clone();
        list.n_applied = n_applied;
        let now = self.table.replayed(list.applied());
        self.write(now, list)
    }

    /// Returns `poses.END` for `poses.jsonl`.
    fn beside(&self, end: &str) -> PathBuf {
        let mut name = self.poses.file_stem().unwrap_or_default().to_owned();
        name.push(".");
        name.push(end);
        self.poses.with_file_name(name)
    }

    fn find(&self, at: At) -> Option<usize> {
        let entries = self.table.entries();
        match at {
            At::Frame(frame) => entries.binary_search_by_key(&frame, |e| e.frame).ok(),
            At::Secs(secs) => {
                let secs = secs + entries.first()?.secs;
                let i = entries.partition_point(|e| e.secs < secs - SAME_SECS);
                let is_it = entries.get(i)?.secs <= secs + SAME_SECS;
                is_it.then_some(i)
            }
        }
    }

    /// Takes over the list of edits with this text.
    fn take(&mut self, text: &[u8]) -> Result<(), String> {
        let list = EditList::parse(text)?;
        if list.recorded != self.list.recorded {
            return Err(format!(
                "belongs to other poses: {} has changed since. The edits are not applied and not \
                 changed; move that file away to start anew",
                self.poses.display()
            ));
        }
        for (i, edit) in list.applied().iter().enumerate() {
            let now = self.table.edited(edit).map_err(|reason| {
                self.table.set(self.table.replayed(&[]));
                format!(
                    "is damaged (edit {}: {reason}); restore it from a copy, or move it away to \
                     start anew",
                    i + 1
                )
            })?;
            self.table.set(now);
        }
        self.list = list;
        Ok(())
    }

    /// Writes the edited poses again if they are not those of the list, as after a kill.
    fn restore(&mut self) {
        if self.stored.is_none() || self.obstacle.is_some() {
            return;
        }
        let path = self.edited_path();
        if digest(&path).is_ok_and(|found| found == self.list.edited) {
            return;
        }
        let written = self.draft(self.table.now()).and_then(|(draft, digest)| {
            draft.put()?;
            Ok(digest)
        });
        let path = path.display();
        self.remarks.push(match written {
            Ok(_) => format!("{path} was not that of the edits and is written again"),
            Err(error) => format!("{path} is not that of the edits: {error}"),
        });
    }

    /// Writes the poses with these ids and the list, then takes over both.
    fn write(&mut self, now: Vec<TrackId>, mut list: EditList) -> Result<()> {
        let path = self.list_path();
        let there = match std::fs::read(&path) {
            Ok(text) => Some(text),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
            Err(error) => return Err(Error::io("read", &path)(error)),
        };
        if there != self.stored {
            let reason = "was changed by another program; open the recording again";
            return Err(Error::data(&path, reason));
        }
        let (poses, digest) = self.draft(&now)?;
        list.edited = digest;
        let text = list.text(&path)?;
        let draft = Draft::write(&path, |file| file.write_all(&text))?;
        poses.put()?;
        draft.put()?;
        self.stored = Some(text);
        self.table.set(now);
        self.list = list;
        Ok(())
    }

    /// Writes the draft of the edited poses.
    fn draft(&self, now: &[TrackId]) -> Result<(Draft, Digest)> {
        let mut outcome = None;
        let draft = Draft::write(&self.edited_path(), |file| {
            let copied = self.copy(now, file)?;
            let failed = || std::io::Error::other("the recorded poses cannot be read");
            let checked = copied.as_ref().map(|_| ()).map_err(|_| failed());
            outcome = Some(copied);
            checked
        });
        match outcome {
            Some(Err(error)) => Err(error),
            Some(Ok(digest)) => Ok((draft?, digest)),
            None => {
                let missing = || Error::Internal("the edited poses were not written".to_owned());
                Err(draft.err().unwrap_or_else(missing))
            }
        }
    }

    /// Copies the recorded lines with other ids. The outer error is that of writing, the inner one
    /// that of reading.
    fn copy(&self, now: &[TrackId], file: &mut BufWriter<File>) -> IoResult<Result<Digest>> {
        let mut hash = Sha256::new();
        let mut n_bytes = 0;
        let mut lines = match Lines::open(&self.poses) {
            Ok(lines) => lines,
            Err(error) => return Ok(Err(error)),
        };
        let mut entries = self.table.entries().iter().enumerate().peekable();
        let mut bytes = Vec::new();
        loop {
            let begin = match lines.next(&mut bytes) {
                Ok(Some(begin)) => begin,
                Ok(None) => break,
                Err(error) => return Ok(Err(error)),
            };
            // Other lines were left out when the file was opened.
            let Some((i, _)) = entries.next_if(|(_, entry)| entry.begin == begin) else {
                continue;
            };
            let (recorded, now) = (self.table.recorded(i), &now[self.table.people(i)]);
            if recorded != now {
                let Some(line) = with_ids(&bytes, recorded, now) else {
                    return Ok(Err(changed(&self.poses)));
                };
                bytes = line;
            }
            file.write_all(&bytes)?;
            hash.update(&bytes);
            n_bytes += bytes.len() as u64;
        }
        Ok(if lines.digest() == self.list.recorded {
            Ok(Digest::new(n_bytes, &hash.finalize()))
        } else {
            Err(changed(&self.poses))
        })
    }
}

fn changed(path: &Path) -> Error {
    let reason = "has changed since it was read, perhaps because it is still being recorded; open \
                  it again";
    Error::data(path, reason)
}

/// Returns size and SHA-256 of a file.
fn digest(path: &Path) -> Result<Digest> {
    let mut lines = Lines::open(path)?;
    let mut bytes = Vec::new();
    while lines.next(&mut bytes)?.is_some() {}
    Ok(lines.digest())
}
