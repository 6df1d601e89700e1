//! TransPose: "TransPose: Keypoint Localization via Transformer",
//! <https://arxiv.org/abs/2012.14214>, with the tensor names of the authors
//! (<https://github.com/yangsenius/TransPose>).
//!
//! A convolutional [`Backbone`] produces a grid of tokens. In every encoder layer each token
//! attends to all others, with positions added to queries and keys only, followed by a feed-forward
//! network. Heatmaps are computed from the last layer's tokens, so that its attention shows the
//! places that a joint's prediction depends on.
//!
//! The paper's R-A3* is not part of any published code. Ours is a reconstruction from its published
//! parameters (5.0 M) and work (5.4 G): one bottleneck of ResNet-50's `layer3` without stride on
//! top of ResNet-S, a hidden layer of 512, bilinear upsampling before the last convolution.

mod positions;

use candle_core::Result;
use candle_nn::{Init, VarBuilder};

use self::positions::Positions;
pub use self::positions::{PositionKind, sine_positions};
use super::hrnet::{HrNet, HrNetConfig};
use super::resnet::{ResNet, ResNetConfig};
use super::{
    Approach, BackboneOutput, BuildOptions, Bundled, ModelSpec, PoseModel, RawOutput, RawQueryKey,
    SpecialTensors, WeightShapes, last_numbered, probe,
};
use crate::geometry::Size;
use crate::nn::{
    Conv2d, Features, LayerNorm, Linear, MultiHeadAttention, Pass, TransposedConvBn, add, dropout,
    upsample_bilinear2,
};

const RECIPE: &str = "transpose";

const SPECIAL: SpecialTensors = SpecialTensors {
    positions: Some(positions::NAME),
    ..SpecialTensors::NONE
};

/// Prefixes of what follows the backbone.
fn head(_: &WeightShapes) -> Vec<String> {
    let parts = ["reduce", "global_encoder", "deconv_layers", "final_layer"];
    parts.map(|part| format!("{part}.")).to_vec()
}

/// Prefix of the last stage of the backbone.
fn last_blocks(shapes: &WeightShapes) -> Vec<String> {
    let stage = last_numbered(shapes, "stage").or_else(|| last_numbered(shapes, "layer"));
    stage.into_iter().collect()
}

pub(super) const R_A3S: ModelSpec = ModelSpec {
    name: "tp-r-a3s",
    summary: "TransPose-R-A3*: shallow ResNet, 3 attention layers, 256x192 (reconstruction)",
    approach: Approach::TopDown,
    unit: 32,
    backbone_from: None,
    recipe: RECIPE,
    head,
    last_blocks,
    special: SPECIAL,
    card: include_str!("../../../assets/models/tp-r-a3s.toml"),
    bundled: None,
    build: |options, vb| build(&TransPoseConfig::r_a3_star(options.n_joints), options, vb),
};

pub(super) const R_A3: ModelSpec = ModelSpec {
    name: "tp-r-a3",
    summary: "TransPose-R-A3: shallow ResNet, 3 attention layers, 256x192",
    approach: Approach::TopDown,
    unit: 32,
    backbone_from: None,
    recipe: RECIPE,
    head,
    last_blocks,
    special: SPECIAL,
    card: include_str!("../../../assets/models/tp-r-a3.toml"),
    bundled: Some(Bundled {
        weights: include_bytes!("../../../assets/models/tp-r-a3-coco17.safetensors"),
        card: include_str!("../../../assets/models/tp-r-a3-coco17.toml"),
    }),
    build: |options, vb| build(&TransPoseConfig::r_a3(options.n_joints), options, vb),
};

pub(super) const R_A4: ModelSpec = ModelSpec {
    name: "tp-r-a4",
    summary: "TransPose-R-A4: shallow ResNet, 4 attention layers, 256x192",
    approach: Approach::TopDown,
    unit: 32,
    backbone_from: None,
    recipe: RECIPE,
    head,
    last_blocks,
    special: SPECIAL,
    card: include_str!("../../../assets/models/tp-r-a4.toml"),
    bundled: None,
    build: |options, vb| build(&TransPoseConfig::r_a4(options.n_joints), options, vb),
};

