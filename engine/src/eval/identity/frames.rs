//! The clips of labelled images, and which predicted frame belongs to which image.

use std::collections::BTreeMap;
use std::path::Path;

use crate::sample::{Sample, last_number};
use crate::source::natural_order;

/// The labelled images of a clip.
#[derive(Debug, Clone, PartialEq)]
pub struct Clip<'a> {
    /// Name in the labels, or that of the images' folder.
    pub name: String,
    /// Name of the images' folder.
    pub folder: String,
    /// The images in order: by the frame numbers that the labels state, else by file name.
    pub images: Vec<&'a Sample>,
}

/// Groups labelled images by the clip that the labels name, else by folder.
pub fn clips(samples: &[Sample]) -> Vec<Clip<'_>> {
    let mut groups: BTreeMap<(Option<&str>, Option<&Path>), Vec<&Sample>> = BTreeMap::new();
    for sample in samples {
        let clip = sample.clip.as_deref();
        let folder = sample.path.parent().filter(|_| clip.is_none());
        groups.entry((clip, folder)).or_default().push(sample);
    }
    let groups = groups.into_iter();
    groups
        .map(|((name, _), images)| ordered(name, images))
        .collect()
}

fn ordered<'a>(name: Option<&str>, mut images: Vec<&'a Sample>) -> Clip<'a> {
    let last = |path: Option<&Path>| {
        let name = path.and_then(Path::file_name).unwrap_or_default();
        name.to_string_lossy().into_owned()
    };
    let is_numbered = images.iter().all(|image| image.frame.is_some());
    let number = |image: &Sample| image.frame.filter(|_| is_numbered);
    images.sort_by(|a, b| {
        let [name_a, name_b] = [a, b].map(|image| last(Some(image.path.as_path())));
        let by_number = number(a).cmp(&number(b));
        by_number.then_with(|| natural_order(&name_a, &name_b))
    });
    let folder = last(images.first().and_then(|image| image.path.parent()));
    Clip {
        name: name.map_or_else(|| folder.clone(), str::to_owned),
        folder,
        images,
    }
}

/// A frame for which there are predictions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PredictedFrame<'a> {
    /// Number of the frame in its source, from 0.
    pub number: u64,
    /// Name of the image file, if the source was a folder of images.
    pub file: Option<&'a str>,
}

/// How labelled images and predicted frames were paired.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FrameOrder {
    /// By the name of the image file.
    File,
    /// By the number that the labels state for the image (`frame_id`).
    Stated,
    /// By the last number in the name of the image.
    Name,
    /// By their position: as many images are labelled as frames were predicted.
    Position,
}

impl FrameOrder {
    /// Describes the order for a message.
    pub const fn text(self) -> &'static str {
        match self {
            Self::File => "by file name",
            Self::Stated => "by frame_id",
            Self::Name => "by the number in the file name",
            Self::Position => "in order",
        }
    }
}

