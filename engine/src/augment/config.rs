//! Options of the augmentations and their probabilities.

use serde::{Deserialize, Serialize};

use super::{Distribution, Mosaic};
use crate::error::{Error, Result};
use crate::output::Approach;

/// Rotation of the person in the image plane.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Rotation {
    /// Probability per sample, [0, 1].
    pub probability: f64,
    /// Angle in degrees, -180 to 180.
    pub degrees: Distribution,
}

/// Crops of only the upper or lower half of the body, as in HRNet's and TransPose's training.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct HalfBody {
    /// Probability per sample, [0, 1], for people with more than `min_joints` labelled joints.
    pub probability: f64,
    /// People with at most this many labelled joints are never cropped to a half.
    pub min_joints: usize,
    /// Fraction of half-body crops that show the upper half, [0, 1].
    pub upper_share: f64,
    /// Side of the region divided by the longer side of the half's box. The region is centred on
    /// the mean of the joints.
    pub padding: f64,
}

/// Close-up crops of head, shoulders and arms, as a webcam shows a person at a desk.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct UpperBody {
    /// Probability per sample, [0, 1], for people with both shoulders labelled.
    pub probability: f64,
    /// Probability that the crop includes the hips, [0, 1].
    pub hips: f64,
    /// Side of the region divided by the longer side of the visible joints' box.
    pub scale: Distribution,
    /// Maximum shift of the region along each axis, as a fraction of its side.
    pub shift: f64,
    /// Factor applied to the rotation angle of full-body crops.
    pub rotation: f64,
}

/// Brightness, exposure and white balance, applied to values in [0, 1].
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Color {
    /// Factor applied to the differences from the crop's mean.
    pub contrast: Distribution,
    /// Factor applied to the crop's mean.
    pub brightness: Distribution,
    /// Gain of each colour channel, drawn independently three times.
    pub gain: Distribution,
    /// Factor applied to the differences from grey.
    pub saturation: Distribution,
    /// Probability of conversion to greyscale, [0, 1].
    pub grey: f64,
}

/// Gaussian blur.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Blur {
    /// Probability per sample, [0, 1].
    pub probability: f64,
    /// Standard deviation of the Gaussian in input pixels, 0 to 8.
    pub sigma: Distribution,
}

/// Gaussian noise, as from a camera sensor in low light.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Noise {
    /// Probability per sample, [0, 1].
    pub probability: f64,
    /// Standard deviation, for pixel values in [0, 1].
    pub std: Distribution,
}

/// Covers a rectangle with one random colour. The joints behind it stay in the targets, so that the
/// network learns to infer them from context.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CutOut {
    /// Probability per sample, [0, 1].
    pub probability: f64,
    /// Side lengths as fractions of the input's, drawn for each axis, 0 to 1.
    pub share: Distribution,
}

/// All augmentations of a sample. The default, also for fields that a file omits, is no
/// augmentation: the crop is then exactly that of evaluation
/// ([`crate::preprocess::InputSpec::roi_of`]).
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Augment {
    /// Probability of a horizontal flip, which swaps left and right joints, [0, 1].
    pub flip: f64,
    /// Rotation in the image plane.
    pub rotation: Rotation,
    /// Factor applied to the region's side: above 1 the person becomes smaller. 1 keeps the scale.
    pub scale: Distribution,
    /// Maximum shift of the region along each axis, as a fraction of its side.
    pub shift: f64,
    /// Half-body crops.
    pub half_body: HalfBody,
    /// Upper-body close-ups. They replace `half_body`, `scale` and `shift` for the samples they
    /// apply to.
    pub upper_body: UpperBody,
    /// Brightness, contrast and colour.
    pub color: Color,
    /// Gaussian blur.
    pub blur: Blur,
    /// Sensor noise.
    pub noise: Noise,
    /// Random rectangle that hides a part of the input.
    pub cut_out: CutOut,
    /// Four images in one input; for bottom-up networks only.
    pub mosaic: Mosaic,
}

/// The amount that changes nothing.
const ZERO: Distribution = Distribution::Fixed { value: 0.0 };

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
            // The official code takes the upper half when a normally distributed number is below
            // 0.5.
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
            scale: Distribution::Uniform {
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
    /// Returns whether networks of this kind can be trained with it: a mosaic shows several people.
    pub fn suits(&self, approach: Approach) -> bool {
        approach == Approach::BottomUp || self.mosaic.probability == 0.0
    }

    /// Checks that all values are within their range.
    ///
    /// # Errors
    /// Names the field that is out of range, and the range.
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
