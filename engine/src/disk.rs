//! Atomic writing of files, whatever happens meanwhile.
//!
//! A [`Draft`] is written to `NAME.poselens.part` in the same folder and flushed to disk;
//! [`Draft::put`] renames it to its final name. A draft that is dropped, or cannot be written, is
//! removed; after a kill it remains, and the next writer of the file overwrites it. The name of the
//! program in it tells it from the files of others, such as the `NAME.part` of a browser. An
//! [`Overwrite`] is a file that can be read while it grows.

mod overwrite;

use std::borrow::Cow;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{BufWriter, IntoInnerError, Result as IoResult, Write};
use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};

use crate::error::{Error, Result};

pub use overwrite::Overwrite;

/// Maximum length of a file name in bytes on the usual file systems of Linux, macOS and Windows.
pub const MAX_NAME_BYTES: usize = 255;

/// Returns the path of an incomplete file that the user may find: `path.part`, shortened if the name
/// would be too long. Other programs use this name too.
pub fn part_path(path: &Path) -> PathBuf {
    with_suffix(path, ".part")
}

/// Returns the path of a [`Draft`]: `path.poselens.part`, shortened if the name would be too long. A
/// file of this name is always ours.
pub fn draft_path(path: &Path) -> PathBuf {
    with_suffix(path, ".poselens.part")
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let name = path.file_name().unwrap_or_default();
    if name.len() + suffix.len() > MAX_NAME_BYTES {
        let name = name.to_string_lossy();
        let stem = shortened(&name, MAX_NAME_BYTES - suffix.len());
        return path.with_file_name(format!("{stem}{suffix}"));
    }
    let mut part = path.as_os_str().to_owned();
    part.push(suffix);
    part.into()
}

/// Returns `name` if it has at most `max_bytes` bytes, otherwise its beginning and eight digits
/// that differ for different names: `beginning~1a2b3c4d`.
pub fn shortened(name: &str, max_bytes: usize) -> Cow<'_, str> {
    if name.len() <= max_bytes {
        return name.into();
    }
    let digest = Sha256::digest(name);
    let [a, b, c, d] = [digest[0], digest[1], digest[2], digest[3]];
    let end = format!("~{a:02x}{b:02x}{c:02x}{d:02x}");
    let beginning = &name[..name.floor_char_boundary(max_bytes.saturating_sub(end.len()))];
    format!("{beginning}{end}").into()
}

