//! SSA: "Self-Supervision and Spatial-Sequential Attention Based Loss for Multi-Person Pose
//! Estimation", <https://arxiv.org/abs/2110.10734>: the networks that its loss trains.
//!
//! They process the whole image with all its people (bottom-up). A backbone computes features with
//! stride 8 (*F0*). A sequence of *stages* predicts three fields over them: *heatmaps*, one per
//! joint and one of the background; *part affinity fields*, a vector for each limb; *offsets*, from
//! a cell's centre to the joint in it, two values per joint. Every stage but the first receives its
//! predecessor's fields in addition to F0. A stage has two branches, `paf` and `heat`; offsets are
//! additional channels of the latter's last layer.
//!
//! `ssa-vgg-6` is the paper's network: OpenPose with offsets. The authors published no code.

mod backbone;
mod stage;

use candle_core::Result;
use candle_nn::{Init, VarBuilder};

use super::{
    Approach, BackboneOutput, BuildOptions, Bundled, ModelSpec, PoseModel, RawOutput,
    SpecialTensors, WeightShapes, probe, sfm,
};
use crate::nn::{Features, Mode, Pass, concat, slice};
use backbone::{Backbone, Vgg};
use stage::{Fields, Stage};

pub(super) const SSA_VGG_6: ModelSpec = ModelSpec {
    name: "ssa-vgg-6",
    summary: "Several people: OpenPose's VGG-19 and 6 stages with offsets: large, 368x368",
    approach: Approach::BottomUp,
    unit: 8,
    backbone_from: None,
    recipe: "ssa",
    // The stages.
    head: |_| ["paf.", "heat."].map(str::to_owned).to_vec(),
    last_blocks: last_convolutions,
    special: SpecialTensors::NONE,
    card: include_str!("../../../../assets/models/ssa-vgg-6.toml"),
    bundled: None,
    build: |options, vb| build(SsaConfig::vgg_6, options, vb),
};

/// Card of the light network and of its bundled weights.
const SFM_2_CARD: &str = include_str!("../../../../assets/models/ssa-sfm-2-openpose18.toml");

pub(super) const SSA_SFM_2: ModelSpec = ModelSpec {
    name: "ssa-sfm-2",
    summary: "Several people: SFM's pyramids with spatial attention, 2 stages: real-time, 384x384",
    unit: 32,
    backbone_from: Some("sfm"),
    // The nodes of the second pyramid.
    last_blocks: |_| {
        let nodes = ["x23", "x33", "x43", "x52", "x44", "x34"];
        nodes.map(|node| format!("{node}.")).to_vec()
    },
    card: SFM_2_CARD,
    bundled: Some(Bundled {
        weights: include_bytes!("../../../../assets/models/ssa-sfm-2-openpose18.safetensors"),
        card: SFM_2_CARD,
    }),
    build: |options, vb| build(SsaConfig::sfm_2, options, vb),
    ..SSA_VGG_6
};

/// Prefixes of the last block of VGG's convolutions.
fn last_convolutions(shapes: &WeightShapes) -> Vec<String> {
    let index = |name: &String| {
        let (index, _) = name.strip_prefix("backbone.")?.split_once('.')?;
        index.parse().ok()
    };
    let mut indices: Vec<usize> = shapes.0.keys().filter_map(index).collect();
    indices.sort_unstable();
    indices.dedup();
    let n = Vgg::LAST_BLOCK.min(indices.len());
    let last = indices.split_off(indices.len() - n);
    last.into_iter().map(|i| format!("backbone.{i}.")).collect()
}

fn build(
    config: fn(usize, usize) -> SsaConfig,
    options: &BuildOptions,
    vb: &VarBuilder<'_>,
) -> Result<Box<dyn PoseModel>> {
    let config = config(options.n_joints, options.n_limbs);
    Ok(Box::new(Ssa::new(&config, vb)?))
}

/// Backbone of F0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SsaBackbone {
    /// The first ten convolutions of VGG-19 and two more.
    Vgg19,
    /// SFM's zigzag up to x34, the last node of stride 8, including the attention up to there. No
    /// convolution follows: x34's 64 channels match the width of the branches.
    Sfm,
}

impl SsaBackbone {
    /// Returns the number of channels of F0.
    const fn channels(self) -> usize {
        match self {
            Self::Vgg19 => Vgg::CHANNELS,
            Self::Sfm => sfm::CHANNELS[2],
        }
    }

    /// Returns the random initialisation of the stages' hidden layers.
    ///
    /// N(0, 0.01) is OpenPose's. It preserves 0.56 of a signal through 7x7 windows of 128 channels,
    /// but 0.17 through 3x3 of 64: after five of those in a row the outputs of an untrained network
    /// would vanish, and its gradients with them.
    const fn init_of_stages(self) -> Init {
        match self {
            Self::Vgg19 => stage::SMALL,
            Self::Sfm => candle_nn::init::DEFAULT_KAIMING_NORMAL,
        }
    }
}

/// Layers of a branch before the last one, each with a ReLU.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BranchConfig {
    /// Kernel size of the convolutions, odd.
    pub kernel: usize,
    /// Number of convolutions.
    pub convs: usize,
    /// Channels of the convolutions.
    pub width: usize,
    /// Channels of the 1x1 convolution after them.
    pub hidden: usize,
}

