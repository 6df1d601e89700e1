//! Compares each backward pass with its formula in f64.

use proptest::prelude::*;

use super::super::*;
use super::{all_threads, map, near, near_sums, values};

/// Images, height, width and channels, around the vectors' 4, 8 and 16 lanes.
fn dims() -> impl Strategy<Value = [usize; 4]> {
    let channels = prop::sample::select(vec![1, 2, 3, 7, 8, 9, 15, 16, 17, 33, 64]);
    (1_usize..4, 1_usize..20, 1_usize..30, channels).prop_map(|(n, h, w, c)| [n, h, w, c])
}

/// Sums `f(value index, channel)` per channel.
fn per_channel(len: usize, c: usize, f: impl Fn(usize) -> f64) -> Vec<f32> {
    let mut sums = vec![0.0; c];
    for i in 0..len {
        sums[i % c] += f(i);
    }
    sums.iter().map(|&s| s as f32).collect()
}

fn narrow(values: &[f64]) -> Vec<f32> {
    values.iter().map(|&v| v as f32).collect()
}

/// Computes `sum(a * b)`.
fn dot(a: &[f32], b: &[f32]) -> f64 {
    a.iter()
        .zip(b)
        .map(|(a, b)| f64::from(*a) * f64::from(*b))
        .sum()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Fails when a large mean costs the variance its precision, a block is skipped, or the result
    /// depends on the number of threads.
    #[test]
    fn moments_equal_f64(seed in 1_u64..1 << 32, dims in dims(), shift in -300.0_f32..300.0) {
        let c = dims[3];
        let mut input = map(seed, dims);
        input.data_mut().iter_mut().for_each(|v| *v += shift);
        let x = |i: usize| f64::from(input.data()[i]);
        let (len, n) = (input.data().len(), (input.data().len() / c) as f64);
        let mean = per_channel(len, c, |i| x(i) / n);
        let variance = per_channel(len, c, |i| (x(i) - f64::from(mean[i % c])).powi(2) / n);
        let mut before: Option<Moments> = None;
        for threads in all_threads() {
            let got = moments(&input, threads);
            // Values span a range of 2 around the mean. Sums relative to the first value have an
            // error proportional to that range; the mean itself adds only the rounding of its last
            // digit.
            for (got, mean) in got.mean.iter().zip(&mean) {
                let off = (got - mean).abs();
                prop_assert!(off <= 3e-6 + 2e-7 * mean.abs(), "mean {} is {}", mean, got);
            }
            near(&got.variance, &variance, 1e-4, "variance")?;
            if let Some(before) = before.filter(|_| threads.count() > 1) {
                prop_assert_eq!(&before.mean, &got.mean);
                prop_assert_eq!(&before.variance, &got.variance);
            }
            before = Some(got);
        }
    }

    /// Fails when a norm's gradient passes through values cut by the ReLU, or a channel uses
    /// another's statistics.
    #[test]
    fn norm_gradients_equal_f64(seed in 1_u64..1 << 32, dims in dims(), cut: bool) {
        let c = dims[3];
        let [x, y] = [1, 2].map(|i| map(seed + i, dims));
        let [factor, shift, slope, mean] = [3, 4, 5, 6].map(|i| values(seed + i, c));
        let mut open: Vec<f32> = map(seed, dims).data().to_vec();
        if cut {
            for (g, y) in open.iter_mut().zip(y.data()) {
                *g = if *y > 0.0 { *g } else { 0.0 };
            }
        }
        let centred = |i: usize| f64::from(x.data()[i]) - f64::from(mean[i % c]);
        let sums = per_channel(open.len(), c, |i| f64::from(open[i]));
        let products = per_channel(open.len(), c, |i| f64::from(open[i]) * centred(i));
        let want: Vec<f32> = (0..open.len()).map(|i| {
            let part = f64::from(factor[i % c]) * f64::from(open[i] - shift[i % c]);
            (part - f64::from(slope[i % c]) * centred(i)) as f32
        }).collect();
        for threads in all_threads() {
            let mut grad = map(seed, dims);
            let got = norm_sums(&mut grad, &x, &mean, cut.then_some(&y), threads);
            // Sums cancel, so the tolerance is relative to the size of the summands.
            let scale = open.len() as f32 / c as f32;
            for (got, want) in got.iter().zip([&sums, &products]) {
                for (got, want) in got.iter().zip(want) {
                    prop_assert!((*got as f32 - want).abs() <= 1e-6 * scale, "{got} {want}");
                }
            }
            prop_assert_eq!(grad.data(), &open[..]);
            norm_gradient(&mut grad, &x, [&factor, &shift, &slope, &mean], threads);
            near(grad.data(), &want, 1e-6, "norm")?;
        }
    }

    /// Fails when an activation's derivative is evaluated at its argument instead of its result, or
    /// a block is skipped.
    #[test]
    fn elementwise_gradients_equal_their_formulas(seed in 1_u64..1 << 32, dims in dims()) {
        let [n, h, w, c] = dims;
        let [x, y] = [1, 2].map(|i| map(seed + i, dims));
        let one = map(seed + 3, [n, h, w, 1]);
        let (weight, bias) = (values(seed + 4, c), values(seed + 5, c));
        let grad = || map(seed, dims);
        let each = |f: &dyn Fn(usize, f32) -> f32| -> Vec<f32> {
            grad().data().iter().enumerate().map(|(i, &g)| f(i, g)).collect()
        };
        for threads in all_threads() {
            for (activation, slope) in [
                (Activation::None, (|_| 1.0) as fn(f32) -> f32),
                (Activation::Relu, |y| f32::from(y > 0.0)),
                (Activation::Tanh, |y| 1.0 - y * y),
                (Activation::Sigmoid, |y| y * (1.0 - y)),
            ] {
                let mut got = grad();
                activation_grad(activation, &mut got, &y, threads);
                near(got.data(), &each(&|i, g| g * slope(y.data()[i])), 1e-6, "slope")?;
            }
            let mut got = grad();
            add_to(&mut got, &x, threads);
            multiply_by(&mut got, &y, threads);
            let copy = copy(&got, threads);
            near(copy.data(), &each(&|i, g| (g + x.data()[i]) * y.data()[i]), 1e-6, "sums")?;

            let got = scaled(&grad(), &one, Some(&bias), threads);
            near(got.data(), &each(&|i, g| g * one.data()[i / c] + bias[i % c]), 1e-6, "scaled")?;
            let mut got = grad();
            let of_factor = scaled_gradient(&mut got, &x, &one, threads);
            near(got.data(), &each(&|i, g| g * one.data()[i / c]), 1e-6, "scaled back")?;
            let pixels = grad();
            let pixels = pixels.data().chunks(c).zip(x.data().chunks(c));
            let want: Vec<f32> = pixels.map(|(g, x)| dot(g, x) as f32).collect();
            near_sums(c, of_factor.data(), &want, 1e-5, "factor")?;

            let mut got = grad();
            project_input_gradient(&mut got, &one, &weight, threads);
            near(got.data(), &each(&|i, g| g + one.data()[i / c] * weight[i % c]), 1e-6, "spread")?;
            let want = per_channel(x.data().len(), c, |i| f64::from(x.data()[i] * one.data()[i / c]));
            near_sums(n * h * w, &project_weight_gradient(&x, &one, threads), &want, 1e-4, "projection")?;
        }
    }

    /// Fails when the backward pass of upsampling is not its transpose, `<up(x), g> = <x,
    /// back(g)>`, or gradients left by other consumers are lost.
    #[test]
    fn upsampling_gradients_are_transposes(
        seed in 1_u64..1 << 32,
        dims in dims(),
        factor in 1_usize..5,
        align_corners: bool,
    ) {
        let [n, h, w, c] = dims;
        let x = map(seed, dims);
        let ones = vec![1.0; x.data().len()];
        for threads in all_threads() {
            let sum = || x.buffers().map_from(n, h, w, c, &ones);
            let up = upsample_nearest(&x, factor);
            let g = map(seed + 1, up.dims());
            let back = upsample_gradient(&g, factor, Some(sum()), threads);
            let told = dot(back.data(), x.data()) - dot(&ones, x.data());
            let want = dot(up.data(), g.data());
            prop_assert!((told - want).abs() < 1e-3 * (1.0 + want.abs()), "{told} {want}");

            let up = upsample_bilinear2(&x, align_corners, threads);
            let g = map(seed + 1, up.dims());
            let back = upsample_bilinear2_gradient(&g, align_corners, Some(sum()), threads);
            let told = dot(back.data(), x.data()) - dot(&ones, x.data());
            let want = dot(up.data(), g.data());
            prop_assert!((told - want).abs() < 1e-3 * (1.0 + want.abs()), "{told} {want}");
        }
    }

    /// Fails when a window's gradient goes to another pixel than its first maximum; the inputs take
    /// few different values, so that ties are frequent.
    #[test]
    fn max_pool_gradient_goes_to_the_first_maximum(
        seed in 1_u64..1 << 32,
        dims in dims(),
        window in prop::sample::select(vec![(2, 2, 0), (3, 2, 1), (3, 1, 1)]),
    ) {
        let [_, h, w, c] = dims;
        prop_assume!(h > 1 && w > 1);
        let (kernel, stride, pad) = window;
        let mut x = map(seed, dims);
        x.data_mut().iter_mut().for_each(|v| *v = (*v * 3.0).round());
        for threads in all_threads() {
            let y = max_pool(&x, kernel, stride, pad, threads);
            let [_, oh, ow, _] = y.dims();
            let g = map(seed + 1, y.dims());
            let mut want = vec![0.0; x.data().len()];
            for (i, (&g, &top)) in g.data().iter().zip(y.data()).enumerate() {
                let (column, row, image) = (i / c % ow * stride, i / c / ow % oh * stride, i / c / ow / oh);
                let first = (0..kernel * kernel).find_map(|tap| {
                    let (y, x0) = ((row + tap / kernel).checked_sub(pad)?, (column + tap % kernel).checked_sub(pad)?);
                    let at = ((image * h + y) * w + x0) * c + i % c;
                    (y < h && x0 < w && x.data()[at] == top).then_some(at)
                });
                want[first.unwrap()] += g;
            }
            let got = max_pool_gradient(&g, &x, &y, window, None, threads);
            near(got.data(), &want, 1e-6, "pooling")?;
        }
    }

    /// Fails when a tap's gradient is shifted, mixes channels or reads beyond a border.
    #[test]
    fn depthwise_weight_gradient_equals_f64(
        seed in 1_u64..1 << 32,
        dims in dims(),
        kernel in prop::sample::select(vec![1_usize, 3, 7, 9, 11]),
    ) {
        let [n, h, w, c] = dims;
        let (x, g) = (map(seed, dims), map(seed + 1, dims));
        let (half, area) = (kernel / 2, kernel * kernel);
        let mut want = vec![0.0_f64; c * area];
        for (i, &g) in g.data().iter().enumerate() {
            let (column, row, image) = (i / c % w, i / c / w % h, i / c / w / h);
            for tap in 0..area {
                let (y, x0) = (row + tap / kernel, column + tap % kernel);
                if (half..h + half).contains(&y) && (half..w + half).contains(&x0) {
                    let at = ((image * h + y - half) * w + x0 - half) * c + i % c;
                    want[i % c * area + tap] += f64::from(g) * f64::from(x.data()[at]);
                }
            }
        }
        for threads in all_threads() {
            let got = depthwise_weight_gradient(kernel, &x, &g, threads);
            near_sums(n * h * w, &got, &narrow(&want), 1e-5, &format!("{:?}", threads.isa()))?;
        }
    }

    /// Fails when the layer norm's gradient ignores that a token's mean or deviation depends on it.
    #[test]
    fn layer_norm_gradient_equals_f64(seed in 1_u64..1 << 32, dims in dims(), shift in -9.0_f32..9.0) {
        let c = dims[3];
        let mut x = map(seed, dims);
        x.data_mut().iter_mut().for_each(|v| *v += shift);
        let g = map(seed + 1, dims);
        let weight = values(seed + 2, c);
        let (mut want, mut normal) = (Vec::new(), Vec::new());
        for (x, g) in x.data().chunks(c).zip(g.data().chunks(c)) {
            let mean = x.iter().map(|&v| f64::from(v)).sum::<f64>() / c as f64;
            let var = x.iter().map(|&v| (f64::from(v) - mean).powi(2)).sum::<f64>() / c as f64;
            let inverse = 1.0 / (var + 1e-5).sqrt();
            let unit: Vec<f64> = x.iter().map(|&v| (f64::from(v) - mean) * inverse).collect();
            let part: Vec<f64> = g.iter().zip(&weight).map(|(&g, &w)| f64::from(g) * f64::from(w)).collect();
            let average = part.iter().sum::<f64>() / c as f64;
            let slope = part.iter().zip(&unit).map(|(g, x)| g * x).sum::<f64>() / c as f64;
            want.extend(part.iter().zip(&unit).map(|(g, x)| (inverse * (g - average - x * slope)) as f32));
            normal.extend(unit);
        }
        let pixels = normal.len() / c;
        let of_weight = per_channel(normal.len(), c, |i| f64::from(g.data()[i]) * normal[i]);
        let of_bias = per_channel(normal.len(), c, |i| f64::from(g.data()[i]));
        // One channel has no variance: the result is rounding error times 1 / sqrt(eps).
        let tolerance = if c < 3 { 1e-2 } else { 1e-3 };
        for threads in all_threads() {
            let mut grad = map(seed + 1, dims);
            let [weight_grad, bias_grad] = layer_norm_gradient(&mut grad, &x, &weight, 1e-5, threads);
            near_sums(pixels, &bias_grad, &of_bias, 1e-4, "bias")?;
            if c > 1 {
                near_sums(pixels, &weight_grad, &of_weight, tolerance, "weight")?;
                near(grad.data(), &want, tolerance, "map")?;
            }
        }
    }

    /// Fails when the attention gradients mix heads, images or tiles, or the dropout mask differs
    /// between the sweep by queries and the sweep by keys.
    #[test]
    fn attention_gradient_equals_the_reference(
        seed in 1_u64..1 << 32,
        (n, h, w) in (1_usize..3, 1_usize..9, 1_usize..9),
        (count, width) in (1_usize..4, 1_usize..24),
        p in prop::sample::select(vec![0.0_f32, 0.3]),
    ) {
        let (len, d) = (h * w, count * width);
        let dropout = (p > 0.0).then(|| Dropout::new(seed, p));
        let (both, v) = (map(seed, [n, h, w, 2 * d]), map(seed + 1, [n, h, w, d]));
        let grad = map(seed + 2, [n, h, w, d]);
        let half = |first: usize| -> Vec<f32> {
            let pixels = both.data().chunks_exact(2 * d);
            pixels.flat_map(|pixel| pixel[first..first + d].to_vec()).collect()
        };
        let inputs = [&half(0)[..], &half(d), v.data()];
        let factor = |i: usize| f64::from(dropout.map_or(1.0, |drop| drop.factor(i as u64)));
        let want = reference::attention_gradient(count, [n, len, d], inputs, grad.data(), factor);
        let heads = Heads {
            queries: both.channels(0, d),
            keys: both.channels(d, d),
            values: v.view(),
            count,
        };
        for threads in all_threads() {
            let isa = format!("{:?}", threads.isa());
            let (mut both_grad, mut v_grad) = (map(9, both.dims()), map(9, v.dims()));
            attention_gradient(heads, dropout, grad.view(), [&mut both_grad, &mut v_grad], threads);
            let part = |first: usize| -> Vec<f32> {
                let pixels = both_grad.data().chunks_exact(2 * d);
                pixels.flat_map(|pixel| pixel[first..first + d].to_vec()).collect()
            };
            near(&part(0), &want[0], 2e-5, &format!("queries, {isa}"))?;
            near(&part(d), &want[1], 2e-5, &format!("keys, {isa}"))?;
            near(v_grad.data(), &want[2], 2e-5, &format!("values, {isa}"))?;
        }
    }

    /// Fails when the dropped values depend on the threads or the instruction set.
    #[test]
    fn dropout_depends_only_on_key_and_index(seed in 0_u64..1 << 32, dims in dims(), p in 0.0_f32..0.99) {
        let dropout = Dropout::new(seed, p);
        let input = map(seed, dims);
        let want: Vec<f32> = input.data().iter().zip(0..).map(|(v, i)| v * dropout.factor(i)).collect();
        for threads in all_threads() {
            let mut got = map(seed, dims);
            apply_dropout(&mut got, dropout, threads);
            prop_assert_eq!(got.data(), &want[..]);
        }
    }
}
