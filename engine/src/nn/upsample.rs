//! Upsampling with a gradient that can be trusted.

use candle_core::{Result, Tensor};

/// Nearest-neighbour x2: `out[y][x] = in[y/2][x/2]`. `[N, C, H, W]` to `[N, C, 2H, 2W]`.
///
/// Written with reshapes because the backward of candle's `upsample_nearest2d` overwrites
/// gradients that other consumers of the same tensor have already added.
pub fn upsample_nearest2(x: &Tensor) -> Result<Tensor> {
    let (n, c, h, w) = x.dims4()?;
    x.reshape((n, c, h, 1, w, 1))?
        .broadcast_as((n, c, h, 2, w, 2))?
        .reshape((n, c, 2 * h, 2 * w))
}

#[cfg(test)]
mod tests {
    use super::*;
    use candle_core::{Device, Var};

    /// Fails when a pixel is copied to the wrong place or a gradient is lost or overwritten.
    #[test]
    fn copies_forward_and_sums_backward_with_two_consumers() {
        let x = Var::from_slice(&[1f32, 2., 3., 4.], (1, 1, 2, 2), &Device::Cpu).unwrap();
        let up = upsample_nearest2(&x).unwrap();
        let rows = up.reshape((4, 4)).unwrap().to_vec2::<f32>().unwrap();
        assert_eq!(rows[1], [1., 1., 2., 2.]);
        assert_eq!(rows[2], [3., 3., 4., 4.]);
        let other = (x.as_tensor() * 10.).unwrap().sum_all().unwrap();
        let loss = (up.sum_all().unwrap() + other).unwrap();
        let grads = loss.backward().unwrap();
        let g = grads.get(&x).unwrap().flatten_all().unwrap();
        assert_eq!(g.to_vec1::<f32>().unwrap(), [14.; 4]);
    }
}
