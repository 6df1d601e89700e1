//! [`MultiHeadAttention`]: every token attends to all tokens.

use std::sync::OnceLock;

use candle_core::{Device, Result, Tensor};
use candle_nn::{Init, VarBuilder};

use super::autograd::{self, AttentionInputs, Traced};
use super::common::{cached_if_frozen, kernels_of, to_vec};
use super::dropout::{drawn, factors};
use super::features::traced;
use super::kernels::{self, Dropout, Epilogue, Heads, Nhwc, PackedConv};
use super::linear::{from_rows, learn_product, product, softmax, to_rows, xavier_uniform};
use super::{Features, Kernels, Linear, Pass};

/// Multi-head self-attention in which positions are added to queries and keys, but not to values.
///
/// Per head `softmax(Q K^T / sqrt(d / heads)) V` with `Q = W_q (x + pos) + b_q`,
/// `K = W_k (x + pos) + b_k` and `V = W_v x + b_v`, then [`Linear`] on the concatenated heads.
///
/// The attention matrix itself is not returned: it can be computed from the queries and keys, which
/// are a thousand times smaller (`QueryKey`).
pub struct MultiHeadAttention {
    name: String,
    heads: usize,
    in_proj_weight: Tensor,
    in_proj_bias: Tensor,
    out_proj: Linear,
    dropout: f32,
    /// Packed projections: queries and keys together, and values.
    packed: OnceLock<[PackedConv; 2]>,
}

/// Output of the attention layer and, if the pass wants maps, its queries and keys.
pub struct Attended {
    /// Feature map of the input's shape, `[N, d, H, W]`.
    pub output: Features,
    /// Queries and keys, each `[N, L, d]`, including their biases, not scaled.
    pub query_key: Option<[Tensor; 2]>,
}

impl MultiHeadAttention {
    /// Creates the layer from `in_proj_weight [3 d, d]`, `in_proj_bias [3 d]` (queries, keys,
    /// values) and `out_proj.{weight [d, d], bias [d]}`; `d` must be a multiple of `heads`.
    pub fn new(vb: &VarBuilder<'_>, d: usize, heads: usize) -> Result<Self> {
        if heads == 0 || !d.is_multiple_of(heads) {
            candle_core::bail!("{}: {d} features in {heads} heads", vb.prefix());
        }
        let init = xavier_uniform(d, 3 * d);
        Ok(Self {
            name: vb.prefix(),
            heads,
            in_proj_weight: vb.get_with_hints((3 * d, d), "in_proj_weight", init)?,
            in_proj_bias: vb.get_with_hints(3 * d, "in_proj_bias", Init::Const(0.0))?,
            out_proj: Linear::new(&vb.pp("out_proj"), (d, d))?,
            dropout: 0.0,
            packed: OnceLock::new(),
        })
    }

    /// Drops each attention weight with probability `p`, in 0..1, like [`super::dropout()`].
    pub fn with_dropout(self, p: f32) -> Self {
        Self { dropout: p, ..self }
    }

    /// Computes the attention of `x` `[N, d, H, W]`, with positions `pos` `[1, d, H, W]` if there
    /// are any.
    pub fn forward(
        &self,
        x: &Features,
        pos: Option<&Features>,
        pass: &mut Pass,
    ) -> Result<Attended> {
        let [n, d, h, w] = x.dims4()?;
        let placed = match pos {
            None => None,
            Some(pos) if pos.dims4()? == [1, d, h, w] => Some(add_to_each(x, pos)?),
            Some(pos) => {
                let got = pos.dims4()?;
                candle_core::bail!("{}: positions {got:?} for {d}x{h}x{w}", self.name)
            }
        };
        let placed = placed.as_ref().unwrap_or(x);
        let len = h * w;
        let dropout = drawn(self.dropout, pass)?;
        let macs = (n * (3 * len * d * d + 2 * len * len * d)) as u64;
        let (read, query_key) = pass.layer(
            &self.name,
            |_| macs,
            |pass| {
                if let (Features::Nhwc(x), Features::Nhwc(placed)) = (x, placed) {
                    return self.read_fast(x, placed, pass);
                }
                if let Some([x, placed]) = traced([x, placed])? {
                    return self.read_traced(&x, &placed, dropout, pass);
                }
                self.read(&x.to_tensor()?, &placed.to_tensor()?, dropout, pass)
            },
        )?;
        Ok(Attended {
            output: self.out_proj.forward(&read, pass)?,
            query_key,
        })
    }

