//! A project's folder: [`Contents`] to read, [`Project`] to write.

use std::collections::HashMap;
use std::fs::File;
use std::hash::{BuildHasher, RandomState};
use std::path::{Path, PathBuf};

use super::clip::Clip;
use super::coco::Parts;
use super::edit::Edit;
use super::file::{PROJECT, ProjectFile};
use super::holdout::{ClipTimes, Holdout};
use super::journal::{JOURNAL, Journal, Replayed, replay};
use super::labels::{Change, Labels};
use super::person::FrameKey;
use super::snapshot;
use crate::error::{Error, Result};
use crate::geometry::Size;
use crate::words::counted;

/// A project as it was read. Any number of programs may read one.
#[derive(Debug, Clone)]
pub struct Contents {
    folder: PathBuf,
    file: ProjectFile,
    labels: Labels,
    holdout: Holdout,
    remarks: Vec<String>,
}

impl Contents {
    /// Reads the project in `folder` without changing anything.
    ///
    /// # Errors
    /// When there is none, or a file of it is damaged or of a newer version.
    pub fn read(folder: &Path) -> Result<Self> {
        Ok(Self::replay(folder)?.0)
    }

    /// Also returns what the journal needs to be continued, and the number of the snapshot.
    fn replay(folder: &Path) -> Result<(Self, Replayed, u64)> {
        let file = ProjectFile::read(folder)?;
        let skeleton = file.skeleton(&folder.join(PROJECT))?;
        let holdout = Holdout::read(folder)?;
        let snapshot = snapshot::read(folder, skeleton)?;
        let saved = snapshot.sequence;
        let mut replayed = replay(&folder.join(JOURNAL), snapshot.labels, saved)?;
        let mut remarks = snapshot.remarks;
        remarks.append(&mut replayed.remarks);
        let labels = std::mem::replace(&mut replayed.labels, Labels::new(skeleton));
        let contents = Self {
            folder: folder.to_owned(),
            file,
            labels,
            holdout,
            remarks,
        };
        Ok((contents, replayed, saved))
    }

    /// Returns the folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Returns the description: model, skeleton, clips.
    pub fn file(&self) -> &ProjectFile {
        &self.file
    }

    /// Returns the labels.
    pub fn labels(&self) -> &Labels {
        &self.labels
    }

    /// Returns the hold-out.
    pub fn holdout(&self) -> &Holdout {
        &self.holdout
    }

    /// Returns remarks on what was found when the project was read, one line each.
    pub fn remarks(&self) -> &[String] {
        &self.remarks
    }

    /// Returns the clips from which a further round of the hold-out can be chosen: added since the
    /// last one, without confirmed people.
    pub fn undecided(&self) -> Vec<u32> {
        let mut clips = self
            .holdout
            .undecided(self.file.clips.iter().map(|clip| clip.id));
        clips.retain(|id| {
            let mut frames = self.labels.frames_of(*id);
            !frames.any(|(_, frame)| frame.people.iter().any(|person| person.is_confirmed))
        });
        clips
    }

    /// Returns the number of held-out frames.
    pub fn n_held_out(&self) -> u64 {
        let n_frames = |id| self.file.clip(id).map_or(0, |clip| clip.n_frames);
        self.holdout.n_frames(n_frames)
    }
}

const NONE_TO_HOLD_OUT: &str = "no clips without confirmed people were added since the last round \
                                of the hold-out; add some first";

/// Longest name of a project in characters.
const MAX_NAME: usize = 100;

/// The outcome of an edit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Applied {
    /// Number of the edit in the journal; `None` if it changed nothing and was not recorded.
    pub sequence: Option<u64>,
    /// Frames that it changed, by clip and index.
    pub frames: Vec<FrameKey>,
}

/// A project open for writing by this program alone, or to look at ([`Project::refusal`]). Every
/// change is on disk before the method that makes it returns; [`Project::save`] additionally writes
/// a snapshot.
#[derive(Debug)]
pub struct Project {
    contents: Contents,
    journal: Journal,
    /// Number of the last edit in the snapshot.
    saved: u64,
}

