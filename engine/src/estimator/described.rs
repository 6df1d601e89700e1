//! Descriptions of frames by the network's own features.

use candle_core::Tensor;

use super::Network;
use crate::error::{Error, Result};
use crate::frame::Frame;
use crate::geometry::{Roi, Size};
use crate::nn::Features;
use crate::output::Timings;

/// Cells per axis over which features are averaged: poses differ in where something is.
const CELLS: usize = 2;

impl Network {
    /// Describes a region of a frame: the means of the backbone's coarsest feature map in the cells
    /// of a grid, channel by channel. Regions that look alike to the network have similar
    /// descriptions.
    ///
    /// # Errors
    /// When the network or its device fails.
    pub fn describe_region(&mut self, frame: &Frame, roi: &Roi) -> Result<Vec<f32>> {
        let input = self.crop(frame, roi, &mut Timings::default());
        let Size { width, height } = self.input.size;
        let device = &self.selected.device;
        let x = Tensor::from_slice(&input.values, (1, 3, height, width), device)?;
        let mut pass = self.pass(false);
        let output = match &self.kernels {
            Some(kernels) => kernels
                .threads
                .install(|| self.net.backbone(&x, &mut pass))?,
            None => self.net.backbone(&x, &mut pass)?,
        };
        self.buffer = input.values;
        let mut coarsest: Option<(usize, &Features)> = None;
        for features in &output.features {
            let [_, _, h, w] = features.dims4()?;
            if coarsest.is_none_or(|(area, _)| h * w < area) {
                coarsest = Some((h * w, features));
            }
        }
        let (_, coarsest) =
            coarsest.ok_or_else(|| Error::Internal("a backbone without features".to_owned()))?;
        let map = coarsest.to_tensor()?;
        let (_, _, h, w) = map.dims4()?;
        let mut means = Vec::new();
        for row in 0..CELLS {
            for column in 0..CELLS {
                let [y, x] = [(row, h), (column, w)].map(|(i, n)| i * n / CELLS);
                let [below, right] = [(row, h), (column, w)].map(|(i, n)| (i + 1) * n / CELLS);
                let cell = map.narrow(2, y, (below - y).max(1))?;
                let cell = cell.narrow(3, x, (right - x).max(1))?;
                means.extend(cell.mean((2, 3))?.flatten_all()?.to_vec1::<f32>()?);
            }
        }
        Ok(means)
    }
}
