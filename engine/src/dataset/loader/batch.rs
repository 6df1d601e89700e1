//! Input of a training step.

use candle_core::{Device, Tensor};

use super::{InputKey, Position};
use crate::augment::Tile;
use crate::error::Result;
use crate::geometry::{Affine2, Size};
use crate::sample::Joint;

/// Several inputs, cropped, augmented and normalised, with their targets.
#[derive(Debug, Clone, PartialEq)]
pub struct Batch {
    /// Epoch and index of the batch.
    pub position: Position,
    /// Standard deviation of the target Gaussians in heatmap pixels.
    pub sigma: f64,
    /// Width and height of the inputs in pixels.
    pub input_size: Size,
    /// `N x 3 x H x W`: normalised red, green and blue planes; of those inputs that have pixels.
    pub input: Vec<f32>,
    /// Width and height of the target maps in heatmap pixels.
    pub heatmap_size: Size,
    /// `N x C x h x w`: the target maps of the outputs in `outputs`, concatenated along channels.
    pub targets: Vec<f32>,
    /// 1 x 1, or the size of the targets.
    pub weight_size: Size,
    /// `N x C` times `weight_size`: 0 where the label is unknown, otherwise 1.
    pub weights: Vec<f32>,
    /// Names of the network outputs that have targets, in the order of their channels.
    pub outputs: &'static [&'static str],
    /// Content of the `N` inputs. Inputs whose images cannot be read are missing.
    pub inputs: Vec<SeenInput>,
}

/// Content of an input.
#[derive(Debug, Clone, PartialEq)]
pub struct SeenInput {
    /// Identifies the input.
    pub key: InputKey,
    /// Whether the image was read; otherwise the batch has no planes of this input
    /// ([`super::Loader::set_known`]).
    pub has_pixels: bool,
    /// Tiles of one image each: a single one, or four of a mosaic.
    pub tiles: Vec<SeenTile>,
}

impl SeenInput {
    /// Returns the joints of every person in the input.
    pub fn people(&self) -> impl Iterator<Item = &Vec<Joint>> {
        self.tiles.iter().flat_map(|tile| &tile.people)
    }
}

/// A part of an input that shows one image.
#[derive(Debug, Clone, PartialEq)]
pub struct SeenTile {
    /// Index of the data set.
    pub set: usize,
    /// Id of the image in its data set.
    pub image_id: u64,
    /// Id of the annotation that the crop was made for; `None` in an image without people.
    pub annotation_id: Option<u64>,
    /// Position of the tile in the input.
    pub tile: Tile,
    /// Maps tile pixels to image pixels, including mirroring.
    pub image_from_tile: Affine2,
    /// Whether the tile is mirrored, with left and right swapped.
    pub flipped: bool,
    /// Joints in input pixels, in the skeleton's order; already swapped in a mirrored crop. Holds
    /// the one person, or all people in the tile; in the latter case joints outside the tile are
    /// unlabelled.
    pub people: Vec<Vec<Joint>>,
}

/// Targets of a [`Batch`] on a device.
#[derive(Debug, Clone)]
pub struct BatchTargets {
    /// Target maps, `N x C x h x w`.
    pub targets: Tensor,
    /// Loss weights, `N x C x 1 x 1` or `N x C x h x w`.
    pub weights: Tensor,
}

impl Batch {
    /// Returns the number of inputs.
    pub fn len(&self) -> usize {
        self.inputs.len()
    }

    /// Returns whether the batch has no inputs. The loader never returns such a batch.
    pub fn is_empty(&self) -> bool {
        self.inputs.is_empty()
    }

    /// Moves the input planes to `device`, `M x 3 x H x W` for the `M` inputs that have pixels; on
    /// the CPU nothing is copied. The batch has no planes afterwards.
    ///
    /// # Errors
    /// When the device is out of memory.
    pub fn take_input(&mut self, device: &Device) -> Result<Tensor> {
        let n = self.inputs.iter().filter(|input| input.has_pixels).count();
        let (values, i) = (std::mem::take(&mut self.input), self.input_size);
        let shape = (n, 3, i.height, i.width);
        Ok(Tensor::from_vec(values, shape, device)?)
    }

    /// Moves the targets to `device`; on the CPU nothing is copied.
    ///
    /// # Errors
    /// When the device is out of memory.
    pub fn into_targets(self, device: &Device) -> Result<BatchTargets> {
        let n = self.inputs.len();
        let (h, w) = (self.heatmap_size, self.weight_size);
        let channels = self.targets.len() / (n * h.area()).max(1);
        Ok(BatchTargets {
            targets: Tensor::from_vec(self.targets, (n, channels, h.height, h.width), device)?,
            weights: Tensor::from_vec(self.weights, (n, channels, w.height, w.width), device)?,
        })
    }
}
