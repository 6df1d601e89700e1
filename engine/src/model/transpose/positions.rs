//! Position embedding of tokens: the tensor `pos_embedding [L, 1, d]`, a row for each pixel of the
//! grid in reading order.
//!
//! The table fits one grid, hence one input size. For another, a sine table is recomputed and a
//! learned one is resized bilinearly with aligned corners.

use candle_core::{DType, Device, Result, Tensor, Var};
use candle_nn::{Init, VarBuilder};

use crate::geometry::Size;
use crate::nn::{Features, resize_bilinear};

/// Kind of position embedding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PositionKind {
    /// A fixed sinusoidal table, [`sine_positions`].
    Sine,
    /// A trained table.
    Learned,
    /// No positions.
    None,
}

/// Name of the tensor.
pub(super) const NAME: &str = "pos_embedding";

/// A position table, and how to compute one for another grid.
pub(super) struct Positions {
    is_learned: bool,
    d: usize,
    device: Device,
    /// The stored table and its grid; `None` if a sine table for another grid was stored.
    pos_embedding: Option<(Size, Tensor)>,
}

impl Positions {
    /// Builds the table for `grid`; `None` for [`PositionKind::None`].
    ///
    /// Weights for another input size contain a table of another length: see the module.
    pub(super) fn new(
        vb: &VarBuilder<'_>,
        kind: PositionKind,
        d: usize,
        grid: Size,
    ) -> Result<Option<Self>> {
        let is_learned = match kind {
            PositionKind::Sine => false,
            PositionKind::Learned => true,
            PositionKind::None => return Ok(None),
        };
        let is_fresh = !vb.contains_tensor(NAME);
        let init = Init::Randn {
            mean: 0.0,
            stdev: 1.0,
        };
        let table = match vb.get_with_hints((grid.area(), 1, d), NAME, init) {
            Ok(table) => table,
            Err(misfit) => vb.get_unchecked(NAME).map_err(|_| misfit)?,
        };
        if is_fresh && table.is_variable() && !is_learned {
            Var::from_tensor(&table)?.set(&sine_positions(grid, d, table.device())?)?;
        }
        let (len, _, features) = table.dims3()?;
        if features != d {
            candle_core::bail!("{NAME} has {features} features, the network {d}");
        }
        let stored_for = if len == grid.area() {
            Some(grid)
        } else if is_learned {
            let Some(like) = alike(grid, len) else {
                candle_core::bail!(
                    "{NAME} has {len} positions, which do not form a grid of the proportions \
                     {}x{}; give the input size that the weights are for",
                    grid.width,
                    grid.height
                );
            };
            Some(like)
        } else {
            None
        };
        Ok(Some(Self {
            is_learned,
            d,
            device: table.device().clone(),
            pos_embedding: stored_for.map(|grid| (grid, table)),
        }))
    }

    /// Returns the positions `[1, d, H, W]` for a grid.
    pub(super) fn on(&self, grid: Size) -> Result<Features> {
        let map = match &self.pos_embedding {
            Some((stored_for, table)) if *stored_for == grid => {
                let table = if self.is_learned {
                    table.clone()
                } else {
                    table.detach()
                };
                self.map(&table, grid)?
            }
            Some((stored_for, table)) if self.is_learned => {
                let map = self.map(table, *stored_for)?;
                resize_bilinear(&map, (grid.height, grid.width), true)?
            }
            _ => self.map(&sine_positions(grid, self.d, &self.device)?, grid)?,
        };
        Ok(Features::Tensor(map))
    }

    /// Converts a table `[L, 1, d]` to a map `[1, d, H, W]`.
    fn map(&self, table: &Tensor, grid: Size) -> Result<Tensor> {
        let dims = (1, grid.height, grid.width, self.d);
        table.reshape(dims)?.permute((0, 3, 1, 2))
    }
}

/// Returns the grid of `len` pixels with the aspect ratio of `grid`.
fn alike(grid: Size, len: usize) -> Option<Size> {
    let height = (len * grid.height) as f64 / grid.width.max(1) as f64;
    let height = height.sqrt().round() as usize;
    let width = len.checked_div(height)?;
    let is_alike = width * height == len && width * grid.height == height * grid.width;
    is_alike.then_some(Size::new(width, height))
}

/// Computes the fixed table `[L, 1, d]`: the first half of a token's features encodes its row, the
/// second its column. With `c = d / 2` features each, feature `k` of row `y` out of `h` is the sine
/// (even `k`) or cosine (odd `k`) of `2 pi (y + 1) / (h + 1e-6) / 10000^(2 floor(k / 2) / c)`.
///
/// # Errors
/// When the device fails.
pub fn sine_positions(grid: Size, d: usize, device: &Device) -> Result<Tensor> {
    let c = d / 2;
    // In f32 and in this order, as published tables were computed.
    let axis = |len: usize| -> Vec<f32> {
        let angle = |i: usize, k: usize| {
            let turn = (i + 1) as f32 / (len as f32 + 1e-6) * std::f32::consts::TAU;
            let angle = turn / 10000_f32.powf((2 * (k / 2)) as f32 / c as f32);
            if k.is_multiple_of(2) {
                angle.sin()
            } else {
                angle.cos()
            }
        };
        (0..len)
            .flat_map(|i| (0..c).map(move |k| angle(i, k)))
            .collect()
    };
    let (rows, columns) = (axis(grid.height), axis(grid.width));
    let mut table = Vec::with_capacity(grid.area() * d);
    for row in rows.chunks_exact(c.max(1)) {
        for column in columns.chunks_exact(c.max(1)) {
            table.extend_from_slice(row);
            table.extend_from_slice(column);
        }
    }
    Tensor::from_vec(table, (grid.area(), 1, 2 * c), device)?.to_dtype(DType::F32)
}

