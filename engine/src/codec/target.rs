//! Training targets: encodes joints given in input pixels as maps, with weights for the loss.
//!
//! A [`TargetSpec`] holds the target options of a training recipe. Together with the network's
//! input size it makes an [`Encoder`], which converts joints to heatmap pixels, lets the [`Codec`]
//! draw the maps, and gives weight 0 to joints that are not labelled and to regions with unlabelled
//! people.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{Codec, CodecOptions, CodecSpec, PersonJoints, codec};
use crate::error::{Error, Result};
use crate::geometry::{Affine2, Alignment, Point, Size};
use crate::output::{Approach, Planes};
use crate::skeleton::Skeleton;

/// Target of a joint that is labelled but lies outside the map.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outside {
    /// An empty map of weight 1: the network learns that the joint is absent, so that its peak
    /// becomes a confidence (SFM, and every network that has to run on cropped people).
    #[default]
    Empty,
    /// Weight 0: the map does not enter the loss (TransPose, HRNet).
    Ignored,
}

/// Options of the training targets.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TargetSpec {
    /// Name of the codec in [`super::CODECS`] that draws the maps.
    pub codec: String,
    /// Input pixels per heatmap pixel.
    pub stride: usize,
    /// Final standard deviation of the Gaussian in heatmap pixels.
    pub sigma: f64,
    /// Standard deviation for the first batch; it falls linearly to `sigma` over `narrow_batches`.
    /// Wide targets keep a randomly initialised network from collapsing to empty maps.
    pub wide_sigma: f64,
    /// Number of batches until `sigma` is reached; 0 uses `sigma` from the start.
    pub narrow_batches: u64,
    /// Target of joints labelled outside the map (top-down networks only).
    pub outside: Outside,
    /// How far beyond the map's outer edge a joint still counts as inside, in heatmap pixels: part
    /// of its Gaussian reaches into the map.
    pub margin: f64,
}

impl Default for TargetSpec {
    /// The targets of the bundled SFM.
    fn default() -> Self {
        Self {
            codec: "quarter".to_owned(),
            stride: 2,
            sigma: 2.0,
            wide_sigma: 4.0,
            narrow_batches: 0,
            outside: Outside::Empty,
            margin: 0.5,
        }
    }
}

impl TargetSpec {
    /// Returns the targets of TransPose's release: a joint counts until its 3 sigma box leaves the
    /// map.
    pub fn transpose() -> Self {
        Self {
            codec: "dark".to_owned(),
            stride: 4,
            outside: Outside::Ignored,
            margin: 6.0,
            ..Self::default()
        }
    }

    /// Returns the targets of MCA's release: patches of 7 x 7 pixels.
    pub fn mca() -> Self {
        Self {
            codec: "patch".to_owned(),
            stride: 4,
            sigma: 1.75,
            outside: Outside::Ignored,
            margin: 0.0,
            ..Self::default()
        }
    }

    /// Returns the targets of bottom-up networks: heatmaps, affinity fields and offsets of all
    /// people.
    pub fn fields() -> Self {
        Self {
            codec: "fields".to_owned(),
            stride: 8,
            sigma: 0.875,
            margin: 0.0,
            ..Self::default()
        }
    }

    /// Returns the approach, top-down or bottom-up, that these targets are for.
    ///
    /// # Errors
    /// When the codec is unknown.
    pub fn approach(&self) -> Result<Approach> {
        Ok(self.codec()?.approach)
    }

    fn codec(&self) -> Result<&'static CodecSpec> {
        codec(&self.codec)
            .ok_or_else(|| Error::Invalid(format!("targets: no codec is '{}'", self.codec)))
    }

    /// Returns sigma for batch `batch`, counted from the start of training.
    pub fn sigma_at(&self, batch: u64) -> f64 {
        if batch >= self.narrow_batches {
            return self.sigma;
        }
        let done = batch as f64 / self.narrow_batches as f64;
        self.wide_sigma + (self.sigma - self.wide_sigma) * done
    }

    /// Returns the size of the maps for an input of size `input`.
    ///
    /// # Errors
    /// When the stride does not divide the input.
    pub fn heatmap(&self, input: Size) -> Result<Size> {
        let divides = |n: usize| self.stride > 0 && n > 0 && n.is_multiple_of(self.stride);
        if divides(input.width) && divides(input.height) {
            return Ok(Size::new(
                input.width / self.stride,
                input.height / self.stride,
            ));
        }
        Err(Error::Invalid(format!(
            "targets: an input of {input} has no heatmap of stride {}",
            self.stride
        )))
    }

    /// Builds the encoder for one network input size and one sigma, for joints of `skeleton`.
    ///
    /// # Errors
    /// When the codec is unknown, sigma or the margin is out of range, or the stride does not
    /// divide the input.
    pub fn encoder(
        &self,
        skeleton: &'static Skeleton,
        input: Size,
        alignment: Alignment,
        sigma: f64,
    ) -> Result<Encoder> {
        let size = self.heatmap(input)?;
        let spec = self.codec()?;
        if !(sigma > 0.0 && sigma.is_finite() && self.margin >= 0.0) {
            return Err(Error::Invalid(format!(
                "targets: sigma {sigma} must be above 0 and margin {} not below",
                self.margin
            )));
        }
        let input_from_heatmap = alignment.input_from_heatmap(input, size);
        let heatmap_from_input = input_from_heatmap
            .inverse()
            .ok_or_else(|| Error::Invalid(format!("targets: a heatmap of {size} is too small")))?;
        Ok(Encoder {
            spec,
            codec: (spec.build)(&CodecOptions { skeleton, sigma }),
            size,
            heatmap_from_input,
            input_from_heatmap,
            outside: self.outside,
            margin: self.margin,
        })
    }
}

