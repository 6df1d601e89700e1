//! Regions of interest from people and boxes, in the conventions used to train the networks.

use super::InputSpec;
use crate::geometry::{Alignment, BBox, Point, Roi, Size};
use crate::sample::{Annotation, Square};

impl InputSpec {
    /// Returns the region around a box: widened to the input's aspect ratio, then enlarged by the
    /// padding.
    ///
    /// The box's centre is `x + w/2` for [`Alignment::HalfPixel`] and `x + (w-1)/2` for
    /// [`Alignment::MinusOne`], where the last pixel of the box is the one at `x + w - 1`.
    pub fn roi(&self, bbox: BBox) -> Roi {
        let roi = Roi::around_box(bbox, self.padding, self.size.aspect());
        let center = match self.alignment {
            Alignment::HalfPixel => roi.center,
            Alignment::MinusOne => Point::new(roi.center.x - 0.5, roi.center.y - 0.5),
        };
        Roi { center, ..roi }
    }

    /// Returns the region in which a labelled person in an image of size `image` is cropped for
    /// evaluation and validation and, before augmentation, for training.
    ///
    /// A square prescribed by the data set is only enlarged by the padding; its side is the
    /// region's width, as in MPII's protocol, where one scale serves both axes. Otherwise the
    /// region is that of the box, clipped to the image as TransPose and HRNet clip labelled boxes
    /// for training and testing. Returns `None` when the box lies outside the image.
    pub fn roi_of(&self, person: &Annotation, image: Size) -> Option<Roi> {
        let Some(Square { center, side }) = person.region else {
            return Some(self.roi(clip_box(person.bbox, image)?));
        };
        let width = side * self.padding;
        Some(Roi {
            center,
            width,
            height: width / self.size.aspect(),
        })
    }
}

/// Returns whether a labelled person in an image of size `image` has a region
/// ([`InputSpec::roi_of`]).
pub fn has_region(person: &Annotation, image: Size) -> bool {
    person.region.is_some() || clip_box(person.bbox, image).is_some()
}

