//! Tests of convolutions, transposed convolutions and gradients at awkward sizes.

use proptest::prelude::*;

use super::super::*;
use super::{all_threads, map, near_sums, values};

/// Awkward channel counts: around multiples of 16 (panels) and of 4 (strips).
fn channels() -> impl Strategy<Value = usize> {
    prop::sample::select(vec![1, 2, 3, 4, 5, 14, 15, 16, 17, 31, 32, 33, 48, 80])
}

/// Map sides from 1, around the tiles' 4, 8 and 12 pixels and the patches' 4.
fn side() -> impl Strategy<Value = usize> {
    prop::sample::select(vec![1, 2, 3, 4, 5, 7, 8, 11, 12, 13, 17, 21, 29])
}

fn kernel() -> impl Strategy<Value = (usize, usize, usize)> {
    prop::sample::select(vec![
        (1, 1, 0),
        (1, 2, 0),
        (3, 1, 1),
        (3, 1, 1),
        (3, 2, 1),
        (3, 1, 0),
        (7, 1, 3),
        (7, 2, 3),
        (4, 2, 1),
        (2, 2, 0),
        (2, 3, 2),
        (5, 3, 1),
        (1, 1, 1),
    ])
}

#[derive(Debug, Clone, Copy)]
struct Case {
    seed: u64,
    n: usize,
    h: usize,
    w: usize,
    shape: ConvShape,
    residual: usize,
    relu: bool,
}

prop_compose! {
    fn case()(
        seed in 1_u64..1 << 32,
        n in 1_usize..3,
        h in side(),
        w in side(),
        cin in channels(),
        cout in channels(),
        (kernel, stride, pad) in kernel(),
        residual in 0_usize..3,
        relu: bool,
    ) -> Case {
        let shape = ConvShape { cin, cout, kernel, stride, pad };
        Case { seed, n, h, w, shape, residual, relu }
    }
}