/// Formats bytes as lower-case hexadecimal digits.
pub fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    let mut text = String::with_capacity(2 * bytes.len());
    for byte in bytes {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

/// A file that is written but not yet renamed to its final name.
#[derive(Debug)]
pub struct Draft {
    part: PathBuf,
    path: PathBuf,
    is_put: bool,
    /// Open while this program owns the draft.
    file: Option<File>,
}

impl Draft {
    /// Writes the draft of `path`, with the default permissions of new files, and waits until it is
    /// on disk.
    ///
    /// # Errors
    /// When the disk is full or not writable; the draft is removed then.
    pub fn write(
        path: &Path,
        write: impl FnOnce(&mut BufWriter<File>) -> IoResult<()>,
    ) -> Result<Self> {
        let part = draft_path(path);
        let file = create_exclusive(&part).map_err(|error| match error {
            // The user knows the file, not its temporary name.
            Error::Io { source, .. } => Error::io("write", path)(source),
            other => other,
        })?;
        let mut draft = Self {
            part,
            path: path.to_owned(),
            is_put: false,
            file: None,
        };
        let mut file = BufWriter::new(file);
        let written = write(&mut file).and_then(|()| {
            let file = file.into_inner().map_err(IntoInnerError::into_error)?;
            file.sync_all()?;
            Ok(file)
        });
        draft.file = Some(written.map_err(Error::io("write", path))?);
        Ok(draft)
    }

    /// Returns the temporary path of the draft.
    pub fn part(&self) -> &Path {
        &self.part
    }

    /// Moves the draft to its final path, replacing an existing file.
    ///
    /// # Errors
    /// When the system refuses; the existing file is unchanged then.
    pub fn put(mut self) -> Result<()> {
        commit(&self.part, &self.path)?;
        self.is_put = true;
        Ok(())
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        if !self.is_put {
            // A partial file must not keep a full disk full; the first error is the one to report.
            std::fs::remove_file(&self.part).ok();
        }
    }
}

/// Creates or truncates the file with exclusive access: while it is open, a second program that
/// writes it is refused, so that they do not overwrite each other. Devices and pipes are opened
/// without a lock.
///
/// # Errors
/// When the system refuses, or the file is being written by another program or another part of this
/// one.
pub fn create_exclusive(path: &Path) -> Result<File> {
    let reason = "is being written by another program; wait for it, or choose another name";
    let file = open_exclusive(path)?.ok_or_else(|| Error::data(path, reason))?;
    if file.metadata().is_ok_and(|about| about.is_file()) {
        file.set_len(0).map_err(Error::io("create", path))?;
    }
    Ok(file)
}

/// Opens the file for writing with exclusive access and keeps its contents; creates it if it does
/// not exist. Returns `None` if another program, or another part of this one, is writing it.
///
/// # Errors
/// When the system refuses.
pub fn open_exclusive(path: &Path) -> Result<Option<File>> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(false);
    #[cfg(windows)]
    {
        use std::os::windows::fs::OpenOptionsExt as _;
        // Others may read and rename it (FILE_SHARE_READ, FILE_SHARE_DELETE); a lock would prevent
        // reading a recording in progress.
        options.share_mode(1 | 4);
    }
    loop {
        let file = options.open(path).map_err(Error::io("create", path))?;
        if !file.metadata().is_ok_and(|about| about.is_file()) {
            return Ok(Some(file));
        }
        if cfg!(unix)
            && let Err(TryLockError::WouldBlock) = file.try_lock()
        {
            return Ok(None);
        }
        // Its previous writer may have moved it to its final path meanwhile.
        if is_at(&file, path) {
            return Ok(Some(file));
        }
    }
}

/// Returns whether `path` still refers to this file, which may have been moved or deleted while it
/// is open; always true on systems that prevent that.
pub fn is_at(file: &File, path: &Path) -> bool {
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt as _;
        let number = |about: std::fs::Metadata| (about.dev(), about.ino());
        let there = std::fs::metadata(path).map(number);
        matches!((file.metadata().map(number), there), (Ok(a), Ok(b)) if a == b)
    }
    #[cfg(not(unix))]
    {
        let _ = (file, path);
        true
    }
}

/// Returns whether two paths refer to the same existing file, also by hard links.
pub fn is_same_file(a: &Path, b: &Path) -> bool {
    #[cfg(unix)]
    {
        File::open(a).is_ok_and(|file| is_at(&file, b))
    }
    #[cfg(not(unix))]
    {
        matches!((a.canonicalize(), b.canonicalize()), (Ok(a), Ok(b)) if a == b)
    }
}

/// Renames the complete file `part` to `path` in the same folder, durably.
///
/// # Errors
/// When the system refuses.
pub fn commit(part: &Path, path: &Path) -> Result<()> {
    std::fs::rename(part, path).map_err(Error::io("write", path))?;
    sync_name(path)
}

/// Waits until the name of the file `path` is on disk, so that it survives a power failure like the
/// contents.
///
/// # Errors
/// When the system refuses.
pub fn sync_name(path: &Path) -> Result<()> {
    // Windows and some file systems do not support this, and a writable folder is not always
    // readable.
    #[cfg(unix)]
    {
        use std::io::ErrorKind::{InvalidInput, PermissionDenied, Unsupported};
        let folder = path.parent().filter(|p| !p.as_os_str().is_empty());
        let folder = folder.unwrap_or(Path::new("."));
        let synced = File::open(folder).and_then(|folder| folder.sync_all());
        match synced.map_err(|e| (e.kind(), e)) {
            Ok(()) | Err((InvalidInput | PermissionDenied | Unsupported, _)) => {}
            Err((_, error)) => return Err(Error::io("write", path)(error)),
        }
    }
    #[cfg(not(unix))]
    let _ = path;
    Ok(())
}

