//! Batch normalisation and ReLU of training as single operations.
//!
//! Candle composes the norm from a dozen broadcasts, each a pass over memory forwards and several
//! backwards. Here the forward reads a map twice (statistics, then values), the backward twice.

use std::sync::Arc;

use candle_core::{CpuStorage, CustomOp1, CustomOp3, Device, Layout, Result, Shape, Tensor};
use rayon::prelude::*;

use super::conv_op::{contiguous, with_values};
use super::{Kernels, Pass};

/// Mean and variance of each channel of a batch.
pub(super) struct Statistics {
    pub(super) mean: Vec<f32>,
    /// Biased: divided by the number of values.
    pub(super) variance: Vec<f32>,
    /// Values per channel.
    pub(super) n: usize,
}

/// `[N, C, H, W]` as channels: for each, its plane in every input.
#[derive(Clone, Copy)]
struct Planes {
    n: usize,
    c: usize,
    area: usize,
}

impl Planes {
    fn of(dims: &[usize]) -> Result<Self> {
        match *dims {
            [n, c, h, w] => Ok(Self { n, c, area: h * w }),
            _ => candle_core::bail!("a feature map has four dimensions, not {dims:?}"),
        }
    }

    /// The plane of channel `c` in input `n`.
    fn range(self, n: usize, c: usize) -> std::ops::Range<usize> {
        let from = (n * self.c + c) * self.area;
        from..from + self.area
    }

    /// Calls `f(channel, planes of its result)` for every channel, on all threads, and gives the
    /// results as one map. `f` returns the channel's planes one after the other.
    fn fill(self, kernels: &Kernels, f: impl Fn(usize, usize, &mut [f32]) + Sync) -> Vec<f32> {
        let mut out = vec![0.0; self.n * self.c * self.area];
        kernels.threads.iterate(|| {
            out.par_chunks_mut(self.area.max(1))
                .enumerate()
                .for_each(|(i, plane)| f(i / self.c, i % self.c, plane));
        });
        out
    }
}

/// Sums over a channel in f64: a map has up to a million values.
fn channel_sums<const K: usize>(
    planes: Planes,
    kernels: &Kernels,
    plane_sums: impl Fn(usize, usize) -> [f64; K] + Sync,
) -> Vec<[f64; K]> {
    kernels.threads.iterate(|| {
        (0..planes.c)
            .into_par_iter()
            .map(|c| {
                (0..planes.n).fold([0.0; K], |mut sums, n| {
                    for (sum, part) in sums.iter_mut().zip(plane_sums(n, c)) {
                        *sum += part;
                    }
                    sums
                })
            })
            .collect()
    })
}

/// Sum of `f` over pairs of values, in eight lanes that vectorise.
fn sum_pairs(a: &[f32], b: &[f32], f: impl Fn(f32, f32) -> f32) -> f64 {
    // f32 within a row of 1024 values, f64 across rows.
    a.chunks(1024)
        .zip(b.chunks(1024))
        .map(|(a, b)| {
            let mut lanes = [0.0f32; 16];
            let (a_blocks, a_rest) = a.as_chunks::<16>();
            let (b_blocks, b_rest) = b.as_chunks::<16>();
            for (a, b) in a_blocks.iter().zip(b_blocks) {
                for i in 0..16 {
                    lanes[i] += f(a[i], b[i]);
                }
            }
            let rest: f32 = a_rest.iter().zip(b_rest).map(|(&a, &b)| f(a, b)).sum();
            f64::from(lanes.iter().sum::<f32>() + rest)
        })
        .sum()
}

/// Mean and variance per channel of `x [N, C, H, W]`, f32 in the processor's memory.
pub(super) fn statistics(x: &Tensor, kernels: &Kernels) -> Result<Statistics> {
    with_values(x, |x, dims| {
        let planes = Planes::of(dims)?;
        let n = planes.n * planes.area;
        let count = n.max(1) as f64;
        let sums = channel_sums(planes, kernels, |n, c| {
            let x = &x[planes.range(n, c)];
            [sum_pairs(x, x, |a, _| a)]
        });
        let mean: Vec<f32> = sums.iter().map(|[s]| (s / count) as f32).collect();
        // Around the mean: the difference of two large sums would lose the variance.
        let squares = channel_sums(planes, kernels, |n, c| {
            let (x, mean) = (&x[planes.range(n, c)], mean[c]);
            [sum_pairs(x, x, |a, _| (a - mean) * (a - mean))]
        });
        Ok(Statistics {
            variance: squares.iter().map(|[s]| (s / count) as f32).collect(),
            mean,
            n,
        })
    })
}

/// `weight (x - mean) / sqrt(var + eps) + bias` with the batch's own statistics; arguments
/// `x [N, C, H, W]`, `weight [C]`, `bias [C]`.
pub(super) struct NormOp {
    pub(super) mean: Vec<f32>,
    /// `1 / sqrt(var + eps)`.
    pub(super) inverse: Vec<f32>,
    pub(super) kernels: Arc<Kernels>,
}

