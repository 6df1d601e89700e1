//! Codecs: one object encodes training targets and decodes predictions, so that the two can
//! never disagree. Adding one: a new file, one line in [`CODECS`]. A [`TargetSpec`] is a training
//! recipe's choice of codec, width and weights; its [`Encoder`] makes a person's [`Target`].
//!
//! Coordinates here are heatmap pixels, pixel centres at integers.

pub mod dark;
pub mod fields;
pub mod heatmap;
pub mod patch;
mod target;

use crate::geometry::{Point, Size};
use crate::output::Planes;
use crate::pose::Keypoint;
use heatmap::{HeatmapCodec, Refine};
use patch::PatchCodec;
pub use target::{Encoder, Outside, Target, TargetSpec};

/// Turns joints into target maps and maps back into joints.
pub trait Codec: Send + Sync {
    /// Targets for one person: one map per joint; `None` (unlabelled) gives an empty map.
    fn encode(&self, joints: &[Option<Point>], size: Size) -> Planes;

    /// People found in one image's maps, joints in the maps' order and pixels.
    /// Codecs for one person per region return exactly one.
    fn decode(&self, heatmaps: &Planes) -> Vec<Vec<Keypoint>>;
}

/// One way of decoding: a row of [`CODECS`].
pub struct CodecSpec {
    /// `argmax`, `quarter`, `dark`, `patch`.
    pub name: &'static str,
    /// One line for `--help`.
    pub help: &'static str,
    /// Builds it; `sigma` is the width of the target Gaussian in heatmap pixels.
    pub build: fn(sigma: f64) -> Box<dyn Codec>,
}

/// Every codec.
pub const CODECS: &[CodecSpec] = &[
    CodecSpec {
        name: "argmax",
        help: "the highest pixel of each heatmap",
        build: |sigma| heatmap_codec(sigma, heatmap::stay),
    },
    CodecSpec {
        name: "quarter",
        help: "the highest pixel, moved a quarter pixel towards its higher neighbours",
        build: |sigma| heatmap_codec(sigma, heatmap::quarter),
    },
    CodecSpec {
        name: "dark",
        help: "sub-pixel peak from the blurred heatmap's logarithm (DARK)",
        build: |sigma| heatmap_codec(sigma, dark::refine),
    },
    CodecSpec {
        name: "patch",
        help: "the highest pixel; targets are small patches around whole pixels (MCA)",
        build: |sigma| Box::new(PatchCodec::new(sigma)),
    },
];

/// The row called `name`.
pub fn codec(name: &str) -> Option<&'static CodecSpec> {
    CODECS.iter().find(|c| c.name == name)
}