impl Case {
    fn check(self, plan: Plan, tolerance: f32) -> Result<(), TestCaseError> {
        let Self {
            seed,
            n,
            h,
            w,
            shape,
            ..
        } = self;
        let (oh, ow, cout) = (shape.out(h), shape.out(w), shape.cout);
        let terms = shape.weights() / cout;
        let input = map(seed, [n, h, w, shape.cin]);
        let weight = values(seed + 1, shape.weights());
        let bias = values(seed + 2, cout);
        let same = map(seed + 3, [n, oh, ow, cout]);
        let half = map(seed + 4, [n, oh.div_ceil(2), ow.div_ceil(2), cout]);

        let mut want = reference::conv2d(shape, [n, h, w], input.data(), &weight);
        for (i, v) in want.iter_mut().enumerate() {
            let (c, x, y, image) = (
                i % cout,
                i / cout % ow,
                i / cout / ow % oh,
                i / cout / ow / oh,
            );
            *v += bias[c];
            *v += match self.residual {
                0 => 0.0,
                1 => same.data()[i],
                _ => half.data()[((image * half.h() + y / 2) * half.w() + x / 2) * cout + c],
            };
            if self.relu {
                *v = v.max(0.0);
            }
        }
        let epilogue = match self.residual {
            0 => Epilogue {
                relu: self.relu,
                ..Epilogue::NONE
            },
            1 => Epilogue::add(&same, self.relu),
            _ => Epilogue::add_up2(&half, self.relu),
        };
        let packed = PackedConv::new(shape, &weight, Some(&bias), plan);
        for threads in all_threads() {
            let what = format!("{self:?} {plan:?} {:?} x{}", threads.isa(), threads.count());
            let got = conv2d(&packed, &input, epilogue, threads);
            near_sums(terms, got.data(), &want, tolerance, &what)?;
        }

        // The same between channel slices of wider maps, whose other channels must not change.
        let mut wide_in = Buffers::new().map(n, h, w, shape.cin + 5);
        wide_in.data_mut().fill(f32::NAN);
        for (wide, pixel) in wide_in
            .data_mut()
            .chunks_mut(shape.cin + 5)
            .zip(input.data().chunks(shape.cin))
        {
            wide[3..3 + shape.cin].copy_from_slice(pixel);
        }
        let mut wide_out = Buffers::new().map(n, oh, ow, cout + 3);
        wide_out.data_mut().fill(7.0);
        let threads = &all_threads()[seed as usize % all_threads().len()];
        conv2d_into(
            &packed,
            wide_in.channels(3, shape.cin),
            wide_out.channels_mut(1, cout),
            epilogue,
            threads,
        );
        let mut got = Vec::new();
        for wide in wide_out.data().chunks(cout + 3) {
            prop_assert!(
                wide[0] == 7.0 && wide[cout + 1..] == [7.0, 7.0],
                "{:?} wrote outside its channels",
                self
            );
            got.extend_from_slice(&wide[1..=cout]);
        }
        let what = format!("{self:?} channel slice");
        near_sums(terms, &got, &want, tolerance, &what)
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    /// Fails when a direct convolution is wrong at a border, the end of a tile, a channel remainder
    /// or in its epilogue, on any instruction set or thread count.
    #[test]
    fn direct_equals_the_reference(case in case()) {
        case.check(Plan::Direct, 1e-5)?;
    }

    /// Fails when Winograd is wrong at patches that overlap a border, or loses more precision than
    /// its transforms explain.
    #[test]
    fn winograd_equals_the_reference(mut case in case()) {
        case.shape = ConvShape::same(case.shape.cin, case.shape.cout, 3, 1);
        case.check(Plan::Winograd, 1e-4)?;
    }

    /// Fails when a phase of a transposed convolution has the wrong taps or padding.
    #[test]
    fn transposed_equals_the_reference(case in case()) {
        let Case { seed, n, h, w, shape, relu, .. } = case;
        let dims = [n, shape.out(h), shape.out(w), shape.cout];
        prop_assume!(!dims.contains(&0));
        let input = map(seed, dims);
        let weight = values(seed + 1, shape.weights());
        let bias = values(seed + 2, shape.cin);
        let same = map(seed + 3, [n, h, w, shape.cin]);
        let mut want = reference::conv2d_transposed(shape, [n, h, w], input.data(), &weight);
        for (i, v) in want.iter_mut().enumerate() {
            *v += bias[i % shape.cin] + same.data()[i];
            if relu {
                *v = v.max(0.0);
            }
        }
        let packed = PackedTransposed::new(shape, &weight, Some(&bias));
        for threads in all_threads() {
            let what = format!("{case:?} {:?} x{}", threads.isa(), threads.count());
            let got = conv2d_transposed(&packed, &input, (h, w), Epilogue::add(&same, relu), threads);
            near_sums(shape.weights() / shape.cin, got.data(), &want, 1e-5, &what)?;
        }
    }

    /// Fails when a weight or bias gradient is wrong, ignores the border, depends on the thread
    /// count, or keeps old contents of the buffer.
    #[test]
    fn weight_gradient_equals_the_reference(case in case()) {
        let Case { seed, n, h, w, shape, .. } = case;
        let input = map(seed, [n, h, w, shape.cin]);
        let grad = map(seed + 1, [n, shape.out(h), shape.out(w), shape.cout]);
        let terms = n * grad.h() * grad.w();
        let want = reference::conv2d_weight_gradient(shape, [n, h, w], input.data(), grad.data());
        for threads in all_threads() {
            let what = format!("{case:?} {:?} x{}", threads.isa(), threads.count());
            let mut got = vec![f32::NAN; shape.weights()];
            conv2d_weight_gradient(shape, &input, &grad, &mut got, threads);
            near_sums(terms, &got, &want, 1e-5, &what)?;
        }
        let want: Vec<f32> = (0..shape.cout)
            .map(|o| grad.data().iter().skip(o).step_by(shape.cout).map(|&g| f64::from(g)).sum::<f64>() as f32)
            .collect();
        for threads in all_threads() {
            near_sums(terms, &bias_gradient(&grad, threads), &want, 1e-5, "bias")?;
        }
    }

    /// Fails when Winograd's weight gradient is wrong at patches that overlap a border, loses a
    /// task's patches, or depends on the thread count.
    #[test]
    fn winograd_weight_gradient_equals_the_reference(mut case in case()) {
        case.shape = ConvShape::same(case.shape.cin.max(8), case.shape.cout.max(8), 3, 1);
        let Case { seed, n, h, w, shape, .. } = case;
        let input = map(seed, [n, h, w, shape.cin]);
        let grad = map(seed + 1, [n, h, w, shape.cout]);
        let want = reference::conv2d_weight_gradient(shape, [n, h, w], input.data(), grad.data());
        for threads in all_threads() {
            let what = format!("{case:?} {:?} x{}", threads.isa(), threads.count());
            let mut got = vec![f32::NAN; shape.weights()];
            winograd_grad::run(shape, &input, &grad, &mut got, threads);
            near_sums(n * h * w, &got, &want, 1e-4, &what)?;
        }
    }

    /// Fails when the input gradient with the flipped kernel differs from the transposed
    /// convolution.
    #[test]
    fn flipped_kernel_is_the_input_gradient(mut case in case()) {
        case.shape.stride = 1;
        case.shape.pad = case.shape.pad.min(case.shape.kernel - 1);
        let Case { seed, n, h, w, shape, .. } = case;
        let dims = [n, shape.out(h), shape.out(w), shape.cout];
        prop_assume!(!dims.contains(&0));
        let grad = map(seed, dims);
        let weight = values(seed + 1, shape.weights());
        let want = reference::conv2d_transposed(shape, [n, h, w], grad.data(), &weight);
        let packed = PackedConv::input_gradient(shape, &weight, Plan::For(h, w));
        for threads in all_threads() {
            let got = conv2d(&packed, &grad, Epilogue::NONE, threads);
            let what = format!("{case:?} {:?}", threads.isa());
            near_sums(shape.weights() / shape.cin, got.data(), &want, 1e-4, &what)?;
        }
    }

    /// Fails when the reference gradients are not the derivative of the reference convolution:
    /// `sum(grad * conv(x, w))` is linear in x and in w, so a difference of any step size is exact.
    #[test]
    fn reference_gradients_equal_differences(mut case in case(), at in 0_usize..1 << 20) {
        case.shape.cin = case.shape.cin.min(5);
        case.shape.cout = case.shape.cout.min(5);
        let Case { seed, n, h, w, shape, .. } = case;
        let dims = [n, h, w];
        let (mut x, mut weight) = (values(seed, n * h * w * shape.cin), values(seed + 1, shape.weights()));
        let grad = values(seed + 2, n * shape.out(h) * shape.out(w) * shape.cout);
        let loss = |x: &[f32], weight: &[f32]| -> f64 {
            let y = reference::conv2d(shape, dims, x, weight);
            y.iter().zip(&grad).map(|(y, g)| f64::from(*y) * f64::from(*g)).sum()
        };
        let before = loss(&x, &weight);
        let dx = reference::conv2d_transposed(shape, dims, &grad, &weight);
        let dw = reference::conv2d_weight_gradient(shape, dims, &x, &grad);
        let (i, j) = (at % x.len(), at % weight.len());
        x[i] += 1.0;
        let by_x = loss(&x, &weight) - before;
        x[i] -= 1.0;
        weight[j] += 1.0;
        let by_w = loss(&x, &weight) - before;
        prop_assert!((by_x - f64::from(dx[i])).abs() < 2e-3, "{by_x} {}", dx[i]);
        prop_assert!((by_w - f64::from(dw[j])).abs() < 2e-3, "{by_w} {}", dw[j]);
    }
}