/// Encodes the targets of network inputs of one size.
pub struct Encoder {
    spec: &'static CodecSpec,
    codec: Box<dyn Codec>,
    size: Size,
    heatmap_from_input: Affine2,
    input_from_heatmap: Affine2,
    outside: Outside,
    margin: f64,
}

impl fmt::Debug for Encoder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Encoder")
            .field("codec", &self.spec.name)
            .field("size", &self.size)
            .finish_non_exhaustive()
    }
}

/// What a network should output for one input.
#[derive(Debug, Clone, PartialEq)]
pub struct Target {
    /// Target maps, in the channel order of the codec.
    pub maps: Planes,
    /// Weights of the loss, one per map (size 1 x 1) or one per value: 0 where nothing is
    /// annotated, otherwise 1.
    pub weights: Planes,
}

impl Encoder {
    /// Returns the approach, top-down or bottom-up, that the targets are for.
    pub fn approach(&self) -> Approach {
        self.spec.approach
    }

    /// Returns the names of the network outputs that are compared with the targets, in the order
    /// of their channels.
    pub fn outputs(&self) -> &'static [&'static str] {
        self.spec.outputs
    }

    /// Returns the size of the maps in heatmap pixels.
    pub fn size(&self) -> Size {
        self.size
    }

    /// Encodes the single person of a top-down input: joints in input pixels, `None` for those that
    /// are not labelled.
    pub fn person(&self, joints: &[Option<Point>]) -> Target {
        let reach = 0.5 + self.margin;
        let within = |v: f64, n: usize| v > -reach && v < n as f64 - 1.0 + reach;
        let place = |joint: &Option<Point>| {
            let p = self.heatmap_from_input.apply((*joint)?);
            (within(p.x, self.size.width) && within(p.y, self.size.height)).then_some(p)
        };
        let places: PersonJoints = joints.iter().map(place).collect();
        let known = |(joint, place): (&Option<Point>, &Option<Point>)| match self.outside {
            Outside::Empty => joint.is_some(),
            Outside::Ignored => place.is_some(),
        };
        let known: Vec<bool> = joints.iter().zip(&places).map(known).collect();
        let maps = self.codec.encode(&[places], self.size);
        let weights = self.codec.weights(&maps, &known);
        Target { maps, weights }
    }

    /// Encodes an input without people: every map is empty and has weight 1.
    pub fn empty(&self, n_joints: usize) -> Target {
        let nobody = vec![None; n_joints];
        let maps = self.codec.encode(&[nobody], self.size);
        let weights = self.codec.weights(&maps, &vec![true; n_joints]);
        Target { maps, weights }
    }

    /// Encodes all people in an input: joints in input pixels, `None` for those that are not
    /// labelled or not in view. `knows` receives the input pixel at each heatmap pixel's centre and
    /// sets one flag per joint: whether the labels are complete there for that joint.
    pub fn scene(
        &self,
        people: &[PersonJoints],
        n_joints: usize,
        knows: impl Fn(Point, &mut [bool]),
    ) -> Target {
        let place = |joint: &Option<Point>| joint.map(|p| self.heatmap_from_input.apply(p));
        let people: Vec<PersonJoints> = people
            .iter()
            .map(|joints| joints.iter().map(place).collect())
            .collect();
        let maps = self.codec.encode(&people, self.size);
        let area = self.size.area();
        let mut known = vec![false; n_joints * area];
        let mut at_cell = vec![false; n_joints];
        for i in 0..area {
            let cell = Point::new((i % self.size.width) as f64, (i / self.size.width) as f64);
            knows(self.input_from_heatmap.apply(cell), &mut at_cell);
            for (j, known_here) in at_cell.iter().enumerate() {
                known[j * area + i] = *known_here;
            }
        }
        let weights = self.codec.weights(&maps, &known);
        Target { maps, weights }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const INPUT: Size = Size::square(64);

    fn coco17() -> &'static Skeleton {
        Skeleton::by_name("coco17").unwrap()
    }

    fn encoder(spec: &TargetSpec) -> Encoder {
        spec.encoder(coco17(), INPUT, Alignment::HalfPixel, spec.sigma)
            .unwrap()
    }

    /// Fails when the target's position differs from SFM's recipe (`x / 2 - 0.25`), its peak is not
    /// 1, or the Gaussian is truncated.
    #[test]
    fn targets_follow_the_recipe() {
        let target = encoder(&TargetSpec::default()).person(&[Some(Point::new(20.5, 30.5))]);
        let map = target.maps.plane(0);
        assert_eq!(
            (target.maps.size, target.weights.values[0]),
            (Size::square(32), 1.0)
        );
        assert_eq!(map[15 * 32 + 10], 1.0);
        assert!((map[15 * 32 + 12] - (-0.5f32).exp()).abs() < 1e-6);
        assert!(map[0] > 0.0, "not truncated");
    }

    /// Fails when absent joints are trained as present, or unlabelled ones as absent.
    #[test]
    fn weights_tell_absent_from_unknown() {
        let inside = Some(Point::new(30.0, 30.0));
        let joints = [
            inside,
            None,
            Some(Point::new(-1000.0, -1000.0)),
            Some(Point::new(66.0, 30.0)),
        ];
        let spec = TargetSpec::default();
        let empty = encoder(&spec).person(&joints);
        assert_eq!(empty.weights.values, [1.0, 0.0, 1.0, 1.0]);
        for j in 1..4 {
            assert!(empty.maps.plane(j).iter().all(|v| *v == 0.0));
        }
        let spec = TargetSpec {
            outside: Outside::Ignored,
            margin: 6.0,
            ..spec
        };
        let ignored = encoder(&spec).person(&joints);
        assert_eq!(ignored.weights.values, [1.0, 0.0, 0.0, 1.0]);
        let edge = ignored.maps.plane(3);
        assert!(edge[15 * 32 + 31] > 0.3, "the Gaussian reaches in");
    }

    /// Fails when the target width does not shrink as the recipe specifies.
    #[test]
    fn sigma_narrows() {
        let spec = TargetSpec {
            narrow_batches: 10,
            ..TargetSpec::default()
        };
        assert_eq!(
            [0, 5, 10, 99].map(|batch| spec.sigma_at(batch)),
            [4.0, 3.0, 2.0, 2.0]
        );
        assert_eq!(TargetSpec::default().sigma_at(0), 2.0);
    }

    /// Fails when an invalid recipe is accepted with different targets, or causes a panic.
    #[test]
    fn mistakes_are_refused() {
        type Break = fn(&mut TargetSpec);
        let cases: [(Break, &str); 5] = [
            (|s| s.stride = 0, "stride 0"),
            (|s| s.stride = 5, "stride 5"),
            (|s| s.codec = "darc".into(), "darc"),
            (|s| s.sigma = f64::NAN, "sigma"),
            (|s| s.margin = -1.0, "margin"),
        ];
        for (spoil, expected) in cases {
            let mut spec = TargetSpec::default();
            spoil(&mut spec);
            let refused = spec.encoder(coco17(), INPUT, Alignment::HalfPixel, spec.sigma);
            let message = refused.err().unwrap().to_string();
            assert!(message.contains(expected), "{message}");
        }
    }

    proptest! {
        /// Fails when a network that reproduces its targets exactly would be decoded elsewhere, for
        /// every published kind of target and both alignments, from input pixels to input pixels.
        #[test]
        fn decoding_undoes_encoding(
            x in 26.0..102.0, y in 26.0..102.0, minus_one: bool,
        ) {
            let input = Size::square(128);
            let alignment = if minus_one { Alignment::MinusOne } else { Alignment::HalfPixel };
            // Tolerance: half a heatmap pixel for whole-pixel codecs, a quarter for quarter steps.
            let cases = [
                (TargetSpec::default(), 0.25),
                (TargetSpec::transpose(), 0.03),
                (TargetSpec::mca(), 0.5),
            ];
            for (spec, bound) in cases {
                let p = Point::new(x, y);
                let encoder = spec.encoder(coco17(), input, alignment, spec.sigma).unwrap();
                let target = encoder.person(&[None, Some(p)]);
                prop_assert_eq!(&target.weights.values[..], &[0.0, 1.0]);
                let decoded = encoder.codec.decode(&target.maps)[0].joints[1];
                let back = alignment.input_from_heatmap(input, encoder.size());
                let found = back.apply(decoded.point());
                // 5 % more, because the minus-one convention's pixels are 3 % larger.
                let bound = 1.05 * bound * spec.stride as f64 + 1e-3;
                prop_assert!(
                    (found.x - x).abs() <= bound && (found.y - y).abs() <= bound,
                    "{}: got {found:?}, expected {p:?}", spec.codec
                );
            }
        }
    }
}
