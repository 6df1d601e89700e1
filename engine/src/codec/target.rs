//! Training targets: a person's joints in input pixels become one map and one weight per joint.
//!
//! A [`TargetSpec`] is what a recipe says about targets; with the network's input it makes an
//! [`Encoder`], which moves joints to heatmap pixels, lets the [`Codec`] draw the maps and decides
//! what a joint that is not there weighs.

use serde::{Deserialize, Serialize};

use super::{Codec, codec};
use crate::error::{Error, Result};
use crate::geometry::{Affine2, Alignment, Point, Size};
use crate::output::Planes;

/// What a joint becomes that is labelled, but lies outside the map.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outside {
    /// An empty map of weight 1: the network learns that the joint is absent, and its peak
    /// becomes a confidence (SFM, and whatever is to run on cropped people).
    #[default]
    Empty,
    /// Weight 0: the map may be anything (TransPose, HRNet).
    Ignored,
}

/// How targets are made.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TargetSpec {
    /// Row of [`super::CODECS`] that draws the maps.
    pub codec: String,
    /// Input pixels per heatmap pixel.
    pub stride: usize,
    /// Standard deviation of the Gaussian in heatmap pixels.
    pub sigma: f64,
    /// The first batch's sigma; it falls linearly to `sigma` over `narrow_batches`. Wide targets
    /// get a fresh network away from the answer "nothing anywhere".
    pub wide_sigma: f64,
    /// Batches until `sigma` is reached; 0 for the same targets from the start.
    pub narrow_batches: u64,
    /// What becomes of joints labelled outside the map.
    pub outside: Outside,
    /// How far beyond the map's outer edge a joint still counts as inside, in heatmap pixels:
    /// its Gaussian reaches in.
    pub margin: f64,
}

impl Default for TargetSpec {
    /// Those of the bundled SFM.
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
    /// Targets of TransPose's release: a joint counts until its 3 sigma box leaves the map.
    pub fn transpose() -> Self {
        Self {
            codec: "dark".to_owned(),
            stride: 4,
            outside: Outside::Ignored,
            margin: 6.0,
            ..Self::default()
        }
    }

    /// Targets of MCA's release: patches of 7 x 7 pixels.
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

    /// Sigma for batch `batch`, counted from the start of training.
    pub fn sigma_at(&self, batch: u64) -> f64 {
        if batch >= self.narrow_batches {
            return self.sigma;
        }
        let done = batch as f64 / self.narrow_batches as f64;
        self.wide_sigma + (self.sigma - self.wide_sigma) * done
    }

    /// Size of the maps for an input of size `input`.
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

    /// The encoder for one network input at one sigma.
    ///
    /// # Errors
    /// When the codec is unknown, sigma or margin have no meaning, or the stride does not divide
    /// the input.
    pub fn encoder(&self, input: Size, alignment: Alignment, sigma: f64) -> Result<Encoder> {
        let size = self.heatmap(input)?;
        let spec = codec(&self.codec)
            .ok_or_else(|| Error::Invalid(format!("targets: no codec is '{}'", self.codec)))?;
        if !(sigma > 0.0 && sigma.is_finite() && self.margin >= 0.0) {
            return Err(Error::Invalid(format!(
                "targets: sigma {sigma} must be above 0 and margin {} not below",
                self.margin
            )));
        }
        let heatmap_from_input = alignment
            .input_from_heatmap(input, size)
            .inverse()
            .ok_or_else(|| Error::Invalid(format!("targets: a heatmap of {size} is too small")))?;
        Ok(Encoder {
            codec: (spec.build)(sigma),
            size,
            heatmap_from_input,
            outside: self.outside,
            margin: self.margin,
        })
    }
}

/// Makes the targets of one person.
pub struct Encoder {
    codec: Box<dyn Codec>,
    size: Size,
    heatmap_from_input: Affine2,
    outside: Outside,
    margin: f64,
}

/// What a network shall answer for one person.
#[derive(Debug, Clone, PartialEq)]
pub struct Target {
    /// One map per joint, peak 1 or empty.
    pub maps: Planes,
    /// Weight of each map's error: 0 for joints nobody knows about, otherwise 1.
    pub weights: Vec<f32>,
}

impl Encoder {
    /// Size of the maps.
    pub fn size(&self) -> Size {
        self.size
    }

