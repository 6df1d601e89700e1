//! Max pooling whose gradient goes to the first of equal maxima.

use candle_core::{Result, Tensor};

use super::graph::Op;
use super::{Features, autograd};

/// Size of a pooling window; padding counts as minus infinity.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pool {
    /// Side of the window in pixels.
    pub kernel: usize,
    /// Distance between windows in pixels.
    pub stride: usize,
    /// Padding on each side in pixels, less than `kernel`.
    pub pad: usize,
}

impl Pool {
    /// 2x2 window, stride 2: `[.., H, W]` to `[.., H / 2, W / 2]`, rounded down.
    pub const HALVE: Self = Self {
        kernel: 2,
        stride: 2,
        pad: 0,
    };
    /// 3x3 window, stride 2, padding 1, as in ResNet stems: to `[.., H / 2, W / 2]`, rounded up.
    pub const STEM: Self = Self {
        kernel: 3,
        stride: 2,
        pad: 1,
    };

    /// Returns the number of windows along an axis of `len` pixels.
    fn out(self, len: usize) -> Result<usize> {
        match (len + 2 * self.pad).checked_sub(self.kernel) {
            Some(rest) if len > 0 => Ok(rest / self.stride + 1),
            _ => candle_core::bail!("{len} pixels are too few for {self:?}"),
        }
    }
}

/// Returns the maximum of each window.
pub fn max_pool(x: &Features, pool: Pool) -> Result<Features> {
    let [_, _, h, w] = x.dims4()?;
    pool.out(h)?;
    pool.out(w)?;
    let Pool {
        kernel,
        stride,
        pad,
    } = pool;
    match x {
        Features::Tensor(x) => pool_tensor(x, pool).map(Features::Tensor),
        Features::Traced(x) => autograd::max_pool(x, (kernel, stride, pad)).map(Features::Traced),
        Features::Recorded(x) => {
            let op = Op::MaxPool {
                kernel,
                stride,
                pad,
            };
            x.push("", op, &[]).map(Features::Recorded)
        }
    }
}

/// [`max_pool`] on a `[N, C, H, W]` tensor.
pub(super) fn pool_tensor(x: &Tensor, pool: Pool) -> Result<Tensor> {
    let (_, _, h, w) = x.dims4()?;
    // Along columns first: the first maximum of the row-wise first maxima is the window's first
    // maximum in row-major order.
    let across = max_along(x, 3, pool, pool.out(w)?)?;
    max_along(&across, 2, pool, pool.out(h)?)
}

/// Pools one dimension to `out` windows.
fn max_along(x: &Tensor, dim: usize, pool: Pool, out: usize) -> Result<Tensor> {
    let Pool {
        kernel,
        stride,
        pad,
    } = pool;
    let len = x.dim(dim)?;
    // Replicating the edge is equivalent to padding with minus infinity: a window over the border
    // also covers the edge itself, and the gradient of the copies returns to it. Taps are taken
    // `stride * out` long.
    let tail = (kernel - 1 + stride * out).saturating_sub(pad + len);
    let padded = x.pad_with_same(dim, pad, tail)?;
    let mut dims = x.dims().to_vec();
    dims[dim] = out;
    let mut split = dims.clone();
    split.insert(dim + 1, stride);
    let tap = |i: usize| {
        padded
            .narrow(dim, i, stride * out)?
            .reshape(split.as_slice())?
            .narrow(dim + 1, 0, 1)?
            .reshape(dims.as_slice())
    };
    (1..kernel).try_fold(tap(0)?, |top, i| {
        let next = tap(i)?;
        // `maximum` would split the gradient between equal values.
        top.ge(&next)?.where_cond(&top, &next)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nn::gradcheck::{agree, gradcheck, learn_alike};
    use crate::nn::{Kernels, Pass};
    use candle_core::{Device, Var};
    use proptest::prelude::*;

    const POOLS: [Pool; 2] = [Pool::HALVE, Pool::STEM];

    /// Fails when a gradient is scaled, lost or goes to another pixel than the maximum.
    #[test]
    fn has_the_right_gradient() {
        for pool in POOLS {
            for shape in [[2, 2, 4, 6], [1, 3, 5, 4], [1, 1, 7, 7], [1, 20, 2, 3]] {
                gradcheck(&[&shape], |_, x, _| max_pool(&x[0], pool));
                learn_alike(&[&shape], |_, x, _| max_pool(&x[0], pool));
            }
        }
    }

    /// Fails when equal maxima share the gradient or it goes to a later one. This is common: after
    /// a ReLU, whole windows are 0.
    #[test]
    fn ties_go_to_the_first() {
        let with = |kernels: Option<_>, pool: Pool, values: &[f32], side: usize| {
            let x = Var::from_slice(values, (1, 1, side, side), &Device::Cpu).unwrap();
            let pass = Pass {
                kernels,
                ..Pass::eval()
            };
            let map = pass.enter(&x).unwrap();
            let y = max_pool(&map, pool).unwrap();
            let loss = y.to_tensor().unwrap().sum_all().unwrap();
            let grads = loss.backward().unwrap();
            let g = grads.get(&x).unwrap().flatten_all().unwrap();
            g.to_vec1::<f32>().unwrap()
        };
        let kernels = Kernels::new(1).unwrap();
        let gradient = |pool, values: &[f32], side| {
            let by_kernels = with(Some(kernels.clone()), pool, values, side);
            assert_eq!(by_kernels, with(None, pool, values, side));
            by_kernels
        };
        assert_eq!(gradient(Pool::HALVE, &[0.; 4], 2), [1., 0., 0., 0.]);
        assert_eq!(
            gradient(Pool::HALVE, &[0., 3., 3., 1.], 2),
            [0., 1., 0., 0.]
        );
        // Windows start at -1 and 1: their first pixels inside the map.
        let mut want = [0.; 9];
        (want[0], want[1], want[3], want[4]) = (1., 1., 1., 1.);
        assert_eq!(gradient(Pool::STEM, &[-2.; 9], 3), want);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]

        /// Fails when the pooling kernel differs from the tensor implementation, or pads with 0
        /// instead of minus infinity.
        #[test]
        fn kernels_agree(n in 1..3usize, c in 1..20usize, h in 2..9usize, w in 2..9usize) {
            for pool in POOLS {
                agree(&[&[n, c, h, w]], |_, x, _| max_pool(&x[0], pool));
            }
        }
    }
}
