//! Writing a file that grows, without losing the older one of its name.

use std::fs::File;
use std::io::{Result as IoResult, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use super::{commit, create_exclusive, draft_path, open_exclusive};
use crate::error::{Error, Result};

/// A file that is readable while it grows, such as a recording.
///
/// If there is an older file of the same name, the new one is written beside it and takes its place
/// at [`Overwrite::keep`], once it holds something. Dropped before, it leaves the older one
/// unchanged. Without an older file it has its own name from the beginning.
#[derive(Debug)]
pub struct Overwrite {
    file: File,
    path: PathBuf,
    older: Option<Older>,
    /// Whether there was no file before.
    is_new: bool,
}

/// The file to be replaced.
#[derive(Debug)]
struct Older {
    /// Where it is, without symbolic links.
    path: PathBuf,
    /// Where the new file is meanwhile.
    draft: PathBuf,
    /// Keeps other programs from writing it.
    _lock: File,
}

impl Overwrite {
    /// Creates the file. Devices, pipes and empty files have nothing to lose and are written
    /// directly, as is a file in a folder that takes no other file.
    ///
    /// # Errors
    /// When the system refuses, or another program is writing the file.
    pub fn create(path: &Path) -> Result<Self> {
        let about = std::fs::metadata(path).ok();
        if let Some(about) = about.filter(|about| about.is_file() && about.len() > 0) {
            match Self::beside(path, &about) {
                Err(Error::Io { source, .. })
                    if source.kind() == std::io::ErrorKind::PermissionDenied => {}
                created => return created,
            }
        }
        Self::in_place(path)
    }

    /// Creates or truncates the file; an older one is lost.
    ///
    /// # Errors
    /// When the system refuses, or another program is writing the file.
    pub fn in_place(path: &Path) -> Result<Self> {
        let is_new = path.symlink_metadata().is_err();
        let mut this = Self::stream(create_exclusive(path)?, path);
        this.is_new = is_new;
        Ok(this)
    }

    /// Wraps a stream that is open already; `path` is used in messages.
    pub fn stream(file: File, path: &Path) -> Self {
        Self {
            file,
            path: path.to_owned(),
            older: None,
            is_new: false,
        }
    }

    fn beside(path: &Path, about: &std::fs::Metadata) -> Result<Self> {
        let taken = "is being written by another program; wait for it, or choose another name";
        let lock = open_exclusive(path)?.ok_or_else(|| Error::data(path, taken))?;
        let older = path.canonicalize().map_err(Error::io("write", path))?;
        let draft = draft_path(&older);
        let file = create_exclusive(&draft).map_err(|error| match error {
            // The user knows the file, not its temporary name.
            Error::Io { source, .. } => Error::io("write", path)(source),
            other => other,
        })?;
        // File systems without permissions refuse this.
        file.set_permissions(about.permissions()).ok();
        Ok(Self {
            file,
            path: path.to_owned(),
            older: Some(Older {
                path: older,
                draft,
                _lock: lock,
            }),
            is_new: false,
        })
    }

    /// Returns whether an older file of this name is still there.
    pub fn has_older(&self) -> bool {
        self.older.is_some()
    }

    /// Replaces the older file; without one, or later, it does nothing. What was written before is on
    /// disk then.
    ///
    /// # Errors
    /// When the system refuses; the older file is unchanged then.
    pub fn keep(&mut self) -> Result<()> {
        let Some(older) = &self.older else {
            return Ok(());
        };
        self.sync().map_err(Error::io("write", &self.path))?;
        commit(&older.draft, &older.path)?;
        self.older = None;
        Ok(())
    }

    /// Removes a file that holds nothing, if there was none before.
    pub fn discard(&mut self) {
        if self.is_new {
            std::fs::remove_file(&self.path).ok();
            self.is_new = false;
        }
    }

    /// Removes everything after `len` bytes.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn set_len(&self, len: u64) -> IoResult<()> {
        self.file.set_len(len)
    }

    /// Waits until everything is on disk.
    ///
    /// # Errors
    /// When the system refuses, e.g. for a pipe.
    pub fn sync(&self) -> IoResult<()> {
        self.file.sync_all()
    }
}

