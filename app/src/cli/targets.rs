//! Checks that the outputs of a command replace neither its inputs nor one another.

use std::path::{Path, PathBuf};

use poselens_engine::disk::{draft_path, is_same_file, part_path};
use poselens_engine::record::STDOUT;
use poselens_engine::source::image::is_picture;

use super::wrong_usage;

/// Names of standard output in the file system.
const STDOUT_FILES: [&str; 4] = [
    "/dev/stdout",
    "/dev/fd/1",
    "/proc/self/fd/1",
    "/proc/thread-self/fd/1",
];

/// Files that a command reads and writes.
#[derive(Debug, Default)]
pub(super) struct Targets {
    /// What is taken, and what it is.
    taken: Vec<(PathBuf, &'static str)>,
    /// Folders from which files are read.
    folders: Vec<PathBuf>,
}

impl Targets {
    /// Adds a file or folder that the command reads.
    pub(super) fn input(&mut self, path: &Path) {
        self.reserve(path, "the input");
    }

    /// Adds inputs like [`Targets::input`].
    pub(super) fn inputs<'a>(&mut self, paths: impl IntoIterator<Item = &'a PathBuf>) {
        for path in paths {
            self.input(path);
        }
    }

    /// Adds standard output, on which a document is printed.
    pub(super) fn printed(&mut self) {
        self.taken.push((STDOUT.into(), "where --json prints"));
    }

    /// Adds an output. Devices and pipes may be given several times, but standard output takes only
    /// one list or document.
    ///
    /// # Errors
    /// When it would replace an input or another output.
    pub(super) fn output(&mut self, path: &Path) -> anyhow::Result<()> {
        let about = std::fs::metadata(path).ok();
        let is_special = about.as_ref().is_some_and(|m| !m.is_file() && !m.is_dir());
        if is_special && !is_stdout(path) {
            return Ok(());
        }
        let file = resolved(path);
        let refused =
            |what: &str| wrong_usage(format!("cannot write to {}: it is {what}", path.display()));
        // A list is written under another name first.
        let names = |file: &Path| [file.to_owned(), part_path(file), draft_path(file)];
        let is_taken = |(taken, _): &&(PathBuf, &str)| {
            names(&file).contains(taken)
                || names(taken).contains(&file)
                || is_same_file(taken, &file)
        };
        if let Some((_, what)) = self.taken.iter().find(is_taken) {
            return refused(what);
        }
        let is_inside = self.folders.iter().any(|folder| file.starts_with(folder));
        if is_inside && is_picture(&file) {
            return refused("an image of the input folder");
        }
        self.taken.push((file, "another output"));
        Ok(())
    }

    fn reserve(&mut self, path: &Path, what: &'static str) {
        let file = resolved(path);
        if file.is_dir() {
            self.folders.push(file.clone());
        }
        self.taken.push((file, what));
    }
}

/// Returns whether a path means standard output.
pub(super) fn is_stdout(path: &Path) -> bool {
    resolved(path) == Path::new(STDOUT)
}

/// Returns the canonical path of a file, which need not exist yet.
fn resolved(path: &Path) -> PathBuf {
    if path == Path::new(STDOUT) || STDOUT_FILES.iter().any(|file| path == Path::new(file)) {
        return STDOUT.into();
    }
    let in_folder = || {
        let folder = path.parent().filter(|p| !p.as_os_str().is_empty());
        let folder = folder.unwrap_or(Path::new(".")).canonicalize().ok()?;
        Some(folder.join(path.file_name()?))
    };
    path.canonicalize()
        .ok()
        .or_else(in_folder)
        .unwrap_or_else(|| path.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use poselens_engine::frame::{Frame, Pixels};
    use poselens_engine::geometry::Size;
    use poselens_engine::record::save_png;

    /// Fails when an input is replaced under another name, through a hard link or from inside an
    /// input folder, an output replaces another one, or a new file beside the inputs is refused.
    #[test]
    fn no_output_replaces_an_input_or_another_output() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        std::fs::create_dir(at("images")).unwrap();
        for name in ["in.mp4", "images/old.csv", "old.json"] {
            std::fs::write(at(name), name).unwrap();
        }
        let frame = Frame::new(0, 0.0, Size::new(2, 2), Pixels::unpooled(vec![255; 16]));
        save_png(&frame, &at("images/1.png")).unwrap();
        std::fs::hard_link(at("in.mp4"), at("linked.mp4")).unwrap();
        let mut targets = Targets::default();
        targets.inputs(&[at("in.mp4"), at("images")]);
        for (name, what) in [
            ("in.mp4", "the input"),
            ("images/../in.mp4", "the input"),
            ("linked.mp4", "the input"),
            ("images/1.png", "an image of the input folder"),
        ] {
            let refused = targets.output(&at(name)).unwrap_err().to_string();
            assert!(refused.ends_with(what), "{refused}");
        }
        for name in ["images/new.csv", "images/old.csv", "old.json", "out.json"] {
            targets.output(&at(name)).unwrap();
        }
        for name in ["out.json", "out.json.part", "out.json.poselens.part"] {
            let refused = targets.output(&at(name)).unwrap_err().to_string();
            assert!(refused.ends_with("another output"), "{refused}");
        }
    }
}
