//! Codecs: one object encodes training targets and decodes predictions, so that the two can never
//! disagree. To add one, write a new file and add one line to [`CODECS`]. A [`TargetSpec`] is a
//! training recipe's choice of codec, Gaussian width and weights; its [`Encoder`] makes the
//! [`Target`] of an input.
//!
//! Coordinates in this module are heatmap pixels, with pixel centres at integers.

pub mod dark;
pub mod fields;
pub mod heatmap;
pub mod patch;
mod target;

use std::ops::Range;

use crate::geometry::{Point, Size};
use crate::output::{Approach, Planes};
use crate::pose::Keypoint;
use crate::skeleton::{JointOrigin, Skeleton};
use heatmap::{HeatmapCodec, Refine};
use patch::PatchCodec;
pub use target::{Encoder, Outside, Target, TargetSpec};

/// One person's joints in the skeleton's order; `None` for joints that are not labelled.
pub type PersonJoints = Vec<Option<Point>>;

/// Encodes joints as target maps and decodes predicted maps to joints.
pub trait Codec: Send + Sync {
    /// Encodes the targets of all `people` in an input; joints that are `None` draw nothing.
    /// Top-down codecs are given exactly one person.
    fn encode(&self, people: &[PersonJoints], size: Size) -> Planes;

    /// Returns the loss weights for `targets`: one value per map (`size` 1 x 1) or one per pixel.
    /// `known` has one flag per joint, or one per joint and heatmap pixel (joint by joint); it is
    /// false where the data set does not annotate the joint.
    fn weights(&self, targets: &Planes, known: &[bool]) -> Planes;

    /// Decodes the people in one image's maps, best first. Joints are in the skeleton's order and
    /// in heatmap pixels. Top-down codecs return exactly one person.
    fn decode(&self, maps: &Planes) -> Vec<DecodedPerson>;
}

/// A decoded person.
#[derive(Debug, Clone, PartialEq)]
pub struct DecodedPerson {
    /// Joints in the skeleton's order, in heatmap pixels.
    pub joints: Vec<Keypoint>,
    /// Confidence of the person; comparable only with scores of the same codec.
    pub score: f64,
}

impl DecodedPerson {
    /// Maps the person to another skeleton ([`Skeleton::map_to`]). Joints without an origin, or
    /// whose origin was not found, are absent.
    #[must_use]
    pub fn renamed(&self, names: &[Option<JointOrigin>]) -> Self {
        let pick = |o: &Option<JointOrigin>| o.map(|o| o.pick(&self.joints)).unwrap_or_default();
        Self {
            joints: names.iter().map(pick).collect(),
            score: self.score,
        }
    }
}

/// Parameters from which a codec is built.
#[derive(Debug, Clone, Copy)]
pub struct CodecOptions {
    /// Skeleton that gives names, mirror partners and limbs to the joints.
    pub skeleton: &'static Skeleton,
    /// Standard deviation of the target Gaussian in heatmap pixels.
    pub sigma: f64,
}

/// An available codec: a row of [`CODECS`].
pub struct CodecSpec {
    /// `argmax`, `quarter`, `dark`, `patch`, `fields`.
    pub name: &'static str,
    /// One-line description for `--help`.
    pub help: &'static str,
    /// Whether it serves top-down or bottom-up networks.
    pub approach: Approach,
    /// Names of the network outputs it reads, concatenated as channels in this order.
    pub outputs: &'static [&'static str],
    /// For every channel, returns the channel that shows the same in a mirrored input, and the
    /// factor applied to its values: -1 for x components, otherwise 1.
    pub mirror: fn(&Skeleton) -> Vec<(usize, f32)>,
    /// Returns the channels of the part affinity fields, two per limb; `None` without fields.
    pub limb_fields: fn(&Skeleton) -> Option<Range<usize>>,
    /// Builds the codec.
    pub build: fn(&CodecOptions) -> Box<dyn Codec>,
}

/// Fields shared by all top-down codecs.
const TOP_DOWN: CodecSpec = CodecSpec {
    name: "argmax",
    help: "the highest pixel of each heatmap",
    approach: Approach::TopDown,
    outputs: &["heatmaps"],
    mirror: |skeleton| skeleton.mirror.iter().map(|&j| (j, 1.0)).collect(),
    limb_fields: |_| None,
    build: |options| heatmap_codec(options, heatmap::stay),
};