impl Project {
    /// Opens a project for writing.
    ///
    /// # Errors
    /// When there is none, it is open in another program, cannot be written, or a file of it is
    /// damaged or of a newer version; nothing is changed then.
    pub fn open(folder: &Path) -> Result<Self> {
        // Before the lock, which creates the journal.
        ProjectFile::read(folder)?;
        Self::resume(folder, Journal::lock(&folder.join(JOURNAL))?)
    }

    /// Opens a project for writing or, if its journal cannot be written, to look at it.
    ///
    /// # Errors
    /// When there is none, it is open in another program, or a file of it is damaged or of a newer
    /// version.
    pub fn open_or_read(folder: &Path) -> Result<Self> {
        ProjectFile::read(folder)?;
        match Journal::try_lock(&folder.join(JOURNAL))? {
            Ok(lock) => Self::resume(folder, lock),
            Err(reason) => Self::read_only(folder, reason),
        }
    }

    /// Opens a project that cannot be written for this reason.
    pub(super) fn read_only(folder: &Path, reason: String) -> Result<Self> {
        let (contents, replayed, saved) = Contents::replay(folder)?;
        Ok(Self {
            contents,
            journal: Journal::read_only(&folder.join(JOURNAL), reason, &replayed),
            saved,
        })
    }

    /// Continues a project whose journal is locked.
    fn resume(folder: &Path, lock: File) -> Result<Self> {
        let (contents, replayed, saved) = Contents::replay(folder)?;
        let journal = Journal::resume(&folder.join(JOURNAL), lock, &replayed)?;
        let mut project = Self {
            contents,
            journal,
            saved,
        };
        if replayed.is_incomplete() {
            project.save()?;
            project.journal.set_aside(&folder.join(snapshot::HISTORY))?;
        }
        Ok(project)
    }

    /// Returns the present contents.
    pub fn contents(&self) -> &Contents {
        &self.contents
    }

    #[cfg(test)]
    pub(super) fn swap_journal_file(&mut self, file: File) -> File {
        self.journal.swap_file(file)
    }

    /// Returns why no change is accepted; `None` if the project is open for writing.
    pub fn refusal(&self) -> Option<String> {
        let refused = self.journal.require_writable().err();
        refused.map(|error| error.to_string())
    }

    /// Returns the labels.
    pub fn labels(&self) -> &Labels {
        &self.contents.labels
    }

    /// Returns the number of edits so far, counting those undone and redone.
    pub fn sequence(&self) -> u64 {
        self.journal.sequence()
    }

    /// Returns how many edits can be undone and redone.
    pub fn depth(&self) -> (usize, usize) {
        self.journal.depth()
    }

    /// Makes an edit. It is on disk when this returns.
    ///
    /// # Errors
    /// When it does not fit the labels or the clips, or cannot be written; nothing has changed then.
    pub fn apply(&mut self, edit: &Edit) -> Result<Applied> {
        let changes = edit.changes(&self.contents.labels)?;
        if changes.is_empty() {
            return Ok(Applied {
                sequence: None,
                frames: Vec::new(),
            });
        }
        for at in changes.iter().map(Change::at) {
            self.check(at)?;
        }
        self.contents.labels.apply(&changes).map_err(mismatch)?;
        let written = self.journal.edit(edit.name(), &changes);
        if written.is_err() {
            self.contents.labels.revert(&changes).map_err(mismatch)?;
        }
        Ok(Applied {
            sequence: Some(written?),
            frames: changed(&changes),
        })
    }

    /// Undoes the last edit that is not undone; returns the frames that it changed, `None` if there
    /// is no such edit.
    ///
    /// # Errors
    /// When the journal cannot be read or written; nothing has changed then.
    pub fn undo(&mut self) -> Result<Option<Vec<FrameKey>>> {
        let Some((seq, changes)) = self.journal.last_done()? else {
            return Ok(None);
        };
        self.contents.labels.revert(&changes).map_err(mismatch)?;
        if let Err(error) = self.journal.undo(seq) {
            self.contents.labels.apply(&changes).map_err(mismatch)?;
            return Err(error);
        }
        Ok(Some(changed(&changes)))
    }

