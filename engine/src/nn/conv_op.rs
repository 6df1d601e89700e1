//! The convolution as an operation with gradients, computed by our kernels.
//!
//! Candle's own convolution reaches 10 to 24 GMAC/s on two cores, and its backward refuses strided
//! layers whose height and width leave different remainders. Maps are turned channels-last and
//! back around every kernel: two copies of memory, which training on the
//! kernels' own layout would save.

use std::sync::Arc;

use candle_core::{CpuStorage, CustomOp2, Device, Layout, Result, Shape, Storage, Tensor};

use super::Kernels;
use super::kernels::{
    self, ConvShape, Epilogue, Nhwc, PackedConv, PackedTransposed, Plan, Threads, conv2d,
    conv2d_transposed, conv2d_weight_gradient,
};

/// `x [N, C_in, H, W]` with `weight [C_out, C_in, k, k]`, zero padding `k / 2`.
pub(super) struct ConvOp {
    pub(super) stride: usize,
    pub(super) kernels: Arc<Kernels>,
}

impl ConvOp {
    fn shape(&self, weight: &[usize]) -> Result<ConvShape> {
        match *weight {
            [c_out, c_in, kernel, _] => Ok(ConvShape::same(c_in, c_out, kernel, self.stride)),
            _ => candle_core::bail!("convolution weights have four dimensions, not {weight:?}"),
        }
    }

    fn map(&self, data: &[f32], dims: &[usize]) -> Result<Nhwc> {
        match *dims {
            [n, c, h, w] => Ok(self
                .kernels
                .threads
                .iterate(|| kernels::from_nchw(data, [n, c, h, w], &self.kernels.buffers))),
            _ => candle_core::bail!("a feature map has four dimensions, not {dims:?}"),
        }
    }

    fn input_gradient(
        &self,
        shape: ConvShape,
        weight: &[f32],
        grad: &Nhwc,
        (h, w): (usize, usize),
    ) -> Nhwc {
        let threads = &self.kernels.threads;
        if shape.stride == 1 {
            let packed = PackedConv::input_gradient(shape, weight, Plan::For(grad.h(), grad.w()));
            conv2d(&packed, grad, Epilogue::NONE, threads)
        } else {
            let packed = PackedTransposed::new(shape, weight, None);
            conv2d_transposed(&packed, grad, (h, w), Epilogue::NONE, threads)
        }
    }
}

impl CustomOp2 for ConvOp {
    fn name(&self) -> &'static str {
        "conv2d"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        x_layout: &Layout,
        weight: &CpuStorage,
        weight_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let shape = self.shape(weight_layout.dims())?;
        let input = self.map(contiguous(x, x_layout)?, x_layout.dims())?;
        let plan = Plan::For(input.h(), input.w());
        let packed = PackedConv::new(shape, contiguous(weight, weight_layout)?, None, plan);
        let y = conv2d(&packed, &input, Epilogue::NONE, &self.kernels.threads);
        let [n, h, w, c] = y.dims();
        Ok((
            CpuStorage::F32(to_nchw(&y, &self.kernels.threads)),
            Shape::from((n, c, h, w)),
        ))
    }

    fn bwd(
        &self,
        x: &Tensor,
        weight: &Tensor,
        _y: &Tensor,
        grad: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let shape = self.shape(weight.dims())?;
        let grad = with_values(grad, |data, dims| self.map(data, dims))?;
        let (_, _, h, w) = x.dims4()?;
        let x_grad = if x.track_op() {
            let gradient = with_values(weight, |weight, _| {
                Ok(self.input_gradient(shape, weight, &grad, (h, w)))
            })?;
            let values = to_nchw(&gradient, &self.kernels.threads);
            Some(Tensor::from_vec(values, x.dims(), &Device::Cpu)?)
        } else {
            None
        };
        let weight_grad = if weight.track_op() {
            let input = with_values(x, |data, dims| self.map(data, dims))?;
            let mut values = vec![0.0; shape.weights()];
            let threads = &self.kernels.threads;
            conv2d_weight_gradient(shape, &input, &grad, &mut values, threads);
            Some(Tensor::from_vec(values, weight.dims(), &Device::Cpu)?)
        } else {
            None
        };
        Ok((x_grad, weight_grad))
    }
}

