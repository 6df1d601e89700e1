//! MCA: "Multi-Context Attention for Human Pose Estimation", CVPR 2017,
//! <https://arxiv.org/abs/1702.07432>.
//!
//! A stem (stride 4) feeds a sequence of stacks. Each consists of an hourglass, attention and a
//! head that predicts heatmaps; heatmaps and features are merged into the input of the next stack.
//! An [`Attention`] map has one value per pixel that multiplies all channels: one from each
//! resolution of the hourglass, summed (*multi-resolution*, eq. 9), another one from the attended
//! features (*refined*, eq. 10), and in the later stacks one per joint (*part*, eq. 11).
//!
//! The authors' Torch7 release has neither multi-resolution nor refined attention. Where the paper
//! is silent, the code follows the release.

mod attention;
mod hourglass;
mod stack;

use candle_core::Result;
use candle_nn::VarBuilder;

use super::{
    Approach, BackboneOutput, Bundled, ModelSpec, PoseModel, RawOutput, SpecialTensors,
    WeightShapes, probe,
};
use crate::nn::{ConvBn, Features, Pass, Pool, max_pool};
use hourglass::Residual;
use stack::Stack;

/// The slim variant and its weights are this project's own.
const SLIM_CARD: &str = include_str!("../../../../assets/models/mca-2-slim-coco17.toml");

const RECIPE: &str = "mca";

/// Returns the prefix of the `n`-th stack from the end, from 0.
fn stack_from_end(shapes: &WeightShapes, n: usize) -> Vec<String> {
    let stack = |name: &String| {
        let (number, _) = name.strip_prefix("stacks.")?.split_once('.')?;
        number.parse().ok()
    };
    let last: Option<usize> = shapes.0.keys().filter_map(stack).max();
    let number = last.and_then(|last| last.checked_sub(n));
    number.map(|n| format!("stacks.{n}.")).into_iter().collect()
}

/// Prefix of the last stack.
fn last_stack(shapes: &WeightShapes) -> Vec<String> {
    stack_from_end(shapes, 0)
}

/// Prefix of the stack before the last one.
fn last_but_one(shapes: &WeightShapes) -> Vec<String> {
    stack_from_end(shapes, 1)
}

pub(super) const MCA_2_SLIM: ModelSpec = ModelSpec {
    name: "mca-2-slim",
    summary: "Multi-Context Attention, 2 stacks of 128 channels: the light one, 256x256",
    approach: Approach::TopDown,
    unit: 64,
    backbone_from: None,
    recipe: RECIPE,
    head: last_stack,
    last_blocks: last_but_one,
    special: SpecialTensors::NONE,
    card: SLIM_CARD,
    bundled: Some(Bundled {
        weights: include_bytes!("../../../../assets/models/mca-2-slim-coco17.safetensors"),
        card: SLIM_CARD,
    }),
    build: |options, vb| build(&McaConfig::mca_2_slim(options.n_joints), vb),
};

pub(super) const MCA_2: ModelSpec = ModelSpec {
    name: "mca-2",
    summary: "Multi-Context Attention as the paper describes it, 2 stacks of 256 channels",
    approach: Approach::TopDown,
    unit: 64,
    backbone_from: None,
    recipe: RECIPE,
    head: last_stack,
    last_blocks: last_but_one,
    special: SpecialTensors::NONE,
    card: include_str!("../../../../assets/models/mca-mpii16.toml"),
    bundled: None,
    build: |options, vb| build(&McaConfig::mca_2(options.n_joints), vb),
};

pub(super) const MCA_2_RELEASED_M4: ModelSpec = ModelSpec {
    name: "mca-2-released-m4",
    summary: "Multi-Context Attention as released, 2 stacks with 4 modules each",
    build: |options, vb| build(&McaConfig::mca_2_released_m4(options.n_joints), vb),
    ..MCA_2
};

pub(super) const MCA_8: ModelSpec = ModelSpec {
    name: "mca-8",
    summary: "Multi-Context Attention as the paper describes it, 8 stacks: large, offline",
    build: |options, vb| build(&McaConfig::mca_8(options.n_joints), vb),
    ..MCA_2
};

pub(super) const MCA_8_RELEASED: ModelSpec = ModelSpec {
    name: "mca-8-released",
    summary: "Multi-Context Attention as released, 8 stacks: large, offline",
    build: |options, vb| build(&McaConfig::mca_8_released(options.n_joints), vb),
    ..MCA_2
};

