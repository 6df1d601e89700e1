//! The poses that belong to a video of a recording.

use std::path::{Path, PathBuf};

use super::part_path;
use crate::record::tracks::At;
use crate::source::recording::MANIFEST;

/// The poses recorded with a video.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordedPoses {
    /// Their file.
    pub path: PathBuf,
    /// Whether the video has only the frames with poses, so that its frames are numbered otherwise.
    is_annotated: bool,
}

impl RecordedPoses {
    /// Finds the poses of a recording's folder, of one of its raw videos (`raw.mp4`, `raw-2.mp4`),
    /// or of an annotated one (`annotated.mp4`, `annotated-NAME-2.mp4`); `None` if there are none.
    pub fn of(source: &Path) -> Option<Self> {
        let (path, is_annotated) = if source.join(MANIFEST).is_file() {
            (part_path(source, "poses", 1, "jsonl"), false)
        } else {
            let stem = source.file_stem()?.to_str()?;
            let is_video = source.extension().is_some_and(|end| end == "mp4");
            let (rest, is_annotated) = match stem.strip_prefix("annotated") {
                Some(rest) => (rest, true),
                None => (stem.strip_prefix("raw")?, false),
            };
            if !is_video || !(rest.is_empty() || rest.starts_with('-')) {
                return None;
            }
            (
                source.with_file_name(format!("poses{rest}.jsonl")),
                is_annotated,
            )
        };
        path.is_file().then_some(Self { path, is_annotated })
    }

    /// Returns how the poses of a frame of the video are found.
    pub fn at(&self, frame: u64, secs: f64) -> At {
        if self.is_annotated {
            At::Secs(secs)
        } else {
            At::Frame(frame)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Fails when the poses of a recording are not found from its folder or one of its videos, or
    /// are those of another part, or a file that is no recording is taken for one.
    #[test]
    fn each_video_has_its_own_poses() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        for name in ["poses.jsonl", "poses-2.jsonl", "poses-sfm.jsonl"] {
            std::fs::write(at(name), "").unwrap();
        }
        let of = |name: &str| {
            let found = RecordedPoses::of(&at(name))?;
            let name = found.path.file_name()?.to_str()?.to_owned();
            Some((name, found.at(7, 0.5)))
        };
        let named = |name: &str, at| Some((name.to_owned(), at));
        let (by_frame, by_time) = (At::Frame(7), At::Secs(0.5));
        assert_eq!(of("raw.mp4"), named("poses.jsonl", by_frame));
        assert_eq!(of("raw-2.mp4"), named("poses-2.jsonl", by_frame));
        assert_eq!(of("annotated.mp4"), named("poses.jsonl", by_time));
        assert_eq!(of("annotated-sfm.mp4"), named("poses-sfm.jsonl", by_time));
        for other in ["raw-3.mp4", "rawhide.mp4", "raw.mov", "walk.mp4", "", ".."] {
            assert_eq!(of(other), None, "{other}");
        }
        std::fs::write(at(MANIFEST), "").unwrap();
        assert_eq!(of(""), named("poses.jsonl", by_frame));
    }
}
