//! Scalar reference implementations of all kernels, with sums in f64.
//!
//! Tests compare the fast kernels with these; nothing else uses them.

use super::shape::ConvShape;

/// Computes the convolution of NHWC `input` with `[cout, cin, k, k]` weights, without bias.
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
        let (o, x, y, image) = (
            i % cout,
            i / cout % ow,
            i / cout / ow % oh,
            i / cout / ow / oh,
        );
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

/// Computes the transposed convolution: the input gradient of `shape`'s convolution of `h` x `w`
/// maps.
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
        let (o, x, y, image) = (
            i % cout,
            i / cout % ow,
            i / cout / ow % oh,
            i / cout / ow / oh,
        );
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

/// Computes the depthwise convolution of an NHWC map with `[c, k, k]` weights, padding `k / 2`,
/// without bias.
pub fn depthwise(k: usize, [n, h, w, c]: [usize; 4], input: &[f32], weight: &[f32]) -> Vec<f32> {
    let pad = k / 2;
    let mut out = Vec::with_capacity(input.len());
    for i in 0..n * h * w * c {
        let (channel, x, y, image) = (i % c, i / c % w, i / c / w % h, i / c / w / h);
        let mut sum = 0.0;
        for (ky, kx) in (0..k * k).map(|t| (t / k, t % k)) {
            let (iy, ix) = (y + ky, x + kx);
            if (pad..h + pad).contains(&iy) && (pad..w + pad).contains(&ix) {
                let pixel = (image * h + iy - pad) * w + ix - pad;
                sum += f64::from(input[pixel * c + channel])
                    * f64::from(weight[(channel * k + ky) * k + kx]);
            }
        }
        out.push(sum as f32);
    }
    out
}

/// Computes the maximum of each window; padding counts as minus infinity.
pub fn max_pool(
    [kernel, stride, pad]: [usize; 3],
    [n, h, w, c]: [usize; 4],
    input: &[f32],
) -> Vec<f32> {
    let out_len = |len: usize| {
        (len + 2 * pad)
            .checked_sub(kernel)
            .map_or(0, |l| l / stride + 1)
    };
    let (oh, ow) = (out_len(h), out_len(w));
    let mut out = Vec::with_capacity(n * oh * ow * c);
    for i in 0..n * oh * ow * c {
        let (channel, x, y, image) = (i % c, i / c % ow, i / c / ow % oh, i / c / ow / oh);
        let mut top = f32::NEG_INFINITY;
        for (iy, ix) in
            (0..kernel * kernel).map(|t| (y * stride + t / kernel, x * stride + t % kernel))
        {
            if (pad..h + pad).contains(&iy) && (pad..w + pad).contains(&ix) {
                top = top.max(input[((image * h + iy - pad) * w + ix - pad) * c + channel]);
            }
        }
        out.push(top);
    }
    out
}

/// Doubles the size of a map with bilinear interpolation.
pub fn upsample_bilinear2(
    align_corners: bool,
    [n, h, w, c]: [usize; 4],
    input: &[f32],
) -> Vec<f32> {
    let source = |i: usize, len: usize| {
        if align_corners {
            i as f64 * (len - 1) as f64 / (2 * len - 1) as f64
        } else {
            (i as f64 / 2.0 - 0.25).max(0.0)
        }
    };
    let mut out = Vec::with_capacity(4 * input.len());
    for i in 0..4 * n * h * w * c {
        let (channel, x) = (i % c, i / c % (2 * w));
        let (y, image) = (i / c / (2 * w) % (2 * h), i / c / (4 * w * h));
        let (sy, sx) = (source(y, h), source(x, w));
        let mut sum = 0.0;
        for iy in 0..h {
            for ix in 0..w {
                // Triangle weights around the source point; beyond the outermost centres the edge
                // is replicated.
                let tent = |at: f64, i: usize, len: usize| {
                    (1.0 - (at.min((len - 1) as f64) - i as f64).abs()).max(0.0)
                };
                let value = input[((image * h + iy) * w + ix) * c + channel];
                sum += tent(sy, iy, h) * tent(sx, ix, w) * f64::from(value);
            }
        }
        out.push(sum as f32);
    }
    out
}