fn build(config: &McaConfig, vb: &VarBuilder<'_>) -> Result<Box<dyn PoseModel>> {
    Ok(Box::new(Mca::new(config, vb)?))
}

/// Computation of attention maps from features.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Attention {
    /// Mean-field inference with one learned kernel (eq. 8).
    Crf,
    /// Softmax over all pixels of a learned summary (eq. 3-5, without `g`), the baseline of the
    /// paper.
    Softmax,
    /// No attention: the plain stacked hourglass. The other attention switches are ignored.
    None,
}

/// Configuration; the switches are those of the paper's component analysis (section 7.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct McaConfig {
    /// Channels of the heatmaps.
    pub n_joints: usize,
    /// Number of stacks.
    pub nstack: usize,
    /// Channels of the hourglasses, even.
    pub channels: usize,
    /// Number of resolution levels of an hourglass.
    pub depth: usize,
    /// Modules per level of an hourglass: 8 / `nstack` in the release.
    pub modules: usize,
    /// Kernel size of mean-field inference, odd.
    pub kernel: usize,
    /// Number of iterations of mean-field inference.
    pub iters: usize,
    /// Whether to use hourglass residual units instead of conventional ones where resolutions meet.
    pub hru: bool,
    /// One attention map per level of the hourglass instead of one computed from its output.
    pub multi_resolution: bool,
    /// A second map from the attended features, in stacks without part attention.
    pub refined: bool,
    /// One map per joint in the fifth stack and later, and in the last.
    pub part: bool,
    /// Computation of the maps.
    pub attention: Attention,
}

impl McaConfig {
    /// Returns the paper's network with `nstack` stacks of `channels`, one module per level.
    pub const fn paper(n_joints: usize, nstack: usize, channels: usize) -> Self {
        Self {
            n_joints,
            nstack,
            channels,
            depth: 4,
            modules: 1,
            kernel: 11,
            iters: 3,
            hru: true,
            multi_resolution: true,
            refined: true,
            part: true,
            attention: Attention::Crf,
        }
    }

    /// Returns the network of the authors' code for `nstack` stacks: one holistic map per stack.
    pub const fn released(n_joints: usize, nstack: usize, modules: usize) -> Self {
        Self {
            modules,
            multi_resolution: false,
            refined: false,
            ..Self::paper(n_joints, nstack, 256)
        }
    }

    /// Returns the published network: 8 stacks.
    pub const fn mca_8(n_joints: usize) -> Self {
        Self::paper(n_joints, 8, 256)
    }

    /// Returns the network of the published code: 8 stacks.
    pub const fn mca_8_released(n_joints: usize) -> Self {
        Self::released(n_joints, 8, 1)
    }

    /// Returns the paper's form with 2 stacks.
    pub const fn mca_2(n_joints: usize) -> Self {
        Self::paper(n_joints, 2, 256)
    }

    /// Returns the paper's form with 2 stacks and half the channels, for live use.
    pub const fn mca_2_slim(n_joints: usize) -> Self {
        Self::paper(n_joints, 2, 128)
    }

    /// Returns the network of the published code with 2 stacks: 4 modules, as large as 8 stacks.
    pub const fn mca_2_released_m4(n_joints: usize) -> Self {
        Self::released(n_joints, 2, 4)
    }

    /// Returns whether stack `index` (from 0) has one map per joint.
    fn has_parts(&self, index: usize) -> bool {
        self.part && self.attention != Attention::None && (index >= 4 || index + 1 == self.nstack)
    }

    /// Input sides must be multiples of this: two pools of the stem and one per level.
    const fn granularity(&self) -> usize {
        4 << self.depth
    }

    fn check(&self) -> Result<()> {
        let counts = [self.n_joints, self.nstack, self.modules, self.iters];
        let fits = counts.iter().all(|&n| n > 0)
            && (1..=16).contains(&self.depth)
            && self.channels > 0
            && self.channels.is_multiple_of(2)
            && !self.kernel.is_multiple_of(2);
        if !fits {
            candle_core::bail!(
                "MCA cannot be built like this: joints, stacks, modules and iterations are at \
                 least 1, depth is 1 to 16, channels are even, the stencil is odd; got {self:?}"
            );
        }
        Ok(())
    }
}

