//! What may happen to a sample, and how often.

use serde::{Deserialize, Serialize};

use super::{Draw, Mosaic};
use crate::error::{Error, Result};
use crate::output::Approach;

/// Turning the person in the picture plane.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Rotation {
    /// How often, [0, 1].
    pub probability: f64,
    /// Angle in degrees, -180 to 180.
    pub degrees: Draw,
}

/// Looking at the upper or the lower half of the body only, as HRNet and TransPose train.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct HalfBody {
    /// How often, [0, 1], among people with more than `min_joints` labelled joints.
    pub probability: f64,
    /// People with this many labelled joints or fewer are left whole.
    pub min_joints: usize,
    /// Share of the upper halves among the halves, [0, 1].
    pub upper_share: f64,
    /// Side of the region over the longer side of the half's box; its centre is the joints' mean.
    pub padding: f64,
}

/// Close views of head, shoulders and arms, as a person at a desk appears to a webcam.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct UpperBody {
    /// How often, [0, 1], among people with both shoulders labelled.
    pub probability: f64,
    /// How often the view reaches down to the hips, [0, 1].
    pub hips: f64,
    /// Side of the region over the longer side of the visible joints' box.
    pub scale: Draw,
    /// The region moves by up to this share of its side, each way.
    pub shift: f64,
    /// Rotations are this fraction of those of whole bodies.
    pub rotation: f64,
}

/// Light, exposure and white balance. All are applied to values in [0, 1].
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Color {
    /// Factor of the differences from the crop's mean.
    pub contrast: Draw,
    /// Factor of the crop's mean.
    pub brightness: Draw,
    /// Factor of each channel, drawn three times.
    pub gain: Draw,
    /// Factor of the differences from grey.
    pub saturation: Draw,
    /// How often all colour is lost, [0, 1].
    pub grey: f64,
}

/// Loss of sharpness.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Blur {
    /// How often, [0, 1].
    pub probability: f64,
    /// Standard deviation of the Gaussian in input pixels, 0 to 8.
    pub sigma: Draw,
}

/// The noise of a sensor in the dark.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Noise {
    /// How often, [0, 1].
    pub probability: f64,
    /// Standard deviation; pixel values are in [0, 1].
    pub std: Draw,
}

/// A rectangle of one random colour that hides what lies behind it. The joints behind it stay in
/// the targets: the network must infer them from the rest.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CutOut {
    /// How often, [0, 1].
    pub probability: f64,
    /// Sides as shares of the input's, drawn for each axis, 0 to 1.
    pub share: Draw,
}

/// Everything that may happen to a sample. By default, and for fields that a file leaves out,
/// nothing does: the crop is then exactly the one that evaluation takes
/// ([`crate::preprocess::InputSpec::roi_of`]).
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Augment {
    /// How often the picture is mirrored, left and right joints exchanged, [0, 1].
    pub flip: f64,
    /// Turning.
    pub rotation: Rotation,
    /// Factor of the region's side: above 1 the person becomes smaller. 1 for nothing.
    pub scale: Draw,
    /// The region moves by up to this share of its side, each way.
    pub shift: f64,
    /// Halves of bodies.
    pub half_body: HalfBody,
    /// Close views of upper bodies. Where it applies, `half_body`, `scale` and `shift` do not.
    pub upper_body: UpperBody,
    /// Light.
    pub color: Color,
    /// Loss of sharpness.
    pub blur: Blur,
    /// Sensor noise.
    pub noise: Noise,
    /// Hidden parts.
    pub cut_out: CutOut,
    /// Four pictures in one input; only for networks that find everybody in it.
    pub mosaic: Mosaic,
}

/// The amount that changes nothing.
const ZERO: Draw = Draw::Fixed { value: 0.0 };

impl Default for Rotation {
    fn default() -> Self {
        Self {
            probability: 0.0,
            degrees: ZERO,
        }
    }
}

impl Default for HalfBody {
    fn default() -> Self {
        Self {
            probability: 0.0,
            min_joints: 8,
            // The official code takes the upper half when a normal number is below 0.5.
            upper_share: 0.69,
            padding: 1.5,
        }
    }
}

impl Default for UpperBody {
    fn default() -> Self {
        Self {
            probability: 0.0,
            hips: 0.5,
            scale: Draw::Uniform {
                low: 1.15,
                high: 1.8,
            },
            shift: 0.1,
            rotation: 0.5,
        }
    }
}

impl Default for Blur {
    fn default() -> Self {
        Self {
            probability: 0.0,
            sigma: ZERO,
        }
    }
}

impl Default for Noise {
    fn default() -> Self {
        Self {
            probability: 0.0,
            std: ZERO,
        }
    }
}

impl Default for CutOut {
    fn default() -> Self {
        Self {
            probability: 0.0,
            share: ZERO,
        }
    }
}

impl Augment {
    /// Whether it makes sense for networks of this kind: a mosaic shows several people.
    pub fn suits(&self, approach: Approach) -> bool {
        approach == Approach::BottomUp || self.mosaic.probability == 0.0
    }

    /// Looks for numbers without meaning.
    ///
    /// # Errors
    /// Names the field and what it may be.
    pub fn check(&self) -> Result<()> {
        let probabilities = [
            ("flip", self.flip),
            ("rotation.probability", self.rotation.probability),
            ("half_body.probability", self.half_body.probability),
            ("half_body.upper_share", self.half_body.upper_share),
            ("upper_body.probability", self.upper_body.probability),
            ("upper_body.hips", self.upper_body.hips),
            ("upper_body.rotation", self.upper_body.rotation),
            ("upper_body.shift", self.upper_body.shift),
            ("shift", self.shift),
            ("color.grey", self.color.grey),
            ("blur.probability", self.blur.probability),
            ("noise.probability", self.noise.probability),
            ("cut_out.probability", self.cut_out.probability),
            ("mosaic.probability", self.mosaic.probability),
        ];
        for (name, p) in probabilities {
            if !(0.0..=1.0).contains(&p) {
                return Err(Error::Invalid(format!(
                    "augmentation: `{name}` is {p}; it must lie in 0 to 1"
                )));
            }
        }
        if !(0.1..=10.0).contains(&self.half_body.padding) {
            return Err(Error::Invalid(format!(
                "augmentation: `half_body.padding` is {}; it must lie in 0.1 to 10",
                self.half_body.padding
            )));
        }
        let color = &self.color;
        self.rotation
            .degrees
            .check("rotation.degrees", -180.0, 180.0)?;
        self.scale.check("scale", 0.1, 10.0)?;
        self.upper_body.scale.check("upper_body.scale", 0.1, 10.0)?;
        color.contrast.check("color.contrast", 0.0, 10.0)?;
        color.brightness.check("color.brightness", 0.0, 10.0)?;
        color.gain.check("color.gain", 0.0, 10.0)?;
        color.saturation.check("color.saturation", 0.0, 10.0)?;
        self.blur.sigma.check("blur.sigma", 0.0, 8.0)?;
        self.noise.std.check("noise.std", 0.0, 1.0)?;
        self.cut_out.share.check("cut_out.share", 0.0, 1.0)?;
        self.mosaic.middle.check("mosaic.middle", 0.2, 0.8)
    }
}
