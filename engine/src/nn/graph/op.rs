//! [`Op`]: the operations of a graph, with their output sizes and multiply-accumulates.

use candle_core::{Result, bail};

use super::{Shape, WeightId};
use crate::nn::kernels::{Activation, ConvShape};

/// Second operand of a convolution, added to its sums.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Addend {
    /// There is none.
    #[default]
    None,
    /// A map of the output's size.
    Same,
    /// A map of half the output's size (rounded up), repeated 2 x 2 (nearest neighbour).
    Up2,
}

/// An operation on maps. Unless stated otherwise there is one operand, and the result has its size.
#[derive(Debug, Clone, PartialEq)]
pub enum Op {
    /// `act(weight * x + bias + addend)`: a cross-correlation with zero padding. Operands: `x` and
    /// the addend, if any. Linear layers are 1x1 convolutions.
    Conv {
        /// Channels, window, stride and padding.
        shape: ConvShape,
        /// `[cout, cin, kernel, kernel]`.
        weight: WeightId,
        /// `[cout]`.
        bias: Option<WeightId>,
        /// Whether a second operand is added, and its size.
        addend: Addend,
        /// Whether ReLU follows.
        relu: bool,
    },
    /// The transpose of a convolution of stride 2, which doubles the size, then a bias and ReLU.
    ConvTransposed {
        /// Shape of the convolution whose transpose this is: it maps `cout` to `cin` channels.
        shape: ConvShape,
        /// `[cout, cin, kernel, kernel]`.
        weight: WeightId,
        /// `[cin]`.
        bias: Option<WeightId>,
        /// Whether ReLU follows.
        relu: bool,
    },
    /// `act(weight * x + bias + addend)` channel by channel, stride 1, zero padding `kernel / 2`.
    /// Operands: `x` and the addend, if any.
    Depthwise {
        /// Side of the window, odd.
        kernel: usize,
        /// `[c, 1, kernel, kernel]`.
        weight: WeightId,
        /// `[c]`.
        bias: Option<WeightId>,
        /// Whether a second operand of the same size is added.
        adds: bool,
        /// The function that follows.
        activation: Activation,
    },
    /// `softmax(Q K^T / sqrt(channels per head)) V`, pixels being tokens. Operands: queries and
    /// keys side by side, `2 d` channels, then the values, `d` channels. The result has the values'
    /// size.
    Attention {
        /// Number of heads; divides the channels.
        heads: usize,
    },
    /// `weight * (x - mean) / sqrt(variance + eps) + bias`, over the channels of each pixel.
    LayerNorm {
        /// `[c]`.
        weight: WeightId,
        /// `[c]`.
        bias: WeightId,
        /// Added to the variance.
        eps: f32,
    },
    /// `act(factor * x + shift)`, with one factor and shift per channel.
    Affine {
        /// `[c]`.
        factor: WeightId,
        /// `[c]`.
        shift: WeightId,
        /// Whether ReLU follows.
        relu: bool,
    },
    /// `act(up(low) + x)`. Operands: `low`, which has the size of `x` divided by `factor` and
    /// rounded up and is repeated `factor` x `factor` times, then `x`.
    Add {
        /// Repetitions along an axis.
        factor: usize,
        /// Whether ReLU follows.
        relu: bool,
    },
    /// `x + table` for every image.
    AddTable {
        /// `[h, w, c]`.
        table: WeightId,
    },
    /// `x * factor`. Operands: `x`, then the factor with the same number of channels or one.
    Mul,
    /// `f (1 + m + m d) + bias` of the first channels of `f`. Operands: `f`, and `m` and `d` with
    /// one channel each.
    Gate {
        /// Number of channels of the result, at most those of `f`.
        channels: usize,
        /// `[channels]`.
        bias: Option<WeightId>,
    },
    /// Maximum of each window; padding counts as minus infinity.
    MaxPool {
        /// Side of the window.
        kernel: usize,
        /// Distance between windows.
        stride: usize,
        /// Padding on each side.
        pad: usize,
    },
    /// Repeats every pixel `factor` x `factor` times.
    Upsample {
        /// Repetitions along an axis.
        factor: usize,
    },
    /// Doubles the size with bilinear interpolation.
    Bilinear {
        /// As in PyTorch.
        align_corners: bool,
    },
    /// The channels of all operands side by side; any number of operands of one height and width.
    Concat,
    /// Some of the channels.
    Slice {
        /// First channel.
        from: usize,
        /// Number of channels.
        channels: usize,
    },
    /// Softmax over all pixels of each channel.
    Softmax,
}