/// Clips a labelled box to the image. The last pixel of the box is `x + w - 1`, and a box that
/// starts left of or above the image is moved inside, not cut. `None` when nothing is left.
fn clip_box(bbox: BBox, image: Size) -> Option<BBox> {
    let span = |start: f64, length: f64, n: usize| {
        let first = start.max(0.0);
        let last = (first + (length - 1.0).max(0.0)).min(n as f64 - 1.0);
        (first, last - first + 1.0)
    };
    let (x, w) = span(bbox.x, bbox.w, image.width);
    let (y, h) = span(bbox.y, bbox.h, image.height);
    (w > 0.0 && h > 0.0).then(|| BBox::new(x, y, w, h))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::geometry::Affine2;
    use crate::test_golden::json;
    use proptest::prelude::*;
    use serde_json::Value;

    fn numbers(value: &Value) -> Vec<f64> {
        let values = value.as_array().unwrap().iter();
        values.map(|v| v.as_f64().unwrap()).collect()
    }

    /// Returns the largest difference between a map and a golden matrix.
    fn difference(map: &Affine2, golden: &Value) -> f64 {
        let mut worst = 0.0f64;
        for (row, golden) in map.m.iter().zip(golden.as_array().unwrap()) {
            for (a, b) in row.iter().zip(numbers(golden)) {
                worst = worst.max((a - b).abs());
            }
        }
        worst
    }

    /// Fails when a crop differs from the one used for TransPose's official weights in centre,
    /// padding, aspect ratio, minus-one scale or rotation.
    #[test]
    fn regions_equal_the_official_ones() {
        let post: Value = json("transpose/post.json");
        let input = InputSpec::for_tests(Size::new(192, 256));
        let heatmap = Size::new(48, 64);
        let mut worst = 0.0f64;
        let mut worst_inverse = 0.0f64;
        for case in post["boxes"].as_array().unwrap() {
            let [x, y, w, h] = numbers(&case["xywh"])[..] else {
                panic!("a box has four numbers");
            };
            let bbox = BBox::new(x, y, w, h);
            let roi = input.roi(bbox);
            let (center, scale) = (numbers(&case["center"]), numbers(&case["scale"]));
            assert!((roi.center.x - center[0]).abs() < 2e-5);
            assert!((roi.center.y - center[1]).abs() < 2e-5);
            assert!((roi.width / 200.0 - scale[0]).abs() < 1e-6);
            assert!((roi.height / 200.0 - scale[1]).abs() < 1e-6);

            let image_from_input = input.image_from_input(&roi);
            let image_from_heatmap = image_from_input
                .after(&Alignment::MinusOne.input_from_heatmap(input.size, heatmap));
            let turned = Affine2::turn(roi.center, 30.0).after(&image_from_input);
            let square = InputSpec::for_tests(Size::square(256));
            let square = square.image_from_input(&square.roi(bbox));
            let corner = Point::new(191.0, 255.0);
            let heatmap_corner = Point::new(47.0, 63.0);
            for (map, corner, inverse, forward) in [
                (
                    &image_from_input,
                    corner,
                    Some("inv_192x256"),
                    "fwd_192x256",
                ),
                (
                    &image_from_heatmap,
                    heatmap_corner,
                    Some("inv_48x64"),
                    "fwd_48x64",
                ),
                (&turned, corner, None, "fwd_192x256_rot30"),
                (&square, corner, None, "square_fwd_256x256"),
            ] {
                if let Some(inverse) = inverse {
                    worst_inverse = worst_inverse.max(difference(map, &case[inverse]));
                }
                // Forward matrices are inverses of ours: compare the images of the corners.
                let golden: Vec<Vec<f64>> = serde_json::from_value(case[forward].clone()).unwrap();
                for p in [Point::new(0.0, 0.0), corner] {
                    let q = map.apply(p);
                    for (row, expected) in golden.iter().zip([p.x, p.y]) {
                        let got = row[0] * q.x + row[1] * q.y + row[2];
                        worst = worst.max((got - expected).abs());
                    }
                }
            }
        }
        println!("inverse entries {worst_inverse:e} image px, points {worst:e} input px");
        assert!(worst_inverse < 1e-4, "{worst_inverse}");
        assert!(worst < 1e-4, "{worst}");
    }

    /// Fails when a half-pixel region is not centred on its box.
    #[test]
    fn half_pixel_regions_are_centred_on_their_box() {
        let mut input = InputSpec::for_tests(Size::square(256));
        input.alignment = Alignment::HalfPixel;
        let roi = input.roi(BBox::new(10.0, 20.0, 30.0, 80.0));
        assert_eq!(roi.center, Point::new(25.0, 60.0));
        assert_eq!((roi.width, roi.height), (100.0, 100.0));
    }

    proptest! {
        /// Fails when a clipped box leaves the image or grows, or a box inside the image is
        /// changed.
        #[test]
        fn clipped_boxes_lie_inside(x in -50.0..700.0, y in -50.0..500.0,
                                    w in 0.0..800.0, h in 0.0..600.0) {
            let (bbox, image) = (BBox::new(x, y, w, h), Size::new(640, 480));
            match clip_box(bbox, image) {
                Some(c) => {
                    prop_assert!(c.x >= 0.0 && c.y >= 0.0 && c.w > 0.0 && c.h > 0.0);
                    prop_assert!(c.x + c.w <= 640.0 + 1e-9 && c.y + c.h <= 480.0 + 1e-9);
                    if x >= 0.0 && y >= 0.0 && x + w <= 640.0 && y + h <= 480.0 && w >= 1.0 && h >= 1.0 {
                        prop_assert!((c.w - w).abs() < 1e-9 && (c.h - h).abs() < 1e-9);
                    }
                }
                None => prop_assert!(x >= 639.0 || y >= 479.0),
            }
        }
    }
}