    /// Makes the edit again that was undone last; returns the frames that it changed, `None` if
    /// there is no such edit.
    ///
    /// # Errors
    /// When the journal cannot be read or written; nothing has changed then.
    pub fn redo(&mut self) -> Result<Option<Vec<FrameKey>>> {
        let Some((seq, changes)) = self.journal.last_undone()? else {
            return Ok(None);
        };
        self.contents.labels.apply(&changes).map_err(mismatch)?;
        if let Err(error) = self.journal.redo(seq) {
            self.contents.labels.revert(&changes).map_err(mismatch)?;
            return Err(error);
        }
        Ok(Some(changed(&changes)))
    }

    /// Writes a snapshot, unless the last one is of the same edit or the project was only read.
    ///
    /// # Errors
    /// When it cannot be written; the previous one stays then, and no edit is lost.
    pub fn save(&mut self) -> Result<()> {
        let sequence = self.journal.sequence();
        if sequence == self.saved || self.refusal().is_some() {
            return Ok(());
        }
        snapshot::write(&self.contents.parts(&HashMap::new()), sequence)?;
        self.saved = sequence;
        Ok(())
    }

    /// Adds a clip; the hold-out stays as it is.
    ///
    /// # Errors
    /// When it cannot be read, is in the project already, or `project.toml` cannot be written.
    pub fn add_clip(&mut self, path: &Path, is_copied: bool) -> Result<&Clip> {
        self.journal.require_writable()?;
        let contents = &mut self.contents;
        let mut file = contents.file.clone();
        add_clip(&mut file, &contents.folder, path, is_copied)?;
        file.write(&contents.folder)?;
        contents.file = file;
        let added = contents.file.clips.last();
        added.ok_or_else(|| Error::Internal("no clip was added".to_owned()))
    }

    /// Finds the clip that the file or folder at `path` is, by size and content, and records that it
    /// is there now.
    ///
    /// # Errors
    /// When it is none of the clips, or `project.toml` cannot be written.
    pub fn relocate(&mut self, path: &Path) -> Result<&Clip> {
        self.journal.require_writable()?;
        let contents = &mut self.contents;
        let mut file = contents.file.clone();
        let mut found = None;
        for (i, clip) in file.clips.iter().enumerate() {
            if clip.is_at(path)? {
                found = Some(i);
                break;
            }
        }
        let other = || {
            Error::data(
                path,
                "is none of the project's clips: its content is another",
            )
        };
        let found = found.ok_or_else(other)?;
        file.clips[found].is_copied = false;
        file.clips[found].move_to(path, &contents.folder)?;
        file.write(&contents.folder)?;
        contents.file = file;
        Ok(&contents.file.clips[found])
    }

    /// Calls the project by another name; its folder keeps its own. With an empty name, or that of the
    /// folder, it is called like the folder.
    ///
    /// # Errors
    /// When the name is too long or has several lines, or `project.toml` cannot be written.
    pub fn rename(&mut self, name: &str) -> Result<()> {
        self.journal.require_writable()?;
        let name = name.trim();
        if name.chars().count() > MAX_NAME || name.contains(char::is_control) {
            let reason = format!("a project's name is one line of at most {MAX_NAME} characters");
            return Err(Error::Invalid(reason));
        }
        let contents = &mut self.contents;
        let mut file = contents.file.clone();
        file.name = None;
        let is_own = !name.is_empty() && file.title(&contents.folder) != name;
        file.name = is_own.then(|| name.to_owned());
        file.write(&contents.folder)?;
        contents.file = file;
        Ok(())
    }

    /// Uses the copy of a clip at `place`, made by [`Clip::copy_to_project`] of `copied`, from now on.
    ///
    /// # Errors
    /// When the project has no such clip any more, or `project.toml` cannot be written; the original
    /// stays in use then.
    pub fn use_copy(&mut self, copied: &Clip, place: &Path) -> Result<&Clip> {
        self.journal.require_writable()?;
        let contents = &mut self.contents;
        let mut file = contents.file.clone();
        let is_it = |clip: &Clip| clip.id == copied.id && clip.sha256 == copied.sha256;
        let found = file.clips.iter().position(is_it).ok_or_else(|| {
            let name = &copied.name;
            Error::Failed(format!("the clip {name} is not in the project any more"))
        })?;
        file.clips[found].use_copy(place, &contents.folder)?;
        file.write(&contents.folder)?;
        contents.file = file;
        Ok(&contents.file.clips[found])
    }