impl Op {
    /// Returns the name of the operation, such as `max_pool`.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Conv { .. } => "conv",
            Self::ConvTransposed { .. } => "conv_transposed",
            Self::Depthwise { .. } => "depthwise",
            Self::Attention { .. } => "attention",
            Self::LayerNorm { .. } => "layer_norm",
            Self::Affine { .. } => "affine",
            Self::Add { .. } => "add",
            Self::AddTable { .. } => "add_table",
            Self::Mul => "multiply",
            Self::Gate { .. } => "gate",
            Self::MaxPool { .. } => "max_pool",
            Self::Upsample { .. } => "upsample",
            Self::Bilinear { .. } => "bilinear",
            Self::Concat => "concat",
            Self::Slice { .. } => "slice",
            Self::Softmax => "softmax",
        }
    }

    /// Returns whether the result may be computed in the memory of the first operand, which has its
    /// size.
    pub const fn is_in_place(&self) -> bool {
        matches!(self, Self::LayerNorm { .. } | Self::Mul | Self::Gate { .. })
    }

    /// Returns the weights of the operation.
    pub fn weights(&self) -> impl Iterator<Item = WeightId> + use<> {
        let all = match *self {
            Self::Conv { weight, bias, .. }
            | Self::ConvTransposed { weight, bias, .. }
            | Self::Depthwise { weight, bias, .. } => [Some(weight), bias],
            Self::LayerNorm { weight, bias, .. } => [Some(weight), Some(bias)],
            Self::Affine { factor, shift, .. } => [Some(factor), Some(shift)],
            Self::AddTable { table } => [Some(table), None],
            Self::Gate { bias, .. } => [bias, None],
            _ => [None, None],
        };
        all.into_iter().flatten()
    }

    /// Returns the size of the result for operands of these sizes.
    ///
    /// # Errors
    /// When the number of operands or their sizes do not fit.
    pub fn output(&self, inputs: &[Shape]) -> Result<Shape> {
        let fault = || {
            bail!(
                "{} cannot be applied to maps of sizes {inputs:?}",
                self.name()
            )
        };
        let Some(&x) = inputs.first() else {
            return fault();
        };
        let halved = |s: Shape, by: usize, c: usize| Shape {
            h: s.h.div_ceil(by),
            w: s.w.div_ceil(by),
            c,
        };
        let others = &inputs[1..];
        let (fits, out) = match *self {
            Self::Conv { shape, addend, .. } => {
                let out = Shape {
                    h: shape.out(x.h),
                    w: shape.out(x.w),
                    c: shape.cout,
                };
                let fits = match addend {
                    Addend::None => others.is_empty(),
                    Addend::Same => others == [out],
                    Addend::Up2 => others == [halved(out, 2, out.c)],
                };
                (fits && x.c == shape.cin, out)
            }
            Self::ConvTransposed { shape, .. } => {
                let (h, w) = (2 * x.h, 2 * x.w);
                let is_half = (shape.out(h), shape.out(w)) == (x.h, x.w);
                let fits = others.is_empty() && is_half && x.c == shape.cout;
                (fits, Shape { h, w, c: shape.cin })
            }
            Self::Depthwise { adds: true, .. } => (others == [x], x),
            Self::Attention { heads } => {
                let v = others.first().copied().unwrap_or(x);
                let fits = heads > 0 && v.c.is_multiple_of(heads) && x.c == 2 * v.c;
                (others.len() == 1 && fits && (x.h, x.w) == (v.h, v.w), v)
            }
            Self::Add { factor, .. } => {
                let y = others.first().copied().unwrap_or(x);
                (others.len() == 1 && x == halved(y, factor, y.c), y)
            }
            Self::Mul => (others == [x] || others == [Shape { c: 1, ..x }], x),
            Self::Gate { channels, .. } => {
                let map = Shape { c: 1, ..x };
                let fits = others == [map, map] && channels <= x.c;
                (fits, Shape { c: channels, ..x })
            }
            Self::MaxPool {
                kernel,
                stride,
                pad,
            } => {
                let out = |len: usize| match (len + 2 * pad).checked_sub(kernel) {
                    Some(rest) if len > 0 => rest / stride + 1,
                    _ => 0,
                };
                let (h, w) = (out(x.h), out(x.w));
                (others.is_empty() && h * w > 0, Shape { h, w, c: x.c })
            }
            Self::Upsample { factor } => {
                let (h, w) = (factor * x.h, factor * x.w);
                (others.is_empty(), Shape { h, w, c: x.c })
            }
            Self::Bilinear { .. } => {
                let (h, w) = (2 * x.h, 2 * x.w);
                (others.is_empty(), Shape { h, w, c: x.c })
            }
            Self::Concat => {
                let c = inputs.iter().map(|s| s.c).sum();
                let fits = inputs.iter().all(|s| (s.h, s.w) == (x.h, x.w));
                (fits, Shape { c, ..x })
            }
            Self::Slice { from, channels } => {
                let fits = others.is_empty() && from + channels <= x.c;
                (fits, Shape { c: channels, ..x })
            }
            Self::Depthwise { .. }
            | Self::LayerNorm { .. }
            | Self::Affine { .. }
            | Self::AddTable { .. }
            | Self::Softmax => (others.is_empty(), x),
        };
        if fits { Ok(out) } else { fault() }
    }

    /// Returns the multiply-accumulates per image. By convention, element-wise products are not
    /// counted.
    pub fn macs(&self, inputs: &[Shape], output: Shape) -> u64 {
        let x = inputs.first().copied().unwrap_or(output);
        let macs = match *self {
            Self::Conv { shape, .. } => output.area() * shape.weights(),
            // Every input value is multiplied once by every weight of its channel.
            Self::ConvTransposed { shape, .. } => x.area() * shape.weights(),
            Self::Depthwise { kernel, .. } => output.len() * kernel * kernel,
            Self::Attention { .. } => 2 * output.area() * output.area() * output.c,
            _ => 0,
        };
        macs as u64
    }
}