#[cfg(test)]
mod tests {
    use super::*;
    use candle_nn::VarMap;
    use std::collections::HashMap;

    const GRID: Size = Size::new(3, 4);

    fn values(x: &Features) -> Vec<f32> {
        let x = x.to_tensor().unwrap();
        x.flatten_all().unwrap().to_vec1().unwrap()
    }

    fn with(kind: PositionKind, table: &Tensor, grid: Size) -> Result<Positions> {
        let tensors = HashMap::from([(NAME.to_owned(), table.clone())]);
        let vb = VarBuilder::from_tensors(tensors, DType::F32, &Device::Cpu);
        Positions::new(&vb, kind, 4, grid).map(Option::unwrap)
    }

    /// Returns a table for [`GRID`] that is not a sine table.
    fn table() -> Tensor {
        let values = Tensor::arange(0f32, 48.0, &Device::Cpu).unwrap();
        values.reshape((12, 1, 4)).unwrap()
    }

    /// Fails when the positions on the stored grid differ from the stored table, or rows and
    /// columns are swapped.
    #[test]
    fn the_stored_table_is_used_on_its_grid() {
        for kind in [PositionKind::Sine, PositionKind::Learned] {
            let positions = with(kind, &table(), GRID).unwrap();
            let map = positions.on(GRID).unwrap();
            assert_eq!(map.dims4().unwrap(), [1, 4, 4, 3]);
            // Feature 1 of the tokens in reading order.
            let want: Vec<f32> = (0..12).map(|token| (4 * token + 1) as f32).collect();
            assert_eq!(values(&map)[12..24], want);
        }
    }

    /// Fails when another grid gets the table of the stored one.
    #[test]
    fn another_grid_gets_sines_or_a_resized_table() {
        let grid = Size::new(5, 7);
        let sine = with(PositionKind::Sine, &table(), GRID).unwrap();
        let want = sine_positions(grid, 4, &Device::Cpu).unwrap();
        let want = want.reshape((1, 7, 5, 4)).unwrap();
        let want = Features::Tensor(want.permute((0, 3, 1, 2)).unwrap());
        assert_eq!(values(&sine.on(grid).unwrap()), values(&want));
        let learned = with(PositionKind::Learned, &table(), GRID).unwrap();
        let map = values(&learned.on(grid).unwrap());
        // Feature 0 grows by 4 per column and 12 per row; corners keep their values, so that the
        // steps are 2/4 of the old columns and 3/6 of the old rows.
        for (i, got) in map[..35].iter().enumerate() {
            let want = (i % 5) as f32 * 2.0 + (i / 5) as f32 * 6.0;
            assert!((got - want).abs() < 1e-4, "{i}: {got} is not {want}");
        }
    }

    /// Fails when weights for another input size cannot be used, or a learned table is reshaped to
    /// a grid of another aspect ratio.
    #[test]
    fn tables_of_other_inputs_are_accepted() {
        let large = Size::new(6, 8);
        let sine = with(PositionKind::Sine, &table(), large).unwrap();
        assert_eq!(values(&sine.on(large).unwrap()).len(), 4 * large.area());
        let learned = with(PositionKind::Learned, &table(), large).unwrap();
        let map = learned.on(GRID).unwrap();
        assert_eq!(values(&map)[..3], [0.0, 4.0, 8.0]);
        assert!(with(PositionKind::Learned, &table(), Size::new(5, 8)).is_err());
    }

    /// Fails when training from scratch starts without positions, drops them from a checkpoint, or
    /// trains the fixed ones.
    #[test]
    fn initial_tables_are_sines_and_not_trained() {
        for kind in [PositionKind::Sine, PositionKind::Learned] {
            let map = VarMap::new();
            let vb = VarBuilder::from_varmap(&map, DType::F32, &Device::Cpu);
            let positions = Positions::new(&vb, kind, 4, GRID).unwrap().unwrap();
            let var = map.data().lock().unwrap()[NAME].clone();
            let x = positions.on(GRID).unwrap();
            let x = x.to_tensor().unwrap();
            let grads = x.sum_all().unwrap().backward().unwrap();
            let is_sine = var.flatten_all().unwrap().to_vec1::<f32>().unwrap()
                == sine_positions(GRID, 4, &Device::Cpu)
                    .unwrap()
                    .flatten_all()
                    .unwrap()
                    .to_vec1::<f32>()
                    .unwrap();
            assert_eq!(is_sine, kind == PositionKind::Sine);
            assert_eq!(grads.get(&var).is_some(), kind == PositionKind::Learned);
        }
    }
}
