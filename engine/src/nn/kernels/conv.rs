//! Convolutions of feature maps: [`conv2d`] and its transpose with a fused [`Epilogue`].
//!
//! Three algorithms use the register tile of `tile`: 1x1 kernels read the map in place (`conv1x1`),
//! 3x3 kernels with stride 1 usually use `winograd`, and all others use `strip`, which first copies
//! a band of rows with its zero border into scratch memory.

use super::buffer::{Nhwc, View, ViewMut};
use super::pack::{Form, PackedConv, PackedTransposed};
use super::shape::ConvShape;
use super::strip::Strips;
use super::threads::Threads;
use super::{conv1x1, winograd};

/// Operand added to the sums of a convolution.
#[derive(Clone, Copy, Default)]
pub enum Residual<'a> {
    /// No residual: only the bias is added.
    #[default]
    None,
    /// A map of the output's shape.
    Same(View<'a>),
    /// A map of half the output's size (rounded up), repeated 2 x 2 (nearest neighbour).
    Up2(View<'a>),
}

/// Operations on the sums of a convolution before they are stored: first the residual, then ReLU.
#[derive(Clone, Copy, Default)]
pub struct Epilogue<'a> {
    /// Operand added to the sums.
    pub residual: Residual<'a>,
    /// Whether ReLU is applied.
    pub relu: bool,
}

impl<'a> Epilogue<'a> {
    /// Adds only the bias.
    pub const NONE: Epilogue<'static> = Epilogue {
        residual: Residual::None,
        relu: false,
    };
    /// Adds the bias and applies ReLU.
    pub const RELU: Epilogue<'static> = Epilogue {
        residual: Residual::None,
        relu: true,
    };

    /// Adds the bias and a map of the output's shape; applies ReLU if `relu` is set.
    pub fn add(map: &'a Nhwc, relu: bool) -> Self {
        Self {
            residual: Residual::Same(map.view()),
            relu,
        }
    }

    /// Adds the bias and a map of half the output's size repeated 2 x 2; applies ReLU if `relu` is
    /// set.
    pub fn add_up2(map: &'a Nhwc, relu: bool) -> Self {
        Self {
            residual: Residual::Up2(map.view()),
            relu,
        }
    }

    /// Returns the residual and the right shift of its coordinates, checked against the output's
    /// shape.
    pub(super) fn checked(&self, [n, h, w, c]: [usize; 4]) -> Option<(View<'a>, u32)> {
        match self.residual {
            Residual::None => None,
            Residual::Same(map) => {
                assert_eq!(map.dims, [n, h, w, c], "residual's size");
                Some((map, 0))
            }
            Residual::Up2(map) => {
                let half = [n, h.div_ceil(2), w.div_ceil(2), c];
                assert_eq!(map.dims, half, "half-size residual's size");
                Some((map, 1))
            }
        }
    }
}

/// Convolves `input` into a new map from the input's pool.
pub fn conv2d(weights: &PackedConv, input: &Nhwc, epilogue: Epilogue, threads: &Threads) -> Nhwc {
    let ConvShape { cout, .. } = weights.shape;
    let (h, w) = (weights.shape.out(input.h()), weights.shape.out(input.w()));
    let mut out = input.buffers().map(input.n(), h, w, cout);
    conv2d_into(weights, input.view(), out.view_mut(), epilogue, threads);
    out
}

/// Convolves `input` into `out`, which may be some of the channels of a wider map.
///
/// Panics when the sizes do not match.
pub fn conv2d_into(
    weights: &PackedConv,
    input: View,
    mut out: ViewMut,
    epilogue: Epilogue,
    threads: &Threads,
) {
    let shape = weights.shape;
    let [n, h, w, c] = input.dims;
    assert_eq!(c, shape.cin, "input channels of {shape:?}");
    let dims = [n, shape.out(h), shape.out(w), shape.cout];
    assert_eq!(out.dims, dims, "output of {shape:?} for {:?}", input.dims);
    let residual = epilogue.checked(dims);
    if dims.contains(&0) {
        return;
    }
    match &weights.form {
        Form::Winograd(panels) => winograd::run(
            &winograd::Winograd {
                input,
                panels,
                bias: weights.bias.floats(),
                out: out.shared(),
                cout: shape.cout,
                residual,
                relu: epilogue.relu,
            },
            threads,
        ),
        Form::Taps(panels) if shape.kernel == 1 && shape.pad == 0 => conv1x1::run(
            &conv1x1::Points {
                input,
                stride: shape.stride,
                panels: panels.view(),
                bias: weights.bias.floats(),
                out: out.shared(),
                dims,
                residual,
                relu: epilogue.relu,
            },
            threads,
        ),
        Form::Taps(panels) => Strips {
            input,
            panels,
            bias: weights.bias.floats(),
            kh: shape.kernel,
            kw: shape.kernel,
            stride: shape.stride,
            pad_y: shape.pad as isize,
            pad_x: shape.pad as isize,
            dims,
            out: out.shared(),
            out_scale: 1,
            out_y: 0,
            out_x: 0,
            out_h: dims[1],
            out_w: dims[2],
            residual,
            relu: epilogue.relu,
        }
        .run(threads),
    }
}

/// Returns the transposed convolution of `input` as a new map of `h` x `w` pixels.
///
/// `shape().out(h)` must be the input's height (and the width likewise). With stride 2 two heights
/// satisfy this, `(H - 1) * 2 - 2 * pad + kernel` and one more. The transposed convolution is also
/// the input gradient of the convolution.
pub fn conv2d_transposed(
    weights: &PackedTransposed,
    input: &Nhwc,
    (h, w): (usize, usize),
    epilogue: Epilogue,
    threads: &Threads,
) -> Nhwc {
    let mut out = input.buffers().map(input.n(), h, w, weights.shape.cin);
    conv2d_transposed_into(weights, input, epilogue, &mut out, threads);
    out
}

/// Like [`conv2d_transposed`], into a map of the result's size.
pub fn conv2d_transposed_into(
    weights: &PackedTransposed,
    input: &Nhwc,
    epilogue: Epilogue,
    out: &mut Nhwc,
    threads: &Threads,
) {
    let shape = weights.shape;
    let [ih, iw, c] = [input.h(), input.w(), input.c()];
    let [n, h, w, c_out] = out.dims();
    assert_eq!(
        (c, c_out),
        (shape.cout, shape.cin),
        "channels of the transposed {shape:?}"
    );
    assert_eq!(
        (shape.out(h), shape.out(w), input.n()),
        (ih, iw, n),
        "size of the transposed {shape:?}"
    );
    let dims = out.dims();
    let residual = epilogue.checked(dims);
    assert!(
        !matches!(epilogue.residual, Residual::Up2(_)),
        "a transposed convolution adds maps of its output's size only"
    );
    let shared = out.view_mut().shared();
    let stride = shape.stride;
    for phase in &weights.phases {
        let dims = [
            n,
            h.saturating_sub(phase.y).div_ceil(stride),
            w.saturating_sub(phase.x).div_ceil(stride),
            shape.cin,
        ];
        if dims.contains(&0) {
            continue;
        }
        Strips {
            input: input.view(),
            panels: &phase.panels,
            bias: weights.bias.floats(),
            kh: phase.kh,
            kw: phase.kw,
            stride: 1,
            pad_y: phase.pad_y,
            pad_x: phase.pad_x,
            dims,
            out: shared,
            out_scale: stride,
            out_y: phase.y,
            out_x: phase.x,
            out_h: h,
            out_w: w,
            residual,
            relu: epilogue.relu,
        }
        .run(threads);
    }
}
