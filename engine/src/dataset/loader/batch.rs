//! What a training step takes.

use candle_core::{Device, Tensor};

use super::Position;
use crate::augment::Tile;
use crate::error::Result;
use crate::geometry::{Affine2, Size};
use crate::sample::Joint;

/// Several inputs, cut out, augmented and normalised, with their targets.
#[derive(Debug, Clone, PartialEq)]
pub struct Batch {
    /// Which batch this is.
    pub position: Position,
    /// Width of the targets' Gaussians in heatmap pixels.
    pub sigma: f64,
    /// Size of the inputs.
    pub input_size: Size,
    /// `N x 3 x H x W`: normalised red, green and blue planes.
    pub input: Vec<f32>,
    /// Size of the targets.
    pub heatmap_size: Size,
    /// `N x C x h x w`: the target maps of the outputs that `outputs` names, one after the other.
    pub targets: Vec<f32>,
    /// 1 x 1, or the size of the targets.
    pub weight_size: Size,
    /// `N x C` times `weight_size`: 0 for what nobody knows, otherwise 1.
    pub weights: Vec<f32>,
    /// The network's outputs that have targets, in the order of their channels.
    pub outputs: &'static [&'static str],
    /// `N`: what is seen. Inputs whose pictures cannot be read are missing.
    pub inputs: Vec<SeenInput>,
}

/// What an input shows.
#[derive(Debug, Clone, PartialEq)]
pub struct SeenInput {
    /// Its parts, of one picture each: the whole, or four of a mosaic.
    pub tiles: Vec<SeenTile>,
}

impl SeenInput {
    /// Everybody in it.
    pub fn people(&self) -> impl Iterator<Item = &Vec<Joint>> {
        self.tiles.iter().flat_map(|tile| &tile.people)
    }
}

/// A part of an input that shows one picture.
#[derive(Debug, Clone, PartialEq)]
pub struct SeenTile {
    /// Number of the data set.
    pub set: usize,
    /// Number of the picture in its data set.
    pub image_id: u64,
    /// Number of the annotation of the person that the view was made for; `None` in a picture
    /// without people.
    pub annotation_id: Option<u64>,
    /// Where it lies in the input.
    pub tile: Tile,
    /// Where its pixels lie in the image; the mirror is part of it.
    pub image_from_tile: Affine2,
    /// Left and right are exchanged.
    pub flipped: bool,
    /// Joints in input pixels, in the skeleton's order; in a mirrored view already exchanged. Of
    /// the one person, or of everybody in the tile; then joints beyond its border are unlabelled.
    pub people: Vec<Vec<Joint>>,
}

/// The numbers of a [`Batch`] on a device.
#[derive(Debug, Clone)]
pub struct BatchTensors {
    /// `N x 3 x H x W`.
    pub input: Tensor,
    /// `N x C x h x w`.
    pub targets: Tensor,
    /// `N x C x 1 x 1` or `N x C x h x w`.
    pub weights: Tensor,
}

impl Batch {
    /// Number of inputs.
    pub fn len(&self) -> usize {
        self.inputs.len()
    }

    /// Whether there is none. The loader never hands such a batch out.
    pub fn is_empty(&self) -> bool {
        self.inputs.is_empty()
    }

    /// Moves the numbers to `device`; on the processor nothing is copied.
    ///
    /// # Errors
    /// When the device has no room.
    pub fn into_tensors(self, device: &Device) -> Result<BatchTensors> {
        let n = self.inputs.len();
        let (i, h, w) = (self.input_size, self.heatmap_size, self.weight_size);
        let channels = self.targets.len() / (n * h.area()).max(1);
        Ok(BatchTensors {
            input: Tensor::from_vec(self.input, (n, 3, i.height, i.width), device)?,
            targets: Tensor::from_vec(self.targets, (n, channels, h.height, h.width), device)?,
            weights: Tensor::from_vec(self.weights, (n, channels, w.height, w.width), device)?,
        })
    }
}
