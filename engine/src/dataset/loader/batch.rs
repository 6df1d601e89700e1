//! What a training step takes.

use candle_core::{Device, Tensor};

use super::Position;
use crate::error::Result;
use crate::geometry::{Affine2, Size};
use crate::sample::Joint;

/// Several people, cut out, augmented and normalised, with their targets.
#[derive(Debug, Clone, PartialEq)]
pub struct Batch {
    /// Which batch this is.
    pub position: Position,
    /// Width of the targets' Gaussians in heatmap pixels.
    pub sigma: f64,
    /// Size of the inputs.
    pub input_size: Size,
    /// Size of the targets.
    pub heatmap_size: Size,
    /// `N x 3 x H x W`: normalised red, green and blue planes.
    pub input: Vec<f32>,
    /// `N x J x h x w`: one target map per joint.
    pub heatmaps: Vec<f32>,
    /// `N x J`: 0 where nobody knows about a joint, otherwise 1.
    pub weights: Vec<f32>,
    /// `N`: who is seen. People whose pictures cannot be read are missing.
    pub people: Vec<SeenPerson>,
}

/// A person as it is seen in an input.
#[derive(Debug, Clone, PartialEq)]
pub struct SeenPerson {
    /// Number of the data set.
    pub set: usize,
    /// Number of the picture in its data set.
    pub image_id: u64,
    /// Number of the annotation in its data set.
    pub annotation_id: u64,
    /// Where input pixels lie in the image; the mirror is part of it.
    pub image_from_input: Affine2,
    /// Left and right are exchanged.
    pub flipped: bool,
    /// Joints in input pixels, in the skeleton's order; in a mirrored view already exchanged.
    pub joints: Vec<Joint>,
}

/// The numbers of a [`Batch`] on a device.
#[derive(Debug, Clone)]
pub struct BatchTensors {
    /// `N x 3 x H x W`.
    pub input: Tensor,
    /// `N x J x h x w`.
    pub heatmaps: Tensor,
    /// `N x J`.
    pub weights: Tensor,
}

impl Batch {
    /// Number of people.
    pub fn len(&self) -> usize {
        self.people.len()
    }

    /// Whether there is nobody. The loader never hands such a batch out.
    pub fn is_empty(&self) -> bool {
        self.people.is_empty()
    }

    /// Moves the numbers to `device`; on the processor nothing is copied.
    ///
    /// # Errors
    /// When the device has no room.
    pub fn into_tensors(self, device: &Device) -> Result<(BatchTensors, Vec<SeenPerson>)> {
        let n = self.people.len();
        let n_joints = self.weights.len() / n.max(1);
        let (i, h) = (self.input_size, self.heatmap_size);
        let tensors = BatchTensors {
            input: Tensor::from_vec(self.input, (n, 3, i.height, i.width), device)?,
            heatmaps: Tensor::from_vec(self.heatmaps, (n, n_joints, h.height, h.width), device)?,
            weights: Tensor::from_vec(self.weights, (n, n_joints), device)?,
        };
        Ok((tensors, self.people))
    }
}
