//! Tests of all other kernels at awkward sizes.

use proptest::prelude::*;

use super::super::*;
use super::{all_threads, map, near, values};

/// Channel counts around the vectors' 4, 8 and 16 lanes.
fn channels() -> impl Strategy<Value = usize> {
    prop::sample::select(vec![1, 2, 3, 7, 8, 9, 15, 16, 17, 33, 64])
}

/// Images, height, width and channels.
fn dims() -> impl Strategy<Value = [usize; 4]> {
    (1_usize..3, 1_usize..20, 1_usize..40, channels()).prop_map(|(n, h, w, c)| [n, h, w, c])
}

fn f64_of(activation: Activation, x: f64) -> f64 {
    match activation {
        Activation::None => x,
        Activation::Relu => x.max(0.0),
        Activation::Tanh => x.tanh(),
        Activation::Sigmoid => 1.0 / (1.0 + (-x).exp()),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Fails when a depthwise convolution mixes channels, reads past a border or ignores its
    /// residual.
    #[test]
    fn depthwise_equals_the_reference(
        seed in 1_u64..1 << 32,
        dims in dims(),
        k in prop::sample::select(vec![1, 3, 7, 11]),
        add: bool,
        activation in prop::sample::select(vec![
            Activation::None, Activation::Relu, Activation::Tanh, Activation::Sigmoid,
        ]),
    ) {
        let c = dims[3];
        let (input, residual) = (map(seed, dims), map(seed + 1, dims));
        let (weight, bias) = (values(seed + 2, c * k * k), values(seed + 3, c));
        let sums = reference::depthwise(k, dims, input.data(), &weight);
        let want: Vec<f32> = sums.iter().enumerate().map(|(i, &v)| {
            let extra = if add { residual.data()[i] } else { 0.0 };
            f64_of(activation, f64::from(v) + f64::from(bias[i % c]) + f64::from(extra)) as f32
        }).collect();
        let packed = PackedDepthwise::new(c, k, &weight, Some(&bias));
        for threads in all_threads() {
            let got = depthwise(&packed, &input, add.then_some(&residual), activation, threads);
            near(got.data(), &want, 1e-5, &format!("{:?}", threads.isa()))?;
        }
    }

    /// Fails when a window at a border takes a value outside of it, or misses one.
    #[test]
    fn max_pool_equals_the_reference(
        seed in 1_u64..1 << 32,
        dims in dims(),
        window in prop::sample::select(vec![[2, 2, 0], [3, 2, 1], [3, 1, 1], [1, 2, 0], [5, 3, 2]]),
    ) {
        let input = map(seed, dims);
        let want = reference::max_pool(window, dims, input.data());
        for threads in all_threads() {
            let got = max_pool(&input, window[0], window[1], window[2], threads);
            prop_assert_eq!(got.data(), &want[..]);
        }
    }

    /// Fails when an upsampled pixel uses the wrong neighbours or weights.
    #[test]
    fn bilinear_equals_the_reference(
        seed in 1_u64..1 << 32,
        dims in (1_usize..3, 1_usize..9, 1_usize..9, channels()),
        align_corners: bool,
    ) {
        let dims = [dims.0, dims.1, dims.2, dims.3];
        let input = map(seed, dims);
        let want = reference::upsample_bilinear2(align_corners, dims, input.data());
        for threads in all_threads() {
            let got = upsample_bilinear2(&input, align_corners, threads);
            near(got.data(), &want, 1e-6, "bilinear")?;
        }
    }

    /// Fails when a channel is copied to another map's place, or the backward pass does not mirror
    /// the forward pass, also for more pixels than one task has.
    #[test]
    fn concat_keeps_every_channel(
        seed in 1_u64..1 << 32,
        dims in dims(),
        others in prop::collection::vec(channels(), 0..3),
    ) {
        let [n, h, w, c] = dims;
        let parts: Vec<_> = (seed..).zip(std::iter::once(c).chain(others))
            .map(|(seed, c)| map(seed, [n, h, w, c])).collect();
        let all: Vec<_> = parts.iter().collect();
        let want: Vec<f32> = (0..n * h * w).flat_map(|pixel| {
            all.iter().flat_map(move |part| part.data()[pixel * part.c()..][..part.c()].to_vec())
        }).collect();
        for threads in all_threads() {
            let got = concat(&all, threads);
            prop_assert_eq!(got.data(), &want[..]);
            let mut from = 0;
            for part in &parts {
                let back = concat_gradient(&got, (from, part.c()), None, threads);
                prop_assert_eq!(back.data(), part.data());
                let twice: Vec<f32> = part.data().iter().map(|v| v + v).collect();
                let sum = concat_gradient(&got, (from, part.c()), Some(back), threads);
                prop_assert_eq!(sum.data(), &twice[..]);
                from += part.c();
            }
        }
    }

    /// Fails when nearest upsampling shifts by a pixel at odd sizes, or ReLU is applied before the
    /// sum.
    #[test]
    fn upsample_add_repeats_pixels(
        seed in 1_u64..1 << 32,
        dims in dims(),
        factor in prop::sample::select(vec![1, 2, 4, 8]),
        relu: bool,
    ) {
        let [n, h, w, c] = dims;
        let high = map(seed, dims);
        let low = map(seed + 1, [n, h.div_ceil(factor), w.div_ceil(factor), c]);
        let want: Vec<f32> = high.data().iter().enumerate().map(|(i, v)| {
            let (x, y, image) = (i / c % w, i / c / w % h, i / c / w / h);
            let at = (image * low.h() + y / factor) * low.w() + x / factor;
            let sum = v + low.data()[at * c + i % c];
            if relu { sum.max(0.0) } else { sum }
        }).collect();
        for threads in all_threads() {
            let got = upsample_add(&low, factor, &high, relu, threads);
            prop_assert_eq!(got.data(), &want[..]);
        }
    }

    /// Fails when the attention gate or a projection deviates from its formula, also on some of the
    /// channels of a wider map.
    #[test]
    fn gate_and_projection_equal_their_formulas(seed in 1_u64..1 << 32, dims in dims()) {
        let [n, h, w, c] = dims;
        let one = [n, h, w, 1];
        let (f, m, d) = (map(seed, [n, h, w, c + 1]), map(seed + 1, one), map(seed + 2, one));
        let (weight, bias) = (values(seed + 3, c), values(seed + 4, c));
        for threads in all_threads() {
            let p = project(f.channels(1, c), &weight, f.buffers(), threads);
            let want: Vec<f32> = f.data().chunks(c + 1).map(|pixel| {
                pixel[1..].iter().zip(&weight).map(|(a, b)| f64::from(a * b)).sum::<f64>() as f32
            }).collect();
            near(p.data(), &want, 1e-5, "projection")?;

            let mut got = map(seed, [n, h, w, c + 1]);
            gate(got.channels_mut(1, c), &m, &d, Some(&bias), threads);
            let want: Vec<f32> = f.data().iter().enumerate().map(|(i, &v)| {
                let (m, d) = (m.data()[i / (c + 1)], d.data()[i / (c + 1)]);
                match i % (c + 1) {
                    0 => v,
                    k => v * (1.0 + m + m * d) + bias[k - 1],
                }
            }).collect();
            near(got.data(), &want, 1e-6, "gate")?;
            let mut new = map(seed, [n, h, w, c]);
            gate_into(f.channels(1, c), [&m, &d], Some(&bias), &mut new, threads);
            let mut part = map(seed, [n, h, w, c]);
            copy_channels(got.channels(1, c), part.view_mut(), threads);
            prop_assert_eq!(new.data(), part.data());
            let want = got.data().chunks(c + 1).flat_map(|pixel| &pixel[1..]);
            prop_assert!(part.data().iter().eq(want), "compact");

            let mut got = map(seed, [n, h, w, c + 1]);
            scale_pixels(got.view_mut(), &m, threads);
            let want: Vec<f32> =
                f.data().iter().enumerate().map(|(i, v)| v * m.data()[i / (c + 1)]).collect();
            near(got.data(), &want, 1e-6, "scale")?;
        }
    }

    /// Fails when a row's layer norm uses lanes beyond its end, or loses precision.
    #[test]
    fn layer_norm_equals_f64(seed in 1_u64..1 << 32, dims in dims(), shift in -50.0_f32..50.0) {
        let c = dims[3];
        let data: Vec<f32> = map(seed, dims).data().iter().map(|v| 8.0 * v + shift).collect();
        let (weight, bias) = (values(seed + 1, c), values(seed + 2, c));
        let mut norm = Vec::new();
        for row in data.chunks(c) {
            let row: Vec<f64> = row.iter().map(|&v| f64::from(v)).collect();
            let mean = row.iter().sum::<f64>() / c as f64;
            let var = row.iter().map(|v| (v - mean) * (v - mean)).sum::<f64>() / c as f64;
            norm.extend(row.iter().enumerate().map(|(i, v)| {
                ((v - mean) / (var + 1e-5).sqrt() * f64::from(weight[i]) + f64::from(bias[i])) as f32
            }));
        }
        let [n, h, w, _] = dims;
        // With few channels all values may be equal: the mean's last digit, 4e-6 at 58, over
        // sqrt(1e-5).
        let tolerance = if c < 4 { 3e-3 } else { 5e-4 };
        for threads in all_threads() {
            let mut got = Buffers::new().map_from(n, h, w, c, &data);
            layer_norm(&mut got, &weight, &bias, 1e-5, threads);
            near(got.data(), &norm, tolerance, "layer norm")?;
        }
    }

    /// Fails when a value changes its position between channels-first and channels-last.
    #[test]
    fn layouts_round_trip(seed in 1_u64..1 << 32, dims in dims()) {
        let [n, h, w, c] = dims;
        let planes = values(seed, n * h * w * c);
        let last = from_nchw(&planes, [n, c, h, w], &Buffers::new());
        for (i, v) in last.data().iter().enumerate() {
            let (pixel, channel) = (i / c, i % c);
            let (image, place) = (pixel / (h * w), pixel % (h * w));
            prop_assert_eq!(*v, planes[(image * c + channel) * h * w + place]);
        }
        let mut back = vec![0.0; planes.len()];
        to_nchw(&last, &mut back);
        prop_assert_eq!(back, planes);
    }
}

/// Fails when the vectorised tanh or sigmoid is off by more than 1e-6 anywhere, including the ends
/// of the range, or does not propagate NaN.
#[test]
fn activations_are_accurate() {
    let mut x: Vec<f32> = (-40_000..40_000).map(|i| i as f32 * 5e-4).collect();
    x.extend([-1e30, 1e30, f32::NEG_INFINITY, f32::INFINITY, 1e-20, -0.0]);
    let input = Buffers::new().map_from(1, 1, x.len(), 1, &x);
    let identity = PackedDepthwise::new(1, 1, &[1.0], None);
    for threads in all_threads() {
        for activation in [Activation::Tanh, Activation::Sigmoid] {
            let got = depthwise(&identity, &input, None, activation, threads);
            for (x, y) in x.iter().zip(got.data()) {
                let want = f64_of(activation, f64::from(*x));
                assert!(
                    (f64::from(*y) - want).abs() <= 1e-6,
                    "{activation:?} {x} {y}"
                );
            }
            let nan = Buffers::new().map_from(1, 1, 1, 1, &[f32::NAN]);
            let got = depthwise(&identity, &nan, None, activation, threads);
            assert!(got.data()[0].is_nan(), "{activation:?} {:?}", threads.isa());
        }
    }
}
