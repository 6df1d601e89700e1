//! Backward passes of element-wise operations. Gradients are changed in place.

use rayon::prelude::*;

use super::buffer::Nhwc;
use super::math::Activation;
use super::reduce::{block_len, per_block, total};
use super::simd::job;
use super::threads::Threads;

/// Values per task: a quarter of an L2 for each of two operands.
const BLOCK: usize = 64 * 1024;

/// Calls `f` with the corresponding blocks of `to` and `from`, for all blocks.
fn in_blocks(
    to: &mut Nhwc,
    from: &Nhwc,
    threads: &Threads,
    f: impl Fn(&mut [f32], &[f32]) + Sync + Send,
) {
    assert_eq!(to.dims(), from.dims(), "maps combined value by value");
    threads.iterate(|| {
        let from = from.data().par_chunks(BLOCK);
        let blocks = to.data_mut().par_chunks_mut(BLOCK).zip(from);
        blocks.for_each(|(to, from)| f(to, from));
    });
}

/// Computes `sum += map`.
pub fn add_to(sum: &mut Nhwc, map: &Nhwc, threads: &Threads) {
    in_blocks(sum, map, threads, |to, from| {
        threads.isa().run(Add { to, from });
    });
}

job! {
    /// One block of [`add_to`].
    Add { to: &'a mut [f32], from: &'a [f32] }, _s => {
        for (to, &from) in to.iter_mut().zip(from) {
            *to += from;
        }
    }
}

/// Computes `map *= factor` element-wise.
pub fn multiply_by(map: &mut Nhwc, factor: &Nhwc, threads: &Threads) {
    in_blocks(map, factor, threads, |to, from| {
        threads.isa().run(Multiply { to, from });
    });
}

job! {
    /// One block of [`multiply_by`].
    Multiply { to: &'a mut [f32], from: &'a [f32] }, _s => {
        for (to, &from) in to.iter_mut().zip(from) {
            *to *= from;
        }
    }
}

/// Copies a map into memory from its pool.
pub fn copy(map: &Nhwc, threads: &Threads) -> Nhwc {
    let [n, h, w, c] = map.dims();
    let mut copy = map.buffers().map(n, h, w, c);
    in_blocks(&mut copy, map, threads, <[f32]>::copy_from_slice);
    copy
}

/// Multiplies `grad` by the derivative of `activation` at the point where it returned `result`. The
/// derivative of ReLU at 0 is 0.
pub fn activation_grad(activation: Activation, grad: &mut Nhwc, result: &Nhwc, threads: &Threads) {
    if activation != Activation::None {
        in_blocks(grad, result, threads, |grad, result| {
            threads.isa().run(Through {
                grad,
                result,
                activation,
            });
        });
    }
}

job! {
    /// One block of [`activation_grad`].
    Through { grad: &'a mut [f32], result: &'a [f32], activation: Activation }, _s => {
        let pairs = grad.iter_mut().zip(result);
        match activation {
            Activation::None => {}
            Activation::Relu => pairs.for_each(|(g, &y)| *g = if y > 0.0 { *g } else { 0.0 }),
            Activation::Tanh => pairs.for_each(|(g, &y)| *g *= 1.0 - y * y),
            Activation::Sigmoid => pairs.for_each(|(g, &y)| *g *= y * (1.0 - y)),
        }
    }
}

/// Computes `x * factor + bias` as a new map; the one-channel map `factor` has `x`'s size, and the
/// optional bias is per channel.
pub fn scaled(x: &Nhwc, factor: &Nhwc, bias: Option<&[f32]>, threads: &Threads) -> Nhwc {
    let [n, h, w, c] = x.dims();
    assert_eq!(factor.dims(), [n, h, w, 1], "one factor per pixel");
    assert!(bias.is_none_or(|b| b.len() == c), "one bias per channel");
    let mut out = x.buffers().map(n, h, w, c);
    let len = block_len(c);
    threads.iterate(|| {
        let inputs = x
            .data()
            .par_chunks(len)
            .zip(factor.data().par_chunks(len / c.max(1)));
        let blocks = out.data_mut().par_chunks_mut(len).zip(inputs);
        blocks.for_each(|(out, (x, factor))| {
            threads.isa().run(Scaled {
                out,
                x,
                factor,
                bias,
            });
        });
    });
    out
}

job! {
    /// One block of [`scaled`].
    Scaled {
        out: &'a mut [f32],
        x: &'a [f32],
        factor: &'a [f32],
        bias: Option<&'a [f32]>,
    }, s => {
        let c = out.len() / factor.len();
        let pixels = out.chunks_exact_mut(c).zip(x.chunks_exact(c));
        for ((out, x), &factor) in pixels.zip(factor) {
            let factor = s.splat(factor);
            let mut i = 0;
            while i < c {
                // SAFETY: all slices hold c floats and i < c.
                unsafe {
                    let add = match bias {
                        Some(bias) => s.load_upto(bias.as_ptr().add(i), c - i),
                        None => s.splat(0.0),
                    };
                    let y = s.fma(s.load_upto(x.as_ptr().add(i), c - i), factor, add);
                    s.store_upto(out.as_mut_ptr().add(i), y, c - i);
                }
                i += S::LANES;
            }
        }
    }
}

