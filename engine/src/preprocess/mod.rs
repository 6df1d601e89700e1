//! Preprocessing: from a frame to a network's input. A person's box becomes a region of interest
//! ([`InputSpec::roi`], or [`InputSpec::roi_of`] for labelled people). The region is cropped,
//! resized, normalised and laid out as channel planes in one pass ([`InputSpec::crop`]). The flip
//! test ([`flip`]) runs the same input mirrored.

pub mod flip;
mod roi;
mod warp;

use serde::{Deserialize, Serialize};

use crate::frame::Frame;
use crate::geometry::{Affine2, Alignment, Roi, Size};

pub use roi::has_region;
pub use warp::warp;

/// Input format of a network: the part of its model card that cropping needs.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct InputSpec {
    /// Size of the input in pixels.
    pub size: Size,
    /// Per-channel mean (red, green, blue) of pixel values in 0..=1, subtracted.
    pub mean: [f32; 3],
    /// Per-channel standard deviation, by which values are divided.
    pub std: [f32; 3],
    /// Pixel alignment of input and region.
    pub alignment: Alignment,
    /// Enlargement of the box: 1.25 adds an eighth of its side on each side.
    pub padding: f64,
    /// Colour (before normalisation) of pixels outside the frame: (124, 116, 104) for SFM, black
    /// for TransPose.
    pub border: [u8; 3],
}

impl InputSpec {
    /// Per-channel mean of ImageNet's pixels (red, green, blue), used by most pretrained backbones.
    pub const IMAGENET_MEAN: [f32; 3] = [0.485, 0.456, 0.406];
    /// Per-channel standard deviation of ImageNet's pixels.
    pub const IMAGENET_STD: [f32; 3] = [0.229, 0.224, 0.225];

    /// Returns crops like those of mmpose and TransPose, with a black border.
    #[cfg(test)]
    fn for_tests(size: Size) -> Self {
        Self {
            size,
            mean: Self::IMAGENET_MEAN,
            std: Self::IMAGENET_STD,
            alignment: Alignment::MinusOne,
            padding: 1.25,
            border: [0; 3],
        }
    }

    /// Returns the number of values in an input: 3 x height x width.
    pub const fn n_values(&self) -> usize {
        3 * self.size.area()
    }

    /// Returns the map from input pixels to image pixels for a region.
    pub fn image_from_input(&self, roi: &Roi) -> Affine2 {
        self.alignment.image_from_input(roi, self.size)
    }

    /// Crops a region into a network input. `buffer` is reused for the values; pass the last
    /// input's buffer, or an empty one.
    pub fn crop(&self, frame: &Frame, roi: &Roi, buffer: Vec<f32>) -> ModelInput {
        let mut values = buffer;
        values.resize(self.n_values(), 0.0);
        let image_from_input = self.crop_into(frame, roi, &mut values);
        ModelInput {
            values,
            size: self.size,
            image_from_input,
        }
    }

    /// Crops a region into `values`, which has the length of a network input; returns the map from
    /// input pixels to image pixels.
    pub fn crop_into(&self, frame: &Frame, roi: &Roi, values: &mut [f32]) -> Affine2 {
        let image_from_input = self.image_from_input(roi);
        warp(frame.rgba(), frame.size(), &image_from_input, self, values);
        image_from_input
    }
}

/// A normalised image in the layout of a network's input.
#[derive(Debug, Clone, PartialEq)]
pub struct ModelInput {
    /// Values of shape [1, 3, height, width]: red plane, green plane, blue plane.
    pub values: Vec<f32>,
    /// Width and height in pixels.
    pub size: Size,
    /// Maps input pixels to image pixels.
    pub image_from_input: Affine2,
}
