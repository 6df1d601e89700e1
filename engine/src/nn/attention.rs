//! [`MultiHeadAttention`]: every token reads from all others.

use std::sync::OnceLock;

use candle_core::{Device, Result, Tensor};
use candle_nn::{Init, VarBuilder};

use super::conv::{fixed, kernels_of, values};
use super::dropout::{drawn, factors};
use super::features::traced;
use super::kernels::{self, Dropout, Epilogue, Heads, Nhwc, PackedConv};
use super::learn::{self, Projected, Traced};
use super::linear::{from_rows, learn_product, product, softmax, to_rows, xavier_uniform};
use super::{Features, Kernels, Linear, Pass};

/// Self-attention whose queries and keys, but not values, know their positions:
/// `softmax(Q K^T / sqrt(d / heads)) V` per head with `Q = W_q (x + pos) + b_q`,
/// `K = W_k (x + pos) + b_k`, `V = W_v x + b_v`; then [`Linear`] over the heads side by side.
pub struct MultiHeadAttention {
    name: String,
    heads: usize,
    in_proj_weight: Tensor,
    in_proj_bias: Tensor,
    out_proj: Linear,
    dropout: f32,
    /// Of queries with keys, and of values.
    packed: OnceLock<[PackedConv; 2]>,
}

/// The map and, where the pass wants maps, who read from whom.
pub struct Attended {
    /// As large as the input.
    pub output: Features,
    /// `[N, heads, L, L]`, rows are queries, columns keys; each row sums to 1.
    pub weights: Option<Tensor>,
}

impl MultiHeadAttention {
    /// Tensors `in_proj_weight [3 d, d]`, `in_proj_bias [3 d]` (queries, keys, values) and
    /// `out_proj.{weight [d, d], bias [d]}`; `heads` divides `d`.
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

    /// Drops each weight with probability `p`, in 0..1, as [`super::dropout`] does.
    pub fn with_dropout(self, p: f32) -> Self {
        Self { dropout: p, ..self }
    }

    /// `x` `[N, d, H, W]` and its positions `[1, d, H, W]`.
    pub fn forward(&self, x: &Features, pos: &Features, pass: &mut Pass) -> Result<Attended> {
        let [n, d, h, w] = x.dims4()?;
        if pos.dims4()? != [1, d, h, w] {
            candle_core::bail!(
                "{}: positions {:?} for {d}x{h}x{w}",
                self.name,
                pos.dims4()?
            );
        }
        let len = h * w;
        let dropout = drawn(self.dropout, pass)?;
        let macs = (n * (3 * len * d * d + 2 * len * len * d)) as u64;
        let (read, weights) = pass.layer(
            &self.name,
            |_| macs,
            |pass| {
                if let (Features::Nhwc(x), Features::Nhwc(pos)) = (x, pos) {
                    let (y, weights) = self.read_fast(x, pos, pass)?;
                    return Ok((Features::Nhwc(y), weights));
                }
                if let Some([x, pos]) = traced([x, pos])? {
                    let (y, weights) = self.read_traced(&x, &pos, dropout, pass.wants_maps)?;
                    return Ok((Features::Traced(y), weights));
                }
                let (y, weights) = self.read(&x.to_tensor()?, &pos.to_tensor()?, dropout)?;
                let weights = pass.wants_maps.then(|| weights.detach());
                Ok((Features::Tensor(y), weights))
            },
        )?;
        Ok(Attended {
            output: self.out_proj.forward(&read, pass)?,
            weights,
        })
    }

