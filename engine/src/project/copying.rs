//! Copies clips into their project.
//!
//! A copy is written under another name, compared with the clip by its SHA-256, and only then gets its
//! own name: what is called like a clip in `clips` is whole.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use super::clip::{Clip, content, parts, total};
use crate::disk::{commit, create_exclusive, draft_path};
use crate::error::{Error, Result};
use crate::model::sha256_in_steps;
use crate::source::recording::MANIFEST;

/// Folder of copied clips in a project.
pub(super) const CLIPS: &str = "clips";
/// Bytes that are copied at once.
const CHUNK: usize = 1 << 20;

/// Receives the number of bytes that were copied or compared, and of all; an error that it returns
/// ends the copy.
pub type CopyProgress<'a> = &'a mut dyn FnMut(u64, u64) -> Result<()>;

impl Clip {
    /// Copies the clip into the folder of its project; returns the place of the copy. The project goes
    /// on using the original until [`Project::use_copy`](super::Project::use_copy).
    ///
    /// # Errors
    /// When the clip is not there or has changed, the disk is full or not writable, the copy differs
    /// from the clip, another file is in its place, or `progress` returns an error. Nothing of the copy
    /// is left then.
    pub fn copy_to_project(&self, project: &Path, progress: CopyProgress<'_>) -> Result<PathBuf> {
        let from = self.place(project);
        let parts = parts(&from, &self.open(project)?);
        let target = self.target(project);
        if target.exists() {
            // Of an earlier copy that the project does not use.
            if self.is_at(&target).unwrap_or(false) {
                return Ok(target);
            }
            let reason = "is in the way of the copy and has another content; move it away";
            return Err(Error::data(&target, reason));
        }
        let stage = Stage::new(&target)?;
        let mut counter = Counter {
            done: 0,
            all: 2 * total(&parts)?,
            progress,
        };
        let mut copies = Vec::new();
        for part in &parts {
            let copy = stage.place_of(part, &from);
            copy_file(part, &copy, &mut |n| counter.step(n))?;
            copies.push(copy);
        }
        let manifest = from.join(MANIFEST);
        if manifest.is_file() {
            let copy = stage.place_of(&manifest, &from);
            copy_file(&manifest, &copy, &mut |_| Ok(()))?;
        }
        let sha256 = content(&copies, &mut |path| {
            sha256_in_steps(path, &mut |n| counter.step(n))
        })?;
        if sha256 != self.sha256 {
            let reason = format!(
                "has another content than when the clip {} was added; it is not copied",
                self.name
            );
            return Err(Error::data(&from, reason));
        }
        stage.put(&target)?;
        Ok(target)
    }

    /// Returns where a copy of the clip belongs.
    fn target(&self, project: &Path) -> PathBuf {
        let from = self.place(project);
        let extension = from.extension().filter(|_| !from.is_dir());
        let name = match extension {
            Some(extension) => format!("{}.{}", self.name, extension.to_string_lossy()),
            None => self.name.clone(),
        };
        project.join(CLIPS).join(name)
    }
}

struct Counter<'a> {
    done: u64,
    all: u64,
    progress: CopyProgress<'a>,
}

impl Counter<'_> {
    fn step(&mut self, n: usize) -> Result<()> {
        self.done += n as u64;
        (self.progress)(self.done, self.all)
    }
}

/// A copy under its temporary name, a file or a folder. It is removed unless it is put in place.
struct Stage {
    path: PathBuf,
    is_put: bool,
}

impl Stage {
    /// Removes what a killed copy has left.
    fn new(target: &Path) -> Result<Self> {
        let stage = Self {
            path: draft_path(target),
            is_put: false,
        };
        stage.remove();
        if let Some(folder) = target.parent() {
            fs::create_dir_all(folder).map_err(Error::io("create", folder))?;
        }
        Ok(stage)
    }

    /// Returns the place for a part of the clip at `from`.
    fn place_of(&self, part: &Path, from: &Path) -> PathBuf {
        if part == from {
            return self.path.clone();
        }
        self.path.join(part.file_name().unwrap_or_default())
    }

    fn put(mut self, target: &Path) -> Result<()> {
        commit(&self.path, target)?;
        self.is_put = true;
        Ok(())
    }

    fn remove(&self) {
        let removed = if self.path.is_dir() {
            fs::remove_dir_all(&self.path)
        } else if self.path.exists() {
            fs::remove_file(&self.path)
        } else {
            Ok(())
        };
        if let Err(error) = removed {
            tracing::warn!("{} stays: {error}", self.path.display());
        }
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        if !self.is_put {
            self.remove();
        }
    }
}

/// Copies a file and waits until it is on disk. `step` receives the number of bytes of each chunk.
fn copy_file(from: &Path, to: &Path, step: &mut dyn FnMut(usize) -> Result<()>) -> Result<()> {
    if let Some(folder) = to.parent() {
        fs::create_dir_all(folder).map_err(Error::io("create", folder))?;
    }
    let mut source = File::open(from).map_err(Error::io("open", from))?;
    let mut copy = create_exclusive(to)?;
    let mut chunk = vec![0; CHUNK];
    loop {
        let n = source.read(&mut chunk).map_err(Error::io("read", from))?;
        if n == 0 {
            return copy.sync_all().map_err(Error::io("write", to));
        }
        copy.write_all(&chunk[..n])
            .map_err(Error::io("write", to))?;
        step(n)?;
    }
}
