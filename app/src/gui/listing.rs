//! Collects the files to record from the paths the user chose.

use std::path::{Path, PathBuf};

use poselens_engine::source::image::is_picture;
use poselens_engine::source::is_video;

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
        let n_before = self.files.len();
        let mut skipped = Vec::new();
        for path in &paths {
            match skip_reason(path) {
                None => self.files.push(choice(path)),
                Some(reason) => skipped.push(format!("{}: {reason}", label(path))),
            }
        }
        if self.files.len() == n_before && paths.iter().any(|path| is_picture(path)) {
            // Images without videos are one source.
            self.files.push(choice(folder));
        } else {
            self.skipped.append(&mut skipped);
        }
    }
}

/// Returns the reason why a folder's entry is not recorded; `None` for a video.
fn skip_reason(path: &Path) -> Option<String> {
    if path.is_dir() {
        return Some("a folder, not entered".to_owned());
    }
    if !path.is_file() {
        return Some("not a file".to_owned());
    }
    // Programs keep their own data in hidden files, under the names of the videos.
    if label(path).starts_with('.') {
        return Some("a hidden file".to_owned());
    }
    match is_video(path) {
        Ok(true) => None,
        Ok(false) => Some("not a video".to_owned()),
        Err(error) => Some(format!("it cannot be read: {error}")),
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

    /// Fails when the name of a file in a folder decides whether it is a video, files are not in
    /// order, or skipped files are not reported.
    #[test]
    fn folders_list_their_videos_by_content_and_report_skipped_files() {
        let folder = tempfile::tempdir().unwrap();
        let jpeg = b"\xFF\xD8\xFF\xE0 a picture".as_slice();
        let mp4 = b"\0\0\0\x18ftypisom\0\0\x02\0isomavc1".as_slice();
        for (name, bytes) in [
            ("b.MP4", b"unknown".as_slice()),
            ("a.mkv", b"\x1A\x45\xDF\xA3 a video"),
            ("c.dat", mp4),
            ("d", b"RIFF\0\0\0\0AVI LIST"),
            ("e.txt", mp4),
            (".hidden.mp4", mp4),
            ("empty.mp4", b""),
            ("notes.txt", b"notes"),
            ("photo.mp4", jpeg),
        ] {
            std::fs::write(folder.path().join(name), bytes).unwrap();
        }
        std::fs::create_dir(folder.path().join("more.mp4")).unwrap();
        let gone = folder.path().join("gone.mp4");
        let listing = Listing::of(&[folder.path().to_owned(), gone]);
        let files: Vec<_> = listing.files.iter().map(|f| f.label.as_str()).collect();
        assert_eq!(files, ["a.mkv", "b.MP4", "c.dat", "d", "e.txt"]);
        let (last, skipped) = listing.skipped.split_last().unwrap();
        assert_eq!(
            skipped,
            [
                ".hidden.mp4: a hidden file",
                "empty.mp4: not a video",
                "more.mp4: a folder, not entered",
                "notes.txt: not a video",
                "photo.mp4: not a video",
            ]
        );
        assert!(last.ends_with("gone.mp4: no such file or folder"), "{last}");
    }

    /// Fails when a folder of images, which can be opened, cannot be recorded.
    #[test]
    fn a_folder_of_images_is_one_source() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["a.jpg", "b.jpg"] {
            std::fs::write(folder.path().join(name), b"\xFF\xD8\xFF\xE0 a picture").unwrap();
        }
        std::fs::write(folder.path().join("notes.txt"), b"notes").unwrap();
        let listing = Listing::of(&[folder.path().to_owned()]);
        let files: Vec<_> = listing.files.iter().map(|f| f.spec.clone()).collect();
        assert_eq!(files, [folder.path().to_string_lossy()]);
        assert_eq!(listing.skipped, [""; 0]);
    }
}