impl Write for Overwrite {
    fn write(&mut self, bytes: &[u8]) -> IoResult<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> IoResult<()> {
        self.file.flush()
    }
}

impl Seek for Overwrite {
    fn seek(&mut self, to: SeekFrom) -> IoResult<u64> {
        self.file.seek(to)
    }
}

impl Drop for Overwrite {
    fn drop(&mut self) {
        if let Some(older) = &self.older {
            std::fs::remove_file(&older.draft).ok();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let entries = std::fs::read_dir(folder).unwrap();
        let mut names: Vec<_> = entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    /// Fails when an output that never held anything destroys the older file, leaves another one,
    /// or one that does hold something does not replace it.
    #[test]
    fn an_older_file_stays_until_the_new_one_holds_something() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.mp4");
        std::fs::write(&path, "old").unwrap();
        let mut given_up = Overwrite::create(&path).unwrap();
        given_up.write_all(b"header").unwrap();
        given_up.discard();
        drop(given_up);
        assert_eq!(std::fs::read(&path).unwrap(), b"old");
        let mut kept = Overwrite::create(&path).unwrap();
        kept.write_all(b"frames").unwrap();
        assert!(kept.has_older());
        assert_eq!(std::fs::read(&path).unwrap(), b"old");
        kept.keep().unwrap();
        assert!(!kept.has_older());
        kept.write_all(b", more").unwrap();
        kept.keep().unwrap();
        drop(kept);
        assert_eq!(std::fs::read(&path).unwrap(), b"frames, more");
        assert_eq!(names(folder.path()), ["a.mp4"]);
    }

    /// Fails when two programs can write one file, before or after it replaces the older one, or a
    /// draft left by a kill is in the way.
    #[test]
    fn a_file_that_waits_has_one_writer() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.csv");
        std::fs::write(&path, "old").unwrap();
        std::fs::write(draft_path(&path), "left by a run that was killed").unwrap();
        let mut first = Overwrite::create(&path).unwrap();
        first.write_all(b"new").unwrap();
        assert!(Overwrite::create(&path).is_err());
        first.keep().unwrap();
        assert!(Overwrite::create(&path).is_err());
        drop(first);
        assert_eq!(std::fs::read(&path).unwrap(), b"new");
        assert_eq!(names(folder.path()), ["a.csv"]);
    }

    /// Fails when a new file is hidden until it holds something, or an empty one stays.
    #[test]
    fn a_new_file_has_its_name_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.mp4");
        let mut new = Overwrite::create(&path).unwrap();
        assert!(path.exists() && !new.has_older());
        new.discard();
        assert!(!path.exists());
    }

    /// Fails when a symbolic link is replaced by a file, or a private file becomes readable by all.
    #[cfg(unix)]
    #[test]
    fn links_and_permissions_stay() {
        use std::os::unix::fs::{PermissionsExt as _, symlink};
        let folder = tempfile::tempdir().unwrap();
        let [file, link] = ["file", "link"].map(|name| folder.path().join(name));
        std::fs::write(&file, "old").unwrap();
        let private = std::fs::Permissions::from_mode(0o600);
        std::fs::set_permissions(&file, private.clone()).unwrap();
        symlink(&file, &link).unwrap();
        let mut new = Overwrite::create(&link).unwrap();
        new.write_all(b"new").unwrap();
        new.keep().unwrap();
        drop(new);
        assert!(link.symlink_metadata().unwrap().is_symlink());
        assert_eq!(std::fs::read(&file).unwrap(), b"new");
        let mode = |p: std::fs::Permissions| p.mode() & 0o777;
        assert_eq!(mode(file.metadata().unwrap().permissions()), mode(private));
    }
}
