//! Codecs: one object encodes training targets and decodes predictions, so that the two can
//! never disagree. Adding one: a new file, one line in [`CODECS`]. A [`TargetSpec`] is a training
//! recipe's choice of codec, width and weights; its [`Encoder`] makes the [`Target`] of
//! an input.
//!
//! Coordinates here are heatmap pixels, pixel centres at integers.

pub mod dark;
pub mod fields;
pub mod heatmap;
pub mod patch;
mod target;

use crate::geometry::{Point, Size};
use crate::output::{Approach, Planes};
use crate::pose::Keypoint;
use crate::skeleton::{JointOrigin, Skeleton};
use heatmap::{HeatmapCodec, Refine};
use patch::PatchCodec;
pub use target::{Encoder, Outside, Target, TargetSpec};

/// One person's joints in a skeleton's order; `None` for joints that are not labelled.
pub type Places = Vec<Option<Point>>;

/// Turns joints into target maps and maps back into joints.
pub trait Codec: Send + Sync {
    /// Targets for everybody in an input; `None` leaves no trace. Codecs for one person per region
    /// are given one.
    fn encode(&self, people: &[Places], size: Size) -> Planes;

    /// Weights of the errors against `targets`: one number for every map (`size` 1 x 1), or one for
    /// every value. `known` says of every joint, or of every joint at every heatmap pixel (joint by
    /// joint), whether the labels tell where it is and where it is not.
    fn weights(&self, targets: &Planes, known: &[bool]) -> Planes;

    /// People found in one image's maps, best first, joints in the skeleton's order and the maps'
    /// pixels. Codecs for one person per region return exactly one.
    fn decode(&self, maps: &Planes) -> Vec<Found>;
}

/// A person as decoded.
#[derive(Debug, Clone, PartialEq)]
pub struct Found {
    /// Joints.
    pub joints: Vec<Keypoint>,
    /// How sure the codec is of the person; to be compared with its other answers.
    pub score: f64,
}

impl Found {
    /// The person under another skeleton's names ([`Skeleton::map_to`]); joints without an origin,
    /// or whose origin was not found, are absent.
    #[must_use]
    pub fn renamed(&self, names: &[Option<JointOrigin>]) -> Self {
        let pick = |o: &Option<JointOrigin>| o.map(|o| o.pick(&self.joints)).unwrap_or_default();
        Self {
            joints: names.iter().map(pick).collect(),
            score: self.score,
        }
    }
}

/// What a codec needs to know.
#[derive(Debug, Clone, Copy)]
pub struct CodecOptions {
    /// Meaning of the joints.
    pub skeleton: &'static Skeleton,
    /// Width of the target Gaussian in heatmap pixels.
    pub sigma: f64,
}

/// One way of decoding: a row of [`CODECS`].
pub struct CodecSpec {
    /// `argmax`, `quarter`, `dark`, `patch`, `fields`.
    pub name: &'static str,
    /// One line for `--help`.
    pub help: &'static str,
    /// Which networks it is for.
    pub approach: Approach,
    /// The network's outputs that it reads, as channels of its maps in this order.
    pub outputs: &'static [&'static str],
    /// Of every channel, which one shows the same in a mirrored input, and the factor that makes
    /// its values the same: -1 for what points to the right, otherwise 1.
    pub mirror: fn(&Skeleton) -> Vec<(usize, f32)>,
    /// Builds it.
    pub build: fn(&CodecOptions) -> Box<dyn Codec>,
}

/// What the codecs of one person per region have in common.
const TOP_DOWN: CodecSpec = CodecSpec {
    name: "argmax",
    help: "the highest pixel of each heatmap",
    approach: Approach::TopDown,
    outputs: &["heatmaps"],
    mirror: |skeleton| skeleton.mirror.iter().map(|&j| (j, 1.0)).collect(),
    build: |options| heatmap_codec(options, heatmap::stay),
};

/// Every codec.
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

/// The row called `name`.
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
                let codec = build(codec(name).unwrap(), sigma);
                let maps = codec.encode(&[vec![None, Some(Point::new(x, y))]], SIZE);
                let joints = &codec.decode(&maps)[0].joints;
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
            for spec in top_down() {
                let k = build(spec, 2.0).decode(&maps)[0].joints[0];
                prop_assert!(k.x.is_finite() && k.y.is_finite() && k.score.is_finite());
            }
        }
    }

    /// Fails when a map of NaNs looks like a found joint.
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
