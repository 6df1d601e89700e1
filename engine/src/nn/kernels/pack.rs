//! Weights in the order in which the kernels read them: [`PackedConv`] and [`PackedTransposed`],
//! packed once when a network is loaded.

use bytemuck::Zeroable;

use super::buffer::{Line, lines};
use super::panels::Panels;
use super::shape::ConvShape;
use super::winograd;

/// Algorithm of a convolution.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Plan {
    /// The algorithm that measured fastest for inputs of about this height and width.
    For(usize, usize),
    /// Direct sums of products.
    Direct,
    /// Winograd F(4x4, 3x3) with a quarter of the products; for 3x3, stride 1, pad 1 only.
    Winograd,
}

/// Bias padded with zeros to whole panels.
pub(super) struct Bias(Vec<Line>);

impl Bias {
    pub(super) fn new(bias: Option<&[f32]>, cout: usize) -> Self {
        let mut data = vec![Line::zeroed(); lines(cout)];
        if let Some(bias) = bias {
            assert_eq!(bias.len(), cout, "one bias per output channel");
            bytemuck::cast_slice_mut::<_, f32>(&mut data)[..cout].copy_from_slice(bias);
        }
        Self(data)
    }

    pub(super) fn floats(&self) -> &[f32] {
        bytemuck::cast_slice(&self.0)
    }
}

/// Weights packed for one algorithm.
pub(super) enum Form {
    Taps(Panels),
    /// 36 times `count` panels.
    Winograd(Panels),
}

/// Packed weights and bias of a convolution or linear layer.
pub struct PackedConv {
    pub(super) shape: ConvShape,
    pub(super) bias: Bias,
    pub(super) form: Form,
}

impl PackedConv {
    /// Packs `weight` `[cout, cin, kernel, kernel]` and `bias` `[cout]`; panics when a length is
    /// wrong.
    pub fn new(shape: ConvShape, weight: &[f32], bias: Option<&[f32]>, plan: Plan) -> Self {
        let ConvShape {
            cin, cout, kernel, ..
        } = shape;
        assert!(
            shape.stride > 0 && kernel > 0 && cin > 0 && cout > 0,
            "{shape:?}"
        );
        assert_eq!(weight.len(), shape.weights(), "weights of {shape:?}");
        let winograd = match plan {
            Plan::Direct => false,
            Plan::Winograd => true,
            Plan::For(h, w) => winograd::wins(shape, h, w),
        };
        let form = if winograd {
            assert!(winograd::applies(shape), "Winograd does not do {shape:?}");
            Form::Winograd(winograd::pack(shape, weight))
        } else {
            let area = kernel * kernel;
            Form::Taps(Panels::new(cout, area * cin, |o, i| {
                weight[(o * cin + i % cin) * area + i / cin]
            }))
        };
        Self {
            shape,
            bias: Bias::new(bias, cout),
            form,
        }
    }

    /// Packs the input gradient of a convolution with stride 1: the convolution with the flipped,
    /// transposed kernel. For other strides use [`PackedTransposed`].
    ///
    /// `shape` and `weight` are the convolution's; the gradient's map has `cin` channels.
    pub fn input_gradient(shape: ConvShape, weight: &[f32], plan: Plan) -> Self {
        assert!(shape.stride == 1 && shape.pad < shape.kernel, "{shape:?}");
        let (k, cin, cout) = (shape.kernel, shape.cin, shape.cout);
        assert_eq!(weight.len(), shape.weights(), "weights of {shape:?}");
        let back = ConvShape {
            cin: cout,
            cout: cin,
            pad: k - 1 - shape.pad,
            ..shape
        };
        let area = k * k;
        let flipped: Vec<f32> = (0..weight.len())
            .map(|i| {
                let (tap, o, c) = (i % area, i / area % cout, i / area / cout);
                weight[(o * cin + c) * area + area - 1 - tap]
            })
            .collect();
        Self::new(back, &flipped, None, plan)
    }

    /// Packs a linear layer with `weight` `[cout, cin]` as a 1x1 convolution.
    pub fn linear(cin: usize, cout: usize, weight: &[f32], bias: Option<&[f32]>) -> Self {
        Self::new(ConvShape::same(cin, cout, 1, 1), weight, bias, Plan::Direct)
    }

    /// Returns the shape of the convolution.
    pub fn shape(&self) -> ConvShape {
        self.shape
    }

    /// Returns whether it uses the Winograd algorithm.
    pub fn is_winograd(&self) -> bool {
        matches!(self.form, Form::Winograd(_))
    }
}

/// One of the `stride * stride` ordinary convolutions that make up a transposed convolution.
///
/// It computes the output pixels `(stride * i + y, stride * j + x)`.
pub(super) struct Phase {
    pub(super) y: usize,
    pub(super) x: usize,
    /// Kernel height; 0 where no tap contributes to these pixels.
    pub(super) kh: usize,
    pub(super) kw: usize,
    /// Rows of zeros above; negative: input rows skipped.
    pub(super) pad_y: isize,
    pub(super) pad_x: isize,
    pub(super) panels: Panels,
}

/// Packed weights and bias of a transposed convolution.
///
/// `shape` is that of the convolution it transposes, so it maps `cout` to `cin` channels: it is the
/// input gradient of that convolution.
pub struct PackedTransposed {
    pub(super) shape: ConvShape,
    pub(super) bias: Bias,
    pub(super) phases: Vec<Phase>,
}

impl PackedTransposed {
    /// Packs `weight` `[cout, cin, kernel, kernel]` (as in the convolution; frameworks call this
    /// layout `[in, out, kh, kw]` for a transposed layer) and `bias` `[cin]`.
    pub fn new(shape: ConvShape, weight: &[f32], bias: Option<&[f32]>) -> Self {
        let ConvShape {
            cin,
            cout,
            kernel,
            stride,
            pad,
        } = shape;
        assert!(stride > 0 && kernel > 0 && cin > 0 && cout > 0, "{shape:?}");
        assert_eq!(weight.len(), shape.weights(), "weights of {shape:?}");
        // Along one axis, output s*i + a receives input i + q - j through tap r + s*j.
        let axis = |a: usize| {
            let (q, r) = ((a + pad) / stride, (a + pad) % stride);
            let taps = kernel.saturating_sub(r).div_ceil(stride);
            (r, taps, taps as isize - 1 - q as isize)
        };
        let mut phases = Vec::with_capacity(stride * stride);
        for (y, x) in (0..stride * stride).map(|i| (i / stride, i % stride)) {
            let (ry, kh, pad_y) = axis(y);
            let (rx, kw, pad_x) = axis(x);
            let panels = Panels::new(cin, kh * kw * cout, |c, i| {
                let (tap, o) = (i / cout, i % cout);
                let ky = ry + stride * (kh - 1 - tap / kw);
                let kx = rx + stride * (kw - 1 - tap % kw);
                weight[((o * cin + c) * kernel + ky) * kernel + kx]
            });
            phases.push(Phase {
                y,
                x,
                kh,
                kw,
                pad_y,
                pad_x,
                panels,
            });
        }
        Self {
            shape,
            bias: Bias::new(bias, cin),
            phases,
        }
    }

    /// Returns the shape of the convolution it transposes.
    pub fn shape(&self) -> ConvShape {
        self.shape
    }
}
