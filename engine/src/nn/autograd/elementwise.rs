//! Traced sums, products, gates, dropout and concatenation.

use candle_core::{Result, Tensor};

use super::{Grads, NONE, Traced, gradient_of, record, with_values};
use crate::nn::kernels::{self, Activation, Dropout, Nhwc};

/// Computes `a + b` of equal shapes, followed by ReLU if `relu` is set.
pub(in crate::nn) fn add(a: &Traced, b: &Traced, relu: bool) -> Result<Traced> {
    let y = kernels::add(a.map(), b.map(), relu, a.threads());
    let sources = [a.source(), b.source()];
    record(y, &[a, b], [None, None], move |y, mut grad, _| {
        let [a, b] = &sources;
        if relu {
            kernels::activation_grad(Activation::Relu, &mut grad, y, a.threads());
        }
        b.give_copy(&grad);
        a.give_all(grad);
        Ok(NONE)
    })
}

/// Concatenates the channels of `maps`, which have equal heights and widths.
pub(in crate::nn) fn concat(maps: &[&Traced]) -> Result<Traced> {
    let [first, ..] = maps else {
        candle_core::bail!("no maps to concatenate");
    };
    let all: Vec<&Nhwc> = maps.iter().map(|map| map.map()).collect();
    let y = kernels::concat(&all, first.threads());
    let sources: Vec<_> = maps.iter().map(|map| map.source()).collect();
    record(y, maps, [None, None], move |_, grad, _| {
        let mut from = 0;
        for source in &sources {
            let c = source.map().c();
            source.give(|sum| kernels::concat_gradient(&grad, (from, c), sum, source.threads()));
            from += c;
        }
        Ok(NONE)
    })
}

/// Computes `x + one` for each of `x`'s images, where `one` is a single image.
pub(in crate::nn) fn add_to_each(x: &Traced, one: &Traced) -> Result<Traced> {
    let y = kernels::add_to_each(x.map(), one.map());
    let sources = [x.source(), one.source()];
    record(y, &[x, one], [None, None], move |_, grad, _| {
        let [x, one] = &sources;
        one.give(|sum| {
            let [_, h, w, c] = one.map().dims();
            let images = grad.data().chunks_exact((h * w * c).max(1));
            let mut sum = begun(sum, one.map());
            for image in images {
                for (sum, &g) in sum.data_mut().iter_mut().zip(image) {
                    *sum += g;
                }
            }
            sum
        });
        x.give_all(grad);
        Ok(NONE)
    })
}

/// Returns `sum`, the gradient left by other consumers, or zeros of `like`'s shape.
fn begun(sum: Option<Nhwc>, like: &Nhwc) -> Nhwc {
    sum.unwrap_or_else(|| {
        let [n, h, w, c] = like.dims();
        let mut zeros = like.buffers().map(n, h, w, c);
        zeros.data_mut().fill(0.0);
        zeros
    })
}

/// Computes `x + bias` with one value per channel.
pub(in crate::nn) fn add_bias(x: &Traced, bias: &Tensor) -> Result<Traced> {
    let mut y = kernels::copy(x.map(), x.threads());
    kernels::add_bias(&mut y, &bias.to_vec1()?);
    let source = x.source();
    record(y, &[x], [Some(bias), None], move |_, grad, [bias, _]| {
        let values = kernels::bias_gradient(&grad, source.threads());
        source.give_all(grad);
        Ok([gradient_of(bias, values)?, None])
    })
}

/// Computes `x * map`, where `map` has `x`'s size and either one channel or as many as `x`.
pub(in crate::nn) fn multiply(x: &Traced, map: &Traced) -> Result<Traced> {
    if map.map().c() == 1 {
        return scale(x, map, None);
    }
    if map.map().dims() != x.map().dims() {
        let (x, map) = (x.map().dims(), map.map().dims());
        candle_core::bail!("{x:?} cannot be multiplied by {map:?}");
    }
    let threads = x.threads();
    let mut y = kernels::copy(x.map(), threads);
    kernels::multiply_by(&mut y, map.map(), threads);
    let sources = [x.source(), map.source()];
    record(y, &[x, map], [None, None], move |_, mut grad, _| {
        let [x, map] = &sources;
        let threads = x.threads();
        if map.learns() {
            let mut product = kernels::copy(&grad, threads);
            kernels::multiply_by(&mut product, x.map(), threads);
            map.give_all(product);
        }
        kernels::multiply_by(&mut grad, map.map(), threads);
        x.give_all(grad);
        Ok(NONE)
    })
}

