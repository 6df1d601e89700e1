//! Attention maps from features: mean-field inference in a conditional random field (section 5.2.1
//! of the paper), or its baseline, a spatial softmax (section 5.1).

use candle_core::Result;
use candle_nn::{Init, VarBuilder};

use super::{Attention, McaConfig};
use crate::model::RawMap;
use crate::nn::kernels::Activation;
use crate::nn::{Conv2d, DepthwiseConv, Features, Pass, softmax_over_pixels};
use crate::output::{AttentionKind, MapPlace};

/// Returns Torch's default initialisation: uniform within `1 / sqrt(fan_in)`. Sums of residual
/// blocks are not normalised, so that larger weights (He's) make activations grow from stack to
/// stack.
pub(super) fn fresh(fan_in: usize) -> Init {
    let up = 1.0 / (fan_in.max(1) as f64).sqrt();
    Init::Uniform { lo: -up, up }
}

/// Builds a convolution with bias and stride 1, without norm.
pub(super) fn plain_conv(
    vb: &VarBuilder<'_>,
    channels: (usize, usize),
    kernel: usize,
) -> Result<Conv2d> {
    let init = fresh(channels.0 * kernel * kernel);
    Conv2d::with_init(vb, channels, kernel, 1, true, init)
}

/// Independent single-channel attention maps of a feature map, each value in (0, 1).
pub(super) struct Attend {
    /// Stack and tensor prefix, e.g. `s0_att_l1`.
    name: String,
    /// Title for display.
    title: String,
    stack: usize,
    unary: Conv2d,
    rule: Rule,
}

/// Computation of a map from the summary of all channels.
enum Rule {
    /// The same kernel in every iteration (eq. 8).
    Crf { pair: DepthwiseConv, iters: usize },
    /// Spatial softmax (eq. 4).
    Softmax,
}

impl Attend {
    /// Loads tensors `{field}.unary.{weight [M, C, 3, 3], bias}` and, for a CRF,
    /// `{field}.pair.{weight [M, 1, k, k], bias}`, for `(C, M)` channels and maps of stack `stack`;
    /// `what` describes for display what is weighted.
    pub(super) fn new(
        vb: &VarBuilder<'_>,
        (stack, field, what): (usize, &str, &str),
        (channels, maps): (usize, usize),
        config: &McaConfig,
    ) -> Result<Option<Self>> {
        let vb = vb.pp(field);
        let rule = match config.attention {
            Attention::None => return Ok(None),
            Attention::Softmax => Rule::Softmax,
            Attention::Crf => {
                let k = config.kernel;
                let init = fresh(k * k);
                Rule::Crf {
                    pair: DepthwiseConv::with_init(&vb.pp("pair"), maps, k, true, init)?,
                    iters: config.iters,
                }
            }
        };
        Ok(Some(Self {
            name: format!("s{stack}_{field}"),
            title: format!("{what}, stack {stack}"),
            stack,
            unary: plain_conv(&vb.pp("unary"), (channels, maps), 3)?,
            rule,
        }))
    }

    /// Computes the maps `[N, M, H, W]` of features `[N, C, H, W]`.
    ///
    /// If the pass collects maps, they are recorded under this layer's name, and those of earlier
    /// mean-field iterations under `{name}.iter1`, `{name}.iter2`, ...
    pub(super) fn forward(
        &self,
        x: &Features,
        maps: &mut Vec<RawMap<Features>>,
        pass: &mut Pass,
    ) -> Result<Features> {
        let unary = self.unary.forward(x)?;
        let note = |q: &Features, iteration: Option<usize>, suffix: &str| RawMap {
            name: format!("{}{suffix}", self.name),
            title: match iteration {
                Some(t) if !suffix.is_empty() => format!("{}, iteration {t}", self.title),
                _ => self.title.clone(),
            },
            kind: AttentionKind::Gate,
            place: MapPlace {
                layer: self.stack,
                iteration,
            },
            tensor: q.clone(),
            range: (0.0, 1.0),
            activity_of: None,
        };
        let (q, last) = match &self.rule {
            Rule::Softmax => (softmax_over_pixels(&unary, pass)?, None),
            Rule::Crf { pair, iters } => {
                // The first kernel is applied to the unary term itself, as in the release, not to
                // its sigmoid (eq. 7); the unary term is added every time (missing in eq. 8).
                let mut q = pair.apply(&unary, Some(&unary), Activation::Sigmoid)?;
                for t in 1..*iters {
                    if pass.wants_maps {
                        maps.push(note(&q, Some(t), &format!(".iter{t}")));
                    }
                    q = pair.apply(&q, Some(&unary), Activation::Sigmoid)?;
                }
                (q, Some(*iters))
            }
        };
        if pass.wants_maps {
            maps.push(note(&q, last, ""));
        }
        Ok(q)
    }
}