/// Replaces the file `path` by one with these bytes, atomically.
///
/// # Errors
/// When the disk is full or not writable; the existing file is unchanged then.
pub fn replace(path: &Path, bytes: &[u8]) -> Result<()> {
    Draft::write(path, |file| file.write_all(bytes))?.put()
}

/// Copies a file atomically; missing folders are created.
///
/// # Errors
/// When one cannot be read or the other not written; an existing file is unchanged then.
pub fn copy(from: &Path, to: &Path) -> Result<()> {
    if let Some(folder) = to.parent() {
        std::fs::create_dir_all(folder).map_err(Error::io("create", folder))?;
    }
    let mut source = File::open(from).map_err(Error::io("open", from))?;
    Draft::write(to, |file| std::io::copy(&mut source, file).map(|_| ()))?.put()
}

/// Removes temporary files called `names` that a killed process left in `folder`.
///
/// # Errors
/// When the system refuses.
pub fn remove_leftovers(folder: &Path, names: &[&str]) -> Result<()> {
    for part in names.iter().map(|name| draft_path(&folder.join(name))) {
        if part.is_file() {
            tracing::info!("removing {}, left by a run that was killed", part.display());
            std::fs::remove_file(&part).map_err(Error::io("remove", &part))?;
        }
    }
    Ok(())
}

/// A tensor as listed in the header of a safetensors file.
#[derive(Debug, Clone, Copy)]
pub struct TensorEntry<'a> {
    /// Name of the tensor.
    pub name: &'a str,
    /// Type of the values: `F32` or `U8`.
    pub dtype: &'a str,
    /// Dimensions, the slowest first.
    pub shape: &'a [usize],
    /// Size of the values in bytes.
    pub n_bytes: usize,
}