/// Computes `x * factor + bias`: `factor` has one channel, `bias` one value per channel.
fn scale(x: &Traced, factor: &Traced, bias: Option<&Tensor>) -> Result<Traced> {
    let offsets = bias.map(Tensor::to_vec1::<f32>).transpose()?;
    let y = kernels::scaled(x.map(), factor.map(), offsets.as_deref(), x.threads());
    let sources = [x.source(), factor.source()];
    let has_bias = bias.is_some();
    record(
        y,
        &[x, factor],
        [bias, None],
        move |_, mut grad, [bias, _]| -> Result<Grads> {
            let [x, factor] = &sources;
            let threads = x.threads();
            let mut grads = NONE;
            if has_bias {
                grads[0] = gradient_of(bias, kernels::bias_gradient(&grad, threads))?;
            }
            let of_factor = kernels::scaled_gradient(&mut grad, x.map(), factor.map(), threads);
            factor.give_all(of_factor);
            x.give_all(grad);
            Ok(grads)
        },
    )
}

/// Computes `f (1 + m + m * d)` plus a bias per channel, with one-channel maps `m` and `d`.
pub(in crate::nn) fn gate(
    f: &Traced,
    [m, d]: [&Traced; 2],
    bias: Option<&Tensor>,
) -> Result<Traced> {
    let values = zipped(m.map(), d.map(), |m, d| 1.0 + m + m * d);
    let sources = [m.source(), d.source()];
    let gate = record(values, &[m, d], [None, None], move |_, grad, _| {
        let [m, d] = &sources;
        d.give_all(zipped(&grad, m.map(), |g, m| g * m));
        m.give_all(zipped(&grad, d.map(), |g, d| g * (1.0 + d)));
        Ok(NONE)
    })?;
    scale(f, &gate, bias)
}

/// Applies `f` to the values of two one-channel maps.
fn zipped(a: &Nhwc, b: &Nhwc, f: impl Fn(f32, f32) -> f32) -> Nhwc {
    let [n, h, w, c] = a.dims();
    let mut out = a.buffers().map(n, h, w, c);
    let pairs = a.data().iter().zip(b.data());
    for (out, (&a, &b)) in out.data_mut().iter_mut().zip(pairs) {
        *out = f(a, b);
    }
    out
}

/// Computes the 1x1 convolution of `x` with `weight [1, C, 1, 1]`.
pub(in crate::nn) fn project(x: &Traced, weight: &Tensor) -> Result<Traced> {
    let y = with_values(weight, |weight, _| {
        Ok(kernels::project(
            x.map().view(),
            weight,
            x.map().buffers(),
            x.threads(),
        ))
    })?;
    let source = x.source();
    record(
        y,
        &[x],
        [Some(weight), None],
        move |_, grad, [weight, _]| {
            let (threads, x) = (source.threads(), source.map());
            with_values(weight, |weight, _| {
                source.give(|sum| {
                    let mut sum = begun(sum, x);
                    kernels::project_input_gradient(&mut sum, &grad, weight, threads);
                    sum
                });
                Ok(())
            })?;
            let values = kernels::project_weight_gradient(x, &grad, threads);
            Ok([gradient_of(weight, values)?, None])
        },
    )
}

/// Drops some values of `x` and scales up the others to preserve the expectation.
pub(in crate::nn) fn apply_dropout(x: &Traced, dropout: Dropout) -> Result<Traced> {
    let mut y = kernels::copy(x.map(), x.threads());
    kernels::apply_dropout(&mut y, dropout, x.threads());
    let source = x.source();
    record(y, &[x], [None, None], move |_, mut grad, _| {
        kernels::apply_dropout(&mut grad, dropout, source.threads());
        source.give_all(grad);
        Ok(NONE)
    })
}