    /// Chooses the hold-out at random unless there is one. If the clips are too short for one,
    /// returns the reason; there is no hold-out then, and it is chosen when clips have been added.
    ///
    /// # Errors
    /// When a clip cannot be read, or `holdout.toml` cannot be written.
    pub fn ensure_holdout(&mut self) -> Result<Option<String>> {
        if self.contents.holdout.n_rounds() > 0 {
            return Ok(None);
        }
        let clips = &self.contents.file.clips;
        let clips: Vec<u32> = clips.iter().map(|clip| clip.id).collect();
        Ok(self.choose_holdout(&clips)?.err())
    }

    /// Chooses a further round of the hold-out from the clips that were added since the last one.
    /// Those with confirmed people, which may have been trained on, stay as they are.
    ///
    /// # Errors
    /// When there are no such clips or they are too short, one of them cannot be read, or
    /// `holdout.toml` cannot be written.
    pub fn add_holdout(&mut self) -> Result<()> {
        let added = match self.contents.undecided() {
            clips if clips.is_empty() => Err(NONE_TO_HOLD_OUT.to_owned()),
            clips => self.choose_holdout(&clips)?,
        };
        added.map_err(Error::Failed)
    }

    /// The inner error is the reason why the clips cannot be divided.
    fn choose_holdout(&mut self, ids: &[u32]) -> Result<Result<(), String>> {
        self.journal.require_writable()?;
        let contents = &mut self.contents;
        let mut clips = Vec::new();
        for &id in ids {
            if let Some(clip) = contents.file.clip(id) {
                let times = clip.open(&contents.folder)?.times().to_vec();
                clips.push(ClipTimes { id, times });
            }
        }
        let mut holdout = contents.holdout.clone();
        let added = holdout.add_round(RandomState::new().hash_one(0), &clips);
        if added.is_ok() {
            holdout.write(&contents.folder)?;
            contents.holdout = holdout;
        }
        Ok(added)
    }

    fn check(&self, at: FrameKey) -> Result<()> {
        let FrameKey { clip, frame } = at;
        let known = self.contents.file.clip(clip);
        let known = known.ok_or_else(|| Error::Invalid(format!("there is no clip {clip}")))?;
        if frame >= known.n_frames {
            let reason = format!(
                "the clip {} has {}, there is no frame {frame}",
                known.name,
                counted(known.n_frames, "frame")
            );
            return Err(Error::Invalid(reason));
        }
        Ok(())
    }
}

impl Contents {
    /// Returns what a COCO document is made of.
    pub(super) fn parts<'a>(&'a self, sizes: &'a HashMap<FrameKey, Size>) -> Parts<'a> {
        Parts {
            folder: &self.folder,
            file: &self.file,
            labels: &self.labels,
            holdout: &self.holdout,
            sizes,
        }
    }
}

/// Returns the frames that change, by clip and index.
fn changed(changes: &[Change]) -> Vec<FrameKey> {
    let mut frames: Vec<_> = changes.iter().map(Change::at).collect();
    frames.sort_unstable();
    frames.dedup();
    frames
}

/// An edit is made from the labels that it is applied to, so this cannot happen.
fn mismatch(reason: impl std::fmt::Display) -> Error {
    Error::Internal(format!("an edit does not fit the labels: {reason}"))
}

/// Adds a clip to a description that is not written yet.
pub(super) fn add_clip(
    file: &mut ProjectFile,
    folder: &Path,
    path: &Path,
    is_copied: bool,
) -> Result<()> {
    let newest = file.clips.iter().map(|clip| clip.id).max();
    let id = newest.unwrap_or_default().checked_add(1);
    let id = id.ok_or_else(|| Error::data(folder, "every clip number is taken"))?;
    let mut clip = Clip::examine(id, path, &file.clips)?;
    let same = |other: &&Clip| other.sha256 == clip.sha256 && other.bytes == clip.bytes;
    if let Some(same) = file.clips.iter().find(same) {
        let reason = format!("is in the project already, as the clip {}", same.name);
        return Err(Error::data(path, reason));
    }
    if is_copied {
        let copy = clip.copy_to_project(folder, &mut |_, _| Ok(()))?;
        clip.use_copy(&copy, folder)?;
    } else {
        let place = clip.path.clone();
        clip.move_to(&place, folder)?;
    }
    file.clips.push(clip);
    Ok(())
}