    /// Targets for joints in input pixels; `None` for those that are not labelled.
    pub fn encode(&self, joints: &[Option<Point>]) -> Target {
        let reach = 0.5 + self.margin;
        let within = |v: f64, n: usize| v > -reach && v < n as f64 - 1.0 + reach;
        let place = |joint: &Option<Point>| {
            let p = self.heatmap_from_input.apply((*joint)?);
            (within(p.x, self.size.width) && within(p.y, self.size.height)).then_some(p)
        };
        let places: Vec<Option<Point>> = joints.iter().map(place).collect();
        let weight = |(joint, place): (&Option<Point>, &Option<Point>)| {
            let counts = match self.outside {
                Outside::Empty => joint.is_some(),
                Outside::Ignored => place.is_some(),
            };
            f32::from(u8::from(counts))
        };
        Target {
            weights: joints.iter().zip(&places).map(weight).collect(),
            maps: self.codec.encode(&places, self.size),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const INPUT: Size = Size::square(64);

    fn encoder(spec: &TargetSpec) -> Encoder {
        spec.encoder(INPUT, Alignment::HalfPixel, spec.sigma)
            .unwrap()
    }

    /// Fails when the target's place differs from SFM's recipe (`x / 2 - 0.25`), its peak is not
    /// 1, or it is cut off.
    #[test]
    fn targets_follow_the_recipe() {
        let target = encoder(&TargetSpec::default()).encode(&[Some(Point::new(20.5, 30.5))]);
        let map = target.maps.plane(0);
        assert_eq!(
            (target.maps.size, target.weights[0]),
            (Size::square(32), 1.0)
        );
        assert_eq!(map[15 * 32 + 10], 1.0);
        assert!((map[15 * 32 + 12] - (-0.5f32).exp()).abs() < 1e-6);
        assert!(map[0] > 0.0, "not truncated");
    }

    /// Fails when absent joints are taught as present, or unknown ones as absent.
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
        let empty = encoder(&spec).encode(&joints);
        assert_eq!(empty.weights, [1.0, 0.0, 1.0, 1.0]);
        for j in 1..4 {
            assert!(empty.maps.plane(j).iter().all(|v| *v == 0.0));
        }
        let spec = TargetSpec {
            outside: Outside::Ignored,
            margin: 6.0,
            ..spec
        };
        let ignored = encoder(&spec).encode(&joints);
        assert_eq!(ignored.weights, [1.0, 0.0, 0.0, 1.0]);
        let edge = ignored.maps.plane(3);
        assert!(edge[15 * 32 + 31] > 0.3, "the Gaussian reaches in");
    }

    /// Fails when the width of targets does not narrow as the recipe says.
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

    /// Fails when a mistake in a recipe becomes targets of another kind, or a crash.
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
            let refused = spec.encoder(INPUT, Alignment::HalfPixel, spec.sigma);
            let message = refused.err().unwrap().to_string();
            assert!(message.contains(expected), "{message}");
        }
    }

    proptest! {
        /// Fails when a network that answers its targets exactly would be decoded elsewhere:
        /// every published form of targets, both alignments, input pixels to input pixels.
        #[test]
        fn decoding_undoes_encoding(
            x in 26.0..102.0, y in 26.0..102.0, minus_one: bool,
        ) {
            let input = Size::square(128);
            let alignment = if minus_one { Alignment::MinusOne } else { Alignment::HalfPixel };
            // Half a heatmap pixel for whole-pixel codecs, a quarter for quarter steps.
            let cases = [
                (TargetSpec::default(), 0.25),
                (TargetSpec::transpose(), 0.03),
                (TargetSpec::mca(), 0.5),
            ];
            for (spec, bound) in cases {
                let p = Point::new(x, y);
                let encoder = spec.encoder(input, alignment, spec.sigma).unwrap();
                let target = encoder.encode(&[None, Some(p)]);
                prop_assert_eq!(&target.weights[..], &[0.0, 1.0]);
                let decoded = encoder.codec.decode(&target.maps)[0][1];
                let back = alignment.input_from_heatmap(input, encoder.size());
                let found = back.apply(decoded.point());
                // 3 % more for the minus-one convention's larger pixels.
                let bound = 1.05 * bound * spec.stride as f64 + 1e-3;
                prop_assert!(
                    (found.x - x).abs() <= bound && (found.y - y).abs() <= bound,
                    "{}: {found:?} for {p:?}", spec.codec
                );
            }
        }
    }
}