/// All codecs.
pub static CODECS: &[CodecSpec] = &[
    TOP_DOWN,
    CodecSpec {
        name: "quarter",
        help: "the highest pixel, moved a quarter pixel towards its higher neighbours",
        build: |options| heatmap_codec(options, heatmap::quarter),
        ..TOP_DOWN
    },
    CodecSpec {
        name: "dark",
        help: "sub-pixel peak from the blurred heatmap's logarithm (DARK)",
        build: |options| heatmap_codec(options, dark::refine),
        ..TOP_DOWN
    },
    CodecSpec {
        name: "patch",
        help: "the highest pixel; targets are small patches around whole pixels (MCA)",
        build: |options| Box::new(PatchCodec::new(options.sigma)),
        ..TOP_DOWN
    },
    fields::FIELDS,
];

/// Returns the codec named `name`.
pub fn codec(name: &str) -> Option<&'static CodecSpec> {
    CODECS.iter().find(|c| c.name == name)
}

fn heatmap_codec(options: &CodecOptions, refine: Refine) -> Box<dyn Codec> {
    Box::new(HeatmapCodec::new(options.sigma, refine))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::geometry::{Affine2, Alignment, Roi};
    use crate::test_golden::{Golden, json};
    use proptest::prelude::*;

    const SIZE: Size = Size::new(48, 64);

    fn build(spec: &CodecSpec, sigma: f64) -> Box<dyn Codec> {
        let skeleton = Skeleton::by_name("coco17").unwrap();
        (spec.build)(&CodecOptions { skeleton, sigma })
    }

    fn top_down() -> impl Iterator<Item = &'static CodecSpec> {
        CODECS.iter().filter(|c| c.approach == Approach::TopDown)
    }

    fn decode_item(name: &str, golden: &Golden, item: usize) -> Vec<Keypoint> {
        let n = 17 * SIZE.area();
        let maps = Planes {
            n: 17,
            size: SIZE,
            values: golden.f32s("heatmaps")[item * n..(item + 1) * n].to_vec(),
        };
        let mut people = build(codec(name).unwrap(), 2.0).decode(&maps);
        assert_eq!(people.len(), 1);
        people.remove(0).joints
    }

    /// Returns the largest error in pixels, per axis, of decoded joints against a golden tensor.
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

    /// Fails when a decoder puts a joint elsewhere than the official code does. The maps include
    /// peaks at the border, ties, negative and empty maps, and blobs that lie outside.
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
        /// Fails when decoding a training target does not recover the joint that was encoded.
        #[test]
        fn decoding_undoes_encoding(x in 6.0..41.0, y in 6.0..57.0, sigma in 1.5..3.0) {
            // Whole pixels are accurate to half a pixel, quarter steps to a quarter; DARK's
            // truncated blur leaves a few hundredths.
            for (name, bound) in [("argmax", 0.5), ("quarter", 0.25), ("dark", 0.03), ("patch", 0.5)] {
                let codec = build(codec(name).unwrap(), sigma);
                let maps = codec.encode(&[vec![None, Some(Point::new(x, y))]], SIZE);
                let joints = &codec.decode(&maps)[0].joints;
                prop_assert_eq!(joints[0].score, 0.0);
                let p = joints[1].point();
                prop_assert!((p.x - x).abs() <= bound + 1e-4, "{}: got {}, expected {}", name, p.x, x);
                prop_assert!((p.y - y).abs() <= bound + 1e-4, "{}: got {}, expected {}", name, p.y, y);
            }
        }

        /// Fails when the maps of a diverged network (NaN, infinities) or a tiny map cause a panic,
        /// or yield a joint with NaN coordinates.
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
            for spec in top_down() {
                let k = build(spec, 2.0).decode(&maps)[0].joints[0];
                prop_assert!(k.x.is_finite() && k.y.is_finite() && k.score.is_finite());
            }
        }
    }

    /// Fails when a map of NaNs yields a joint with a positive score.
    #[test]
    fn a_nan_map_has_no_joint() {
        for spec in top_down() {
            let maps = Planes {
                n: 1,
                size: SIZE,
                values: vec![f32::NAN; SIZE.area()],
            };
            let found = build(spec, 2.0).decode(&maps);
            assert_eq!(found[0].joints[0], Keypoint::default());
        }
    }
}