/// Backward pass of [`scaled`]: returns the gradient of `factor`, and changes `grad` to that of
/// `x`.
pub fn scaled_gradient(grad: &mut Nhwc, x: &Nhwc, factor: &Nhwc, threads: &Threads) -> Nhwc {
    let [n, h, w, c] = x.dims();
    assert_eq!(grad.dims(), x.dims(), "gradient of a product");
    assert_eq!(factor.dims(), [n, h, w, 1], "one factor per pixel");
    let mut out = x.buffers().map(n, h, w, 1);
    let len = block_len(c);
    threads.iterate(|| {
        let inputs = x
            .data()
            .par_chunks(len)
            .zip(factor.data().par_chunks(len / c.max(1)));
        let out = out.data_mut().par_chunks_mut(len / c.max(1));
        let blocks = grad.data_mut().par_chunks_mut(len).zip(out);
        blocks.zip(inputs).for_each(|((grad, out), (x, factor))| {
            threads.isa().run(ScaledGradient {
                grad,
                x,
                factor,
                out,
            });
        });
    });
    out
}

job! {
    /// One block of [`scaled_gradient`].
    ScaledGradient {
        grad: &'a mut [f32],
        x: &'a [f32],
        factor: &'a [f32],
        out: &'a mut [f32],
    }, s => {
        let c = grad.len() / factor.len();
        let pixels = grad.chunks_exact_mut(c).zip(x.chunks_exact(c));
        for ((grad, x), (&factor, out)) in pixels.zip(factor.iter().zip(out)) {
            let factor = s.splat(factor);
            let mut sum = s.splat(0.0);
            let mut i = 0;
            while i < c {
                // SAFETY: all slices hold c floats and i < c.
                unsafe {
                    let at = grad.as_mut_ptr().add(i);
                    let g = s.load_upto(at, c - i);
                    sum = s.fma(g, s.load_upto(x.as_ptr().add(i), c - i), sum);
                    s.store_upto(at, s.mul(g, factor), c - i);
                }
                i += S::LANES;
            }
            *out = s.sum(sum);
        }
    }
}

/// Returns the weight gradient of [`super::project`] of `x`: the sum of `grad * x` over pixels, per
/// channel; `grad` has one channel.
pub fn project_weight_gradient(x: &Nhwc, grad: &Nhwc, threads: &Threads) -> Vec<f32> {
    let [n, h, w, c] = x.dims();
    assert_eq!(grad.dims(), [n, h, w, 1], "gradient of a projection");
    let len = block_len(c);
    let grads = grad.data().par_chunks(len / c.max(1));
    let blocks = x.data().par_chunks(len).zip(grads);
    let sums = per_block(blocks, c, threads, |(x, grad), sums| {
        threads.isa().run(ProjectBlock { x, grad, sums });
    });
    total(&sums, c).iter().map(|&v| v as f32).collect()
}

job! {
    /// One block of [`project_weight_gradient`].
    ProjectBlock { x: &'a [f32], grad: &'a [f32], sums: &'a mut [f32] }, s => {
        let c = sums.len();
        assert!(x.len() >= grad.len() * c);
        let mut i = 0;
        while i < c {
            let mut sum = s.splat(0.0);
            // SAFETY: the block holds c floats for each of the gradient's pixels, i < c.
            unsafe {
                for (p, &g) in grad.iter().enumerate() {
                    let x = s.load_upto(x.as_ptr().add(p * c + i), c - i);
                    sum = s.fma(x, s.splat(g), sum);
                }
                s.store_upto(sums.as_mut_ptr().add(i), sum, c - i);
            }
            i += S::LANES;
        }
    }
}

/// Adds the input gradient of [`super::project`] to `sum`: `grad * weight` for every pixel.
pub fn project_input_gradient(sum: &mut Nhwc, grad: &Nhwc, weight: &[f32], threads: &Threads) {
    let [n, h, w, c] = sum.dims();
    assert_eq!(grad.dims(), [n, h, w, 1], "gradient of a projection");
    assert_eq!(weight.len(), c, "one weight per channel");
    let len = block_len(c);
    threads.iterate(|| {
        let grads = grad.data().par_chunks(len / c.max(1));
        let blocks = sum.data_mut().par_chunks_mut(len).zip(grads);
        blocks.for_each(|(sum, grad)| threads.isa().run(Spread { sum, grad, weight }));
    });
}

job! {
    /// One block of [`project_input_gradient`].
    Spread { sum: &'a mut [f32], grad: &'a [f32], weight: &'a [f32] }, s => {
        let c = weight.len();
        for (sum, &g) in sum.chunks_exact_mut(c).zip(grad) {
            let mut i = 0;
            while i < c {
                // SAFETY: both slices hold c floats and i < c.
                unsafe {
                    let at = sum.as_mut_ptr().add(i);
                    let w = s.load_upto(weight.as_ptr().add(i), c - i);
                    s.store_upto(at, s.fma(w, s.splat(g), s.load_upto(at, c - i)), c - i);
                }
                i += S::LANES;
            }
        }
    }
}