/// Computes the weight gradient of a convolution, `[cout, cin, k, k]`, from an output gradient.
pub fn conv2d_weight_gradient(
    shape: ConvShape,
    [n, h, w]: [usize; 3],
    input: &[f32],
    grad: &[f32],
) -> Vec<f32> {
    let ConvShape {
        cin,
        cout,
        kernel: k,
        stride,
        pad,
    } = shape;
    let (oh, ow) = (shape.out(h), shape.out(w));
    let mut out = vec![0.0_f64; shape.weights()];
    for (i, &g) in grad.iter().enumerate().take(n * oh * ow * cout) {
        let (o, x, y, image) = (
            i % cout,
            i / cout % ow,
            i / cout / ow % oh,
            i / cout / ow / oh,
        );
        for (ky, kx) in (0..k * k).map(|t| (t / k, t % k)) {
            let (iy, ix) = (y * stride + ky, x * stride + kx);
            if (pad..h + pad).contains(&iy) && (pad..w + pad).contains(&ix) {
                for c in 0..cin {
                    let pixel = (image * h + iy - pad) * w + ix - pad;
                    out[((o * cin + c) * k + ky) * k + kx] +=
                        f64::from(g) * f64::from(input[pixel * cin + c]);
                }
            }
        }
    }
    out.into_iter().map(|v| v as f32).collect()
}

/// Computes the attention of `[n, len, d]` queries and keys and `[n, len, answer]` values with
/// `heads` heads. Returns the output and the weights `[n, heads, len, len]`.
pub fn attention(
    heads: usize,
    [n, len, d, answer]: [usize; 4],
    [queries, keys, values]: [&[f32]; 3],
) -> (Vec<f32>, Vec<f32>) {
    let (width, value_width) = (d / heads, answer / heads);
    let mut out = vec![0.0; n * len * answer];
    let mut weights = Vec::with_capacity(n * heads * len * len);
    for i in 0..n * heads * len {
        let (query, image) = (i % len, i / len / heads);
        let head = i / len % heads;
        let at = |token: usize, c: usize| (image * len + token) * d + head * width + c;
        let exps: Vec<f64> = (0..len)
            .map(|key| {
                let product = |c| f64::from(queries[at(query, c)]) * f64::from(keys[at(key, c)]);
                let score: f64 = (0..width).map(product).sum();
                (score / (width as f64).sqrt()).exp()
            })
            .collect();
        let sum: f64 = exps.iter().sum();
        weights.extend(exps.iter().map(|e| (e / sum) as f32));
        let at = |token: usize, c: usize| (image * len + token) * answer + head * value_width + c;
        for c in 0..value_width {
            let read = exps.iter().enumerate();
            let read: f64 = read.map(|(key, e)| e * f64::from(values[at(key, c)])).sum();
            out[at(query, c)] = (read / sum) as f32;
        }
    }
    (out, weights)
}

/// Computes the gradients of queries, keys and values from the output gradient `grad`; weight
/// number `i` of `[n, heads, len, len]` is multiplied by `factor(i)` after the softmax.
pub fn attention_gradient(
    heads: usize,
    [n, len, d]: [usize; 3],
    inputs: [&[f32]; 3],
    grad: &[f32],
    factor: impl Fn(usize) -> f64,
) -> [Vec<f32>; 3] {
    let [queries, keys, values] = inputs;
    let (_, weights) = attention(heads, [n, len, d, d], inputs);
    let width = d / heads;
    let scale = 1.0 / (width as f64).sqrt();
    let mut out = [(); 3].map(|()| vec![0.0_f64; n * len * d]);
    for i in 0..n * heads * len {
        let (query, image) = (i % len, i / len / heads);
        let channel = i / len % heads * width;
        let at = |token: usize, c: usize| (image * len + token) * d + channel + c;
        let weight = |key: usize| f64::from(weights[i * len + key]);
        let slopes: Vec<f64> = (0..len)
            .map(|key| {
                let product = |c| f64::from(grad[at(query, c)]) * f64::from(values[at(key, c)]);
                factor(i * len + key) * (0..width).map(product).sum::<f64>()
            })
            .collect();
        let mean: f64 = slopes.iter().enumerate().map(|(k, s)| weight(k) * s).sum();
        for (key, slope) in slopes.iter().enumerate() {
            let score = scale * weight(key) * (slope - mean);
            for c in 0..width {
                out[0][at(query, c)] += score * f64::from(keys[at(key, c)]);
                out[1][at(key, c)] += score * f64::from(queries[at(query, c)]);
                let kept = weight(key) * factor(i * len + key);
                out[2][at(key, c)] += kept * f64::from(grad[at(query, c)]);
            }
        }
    }
    out.map(|values| values.iter().map(|&v| v as f32).collect())
}
