use candle_core::{Device, Tensor};

use super::super::{ConvShape, reference};
use super::{near, values};

/// Fails when the reference itself is wrong: it is compared once with candle's convolution.
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