    /// What each token reads `[N, d, H, W]`, and the weights before dropout.
    fn read(&self, x: &Tensor, pos: &Tensor, dropout: Option<Dropout>) -> Result<(Tensor, Tensor)> {
        let rows = to_rows(x)?;
        let (n, h, w, d) = rows.dims4()?;
        let len = h * w;
        let (weight, bias) = (&self.in_proj_weight, &self.in_proj_bias);
        let part = |x: &Tensor, first: usize| {
            product(
                x,
                &weight.narrow(0, first * d, d)?,
                &bias.narrow(0, first * d, d)?,
            )?
            .reshape((n, len, self.heads, d / self.heads))?
            .transpose(1, 2)?
            .contiguous()
        };
        let placed = rows.broadcast_add(&to_rows(pos)?)?;
        let (q, k, v) = (part(&placed, 0)?, part(&placed, 1)?, part(&rows, 2)?);
        let scale = 1.0 / ((d / self.heads) as f64).sqrt();
        let weights = softmax(&(q * scale)?.matmul(&k.t()?)?)?;
        let kept = match dropout {
            None => weights.clone(),
            Some(dropout) => weights.mul(&factors(dropout, weights.dims(), &weights)?)?,
        };
        let read = kept.matmul(&v)?.transpose(1, 2)?.reshape((n, h, w, d))?;
        Ok((from_rows(&read)?, weights))
    }

    /// [`MultiHeadAttention::read`] by the kernels with a history; the weights come where they are
    /// wanted.
    fn read_traced(
        &self,
        x: &Traced,
        pos: &Traced,
        dropout: Option<Dropout>,
        wants_weights: bool,
    ) -> Result<(Traced, Option<Tensor>)> {
        let d = x.map().c();
        let project = |x: &Traced, first: usize, count: usize| {
            let weight = self.in_proj_weight.narrow(0, first, count)?;
            let bias = self.in_proj_bias.narrow(0, first, count)?;
            learn_product(x, &weight, &bias, false)
        };
        let placed = learn::add_to_each(x, pos)?;
        let from = Projected {
            query_keys: project(&placed, 0, 2 * d)?,
            values: project(x, 2 * d, d)?,
            heads: self.heads,
        };
        learn::attend(&from, dropout, wants_weights)
    }