    /// Returns the attention output before `out_proj`, `[N, d, H, W]`; `placed` is `x` plus
    /// positions.
    fn read(
        &self,
        x: &Tensor,
        placed: &Tensor,
        dropout: Option<Dropout>,
        pass: &Pass,
    ) -> Result<(Features, Option<[Tensor; 2]>)> {
        let (x, placed) = (to_rows(x)?, to_rows(placed)?);
        let (n, h, w, d) = x.dims4()?;
        let len = h * w;
        let (weight, bias) = (&self.in_proj_weight, &self.in_proj_bias);
        let part = |x: &Tensor, first: usize| {
            let (weight, bias) = (
                weight.narrow(0, first * d, d)?,
                bias.narrow(0, first * d, d)?,
            );
            product(x, &weight, &bias)?.reshape((n, len, d))
        };
        let (q, k, v) = (part(&placed, 0)?, part(&placed, 1)?, part(&x, 2)?);
        let query_key = pass.wants_maps.then(|| [q.detach(), k.detach()]);
        let by_head = |x: Tensor| {
            x.reshape((n, len, self.heads, d / self.heads))?
                .transpose(1, 2)?
                .contiguous()
        };
        let (q, k, v) = (by_head(q)?, by_head(k)?, by_head(v)?);
        let scale = 1.0 / ((d / self.heads) as f64).sqrt();
        let weights = softmax(&(q * scale)?.matmul(&k.t()?)?)?;
        let weights = match dropout {
            None => weights,
            Some(dropout) => weights.mul(&factors(dropout, weights.dims(), &weights)?)?,
        };
        let read = weights.matmul(&v)?.transpose(1, 2)?.reshape((n, h, w, d))?;
        Ok((Features::Tensor(from_rows(&read)?), query_key))
    }

    /// [`MultiHeadAttention::read`] with the traced kernels.
    fn read_traced(
        &self,
        x: &Traced,
        placed: &Traced,
        dropout: Option<Dropout>,
        pass: &Pass,
    ) -> Result<(Features, Option<[Tensor; 2]>)> {
        let d = x.map().c();
        let project = |x: &Traced, first: usize, count: usize| {
            let weight = self.in_proj_weight.narrow(0, first, count)?;
            let bias = self.in_proj_bias.narrow(0, first, count)?;
            learn_product(x, &weight, &bias, false)
        };
        let from = AttentionInputs {
            query_keys: project(placed, 0, 2 * d)?,
            values: project(x, 2 * d, d)?,
            heads: self.heads,
        };
        let query_key = pass.wants_maps.then(|| halves(from.query_keys.map()));
        Ok((
            Features::Traced(autograd::attend(&from, dropout)?),
            query_key.transpose()?,
        ))
    }

    /// [`MultiHeadAttention::read`] with the inference kernels, which never hold the whole
    /// attention matrix.
    fn read_fast(
        &self,
        x: &Nhwc,
        placed: &Nhwc,
        pass: &Pass,
    ) -> Result<(Features, Option<[Tensor; 2]>)> {
        let Kernels { threads, buffers } = kernels_of(pass)?;
        let [n, h, w, d] = x.dims();
        let [query_key, value] = cached_if_frozen(&self.packed, &self.in_proj_weight, || {
            let weight = to_vec(&self.in_proj_weight)?;
            let bias = to_vec(&self.in_proj_bias)?;
            let pack = |from: usize, to: usize| {
                let bias = Some(&bias[from..to]);
                PackedConv::linear(d, to - from, &weight[from * d..to * d], bias)
            };
            Ok([pack(0, 2 * d), pack(2 * d, 3 * d)])
        })?;
        let qk = kernels::conv2d(query_key, placed, Epilogue::NONE, threads);
        let v = kernels::conv2d(value, x, Epilogue::NONE, threads);
        let heads = Heads {
            queries: qk.channels(0, d),
            keys: qk.channels(d, d),
            values: v.view(),
            count: self.heads,
        };
        let mut y = buffers.map(n, h, w, d);
        kernels::attention(heads, None, y.view_mut(), None, threads);
        let query_key = pass.wants_maps.then(|| halves(&qk)).transpose()?;
        Ok((Features::Nhwc(y), query_key))
    }
}

/// Splits the combined projection into queries and keys, each `[N, L, d]`.
fn halves(query_keys: &Nhwc) -> Result<[Tensor; 2]> {
    let [n, h, w, both] = query_keys.dims();
    let d = both / 2;
    let half = |first: usize| {
        let tokens = query_keys.data().chunks_exact(both);
        let values: Vec<f32> = tokens
            .flat_map(|token| &token[first..first + d])
            .copied()
            .collect();
        Tensor::from_vec(values, (n, h * w, d), &Device::Cpu)
    };
    Ok([half(0)?, half(d)?])
}

