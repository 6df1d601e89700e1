//! Compares the scalar reference with an independent implementation.

use candle_core::{Device, Tensor};

use super::super::{ConvShape, reference};
use super::{near, values};

/// Fails when the reference itself is wrong, i.e. differs from candle's convolution.
#[test]
fn reference_equals_candle() {
    let shape = ConvShape {
        cin: 5,
        cout: 7,
        kernel: 3,
        stride: 2,
        pad: 1,
    };
    let (n, h, w) = (2, 9, 6);
    let (input, weight) = (values(1, n * h * w * 5), values(2, shape.weights()));
    let nhwc = Tensor::from_slice(&input, (n, h, w, 5), &Device::Cpu).unwrap();
    let kernel = Tensor::from_slice(&weight, (7, 5, 3, 3), &Device::Cpu).unwrap();
    let nchw = nhwc.permute((0, 3, 1, 2)).unwrap().contiguous().unwrap();
    let out = nchw.conv2d(&kernel, 1, 2, 1, 1).unwrap();
    let out = out.permute((0, 2, 3, 1)).unwrap().flatten_all().unwrap();
    let want = out.to_vec1::<f32>().unwrap();
    let got = reference::conv2d(shape, [n, h, w], &input, &weight);
    near(&got, &want, 1e-5, "reference").unwrap();
}

/// Fails when the gradient kernels differ from candle's automatic differentiation.
#[test]
fn gradients_equal_candle() {
    use super::super::{Epilogue, PackedTransposed, conv2d_transposed, conv2d_weight_gradient};
    let shape = ConvShape::same(5, 7, 3, 2);
    let (n, h, w) = (2, 8, 6);
    let (input, weight) = (super::map(1, [n, h, w, 5]), values(2, shape.weights()));
    let grad = super::map(3, [n, 4, 3, 7]);
    let nchw = |t: &Tensor| t.permute((0, 3, 1, 2)).unwrap().contiguous().unwrap();
    let x = candle_core::Var::from_slice(input.data(), (n, h, w, 5), &Device::Cpu).unwrap();
    let k = candle_core::Var::from_slice(&weight, (7, 5, 3, 3), &Device::Cpu).unwrap();
    let g = Tensor::from_slice(grad.data(), (n, 4, 3, 7), &Device::Cpu).unwrap();
    let y = nchw(x.as_tensor())
        .conv2d(k.as_tensor(), 1, 2, 1, 1)
        .unwrap();
    let grads = (y * nchw(&g))
        .unwrap()
        .sum_all()
        .unwrap()
        .backward()
        .unwrap();
    let flat = |t: &Tensor| t.flatten_all().unwrap().to_vec1::<f32>().unwrap();
    let threads = &super::all_threads()[0];

    let mut got = vec![0.0; shape.weights()];
    conv2d_weight_gradient(shape, &input, &grad, &mut got, threads);
    near(
        &got,
        &flat(grads.get(k.as_tensor()).unwrap()),
        1e-5,
        "weight",
    )
    .unwrap();
    let packed = PackedTransposed::new(shape, &weight, None);
    let got = conv2d_transposed(&packed, &grad, (h, w), Epilogue::NONE, threads);
    near(
        got.data(),
        &flat(grads.get(x.as_tensor()).unwrap()),
        1e-5,
        "input",
    )
    .unwrap();
}