    /// [`MultiHeadAttention::read`] by the kernels for fixed weights: the weights of all tokens never exist at once,
    /// unless they are wanted.
    fn read_fast(&self, x: &Nhwc, pos: &Nhwc, pass: &Pass) -> Result<(Nhwc, Option<Tensor>)> {
        let Kernels { threads, buffers } = kernels_of(pass)?;
        let [n, h, w, d] = x.dims();
        let len = h * w;
        let [query_key, value] = fixed(&self.packed, &self.in_proj_weight, || {
            let weight = values(&self.in_proj_weight)?;
            let bias = values(&self.in_proj_bias)?;
            let pack = |from: usize, to: usize| {
                let bias = Some(&bias[from..to]);
                PackedConv::linear(d, to - from, &weight[from * d..to * d], bias)
            };
            Ok([pack(0, 2 * d), pack(2 * d, 3 * d)])
        })?;
        let placed = kernels::add_to_each(x, pos);
        let qk = kernels::conv2d(query_key, &placed, Epilogue::NONE, threads);
        let v = kernels::conv2d(value, x, Epilogue::NONE, threads);
        let heads = Heads {
            queries: qk.channels(0, d),
            keys: qk.channels(d, d),
            values: v.view(),
            count: self.heads,
        };
        let mut y = buffers.map(n, h, w, d);
        if !pass.wants_maps {
            kernels::attention(heads, None, y.view_mut(), None, threads);
            return Ok((y, None));
        }
        let mut weights = vec![0.0; n * self.heads * len * len];
        kernels::attention(heads, None, y.view_mut(), Some(&mut weights), threads);
        let weights = Tensor::from_vec(weights, (n, self.heads, len, len), &Device::Cpu)?;
        Ok((y, Some(weights)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nn::gradcheck::{agree, freeze, gradcheck, learn_alike};
    use proptest::prelude::*;

    /// Heads, features, and the input's shape.
    fn cases() -> [(usize, [usize; 4]); 4] {
        [
            (2, [2, 6, 2, 3]),
            (1, [1, 4, 3, 9]),
            (4, [2, 8, 5, 7]),
            (1, [3, 4, 2, 3]),
        ]
    }

    /// The weights as a map of `heads` channels.
    fn weights_of(attended: Attended) -> Result<Features> {
        match attended.weights {
            Some(weights) => Ok(Features::Tensor(weights)),
            None => candle_core::bail!("no weights"),
        }
    }

    /// Fails when a gradient of a projection, of the positions or through the softmax is wrong.
    #[test]
    fn has_the_right_gradient() {
        for (heads, shape) in cases() {
            let [_, d, h, w] = shape;
            gradcheck(&[&shape, &[1, d, h, w]], |vb, x, pass| {
                let layer = MultiHeadAttention::new(vb, d, heads)?.with_dropout(0.2);
                Ok(layer.forward(&x[0], &x[1], pass)?.output)
            });
        }
    }

    /// Fails when a gradient of the kernels' attention is not candle's, or the way back drops
    /// other weights than the way there.
    #[test]
    fn learns_alike_with_kernels() {
        for (heads, shape) in cases() {
            let [_, d, h, w] = shape;
            for dropout in [0.0, 0.4] {
                learn_alike(&[&shape, &[1, d, h, w]], |vb, x, pass| {
                    let layer = MultiHeadAttention::new(vb, d, heads)?.with_dropout(dropout);
                    Ok(layer.forward(&x[0], &x[1], pass)?.output)
                });
            }
        }
    }

    /// Fails when the weights are not those that were used, are given unasked, or are ordered
    /// by keys first.
    #[test]
    fn weights_are_given_when_wanted() {
        let kernels = Kernels::new(2).unwrap();
        for (heads, shape) in cases() {
            let [n, d, h, w] = shape;
            let map = candle_nn::VarMap::new();
            let dtype = candle_core::DType::F32;
            let vb = VarBuilder::from_varmap(&map, dtype, &Device::Cpu);
            MultiHeadAttention::new(&vb, d, heads).unwrap();
            let vb = freeze(&map);
            let layer = MultiHeadAttention::new(&vb, d, heads).unwrap();
            let x = Tensor::randn(0f32, 2., &shape, &Device::Cpu).unwrap();
            let pos = Tensor::randn(0f32, 1., (1, d, h, w), &Device::Cpu).unwrap();
            let run = |kernels: Option<_>, wants_maps| {
                let mut pass = Pass {
                    wants_maps,
                    kernels,
                    ..Pass::eval()
                };
                let enter = |x| Features::enter(x, &pass).unwrap();
                let (x, pos) = (enter(&x), enter(&pos));
                layer.forward(&x, &pos, &mut pass).unwrap()
            };
            assert!(run(None, false).weights.is_none());
            assert!(run(Some(kernels.clone()), false).weights.is_none());
            let tensors = weights_of(run(None, true)).unwrap().to_tensor().unwrap();
            let fast = weights_of(run(Some(kernels.clone()), true)).unwrap();
            let fast = fast.to_tensor().unwrap();
            assert_eq!(fast.dims(), [n, heads, h * w, h * w]);
            let largest = |x: Tensor| {
                let x = x.abs().unwrap().max_all().unwrap();
                x.to_scalar::<f32>().unwrap()
            };
            assert!(largest((&fast - &tensors).unwrap()) < 1e-5);
            let rows = fast.sum(candle_core::D::Minus1).unwrap();
            assert!(largest((rows - 1.0).unwrap()) < 1e-5);
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]

        /// Fails when a tile, a head or an image of the kernels' attention takes another's values.
        #[test]
        fn kernels_agree(n in 1..3usize, heads in 1..5usize, width in 1..20usize, h in 1..9usize, w in 1..9usize) {
            let d = heads * width;
            agree(&[&[n, d, h, w], &[1, d, h, w]], |vb, x, pass| {
                let layer = MultiHeadAttention::new(vb, d, heads)?;
                Ok(layer.forward(&x[0], &x[1], pass)?.output)
            });
        }
    }
}