/// Maps the image to `[N, C, H / 4, W / 4]`.
struct Stem {
    conv: ConvBn,
    r1: Residual,
    r2: Residual,
    r3: Residual,
    r4: Residual,
    r5: Residual,
    r6: Residual,
}

impl Stem {
    fn new(vb: &VarBuilder<'_>, channels: usize) -> Result<Self> {
        let unit = |name: &str, channels| Residual::new(&vb.pp(name), channels);
        Ok(Self {
            conv: ConvBn::with_bias(&vb.pp("conv"), &vb.pp("bn"), (3, 64), 7, 1)?,
            r1: unit("r1", (64, 64))?,
            r2: unit("r2", (64, 64))?,
            r3: unit("r3", (64, 128))?,
            r4: unit("r4", (128, 128))?,
            r5: unit("r5", (128, 128))?,
            r6: unit("r6", (128, channels))?,
        })
    }

    fn forward(&self, x: &Features, pass: &mut Pass) -> Result<Features> {
        let x = self.conv.relu(x, pass)?;
        let x = self.r1.forward(&x, pass)?;
        let x = max_pool(&x, Pool::HALVE)?;
        let x = self.r2.forward(&x, pass)?;
        let x = self.r3.forward(&x, pass)?;
        let x = max_pool(&x, Pool::HALVE)?;
        let x = self.r4.forward(&x, pass)?;
        let x = self.r5.forward(&x, pass)?;
        self.r6.forward(&x, pass)
    }
}

/// The MCA network.
pub struct Mca {
    config: McaConfig,
    stem: Stem,
    stacks: Vec<Stack>,
}

impl Mca {
    /// Builds the network.
    ///
    /// # Errors
    /// When a value of the configuration is invalid, or a tensor is missing.
    pub fn new(config: &McaConfig, vb: &VarBuilder<'_>) -> Result<Self> {
        config.check()?;
        let stacks = vb.pp("stacks");
        Ok(Self {
            config: *config,
            stem: Stem::new(&vb.pp("stem"), config.channels)?,
            stacks: (0..config.nstack)
                .map(|i| Stack::new(&stacks, i, config))
                .collect::<Result<_>>()?,
        })
    }
}

impl Mca {
    /// Runs some of the stacks and appends their outputs to `out`. Returns the input of the next
    /// stack; after the last one, its own input.
    fn run(
        &self,
        stacks: std::ops::Range<usize>,
        mut x: Features,
        out: &mut RawOutput<Features>,
        pass: &mut Pass,
    ) -> Result<Features> {
        let stacks = self
            .stacks
            .iter()
            .enumerate()
            .take(stacks.end)
            .skip(stacks.start);
        for (i, stack) in stacks {
            let (heatmaps, next) = stack.forward(&x, &mut out.maps, pass)?;
            out.tensors.push((format!("heatmaps.stack{i}"), heatmaps));
            if let Some(next) = next {
                x = next;
            }
        }
        Ok(x)
    }
}

impl PoseModel for Mca {
    /// Runs the stem and all stacks but the last. Its features are the input of the last stack.
    fn backbone(&self, input: &Features, pass: &mut Pass) -> Result<BackboneOutput> {
        let [_, _, h, w] = input.dims4()?;
        let unit = self.config.granularity();
        if h == 0 || w == 0 || !h.is_multiple_of(unit) || !w.is_multiple_of(unit) {
            candle_core::bail!("MCA needs sides that are multiples of {unit}, not {w}x{h}");
        }
        let mut out = RawOutput::default();
        let x = self.stem.forward(input, pass)?;
        probe("stem", &x, pass);
        let n_earlier = self.stacks.len().saturating_sub(1);
        let x = self.run(0..n_earlier, x, &mut out, pass)?;
        Ok(BackboneOutput {
            features: vec![x],
            out,
        })
    }

    /// Returns `heatmaps` of the last stack and `heatmaps.stack{i}` of every stack from 0.
    fn head(&self, mut backbone: BackboneOutput, pass: &mut Pass) -> Result<RawOutput<Features>> {
        let mut out = std::mem::take(&mut backbone.out);
        let [x] = backbone.into_features()?;
        let n = self.stacks.len();
        self.run(n.saturating_sub(1)..n, x, &mut out, pass)?;
        if let Some((_, last)) = out.tensors.last() {
            out.tensors.insert(0, ("heatmaps".to_owned(), last.clone()));
        }
        Ok(out)
    }
}