pub(super) const H_S: ModelSpec = ModelSpec {
    name: "tp-h-s",
    summary: "TransPose-H-S: shallow HRNet-W32, 4 attention layers, 256x192",
    approach: Approach::TopDown,
    unit: 32,
    backbone_from: None,
    recipe: RECIPE,
    head,
    last_blocks,
    special: SPECIAL,
    card: include_str!("../../../assets/models/tp-h-s.toml"),
    bundled: None,
    build: |options, vb| build(&TransPoseConfig::h_s(options.n_joints), options, vb),
};

pub(super) const H_A4: ModelSpec = ModelSpec {
    name: "tp-h-a4",
    summary: "TransPose-H-A4: shallow HRNet-W48, 4 attention layers, 256x192",
    approach: Approach::TopDown,
    unit: 32,
    backbone_from: None,
    recipe: RECIPE,
    head,
    last_blocks,
    special: SPECIAL,
    card: include_str!("../../../assets/models/tp-h-a4.toml"),
    bundled: None,
    build: |options, vb| build(&TransPoseConfig::h_a4(options.n_joints), options, vb),
};

pub(super) const H_A6: ModelSpec = ModelSpec {
    name: "tp-h-a6",
    summary: "TransPose-H-A6: shallow HRNet-W48, 6 attention layers, 256x192",
    approach: Approach::TopDown,
    unit: 32,
    backbone_from: None,
    recipe: RECIPE,
    head,
    last_blocks,
    special: SPECIAL,
    card: include_str!("../../../assets/models/tp-h-a6.toml"),
    bundled: None,
    build: |options, vb| build(&TransPoseConfig::h_a6(options.n_joints), options, vb),
};

fn build(
    config: &TransPoseConfig,
    options: &BuildOptions,
    vb: &VarBuilder<'_>,
) -> Result<Box<dyn PoseModel>> {
    Ok(Box::new(TransPose::new(config, options.input, vb)?))
}

/// Backbone that produces the tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Backbone {
    /// Token grid of stride 8.
    ResNet(ResNetConfig),
    /// Token grid of stride 4.
    HrNet(HrNetConfig),
}

impl Backbone {
    /// Input pixels per token along an axis.
    pub const fn stride(&self) -> usize {
        match self {
            Self::ResNet(_) => ResNetConfig::STRIDE,
            Self::HrNet(_) => HrNetConfig::STRIDE,
        }
    }

    /// Returns the token grid for an input size.
    fn grid(&self, input: Size) -> Result<Size> {
        let Size { width, height } = input;
        if input.area() == 0 || height % 32 != 0 || width % 32 != 0 {
            candle_core::bail!(
                "TransPose needs sides that are multiples of 32, not {width}x{height}"
            );
        }
        Ok(Size::new(width / self.stride(), height / self.stride()))
    }
}

/// Upsampling from the token grid to the heatmaps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Upsampling {
    /// Heatmaps have the size of the token grid.
    None,
    /// Twice the size, bilinear.
    Bilinear,
    /// Twice the size, by a transposed convolution.
    Transposed,
}

/// Configuration; one constructor per variant of the paper.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TransPoseConfig {
    /// Channels of the heatmaps.
    pub n_joints: usize,
    /// Backbone that produces the tokens.
    pub backbone: Backbone,
    /// Features of a token (the paper's d): even, and a multiple of `heads`.
    pub width: usize,
    /// Hidden features of the feed-forward network (h).
    pub hidden: usize,
    /// Number of attention heads.
    pub heads: usize,
    /// Number of encoder layers (N).
    pub layers: usize,
    /// Position embedding of the tokens.
    pub positions: PositionKind,
    /// Upsampling after the encoder.
    pub upsampling: Upsampling,
}

