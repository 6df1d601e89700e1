//! Boxes of detectors in other layouts than left, top, width, height in pixels.

use std::collections::HashMap;

use super::BoxList;
use crate::dataset::{Dataset, DetectedBox, Sample};
use crate::geometry::BBox;

/// How far corners may lie outside of the image in pixels.
const SLACK: f64 = 2.0;

/// Converts boxes that are fractions of the image, or left, top, right, bottom, and notes it.
pub(super) fn to_pixels(found: &mut BoxList, dataset: &Dataset) {
    let samples = dataset
        .samples
        .iter()
        .map(|sample| (sample.image_id, sample));
    let samples: HashMap<u64, &Sample> = samples.collect();
    if are_fractions(&found.boxes, &samples) {
        for one in &mut found.boxes {
            if let Some(sample) = samples.get(&one.image_id) {
                let [width, height] = [sample.size.width as f64, sample.size.height as f64];
                let b = one.bbox;
                one.bbox = BBox::new(b.x * width, b.y * height, b.w * width, b.h * height);
            }
        }
        let note = "the boxes are read as fractions of the image's width and height: none lies \
                    beyond 1";
        found.notes.push(note.to_owned());
    }
    if are_corners(&found.boxes, &samples) {
        for one in &mut found.boxes {
            one.bbox = corners(one.bbox);
        }
        let note = "the boxes are read as left, top, right, bottom: as left, top, width, height \
                    they fit the labels less well";
        found.notes.push(note.to_owned());
    }
}

/// Returns the box whose right and bottom edges stand in the place of its size.
fn corners(b: BBox) -> BBox {
    BBox::new(b.x, b.y, b.w - b.x, b.h - b.y)
}

/// Least overlap of boxes of the same person. Two boxes that fit a person badly tell nothing.
const MATCH: f64 = 0.5;

fn are_fractions(boxes: &[DetectedBox], samples: &HashMap<u64, &Sample>) -> bool {
    let is_fraction = |b: BBox| [b.x, b.y, b.w, b.h].iter().all(|v| (0.0..=1.0).contains(v));
    let is_large = |one: &DetectedBox| {
        let sample = samples.get(&one.image_id);
        sample.is_some_and(|sample| sample.size.area() > 1)
    };
    boxes
        .iter()
        .all(|one| is_fraction(one.bbox) && is_large(one))
}

/// Returns whether all boxes are valid as corners and agree better so with the labelled boxes of their
/// images.
fn are_corners(boxes: &[DetectedBox], samples: &HashMap<u64, &Sample>) -> bool {
    let is_valid = |one: &DetectedBox| {
        let b = one.bbox;
        let size = samples.get(&one.image_id).map(|sample| sample.size);
        let is_inside = size.is_some_and(|size| {
            b.w <= size.width as f64 + SLACK && b.h <= size.height as f64 + SLACK
        });
        b.w > b.x && b.h > b.y && is_inside
    };
    let agreement = |convert: fn(BBox) -> BBox| -> f64 {
        let best = |one: &DetectedBox| {
            let people = samples.get(&one.image_id).map(|sample| &sample.annotations);
            let ious = people
                .into_iter()
                .flatten()
                .map(|a| a.bbox.iou(convert(one.bbox)));
            Some(ious.fold(0.0, f64::max)).filter(|iou| *iou >= MATCH)
        };
        boxes.iter().filter_map(best).sum()
    };
    boxes.iter().all(is_valid) && agreement(corners) > agreement(|b| b)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataset::{Annotation, Orientation};
    use crate::geometry::Size;
    use crate::skeleton::Skeleton;

    /// Returns an image of 200x100 with two labelled people.
    fn labels(boxes: [[f64; 4]; 2]) -> Dataset {
        let person = |[x, y, w, h]: [f64; 4]| Annotation {
            id: 1,
            bbox: BBox::new(x, y, w, h),
            region: None,
            area: w * h,
            is_crowd: false,
            n_keypoints: 0,
            joints: Vec::new(),
            head_box: None,
            track_id: None,
        };
        let mut dataset = Dataset::of(Skeleton::by_name("coco17").unwrap());
        dataset.samples.push(Sample {
            image_id: 7,
            path: "a.jpg".into(),
            size: Size::new(200, 100),
            clip: None,
            frame: None,
            orientation: Orientation::Auto,
            annotations: boxes.map(person).into(),
        });
        dataset
    }

    fn read(boxes: [[f64; 4]; 2], dataset: &Dataset) -> ([BBox; 2], String) {
        let mut found = BoxList {
            boxes: boxes
                .map(|[x, y, w, h]| DetectedBox {
                    image_id: 7,
                    bbox: BBox::new(x, y, w, h),
                    score: 0.5,
                })
                .into(),
            ..BoxList::default()
        };
        to_pixels(&mut found, dataset);
        (
            [found.boxes[0].bbox, found.boxes[1].bbox],
            found.notes.join("; "),
        )
    }

    /// Fails when corners or fractions are taken for left, top, width, height, the other way round, or
    /// nothing is said of it.
    #[test]
    fn layouts_are_told_apart() {
        let people = [[10.0, 10.0, 50.0, 80.0], [120.0, 20.0, 40.0, 60.0]];
        let dataset = labels(people);
        let expected = people.map(|[x, y, w, h]| BBox::new(x, y, w, h));
        assert_eq!(read(people, &dataset), (expected, String::new()));
        let edges = people.map(|[x, y, w, h]| [x, y, x + w, y + h]);
        let (found, said) = read(edges, &dataset);
        assert_eq!(found, expected);
        assert!(said.contains("left, top, right, bottom"), "{said}");
        let shares = people.map(|[x, y, w, h]| [x / 200.0, y / 100.0, w / 200.0, h / 100.0]);
        let (found, said) = read(shares, &dataset);
        assert!(said.contains("fractions"), "{said}");
        assert!((found[1].x - 120.0).abs() + (found[1].h - 60.0).abs() < 1e-9);
        // Neither way of reading fits.
        let large = [[1.0, 2.0, 150.0, 95.0], [2.0, 3.0, 190.0, 98.0]];
        let small = labels([[40.0, 40.0, 20.0, 10.0], [80.0, 40.0, 20.0, 10.0]]);
        let expected = large.map(|[x, y, w, h]| BBox::new(x, y, w, h));
        assert_eq!(read(large, &small), (expected, String::new()));
        // Near the origin ordinary boxes are valid as corners as well.
        let near = [[1.0, 2.0, 90.0, 95.0], [5.0, 5.0, 100.0, 60.0]];
        let expected = near.map(|[x, y, w, h]| BBox::new(x, y, w, h));
        assert_eq!(read(near, &labels(near)), (expected, String::new()));
    }
}
