//! [`MultiHeadAttention`]: every token attends to all tokens.

use candle_core::{Device, Result, Tensor};
use candle_nn::{Init, VarBuilder};

use super::autograd::{self, AttentionInputs, Traced};
use super::dropout::{drawn, factors};
use super::features::{recorded, traced};
use super::graph::{ConvCall, Op, Recorded};
use super::kernels::{Dropout, Nhwc};
use super::linear::{from_rows, learn_product, product, softmax, to_rows, xavier_uniform};
use super::{Features, Linear, Pass};

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
}

/// Output of the attention layer and, if the pass wants maps, its queries and keys.
pub struct Attended {
    /// Feature map of the input's shape, `[N, d, H, W]`.
    pub output: Features,
    /// Queries and keys, each `[N, d, H, W]`, including their biases, not scaled.
    pub query_key: Option<[Features; 2]>,
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
        let [_, d, h, w] = x.dims4()?;
        let placed = match pos {
            None => None,
            Some(pos) if pos.dims4()? == [1, d, h, w] => Some(self.add_to_each(x, pos)?),
            Some(pos) => {
                let got = pos.dims4()?;
                candle_core::bail!("{}: positions {got:?} for {d}x{h}x{w}", self.name)
            }
        };
        let placed = placed.as_ref().unwrap_or(x);
        let dropout = drawn(self.dropout, pass)?;
        let (read, query_key) = if let Some([x, placed]) = recorded([x, placed])? {
            self.record(&x, &placed, pass)?
        } else if let Some([x, placed]) = traced([x, placed])? {
            self.read_traced(&x, &placed, dropout, pass)?
        } else {
            self.read(&x.to_tensor()?, &placed.to_tensor()?, dropout, pass)?
        };
        Ok(Attended {
            output: self.out_proj.forward(&read)?,
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
    ) -> Result<Read> {
        let (x, placed) = (to_rows(x)?, to_rows(placed)?);
        let (n, h, w, d) = x.dims4()?;
        let len = h * w;
        let (weight, bias) = (&self.in_proj_weight, &self.in_proj_bias);
        let part = |x: &Tensor, first: usize| {
            let (weight, bias) = (
                weight.narrow(0, first * d, d)?,
                bias.narrow(0, first * d, d)?,
            );
            product(x, &weight, &bias)
        };
        let (q, k, v) = (part(&placed, 0)?, part(&placed, 1)?, part(&x, 2)?);
        let query_key = if pass.wants_maps {
            Some([shown(&q)?, shown(&k)?])
        } else {
            None
        };
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
    ) -> Result<Read> {
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

    /// [`MultiHeadAttention::read`] of recorded maps: executors never hold the whole attention
    /// matrix.
    fn record(&self, x: &Recorded, placed: &Recorded, pass: &Pass) -> Result<Read> {
        let d = x.shape().c;
        let project = |x: &Recorded, first: usize, count: usize| {
            let weight = self.in_proj_weight.narrow(0, first, count)?;
            let call = ConvCall {
                name: &self.name,
                weight: &weight.reshape((count, d, 1, 1))?,
                bias: Some(&self.in_proj_bias.narrow(0, first, count)?),
                stride: 1,
                relu: false,
            };
            x.convolve(call, None)
        };
        let query_keys = project(placed, 0, 2 * d)?;
        let values = project(x, 2 * d, d)?;
        let op = Op::Attention { heads: self.heads };
        let read = query_keys.push(&self.name, op, &[&values])?;
        let half = |from: usize| {
            let op = Op::Slice { from, channels: d };
            query_keys.push("", op, &[]).map(Features::Recorded)
        };
        let query_key = if pass.wants_maps {
            Some([half(0)?, half(d)?])
        } else {
            None
        };
        Ok((Features::Recorded(read), query_key))
    }

    /// Adds `pos` to each image of `x`.
    fn add_to_each(&self, x: &Features, pos: &Features) -> Result<Features> {
        if let Features::Recorded(x) = x {
            let table = to_rows(&pos.to_tensor()?)?.squeeze(0)?;
            let table = x.weight((&self.name, "positions"), &table)?;
            let sum = x.push("", Op::AddTable { table }, &[])?;
            return Ok(Features::Recorded(sum));
        }
        if let Some([x, pos]) = traced([x, pos])? {
            return Ok(Features::Traced(autograd::add_to_each(&x, &pos)?));
        }
        let sum = x.to_tensor()?.broadcast_add(&pos.to_tensor()?)?;
        Ok(Features::Tensor(sum))
    }
}

/// Attention output before the last projection and, if requested, queries and keys.
type Read = (Features, Option<[Features; 2]>);

/// Returns `rows` `[N, H, W, d]` as a map without history.
fn shown(rows: &Tensor) -> Result<Features> {
    Ok(Features::Tensor(from_rows(&rows.detach())?))
}

/// Splits the combined projection into queries and keys.
fn halves(query_keys: &Nhwc) -> Result<[Features; 2]> {
    let [n, h, w, both] = query_keys.dims();
    let d = both / 2;
    let half = |first: usize| {
        let tokens = query_keys.data().chunks_exact(both);
        let values: Vec<f32> = tokens
            .flat_map(|token| &token[first..first + d])
            .copied()
            .collect();
        shown(&Tensor::from_vec(values, (n, h, w, d), &Device::Cpu)?)
    };
    Ok([half(0)?, half(d)?])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nn::gradcheck::{agree, gradcheck, learn_alike};
    use crate::nn::graph::{Recorder, Shape, reference};
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
            let run = |x: Features, wants_maps| {
                let mut pass = Pass {
                    wants_maps,
                    ..Pass::eval()
                };
                let pos = Features::Tensor(pos.clone());
                layer.forward(&x, Some(&pos), &mut pass).unwrap().query_key
            };
            let placed = to_rows(&x.broadcast_add(&pos).unwrap()).unwrap();
            let check = |got: &[Vec<f32>]| {
                for (part, got) in got.iter().enumerate() {
                    let rows = |name: &str| map[name].narrow(0, part * d, d).unwrap();
                    let (weight, bias) = (rows("in_proj_weight"), rows("in_proj_bias"));
                    let want = product(&placed, &weight, &bias).unwrap();
                    let want: Vec<f32> = want.flatten_all().unwrap().to_vec1().unwrap();
                    let errors = got.iter().zip(&want).map(|(got, want)| (got - want).abs());
                    let error = errors.fold(0.0, f32::max);
                    assert_eq!(got.len(), want.len());
                    assert!(error < 1e-5, "part {part} of {shape:?}: {error}");
                }
            };
            let tensor = Features::Tensor(x.clone());
            assert!(run(tensor.clone(), false).is_none());
            let given = run(tensor, true).unwrap().map(|map| {
                let rows = to_rows(&map.to_tensor().unwrap()).unwrap();
                rows.flatten_all().unwrap().to_vec1().unwrap()
            });
            check(&given);
            let recorder = Recorder::new();
            let input = Features::Recorded(recorder.input(Shape { h, w, c: d }));
            assert!(run(input.clone(), false).is_none());
            let ids = run(input, true).unwrap().map(|map| match map {
                Features::Recorded(map) => map.id(),
                _ => panic!("a map with values"),
            });
            let rows: Vec<f32> = to_rows(&x)
                .unwrap()
                .flatten_all()
                .unwrap()
                .to_vec1()
                .unwrap();
            let graph = recorder.finish(Vec::new());
            check(&reference::run(&graph, n, &[&rows], &ids).unwrap());
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]

        /// Fails when the attention kernels mix up the values of tiles, heads or images.
        #[test]
        fn kernels_agree(n in 1..3usize, heads in 1..5usize, width in 1..20usize, h in 1..9usize, w in 1..9usize) {
            let d = heads * width;
            let pos = Tensor::randn(0f32, 1.0, (1, d, h, w), &Device::Cpu).unwrap();
            let pos = Features::Tensor(pos);
            agree(&[&[n, d, h, w]], |vb, x, pass| {
                let layer = MultiHeadAttention::new(vb, d, heads)?;
                Ok(layer.forward(&x[0], Some(&pos), pass)?.output)
            });
            agree(&[&[n, d, h, w]], |vb, x, pass| {
                let layer = MultiHeadAttention::new(vb, d, heads)?;
                Ok(layer.forward(&x[0], None, pass)?.output)
            });
        }
    }
}