/// Returns the start of a safetensors file up to the values of the first of `tensors`, which must
/// follow consecutively; `about` is the metadata text of the file.
pub fn tensor_header<'a>(
    about: Option<Value>,
    tensors: impl IntoIterator<Item = TensorEntry<'a>>,
) -> Vec<u8> {
    let mut header = Map::new();
    header.extend(about.map(|about| ("__metadata__".to_owned(), about)));
    let mut end = 0;
    for tensor in tensors {
        let begin = end;
        end += tensor.n_bytes;
        let entry = json!({
            "dtype": tensor.dtype,
            "shape": tensor.shape,
            "data_offsets": [begin, end],
        });
        header.insert(tensor.name.to_owned(), entry);
    }
    let mut header = Value::Object(header).to_string();
    // Values are aligned to eight bytes.
    while !header.len().is_multiple_of(8) {
        header.push(' ');
    }
    let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
    bytes.extend(header.as_bytes());
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn names(folder: &Path) -> Vec<String> {
        let entries = std::fs::read_dir(folder).unwrap();
        let mut names: Vec<_> = entries
            .map(|e| e.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    /// Fails when a failed or abandoned write damages the old file, leaves a partial new one, or
    /// removes a file of another program that is called like one.
    #[test]
    fn a_file_is_replaced_whole_or_not_at_all() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.toml");
        replace(&path, b"old").unwrap();
        let foreign = part_path(&path);
        std::fs::write(&foreign, "a download").unwrap();
        let refused = Draft::write(&path, |file| {
            file.write_all(b"half")?;
            Err(std::io::ErrorKind::StorageFull.into())
        });
        let message = refused.unwrap_err().to_string();
        assert!(message.contains("a.toml"), "{message}");
        drop(Draft::write(&path, |file| file.write_all(b"given up")).unwrap());
        assert_eq!(std::fs::read(&path).unwrap(), b"old");
        assert_eq!(names(folder.path()), ["a.toml", "a.toml.part"]);
        let draft = Draft::write(&path, |file| file.write_all(b"new")).unwrap();
        assert_eq!(std::fs::read(draft.part()).unwrap(), b"new");
        assert_eq!(std::fs::read(&path).unwrap(), b"old");
        draft.put().unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"new");
        assert_eq!(std::fs::read(&foreign).unwrap(), b"a download");
        std::fs::remove_file(foreign).unwrap();
        // A folder cannot be replaced by a file: the draft is removed.
        let taken = folder.path().join("taken");
        std::fs::create_dir_all(taken.join("inside")).unwrap();
        assert!(replace(&taken, b"new").is_err());
        assert_eq!(names(folder.path()), ["a.toml", "taken"]);
    }

    /// Fails when two programs can write one file, or a file left by a killed one is refused.
    #[test]
    fn a_file_has_one_writer_at_a_time() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out.jsonl");
        std::fs::write(&path, b"left by a run that was killed").unwrap();
        let mut first = create_exclusive(&path).unwrap();
        first.write_all(b"first").unwrap();
        let message = create_exclusive(&path).unwrap_err().to_string();
        assert!(message.contains("another program"), "{message}");
        assert!(open_exclusive(&path).unwrap().is_none());
        assert_eq!(std::fs::read(&path).unwrap(), b"first");
        drop(first);
        // Opened without truncation, the contents stay.
        let kept = open_exclusive(&path).unwrap().unwrap();
        assert!(create_exclusive(&path).is_err());
        assert_eq!(std::fs::read(&path).unwrap(), b"first");
        assert!(is_at(&kept, &path));
        #[cfg(unix)]
        {
            std::fs::rename(&path, folder.path().join("moved")).unwrap();
            assert!(!is_at(&kept, &path));
            std::fs::rename(folder.path().join("moved"), &path).unwrap();
        }
        drop(kept);
        let second = create_exclusive(&path).unwrap();
        assert_eq!(second.metadata().unwrap().len(), 0);
        // A draft in progress must not be finished or removed by another writer.
        let taken = Draft::write(&folder.path().join("a"), |_| {
            let other = replace(&folder.path().join("a"), b"other");
            assert!(other.is_err());
            Ok(())
        });
        taken.unwrap().put().unwrap();
        assert_eq!(names(folder.path()), ["a", "out.jsonl"]);
    }

    /// Fails when weights are readable by their owner only, unlike other new files.
    #[cfg(unix)]
    #[test]
    fn permissions_are_those_of_any_new_file() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let [ours, usual] = ["ours", "usual"].map(|name| folder.path().join(name));
        replace(&ours, b"x").unwrap();
        std::fs::write(&usual, b"x").unwrap();
        let [ours, usual] = [ours, usual].map(|p| p.metadata().unwrap().permissions().mode());
        assert_eq!(ours, usual);
    }

    /// Fails when partial files remain forever after a kill, or an unrelated file is removed.
    #[test]
    fn only_our_own_partial_files_are_swept() {
        let folder = tempfile::tempdir().unwrap();
        for name in [
            "state.poselens.part",
            "state.part",
            "notes.poselens.part",
            "state",
        ] {
            std::fs::write(folder.path().join(name), b"half").unwrap();
        }
        std::fs::create_dir(draft_path(&folder.path().join("log"))).unwrap();
        remove_leftovers(folder.path(), &["state", "log", "absent"]).unwrap();
        let left = [
            "log.poselens.part",
            "notes.poselens.part",
            "state",
            "state.part",
        ];
        assert_eq!(names(folder.path()), left);
    }

    proptest! {
        /// Fails when a long name is not shortened enough, a character is cut, different names
        /// become the same, or a short name changes.
        #[test]
        fn long_names_are_shortened_and_stay_different(name in "[a-z東京é]{0,120}", max in 40_usize..200) {
            let short = shortened(&name, max);
            prop_assert!(short.len() <= max);
            prop_assert!(name.len() > max || short == name);
            let other = format!("{name}x");
            prop_assert_ne!(shortened(&other, max), short);
        }
    }

    /// Fails when a file whose name has the maximum length cannot be written.
    #[test]
    fn a_name_of_maximum_length_is_written() {
        let folder = tempfile::tempdir().unwrap();
        for n_bytes in [240, 241, 250, MAX_NAME_BYTES] {
            let path = folder.path().join("n".repeat(n_bytes));
            replace(&path, b"new").unwrap();
            assert_eq!(std::fs::read(&path).unwrap(), b"new");
        }
        assert_eq!(names(folder.path()).len(), 4);
    }
}