fn heatmap_codec(sigma: f64, refine: Refine) -> Box<dyn Codec> {
    Box::new(HeatmapCodec::new(sigma, refine))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::geometry::{Affine2, Alignment, Roi};
    use crate::test_golden::{Golden, json};
    use proptest::prelude::*;

    const SIZE: Size = Size::new(48, 64);

    fn decode_item(name: &str, golden: &Golden, item: usize) -> Vec<Keypoint> {
        let n = 17 * SIZE.area();
        let maps = Planes {
            n: 17,
            size: SIZE,
            values: golden.f32s("heatmaps")[item * n..(item + 1) * n].to_vec(),
        };
        let mut people = (codec(name).unwrap().build)(2.0).decode(&maps);
        assert_eq!(people.len(), 1);
        people.remove(0)
    }

    /// Largest distance in pixels per axis between decoded joints and a golden tensor.
    fn max_error(name: &str, tensor: &str, map: impl Fn(usize) -> Affine2) -> f64 {
        let golden = Golden::open("transpose/post_decode.safetensors");
        let expected = golden.f64s(tensor);
        let scores = golden.f32s("maxvals");
        let mut worst = 0.0f64;
        for item in 0..3 {
            let joints = decode_item(name, &golden, item);
            for (j, keypoint) in joints.iter().enumerate() {
                let i = item * 17 + j;
                assert_eq!(keypoint.score, scores[i], "item {item} joint {j}");
                let p = map(item).apply(keypoint.point());
                let error = (p.x - expected[2 * i])
                    .abs()
                    .max((p.y - expected[2 * i + 1]).abs());
                worst = worst.max(error);
            }
        }
        println!("{name} against {tensor}: {worst:e}");
        worst
    }

    fn image_from_heatmap(item: usize) -> Affine2 {
        let post: serde_json::Value = json("transpose/post.json");
        let number = |key: &str, i: usize| post[key][item][i].as_f64().unwrap();
        let roi = Roi {
            center: Point::new(number("decode_center", 0), number("decode_center", 1)),
            width: 200.0 * number("decode_scale", 0),
            height: 200.0 * number("decode_scale", 1),
        };
        let input = Size::new(192, 256);
        Alignment::MinusOne
            .image_from_input(&roi, input)
            .after(&Alignment::MinusOne.input_from_heatmap(input, SIZE))
    }

    /// Fails when a decoder puts a joint elsewhere than the official code does: gates at the
    /// border, ties, negative and empty maps and maps whose blob lies outside are among them.
    #[test]
    fn decoders_equal_the_official_ones() {
        let heatmap = |_| Affine2::IDENTITY;
        assert_eq!(max_error("argmax", "argmax", heatmap), 0.0);
        assert_eq!(max_error("quarter", "quarter_heatmap_xy", heatmap), 0.0);
        assert!(max_error("dark", "dark_heatmap_xy", heatmap) < 1e-5);
        assert!(max_error("dark", "dark_heatmap_xy_f64", heatmap) < 1e-5);
        assert!(max_error("quarter", "quarter_image_xy", image_from_heatmap) < 1e-4);
        assert!(max_error("dark", "dark_image_xy", image_from_heatmap) < 1e-4);
    }

    proptest! {
        /// Fails when training targets and decoding disagree about where a joint is.
        #[test]
        fn decoding_undoes_encoding(x in 6.0..41.0, y in 6.0..57.0, sigma in 1.5..3.0) {
            // Half a pixel is what a whole pixel can promise, a quarter what a quarter step can;
            // DARK's truncated blur leaves a few hundredths.
            for (name, bound) in [("argmax", 0.5), ("quarter", 0.25), ("dark", 0.03), ("patch", 0.5)] {
                let codec = (codec(name).unwrap().build)(sigma);
                let maps = codec.encode(&[None, Some(Point::new(x, y))], SIZE);
                let joints = &codec.decode(&maps)[0];
                prop_assert_eq!(joints[0].score, 0.0);
                let p = joints[1].point();
                prop_assert!((p.x - x).abs() <= bound + 1e-4, "{}: {} for {}", name, p.x, x);
                prop_assert!((p.y - y).abs() <= bound + 1e-4, "{}: {} for {}", name, p.y, y);
            }
        }

        /// Fails when a diverged network (NaN, infinities) or a tiny map stops the program or
        /// yields a joint that is not a number.
        #[test]
        fn anything_decodes_to_finite_joints(
            width in 0usize..12,
            height in 0usize..12,
            values in proptest::collection::vec(
                prop_oneof![
                    -1.0f32..1.0,
                    Just(f32::NAN),
                    Just(f32::INFINITY),
                    Just(f32::NEG_INFINITY),
                    Just(1e-30),
                    Just(f32::MAX),
                ],
                144,
            ),
        ) {
            let size = Size::new(width, height);
            let maps = Planes { n: 1, size, values: values[..size.area()].to_vec() };
            for spec in CODECS {
                let k = (spec.build)(2.0).decode(&maps)[0][0];
                prop_assert!(k.x.is_finite() && k.y.is_finite() && k.score.is_finite());
            }
        }
    }

    /// Fails when a map of NaNs looks like a found joint.
    #[test]
    fn a_nan_map_has_no_joint() {
        for spec in CODECS {
            let maps = Planes {
                n: 1,
                size: SIZE,
                values: vec![f32::NAN; SIZE.area()],
            };
            assert_eq!((spec.build)(2.0).decode(&maps)[0][0], Keypoint::default());
        }
    }
}