/// Adds `pos` to each image of `x`.
fn add_to_each(x: &Features, pos: &Features) -> Result<Features> {
    if let (Features::Nhwc(x), Features::Nhwc(pos)) = (x, pos) {
        return Ok(Features::Nhwc(kernels::add_to_each(x, pos)));
    }
    if let Some([x, pos]) = traced([x, pos])? {
        return Ok(Features::Traced(autograd::add_to_each(&x, &pos)?));
    }
    let sum = x.to_tensor()?.broadcast_add(&pos.to_tensor()?)?;
    Ok(Features::Tensor(sum))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nn::gradcheck::{agree, gradcheck, learn_alike};
    use candle_core::DType;
    use proptest::prelude::*;
    use std::collections::HashMap;

    /// Cases of (number of heads, input shape).
    fn cases() -> [(usize, [usize; 4]); 4] {
        [
            (2, [2, 6, 2, 3]),
            (1, [1, 4, 3, 9]),
            (4, [2, 8, 5, 7]),
            (1, [3, 4, 2, 3]),
        ]
    }

    /// Fails when a gradient of a projection, of the positions or through the softmax is wrong.
    #[test]
    fn has_the_right_gradient() {
        for (heads, shape) in cases() {
            let [_, d, h, w] = shape;
            gradcheck(&[&shape, &[1, d, h, w]], |vb, x, pass| {
                let layer = MultiHeadAttention::new(vb, d, heads)?.with_dropout(0.2);
                Ok(layer.forward(&x[0], Some(&x[1]), pass)?.output)
            });
            gradcheck(&[&shape], |vb, x, pass| {
                let layer = MultiHeadAttention::new(vb, d, heads)?;
                Ok(layer.forward(&x[0], None, pass)?.output)
            });
        }
    }

    /// Fails when a gradient of the attention kernels differs from candle's, or the backward pass
    /// drops other weights than the forward pass.
    #[test]
    fn kernel_gradients_match_candle() {
        for (heads, shape) in cases() {
            let [_, d, h, w] = shape;
            for dropout in [0.0, 0.4] {
                learn_alike(&[&shape, &[1, d, h, w]], |vb, x, pass| {
                    let layer = MultiHeadAttention::new(vb, d, heads)?.with_dropout(dropout);
                    Ok(layer.forward(&x[0], Some(&x[1]), pass)?.output)
                });
            }
        }
    }

    /// Fails when the returned queries and keys are not those of the attention, are returned
    /// without a request, or are scaled, swapped or lack their biases.
    #[test]
    fn queries_and_keys_are_returned_on_request() {
        let kernels = Kernels::new(2).unwrap();
        for (heads, shape) in cases() {
            let [n, d, h, w] = shape;
            let random = |shape: &[usize]| Tensor::randn(0f32, 1., shape, &Device::Cpu).unwrap();
            let tensors = [
                ("in_proj_weight", random(&[3 * d, d])),
                ("in_proj_bias", random(&[3 * d])),
                ("out_proj.weight", random(&[d, d])),
                ("out_proj.bias", random(&[d])),
            ];
            let map: HashMap<_, _> = tensors
                .into_iter()
                .map(|(name, tensor)| (name.to_owned(), tensor))
                .collect();
            let vb = VarBuilder::from_tensors(map.clone(), DType::F32, &Device::Cpu);
            let layer = MultiHeadAttention::new(&vb, d, heads).unwrap();
            let (x, pos) = (random(&shape), random(&[1, d, h, w]));
            let run = |kernels: Option<_>, wants_maps| {
                let mut pass = Pass {
                    wants_maps,
                    kernels,
                    ..Pass::eval()
                };
                let enter = |x| Features::enter(x, &pass).unwrap();
                let (x, pos) = (enter(&x), enter(&pos));
                let attended = layer.forward(&x, Some(&pos), &mut pass).unwrap();
                attended.query_key
            };
            let placed = to_rows(&x.broadcast_add(&pos).unwrap()).unwrap();
            for kernels in [None, Some(kernels.clone())] {
                assert!(run(kernels.clone(), false).is_none());
                let given = run(kernels, true).unwrap();
                for (part, got) in given.iter().enumerate() {
                    let rows = |name: &str| map[name].narrow(0, part * d, d).unwrap();
                    let (weight, bias) = (rows("in_proj_weight"), rows("in_proj_bias"));
                    let want = product(&placed, &weight, &bias).unwrap();
                    let want = want.reshape((n, h * w, d)).unwrap();
                    let error = (got - want).unwrap().abs().unwrap().max_all().unwrap();
                    let error = error.to_scalar::<f32>().unwrap();
                    assert!(error < 1e-5, "part {part} of {shape:?}: {error}");
                }
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]

        /// Fails when the attention kernels mix up the values of tiles, heads or images.
        #[test]
        fn kernels_agree(n in 1..3usize, heads in 1..5usize, width in 1..20usize, h in 1..9usize, w in 1..9usize) {
            let d = heads * width;
            agree(&[&[n, d, h, w], &[1, d, h, w]], |vb, x, pass| {
                let layer = MultiHeadAttention::new(vb, d, heads)?;
                Ok(layer.forward(&x[0], Some(&x[1]), pass)?.output)
            });
            agree(&[&[n, d, h, w]], |vb, x, pass| {
                let layer = MultiHeadAttention::new(vb, d, heads)?;
                Ok(layer.forward(&x[0], None, pass)?.output)
            });
        }
    }
}
