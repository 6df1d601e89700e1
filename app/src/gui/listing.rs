//! Collects the files to record from the paths the user chose.

use std::path::{Path, PathBuf};

use poselens_engine::source::video;

use crate::gui::context::SourceChoice;

/// Files found under the chosen paths.
#[derive(Debug, Default)]
pub struct Listing {
    /// Files to record.
    pub files: Vec<SourceChoice>,
    /// Skipped files, with the reason.
    pub skipped: Vec<String>,
}

impl Listing {
    /// Collects the files in `paths` and the videos in its folders, sorted by name.
    pub fn of(paths: &[PathBuf]) -> Self {
        let mut listing = Self::default();
        for path in paths {
            if path.is_dir() {
                listing.add_folder(path);
            } else if path.is_file() {
                listing.files.push(choice(path));
            } else {
                let text = format!("{}: no such file or folder", path.display());
                listing.skipped.push(text);
            }
        }
        listing
    }

    fn add_folder(&mut self, folder: &Path) {
        let entries = match std::fs::read_dir(folder) {
            Ok(entries) => entries,
            Err(error) => {
                self.skipped.push(format!("{}: {error}", folder.display()));
                return;
            }
        };
        let mut paths: Vec<_> = entries.flatten().map(|entry| entry.path()).collect();
        paths.sort();
        for path in paths {
            let is_video = path.extension().is_some_and(|extension| {
                let mut known = video::EXTENSIONS.iter();
                known.any(|known| extension.eq_ignore_ascii_case(known))
            });
            if is_video && path.is_file() {
                self.files.push(choice(&path));
            } else {
                self.skipped.push(format!("{}: not a video", label(&path)));
            }
        }
    }
}

fn label(path: &Path) -> String {
    let name = path.file_name().unwrap_or(path.as_os_str());
    name.to_string_lossy().into_owned()
}

fn choice(path: &Path) -> SourceChoice {
    SourceChoice {
        label: label(path),
        spec: path.to_string_lossy().into_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Fails when a folder's videos are not listed in order, or skipped files are not reported.
    #[test]
    fn folders_list_their_videos_and_report_skipped_files() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["b.MP4", "a.mkv", "notes.txt"] {
            std::fs::write(folder.path().join(name), "x").unwrap();
        }
        let gone = folder.path().join("gone.mp4");
        let listing = Listing::of(&[folder.path().to_owned(), gone]);
        let files: Vec<_> = listing.files.iter().map(|f| f.label.as_str()).collect();
        assert_eq!(files, ["a.mkv", "b.MP4"]);
        assert_eq!(listing.skipped.len(), 2);
        assert_eq!(listing.skipped[0], "notes.txt: not a video");
    }
}