impl TransPoseConfig {
    /// Returns TransPose-R-A3.
    pub const fn r_a3(n_joints: usize) -> Self {
        Self {
            n_joints,
            backbone: Backbone::ResNet(ResNetConfig::small()),
            width: 256,
            hidden: 1024,
            heads: 8,
            layers: 3,
            positions: PositionKind::Sine,
            upsampling: Upsampling::Transposed,
        }
    }

    /// Returns TransPose-R-A3*, reconstructed.
    pub const fn r_a3_star(n_joints: usize) -> Self {
        Self {
            backbone: Backbone::ResNet(ResNetConfig::small_star()),
            hidden: 512,
            upsampling: Upsampling::Bilinear,
            ..Self::r_a3(n_joints)
        }
    }

    /// Returns TransPose-R-A4.
    pub const fn r_a4(n_joints: usize) -> Self {
        Self {
            layers: 4,
            ..Self::r_a3(n_joints)
        }
    }

    /// Returns TransPose-H-S.
    pub const fn h_s(n_joints: usize) -> Self {
        Self {
            n_joints,
            backbone: Backbone::HrNet(HrNetConfig::w32()),
            width: 64,
            hidden: 128,
            heads: 1,
            layers: 4,
            positions: PositionKind::Sine,
            upsampling: Upsampling::None,
        }
    }

    /// Returns TransPose-H-A4.
    pub const fn h_a4(n_joints: usize) -> Self {
        Self {
            backbone: Backbone::HrNet(HrNetConfig::w48()),
            width: 96,
            hidden: 192,
            ..Self::h_s(n_joints)
        }
    }

    /// Returns TransPose-H-A6.
    pub const fn h_a6(n_joints: usize) -> Self {
        Self {
            layers: 6,
            ..Self::h_a4(n_joints)
        }
    }
}

/// One encoder layer: self-attention, then a feed-forward network, each with a residual connection
/// and post-norm.
struct EncoderLayer {
    self_attn: MultiHeadAttention,
    linear1: Linear,
    linear2: Linear,
    norm1: LayerNorm,
    norm2: LayerNorm,
}

/// Epsilon of the encoder's layer norms.
const EPS: f32 = 1e-5;

/// Dropout rate in training: of the attention weights, of the attention output, of the hidden
/// features and of the feed-forward output.
const DROPOUT: f32 = 0.1;

impl EncoderLayer {
    fn new(config: &TransPoseConfig, vb: &VarBuilder<'_>) -> Result<Self> {
        let &TransPoseConfig { width, hidden, .. } = config;
        Ok(Self {
            self_attn: MultiHeadAttention::new(&vb.pp("self_attn"), width, config.heads)?
                .with_dropout(DROPOUT),
            linear1: Linear::new(&vb.pp("linear1"), (width, hidden))?,
            linear2: Linear::new(&vb.pp("linear2"), (hidden, width))?,
            norm1: LayerNorm::new(&vb.pp("norm1"), width, EPS)?,
            norm2: LayerNorm::new(&vb.pp("norm2"), width, EPS)?,
        })
    }

    /// Returns the tokens and, if collected, queries and keys.
    fn forward(
        &self,
        x: &Features,
        positions: Option<&Features>,
        pass: &mut Pass,
    ) -> Result<(Features, Option<[Features; 2]>)> {
        let attended = self.self_attn.forward(x, positions, pass)?;
        let read = dropout(attended.output, DROPOUT, pass)?;
        let x = self.norm1.forward(&add(x, &read, false)?)?;
        let hidden = dropout(self.linear1.relu(&x)?, DROPOUT, pass)?;
        let y = dropout(self.linear2.forward(&hidden)?, DROPOUT, pass)?;
        let x = self.norm2.forward(&add(&x, &y, false)?)?;
        Ok((x, attended.query_key))
    }
}

enum Body {
    ResNet(Box<ResNet>),
    HrNet(Box<HrNet>),
}

/// The TransPose network.
pub struct TransPose {
    config: TransPoseConfig,
    body: Body,
    reduce: Conv2d,
    pos_embedding: Option<Positions>,
    /// Tensors `global_encoder.layers`.
    layers: Vec<EncoderLayer>,
    deconv_layers: Option<TransposedConvBn>,
    final_layer: Conv2d,
}