impl CustomOp3 for NormOp {
    fn name(&self) -> &'static str {
        "batch-norm"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        x_layout: &Layout,
        weight: &CpuStorage,
        weight_layout: &Layout,
        bias: &CpuStorage,
        bias_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let planes = Planes::of(x_layout.dims())?;
        let x = contiguous(x, x_layout)?;
        let weight = contiguous(weight, weight_layout)?;
        let bias = contiguous(bias, bias_layout)?;
        let y = planes.fill(&self.kernels, |n, c, out| {
            let factor = weight[c] * self.inverse[c];
            let shift = bias[c] - self.mean[c] * factor;
            for (y, &x) in out.iter_mut().zip(&x[planes.range(n, c)]) {
                *y = x.mul_add(factor, shift);
            }
        });
        Ok((CpuStorage::F32(y), x_layout.shape().clone()))
    }

    fn bwd(
        &self,
        x: &Tensor,
        weight: &Tensor,
        bias: &Tensor,
        _y: &Tensor,
        grad: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let weights = weight.to_vec1::<f32>()?;
        with_values(x, |x, dims| {
            with_values(grad, |grad, _| {
                let planes = Planes::of(dims)?;
                let count = (planes.n * planes.area).max(1) as f32;
                let sums = channel_sums(planes, &self.kernels, |n, c| {
                    let (x, grad) = (&x[planes.range(n, c)], &grad[planes.range(n, c)]);
                    let mean = self.mean[c];
                    [
                        sum_pairs(grad, grad, |g, _| g),
                        sum_pairs(grad, x, |g, x| g * (x - mean)),
                    ]
                });
                let x_grad = planes.fill(&self.kernels, |n, c, out| {
                    let (inverse, mean) = (self.inverse[c], self.mean[c]);
                    let factor = weights[c] * inverse;
                    let [sum, product] = sums[c].map(|s| s as f32 / count);
                    let slope = product * inverse * inverse;
                    let range = planes.range(n, c);
                    let pairs = grad[range.clone()].iter().zip(&x[range]);
                    for (out, (&g, &x)) in out.iter_mut().zip(pairs) {
                        *out = factor * (g - sum - (x - mean) * slope);
                    }
                });
                let per_channel = |f: &dyn Fn(usize) -> f64, like: &Tensor| {
                    let values = (0..planes.c).map(|c| f(c) as f32).collect();
                    Tensor::from_vec(values, like.dims(), &Device::Cpu)
                };
                Ok((
                    Some(Tensor::from_vec(x_grad, dims, &Device::Cpu)?),
                    Some(per_channel(
                        &|c| sums[c][1] * f64::from(self.inverse[c]),
                        weight,
                    )?),
                    Some(per_channel(&|c| sums[c][0], bias)?),
                ))
            })
        })
    }
}

/// `max(x, 0)`; the gradient at 0 is 0.
struct ReluOp {
    kernels: Arc<Kernels>,
}

/// `max(x, 0)` by our kernels where the pass brings them, by candle otherwise.
pub(super) fn rectified(x: &Tensor, pass: &Pass) -> Result<Tensor> {
    match &pass.kernels {
        Some(kernels) => {
            let kernels = Arc::clone(kernels);
            x.contiguous()?.apply_op1(ReluOp { kernels })
        }
        None => x.relu(),
    }
}

/// Values per task: half an L2.
const BLOCK: usize = 128 * 1024;

impl CustomOp1 for ReluOp {
    fn name(&self) -> &'static str {
        "relu"
    }

    fn cpu_fwd(&self, x: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let x = contiguous(x, layout)?;
        let mut y = vec![0.0; x.len()];
        self.kernels.threads.iterate(|| {
            let blocks = y.par_chunks_mut(BLOCK).zip(x.par_chunks(BLOCK));
            blocks.for_each(|(y, x)| {
                for (y, &x) in y.iter_mut().zip(x) {
                    *y = x.max(0.0);
                }
            });
        });
        Ok((CpuStorage::F32(y), layout.shape().clone()))
    }

    fn bwd(&self, _x: &Tensor, y: &Tensor, grad: &Tensor) -> Result<Option<Tensor>> {
        with_values(y, |y, dims| {
            with_values(grad, |grad, _| {
                let mut out = vec![0.0; y.len()];
                self.kernels.threads.iterate(|| {
                    let inputs = y.par_chunks(BLOCK).zip(grad.par_chunks(BLOCK));
                    let blocks = out.par_chunks_mut(BLOCK).zip(inputs);
                    blocks.for_each(|(out, (y, grad))| {
                        for (out, (&y, &g)) in out.iter_mut().zip(y.iter().zip(grad)) {
                            *out = if y > 0.0 { g } else { 0.0 };
                        }
                    });
                });
                Tensor::from_vec(out, dims, &Device::Cpu).map(Some)
            })
        })
    }
}