fn to_nchw(map: &Nhwc, threads: &Threads) -> Vec<f32> {
    let mut values = vec![0.0; map.data().len()];
    threads.iterate(|| kernels::to_nchw(map, &mut values));
    values
}

/// The values of a storage that lie one after the other.
pub(super) fn contiguous<'a>(storage: &'a CpuStorage, layout: &Layout) -> Result<&'a [f32]> {
    match layout.contiguous_offsets() {
        Some((from, to)) => Ok(&storage.as_slice::<f32>()?[from..to]),
        None => candle_core::bail!("the kernels read contiguous tensors only"),
    }
}

/// Lends the values of a tensor in the processor's memory, row-major.
pub(super) fn with_values<T>(
    tensor: &Tensor,
    read: impl FnOnce(&[f32], &[usize]) -> Result<T>,
) -> Result<T> {
    let tensor = tensor.contiguous()?;
    let (storage, layout) = tensor.storage_and_layout();
    let Storage::Cpu(storage) = &*storage else {
        candle_core::bail!("the CPU kernels were asked to read from a GPU");
    };
    read(contiguous(storage, layout)?, layout.dims())
}

#[cfg(test)]
mod tests {
    use super::*;
    use candle_core::Var;
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]

        /// Fails when a gradient differs from what the convolution, which is linear in both
        /// arguments, demands: `f(x + dx) - f(x) = <grad, dx>` exactly up to rounding.
        #[test]
        fn gradients_predict_changes(
            kernel in prop::sample::select(vec![1usize, 3, 7]),
            stride in 1usize..=2,
            (h, w) in (3usize..9, 3usize..9),
            (c_in, c_out) in (1usize..20, 1usize..20),
            seed in 0u64..1000,
        ) {
            let values = |n: usize, salt: u64| -> Vec<f32> {
                let mut state = seed * 7919 + salt + 1;
                (0..n)
                    .map(|_| {
                        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                        ((state >> 40) as f32 / (1u64 << 24) as f32) - 0.5
                    })
                    .collect()
            };
            let tensor = |dims: (usize, usize, usize, usize), salt| {
                let n = dims.0 * dims.1 * dims.2 * dims.3;
                Tensor::from_vec(values(n, salt), dims, &Device::Cpu).unwrap()
            };
            let op = || ConvOp { stride, kernels: Kernels::new(1).unwrap() };
            let x = Var::from_tensor(&tensor((2, c_in, h, w), 1)).unwrap();
            let k = Var::from_tensor(&tensor((c_out, c_in, kernel, kernel), 2)).unwrap();
            let f = |x: &Tensor, k: &Tensor, scale: &Tensor| {
                let y = x.apply_op2(k, op()).unwrap();
                (y * scale).unwrap().sum_all().unwrap()
            };
            let (oh, ow) = (h.div_ceil(stride), w.div_ceil(stride));
            let scale = tensor((2, c_out, oh, ow), 3);
            let grads = f(&x, &k, &scale).backward().unwrap();
            let x_step = tensor((2, c_in, h, w), 4);
            let k_step = tensor((c_out, c_in, kernel, kernel), 5);
            let after_x = f(&(x.as_tensor() + &x_step).unwrap(), &k, &scale);
            let after_k = f(&x, &(k.as_tensor() + &k_step).unwrap(), &scale);
            for (var, step, after) in [(&x, x_step, after_x), (&k, k_step, after_k)] {
                let change = (after - f(&x, &k, &scale)).unwrap().to_scalar::<f32>().unwrap();
                let told = (grads.get(var).unwrap() * &step).unwrap().sum_all().unwrap();
                let told = told.to_scalar::<f32>().unwrap();
                prop_assert!((change - told).abs() < 1e-3 * (1.0 + told.abs()), "{change} {told}");
            }
        }
    }
}