impl TransPose {
    /// Builds the network; `input` is the input size that the weights' position table is made for.
    ///
    /// # Errors
    /// When a tensor is missing or does not fit, or a side of `input` is not a multiple of 32.
    pub fn new(config: &TransPoseConfig, input: Size, vb: &VarBuilder<'_>) -> Result<Self> {
        let d = config.width;
        let (body, channels) = match &config.backbone {
            Backbone::ResNet(small) => {
                let body = ResNet::new(small, vb)?;
                (Body::ResNet(Box::new(body)), small.channels())
            }
            Backbone::HrNet(small) => {
                let body = HrNet::new(*small, vb)?;
                (Body::HrNet(Box::new(body)), small.width)
            }
        };
        let encoder = vb.pp("global_encoder").pp("layers");
        let deconv = vb.pp("deconv_layers");
        let head = Init::Randn {
            mean: 0.0,
            stdev: 0.001,
        };
        Ok(Self {
            config: *config,
            body,
            reduce: Conv2d::new(&vb.pp("reduce"), (channels, d), 1, 1, false)?,
            pos_embedding: Positions::new(vb, config.positions, d, config.backbone.grid(input)?)?,
            layers: (0..config.layers)
                .map(|i| EncoderLayer::new(config, &encoder.pp(i)))
                .collect::<Result<_>>()?,
            deconv_layers: (config.upsampling == Upsampling::Transposed)
                .then(|| TransposedConvBn::new(&deconv.pp(0), &deconv.pp(1), (d, d)))
                .transpose()?,
            final_layer: Conv2d::with_init(
                &vb.pp("final_layer"),
                (d, config.n_joints),
                1,
                1,
                true,
                head,
            )?,
        })
    }
}

impl PoseModel for TransPose {
    /// Runs the convolutional backbone.
    fn backbone(&self, input: &Features, pass: &mut Pass) -> Result<BackboneOutput> {
        let [_, _, h, w] = input.dims4()?;
        // Checks the sides.
        self.config.backbone.grid(Size::new(w, h))?;
        let x = match &self.body {
            Body::ResNet(body) => body.forward(input, pass)?,
            Body::HrNet(body) => body.forward(input, pass)?,
        };
        probe("backbone_out", &x, pass);
        Ok(BackboneOutput {
            features: vec![x],
            out: RawOutput::default(),
        })
    }

    fn head(&self, backbone: BackboneOutput, pass: &mut Pass) -> Result<RawOutput<Features>> {
        let [x] = backbone.into_features()?;
        let [_, _, h, w] = x.dims4()?;
        let grid = Size::new(w, h);
        let mut x = self.reduce.forward(&x)?;
        probe("reduce_out", &x, pass);
        let positions = self.pos_embedding.as_ref();
        let positions = positions.map(|p| p.on(grid)).transpose()?;
        let mut query_key = Vec::new();
        for (layer, encoder) in self.layers.iter().enumerate() {
            let (next, read_by) = encoder.forward(&x, positions.as_ref(), pass)?;
            x = next;
            probe(&format!("encoder_layer{layer}_out"), &x, pass);
            query_key.extend(read_by.map(|[queries, keys]| RawQueryKey {
                name: format!("encoder_layer{layer}.attention"),
                title: format!("self-attention, layer {layer}"),
                layer,
                heads: self.config.heads,
                grid,
                queries,
                keys,
            }));
        }
        x = match (&self.deconv_layers, self.config.upsampling) {
            (Some(deconv), _) => deconv.relu(&x, pass)?,
            (None, Upsampling::Bilinear) => upsample_bilinear2(&x, false)?,
            (None, _) => x,
        };
        probe("head_in", &x, pass);
        let heatmaps = self.final_layer.forward(&x)?;
        Ok(RawOutput {
            tensors: vec![("heatmaps".to_owned(), heatmaps)],
            maps: Vec::new(),
            query_key,
        })
    }
}
