//! Held-out images that are neighbours in time of training images: frames of one clip a moment apart
//! look alike, so that measured accuracy is too good.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::sample::{Sample, last_number};

/// Frames of a clip are neighbours up to this difference of their numbers: a second at 30 frames a
/// second.
const NEAR: u64 = 30;

/// Numbered images of clips.
#[derive(Debug, Default)]
pub(super) struct ClipFrames(BTreeMap<String, BTreeMap<u64, PathBuf>>);

impl ClipFrames {
    /// Adds the images that name their clip and have a number.
    pub(super) fn add(&mut self, samples: &[Sample]) {
        for sample in samples {
            let stem = sample.path.file_stem().unwrap_or_default();
            let number = last_number(&stem.to_string_lossy());
            if let (Some(clip), Some(number)) = (&sample.clip, number) {
                let frames = self.0.entry(clip.clone()).or_default();
                frames.insert(number, sample.path.clone());
            }
        }
    }

    /// Returns the images of `other` that are close to one of these, with that one and the
    /// difference of the numbers. The same image is not its own neighbour.
    pub(super) fn near<'a>(&'a self, other: &'a Self) -> Vec<(&'a Path, &'a Path, u64)> {
        let mut near = Vec::new();
        for (clip, frames) in &other.0 {
            let Some(ours) = self.0.get(clip) else {
                continue;
            };
            for (number, path) in frames {
                let around = ours.range(number.saturating_sub(NEAR)..=number.saturating_add(NEAR));
                let by_distance = around
                    .map(|(other, theirs)| (other.abs_diff(*number), theirs))
                    .filter(|(_, theirs)| *theirs != path)
                    .min();
                if let Some((distance, theirs)) = by_distance {
                    near.push((path.as_path(), theirs.as_path(), distance));
                }
            }
        }
        near
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::geometry::Size;
    use crate::sample::Orientation;

    fn frames(list: &[(&str, &str)]) -> ClipFrames {
        let sample = |(clip, path): &(&str, &str)| Sample {
            image_id: 1,
            path: path.into(),
            size: Size::square(4),
            clip: (!clip.is_empty()).then(|| (*clip).to_owned()),
            frame: None,
            orientation: Orientation::Auto,
            annotations: Vec::new(),
        };
        let mut frames = ClipFrames::default();
        frames.add(&list.iter().map(sample).collect::<Vec<_>>());
        frames
    }

    /// Fails when a held-out frame next to a training frame is not found, or one that is far away,
    /// of another clip, or the same image (which is another finding) is reported.
    #[test]
    fn neighbours_in_time_are_found() {
        let learned = frames(&[
            ("a", "a/000100.png"),
            ("a", "a/000110.png"),
            ("b", "b/frame_7.png"),
            ("", "c/5.png"),
        ]);
        let held_out = frames(&[
            ("a", "a/000100.png"),
            ("a", "a/000104.png"),
            ("a", "a/000140.png"),
            ("a", "a/000141.png"),
            ("b", "b/000200.png"),
            ("c", "c/5.png"),
            ("d", "d/nose.png"),
        ]);
        let near = learned.near(&held_out);
        let near: Vec<_> = near
            .iter()
            .map(|(path, theirs, n)| (path.to_str().unwrap(), theirs.to_str().unwrap(), *n))
            .collect();
        assert_eq!(
            near,
            [
                ("a/000100.png", "a/000110.png", 10),
                ("a/000104.png", "a/000100.png", 4),
                ("a/000140.png", "a/000110.png", 30),
            ]
        );
    }
}
