//! From a frame to a network's input: a person's box becomes a region of interest
//! ([`InputSpec::roi`]; of a labelled person [`InputSpec::roi_of`]), the region is cut out, resized, normalised and laid out channel by channel in one pass
//! ([`InputSpec::crop`]). The flip test ([`flip`]) runs the same input mirrored.

pub mod flip;
mod roi;
mod warp;

use serde::{Deserialize, Serialize};

use crate::frame::Frame;
use crate::geometry::{Affine2, Alignment, Roi, Size};

pub use roi::has_region;
pub use warp::warp;

/// What a network wants to see: the part of its card that cropping needs.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct InputSpec {
    /// Size of the input.
    pub size: Size,
    /// Per-channel mean (red, green, blue) of pixel values in 0..=1, subtracted.
    pub mean: [f32; 3],
    /// Per-channel standard deviation, divided by.
    pub std: [f32; 3],
    /// How pixels of input and region line up.
    pub alignment: Alignment,
    /// How much the box is enlarged: 1.25 leaves an eighth of it on each side.
    pub padding: f64,
    /// Colour (before normalisation) of what lies outside the frame: SFM (124, 116, 104),
    /// TransPose black.
    pub border: [u8; 3],
}

impl InputSpec {
    /// Mean of ImageNet's pixels, which most backbones were trained with.
    pub const IMAGENET_MEAN: [f32; 3] = [0.485, 0.456, 0.406];
    /// Standard deviation of ImageNet's pixels.
    pub const IMAGENET_STD: [f32; 3] = [0.229, 0.224, 0.225];

    /// Number of values of an input: three channels.
    pub const fn n_values(&self) -> usize {
        3 * self.size.area()
    }

    /// Map from input pixels to image pixels for a region.
    pub fn image_from_input(&self, roi: &Roi) -> Affine2 {
        self.alignment.image_from_input(roi, self.size)
    }

    /// The network's view of a region. `buffer` is used again for the values; pass the last
    /// input's, or an empty one.
    pub fn crop(&self, frame: &Frame, roi: &Roi, buffer: Vec<f32>) -> ModelInput {
        let image_from_input = self.image_from_input(roi);
        let mut values = buffer;
        values.resize(self.n_values(), 0.0);
        warp(
            frame.rgba(),
            frame.size(),
            &image_from_input,
            self,
            &mut values,
        );
        ModelInput {
            values,
            size: self.size,
            image_from_input,
        }
    }
}

/// A normalised picture as a network takes it.
#[derive(Debug, Clone, PartialEq)]
pub struct ModelInput {
    /// 1 x 3 x height x width: red plane, green plane, blue plane.
    pub values: Vec<f32>,
    /// Width and height.
    pub size: Size,
    /// Where input pixels lie in the image.
    pub image_from_input: Affine2,
}