/// Configuration of the network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SsaConfig {
    /// Joints J: `J + 1` heatmaps and `2 J` offsets.
    pub n_joints: usize,
    /// Limbs L: `2 L` channels of affinity fields.
    pub n_limbs: usize,
    /// Backbone of F0.
    pub backbone: SsaBackbone,
    /// Number of stages, at least 1.
    pub stages: usize,
    /// Branches of the first stage.
    pub first: BranchConfig,
    /// Branches of all other stages.
    pub later: BranchConfig,
}

impl SsaConfig {
    /// Returns the paper's network.
    pub const fn vgg_6(n_joints: usize, n_limbs: usize) -> Self {
        Self {
            n_joints,
            n_limbs,
            backbone: SsaBackbone::Vgg19,
            stages: 6,
            first: BranchConfig {
                kernel: 3,
                convs: 3,
                width: 128,
                hidden: 512,
            },
            later: BranchConfig {
                kernel: 7,
                convs: 5,
                width: 128,
                hidden: 128,
            },
        }
    }

    /// Returns this project's own variant for live use: 2 stages of narrow branches on SFM's
    /// pyramids.
    ///
    /// The pyramids reach stride 32 twice, so the receptive field of F0 covers the whole person:
    /// the second stage does not need windows of 7x7, whose purpose is a large receptive field.
    pub const fn sfm_2(n_joints: usize, n_limbs: usize) -> Self {
        let first = BranchConfig {
            kernel: 3,
            convs: 3,
            width: 64,
            hidden: 128,
        };
        Self {
            n_joints,
            n_limbs,
            backbone: SsaBackbone::Sfm,
            stages: 2,
            first,
            later: BranchConfig { convs: 5, ..first },
        }
    }

    /// Returns the number of channels of the `paf` branch.
    const fn paf_channels(&self) -> usize {
        2 * self.n_limbs
    }

    /// Returns the number of channels of the `heat` branch: heatmaps, background, offsets.
    const fn heat_channels(&self) -> usize {
        3 * self.n_joints + 1
    }

    fn check(&self) -> Result<()> {
        let branches = [self.first, self.later];
        let fits = [self.n_joints, self.n_limbs, self.stages]
            .into_iter()
            .chain(branches.iter().flat_map(|b| [b.convs, b.width, b.hidden]))
            .all(|count| count > 0)
            && branches.iter().all(|b| !b.kernel.is_multiple_of(2));
        if !fits {
            candle_core::bail!(
                "SSA cannot be built like this: joints, limbs, stages, layers and channels are at \
                 least 1, windows are odd; got {self:?}"
            );
        }
        Ok(())
    }
}

/// The SSA network.
pub struct Ssa {
    config: SsaConfig,
    backbone: Backbone,
    stages: Vec<Stage>,
}

impl Ssa {
    /// Builds the network.
    ///
    /// # Errors
    /// When a value of the configuration is invalid, or a tensor is missing.
    pub fn new(config: &SsaConfig, vb: &VarBuilder<'_>) -> Result<Self> {
        config.check()?;
        Ok(Self {
            config: *config,
            backbone: Backbone::new(config.backbone, vb)?,
            stages: (0..config.stages)
                .map(|t| Stage::new(vb, t, config))
                .collect::<Result<_>>()?,
        })
    }

    /// Returns the fields with their output names.
    fn named(&self, fields: &Fields, suffix: &str) -> Result<[(String, Features); 3]> {
        let n_maps = self.config.n_joints + 1;
        let offsets = slice(&fields.heat, n_maps, 2 * self.config.n_joints)?;
        let named = |name, map| (format!("{name}{suffix}"), map);
        Ok([
            named("heatmaps", slice(&fields.heat, 0, n_maps)?),
            named("paf", fields.paf.clone()),
            named("offsets", offsets),
        ])
    }
}

impl PoseModel for Ssa {
    /// Computes F0.
    fn backbone(&self, input: &Features, pass: &mut Pass) -> Result<BackboneOutput> {
        let mut out = RawOutput::default();
        let f0 = self.backbone.forward(input, &mut out.maps, pass)?;
        probe("f0", &f0, pass);
        Ok(BackboneOutput {
            features: vec![f0],
            out,
        })
    }

    /// Returns, of the last stage, `heatmaps [N, J + 1, H / 8, W / 8]` with the background last,
    /// `paf [N, 2 L, ..]` with x and y of each limb in turn, and `offsets [N, 2 J, ..]` with x and
    /// y of each joint in turn. A training or probing pass also returns those of every earlier
    /// stage: `heatmaps.stage{t}` and so on, `t` from 1. Input sides are multiples of 8 with
    /// VGG-19, of 32 with SFM.
    fn head(&self, mut backbone: BackboneOutput, pass: &mut Pass) -> Result<RawOutput<Features>> {
        let maps = std::mem::take(&mut backbone.out.maps);
        let [f0] = backbone.into_features()?;
        let wants_all = pass.mode == Mode::Train || pass.probes.is_some();
        let mut earlier = Vec::new();
        let mut fields: Option<Fields> = None;
        for (t, stage) in self.stages.iter().enumerate() {
            let next = match &fields {
                None => stage.forward(&f0)?,
                Some(Fields { paf, heat }) => {
                    let x = concat([paf, heat, &f0])?;
                    stage.forward(&x)?
                }
            };
            if let Some(fields) = fields.filter(|_| wants_all) {
                earlier.extend(self.named(&fields, &format!(".stage{t}"))?);
            }
            fields = Some(next);
        }
        let Some(last) = fields else {
            candle_core::bail!("SSA without stages");
        };
        let mut tensors = self.named(&last, "")?.to_vec();
        tensors.extend(earlier);
        Ok(RawOutput {
            tensors,
            maps,
            query_key: Vec::new(),
        })
    }
}
