//! The oracle: every kernel once more in the plainest scalar form, with sums in f64.
//!
//! Tests compare the fast kernels with these; nothing else calls them.

use super::pack::ConvShape;

/// Convolution of NHWC `input` with `[cout, cin, k, k]` weights, without bias.
pub fn conv2d(shape: ConvShape, [n, h, w]: [usize; 3], input: &[f32], weight: &[f32]) -> Vec<f32> {
    let ConvShape {
        cin,
        cout,
        kernel: k,
        stride,
        pad,
    } = shape;
    let (oh, ow) = (shape.out(h), shape.out(w));
    let mut out = Vec::with_capacity(n * oh * ow * cout);
    for i in 0..n * oh * ow * cout {
        let (o, x, y, image) = (i % cout, i / cout % ow, i / cout / ow % oh, i / cout / ow / oh);
        let mut sum = 0.0;
        for (ky, kx) in (0..k * k).map(|t| (t / k, t % k)) {
            let (iy, ix) = (y * stride + ky, x * stride + kx);
            if (pad..h + pad).contains(&iy) && (pad..w + pad).contains(&ix) {
                for c in 0..cin {
                    let pixel = (image * h + iy - pad) * w + ix - pad;
                    sum += f64::from(input[pixel * cin + c])
                        * f64::from(weight[((o * cin + c) * k + ky) * k + kx]);
                }
            }
        }
        out.push(sum as f32);
    }
    out
}

/// Transposed convolution: the input gradient of `shape`'s convolution of `h` x `w` maps.
pub fn conv2d_transposed(
    shape: ConvShape,
    [n, h, w]: [usize; 3],
    grad: &[f32],
    weight: &[f32],
) -> Vec<f32> {
    let ConvShape {
        cin,
        cout,
        kernel: k,
        stride,
        pad,
    } = shape;
    let (oh, ow) = (shape.out(h), shape.out(w));
    let mut out = vec![0.0_f64; n * h * w * cin];
    for (i, &g) in grad.iter().enumerate() {
        let (o, x, y, image) = (i % cout, i / cout % ow, i / cout / ow % oh, i / cout / ow / oh);
        for (ky, kx) in (0..k * k).map(|t| (t / k, t % k)) {
            let (iy, ix) = (y * stride + ky, x * stride + kx);
            if (pad..h + pad).contains(&iy) && (pad..w + pad).contains(&ix) {
                for c in 0..cin {
                    let pixel = (image * h + iy - pad) * w + ix - pad;
                    out[pixel * cin + c] +=
                        f64::from(g) * f64::from(weight[((o * cin + c) * k + ky) * k + kx]);
                }
            }
        }
    }
    out.into_iter().map(|v| v as f32).collect()
}