/// Returns for each of a clip's labelled images, which are in order, the index of its predicted
/// frame, and the way in which they were paired: the first of [`FrameOrder`] that finds the most of
/// the images. `None` if no image is among the predicted frames.
pub fn pair_frames(
    images: &[&Sample],
    predicted: &[PredictedFrame<'_>],
) -> Option<(Vec<Option<usize>>, FrameOrder)> {
    let frames = || predicted.iter().enumerate();
    let by_file: BTreeMap<&str, usize> = frames().filter_map(|(i, p)| Some((p.file?, i))).collect();
    let by_number: BTreeMap<u64, usize> = frames().map(|(i, p)| (p.number, i)).collect();
    let file = |image: &&Sample| {
        let name = image.path.file_name()?.to_str()?;
        by_file.get(name).copied()
    };
    let stated = |image: &&Sample| by_number.get(&image.frame?).copied();
    let named = |image: &&Sample| by_number.get(&number_in_name(image)?).copied();
    let is_complete = images.len() == predicted.len() && are_in_step(images, predicted);
    let position = |i: usize| is_complete.then_some(i);
    let ways = [
        (images.iter().map(file).collect(), FrameOrder::File),
        (images.iter().map(stated).collect(), FrameOrder::Stated),
        (images.iter().map(named).collect(), FrameOrder::Name),
        (
            (0..images.len()).map(position).collect(),
            FrameOrder::Position,
        ),
    ];
    let n_found = |(pairs, _): &(Vec<Option<usize>>, FrameOrder)| {
        // Two images of one frame: the numbers mean something else.
        let mut seen: Vec<usize> = pairs.iter().flatten().copied().collect();
        let n = seen.len();
        seen.sort_unstable();
        seen.dedup();
        if seen.len() < n { 0 } else { n }
    };
    // Of equal ones, `max_by_key` returns the last.
    let best = ways.into_iter().rev().max_by_key(n_found)?;
    (n_found(&best) > 0).then_some(best)
}

/// Returns whether the numbers of the images, if all have one, are as far apart as those of the
/// predictions.
fn are_in_step(images: &[&Sample], predicted: &[PredictedFrame<'_>]) -> bool {
    let stated: Option<Vec<u64>> = images.iter().map(|image| image.frame).collect();
    let named = || images.iter().map(|image| number_in_name(image)).collect();
    let steps = |numbers: &[u64]| -> Vec<u64> {
        let pairs = numbers.windows(2);
        pairs.map(|pair| pair[1].abs_diff(pair[0])).collect()
    };
    stated.or_else(named).is_none_or(|numbers| {
        let predicted: Vec<u64> = predicted.iter().map(|p| p.number).collect();
        steps(&numbers) == steps(&predicted)
    })
}

fn number_in_name(image: &Sample) -> Option<u64> {
    last_number(image.path.file_stem()?.to_str()?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::geometry::Size;
    use crate::sample::Orientation;

    fn image(name: &str, frame: Option<u64>) -> Sample {
        Sample {
            image_id: 1,
            path: name.into(),
            size: Size::square(4),
            clip: None,
            frame,
            orientation: Orientation::Auto,
            annotations: Vec::new(),
        }
    }

    /// Fails when frames of two clips are joined, or those of one are out of order.
    #[test]
    fn frames_are_grouped_by_clip_and_in_order() {
        let of_clip = |clip: &str, sample: Sample| Sample {
            clip: Some(clip.to_owned()),
            ..sample
        };
        let samples = [
            image("walk/10.jpg", None),
            image("run/1.jpg", None),
            image("walk/9.jpg", None),
            of_clip("24", image("all/b.jpg", Some(3))),
            of_clip("24", image("all/c.jpg", Some(2))),
        ];
        let found = clips(&samples);
        let found: Vec<_> = found
            .iter()
            .map(|clip| {
                let images = clip.images.iter().map(|image| image.path.to_str().unwrap());
                let images: Vec<_> = images.collect();
                (clip.name.as_str(), clip.folder.as_str(), images)
            })
            .collect();
        assert_eq!(
            found,
            [
                ("run", "run", vec!["run/1.jpg"]),
                ("walk", "walk", vec!["walk/9.jpg", "walk/10.jpg"]),
                ("24", "all", vec!["all/c.jpg", "all/b.jpg"]),
            ]
        );
    }

    fn paired(
        images: &[Sample],
        predicted: &[(u64, Option<&str>)],
    ) -> Option<(Vec<Option<usize>>, FrameOrder)> {
        let images: Vec<&Sample> = images.iter().collect();
        let predicted = predicted.iter();
        let predicted: Vec<_> = predicted
            .map(|&(number, file)| PredictedFrame { number, file })
            .collect();
        pair_frames(&images, &predicted)
    }

    /// Fails when labels are compared with the predictions of another frame: the file names or
    /// numbers tell which, and numbers that begin at 1 mean the frame before.
    #[test]
    fn labels_meet_the_predictions_of_their_own_frame() {
        let numbers = |n: &[u64]| n.iter().map(|n| (*n, None)).collect::<Vec<_>>();
        let stated = |n: &[u64]| -> Vec<Sample> {
            n.iter().map(|n| image("clip/x.jpg", Some(*n))).collect()
        };
        let files = ["c/000004.jpg", "c/000008.jpg"].map(|name| image(name, None));
        // A folder of images, of which every fourth is labelled.
        let folder = [
            (0, Some("000000.jpg")),
            (1, Some("000004.jpg")),
            (2, Some("000008.jpg")),
        ];
        assert_eq!(
            paired(&files, &folder),
            Some((vec![Some(1), Some(2)], FrameOrder::File))
        );
        // A video, of which every tenth frame is labelled.
        let video = numbers(&(0..25).collect::<Vec<_>>());
        assert_eq!(
            paired(&stated(&[0, 10, 20, 30]), &video),
            Some((vec![Some(0), Some(10), Some(20), None], FrameOrder::Stated))
        );
        assert_eq!(
            paired(&files, &numbers(&[0, 8])),
            Some((vec![None, Some(1)], FrameOrder::Name))
        );
        assert_eq!(
            paired(&files, &video),
            Some((vec![Some(4), Some(8)], FrameOrder::Name))
        );
        // Numbers of the data set that say nothing about the video.
        let all = stated(&[70_001, 70_002, 70_003]);
        let in_order = Some((vec![Some(0), Some(1), Some(2)], FrameOrder::Position));
        assert_eq!(paired(&all, &numbers(&[0, 1, 2])), in_order);
        assert_eq!(paired(&stated(&[1, 2, 3]), &numbers(&[0, 1, 2])), in_order);
        assert_eq!(paired(&all, &video), None);
        assert_eq!(
            paired(&stated(&[0, 10, 20]), &numbers(&[0, 1, 2])),
            Some((vec![Some(0), None, None], FrameOrder::Stated))
        );
        // Frames that a recording has dropped.
        assert_eq!(
            paired(&stated(&[5, 6, 7]), &numbers(&[5, 7])),
            Some((vec![Some(0), None, Some(1)], FrameOrder::Stated))
        );
        assert_eq!(paired(&[], &video), None);
    }
}
