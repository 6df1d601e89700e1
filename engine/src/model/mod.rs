//! Network architectures. A model maps a batch of inputs to raw tensors: no files, no decoding.
//!
//! A [`ModelSpec`] is an entry of [`MODELS`]: how to build the network, its [`Card`] and, where
//! bundled, its weights. To add a model: a new file, one line in the table.

mod card;
mod hrnet;
mod mca;
mod resnet;
mod sfm;
mod ssa;
mod transpose;
mod weights;

use std::path::Path;

use candle_core::{DType, Result as TensorResult, Tensor};
use candle_nn::VarBuilder;

pub use card::{Card, OriginCard};
pub use hrnet::HrNetConfig;
pub use mca::{Attention, Mca, McaConfig};
pub use resnet::ResNetConfig;
pub use sfm::{Sfm, SfmConfig};
pub use ssa::{BranchConfig, Ssa, SsaBackbone, SsaConfig};
pub use transpose::{
    Backbone, PositionKind, TransPose, TransPoseConfig, Upsampling, sine_positions,
};
pub use weights::{
    SpecialTensors, WeightShapes, Weights, draft_tensors, sha256_in_steps, sha256_of,
    sha256_of_file, write_tensors,
};

pub(crate) use weights::check_finite;

use crate::error::{Error, Result};
use crate::geometry::Size;
use crate::nn::kernels::Threads;
use crate::nn::{Features, Kernels, Pass, Tally, attention_weights};
use crate::output::{Approach, AttentionKind, MapPlace};

/// A network: a backbone that computes features from the input, and a head that computes outputs
/// from them. The tensors of the head are those of [`ModelSpec::head`].
pub trait PoseModel: Send + Sync {
    /// Runs the backbone on `[N, 3, H, W]`, normalised RGB, sides multiples of 32 (some networks
    /// accept others).
    ///
    /// # Errors
    /// When shapes do not match or the device fails.
    fn backbone(&self, input: &Tensor, pass: &mut Pass) -> TensorResult<BackboneOutput>;

    /// Runs the head on the result of [`Self::backbone`].
    ///
    /// # Errors
    /// When these are not the features of this network, or the device fails.
    fn head(&self, backbone: BackboneOutput, pass: &mut Pass) -> TensorResult<RawOutput>;

    /// Runs the network on an input of [`Self::backbone`].
    ///
    /// # Errors
    /// When shapes do not match or the device fails.
    fn forward(&self, input: &Tensor, pass: &mut Pass) -> TensorResult<RawOutput> {
        let backbone = self.backbone(input, pass)?;
        self.head(backbone, pass)
    }

    /// Returns the smallest input of a network all of whose work is proportional to the input area:
    /// a [`Survey`] then runs that and scales the result.
    fn tile(&self) -> Option<Size> {
        None
    }
}

/// Outputs of a forward pass.
#[derive(Debug, Clone, Default)]
pub struct RawOutput {
    /// Named outputs, the deployed ones first: `heatmaps [N, J, H/s, W/s]`; for bottom-up networks
    /// `[N, J + 1, ..]` with the background last, then `paf` and `offsets`.
    pub tensors: Vec<(String, Tensor)>,
    /// Attention maps; empty unless the pass collects them.
    pub maps: Vec<RawMap>,
    /// Self-attention layers; empty unless the pass collects maps.
    pub query_key: Vec<RawQueryKey>,
}

impl RawOutput {
    /// Returns the output called `name`.
    pub fn get(&self, name: &str) -> Option<&Tensor> {
        self.tensors.iter().find(|(n, _)| n == name).map(|(_, t)| t)
    }
}

/// Result of a network's backbone.
pub struct BackboneOutput {
    /// Feature maps that the head reads.
    pub features: Vec<Features>,
    /// Outputs and attention maps of the backbone, which the head completes.
    pub out: RawOutput,
}

impl BackboneOutput {
    /// Returns the features of a network that has `N` of them.
    ///
    /// # Errors
    /// When there is another number of features.
    fn into_features<const N: usize>(self) -> TensorResult<[Features; N]> {
        let n = self.features.len();
        match self.features.try_into() {
            Ok(features) => Ok(features),
            Err(_) => candle_core::bail!("the head reads {N} feature maps, not {n}"),
        }
    }
}

/// One attention map of a forward pass.
#[derive(Debug, Clone)]
pub struct RawMap {
    /// Name in the model's specification.
    pub name: String,
    /// Title for display.
    pub title: String,
    /// Meaning of the values.
    pub kind: AttentionKind,
    /// Layer that produces the map.
    pub place: MapPlace,
    /// `[N, 1, h, w]`, or `[N, J, h, w]` with one map per joint.
    pub tensor: Tensor,
    /// Smallest and largest possible value.
    pub range: (f32, f32),
    /// The attention block whose activity is the mean absolute value of this map, reported in
    /// training; `None` if the map does not show any.
    pub activity_of: Option<String>,
}

/// Queries and keys of one self-attention layer of a forward pass.
#[derive(Debug, Clone)]
pub struct RawQueryKey {
    /// Name in the model's specification.
    pub name: String,
    /// Title for display.
    pub title: String,
    /// Index of the layer, from 0.
    pub layer: usize,
    /// Number of attention heads.
    pub heads: usize,
    /// Size of the token grid.
    pub grid: Size,
    /// Queries, `[N, L, d]`.
    pub queries: Tensor,
    /// Keys, `[N, L, d]`.
    pub keys: Tensor,
}

impl RawQueryKey {
    /// Computes the attention weights `[N, heads, L, L]` in CPU memory: rows are queries and sum to
    /// 1.
    ///
    /// # Errors
    /// When the device fails.
    pub fn weights(&self, threads: &Threads) -> TensorResult<Tensor> {
        attention_weights(&self.queries, &self.keys, self.heads, threads)
    }
}

/// Configuration of a constructor, in addition to tensors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BuildOptions {
    /// Number of joints: the channels of the last layer.
    pub n_joints: usize,
    /// Number of limbs of the same skeleton: bottom-up networks predict a field for each.
    pub n_limbs: usize,
    /// Input size that the weights are made for; networks with a position table size it by this,
    /// and adapt a table of another size. Inputs of a forward pass may have any size.
    pub input: Size,
}

/// Weights embedded in the program.
#[derive(Debug, Clone, Copy)]
pub struct Bundled {
    /// Content of the safetensors file.
    pub weights: &'static [u8],
    /// Text of their card with their SHA-256 and the input they were trained for, which may differ
    /// from that of the authors' weights.
    pub card: &'static str,
}

/// One model: an entry of [`MODELS`].
#[derive(Debug)]
pub struct ModelSpec {
    /// Name on the command line, e.g. `sfm`.
    pub name: &'static str,
    /// Description for lists, one line.
    pub summary: &'static str,
    /// Top-down (one person) or bottom-up (all people).
    pub approach: Approach,
    /// Sides of inputs are multiples of this many pixels.
    pub unit: usize,
    /// The model whose bundled weights contain this one's backbone, tensor by tensor.
    pub backbone_from: Option<&'static str>,
    /// Name of the training recipe published for it.
    pub recipe: &'static str,
    /// Returns the name prefixes of the tensors that are trained with a frozen backbone.
    pub head: fn(&WeightShapes) -> Vec<String>,
    /// Returns the name prefixes of the last blocks before the head.
    pub last_blocks: fn(&WeightShapes) -> Vec<String>,
    /// Tensors that are neither required nor of a fixed shape.
    pub special: SpecialTensors,
    /// Text of the card (TOML) for the network as published.
    pub card: &'static str,
    /// Embedded weights, if any.
    pub bundled: Option<Bundled>,
    /// Builds the network from its tensors.
    pub build: fn(&BuildOptions, &VarBuilder<'_>) -> TensorResult<Box<dyn PoseModel>>,
}

/// Every model, the default first.
pub static MODELS: &[ModelSpec] = &[
    sfm::SFM,
    sfm::SFM_NO_HSA,
    sfm::SFM_CASCADED,
    transpose::R_A3S,
    transpose::R_A3,
    transpose::R_A4,
    transpose::H_S,
    transpose::H_A4,
    transpose::H_A6,
    mca::MCA_2_SLIM,
    mca::MCA_2,
    mca::MCA_2_RELEASED_M4,
    mca::MCA_8,
    mca::MCA_8_RELEASED,
    ssa::SSA_SFM_2,
    ssa::SSA_VGG_6,
];

/// Returns the model called `name`.
///
/// # Errors
/// When there is none; the message lists the names.
pub fn model(name: &str) -> Result<&'static ModelSpec> {
    MODELS.iter().find(|m| m.name == name).ok_or_else(|| {
        let names: Vec<_> = MODELS.iter().map(|m| m.name).collect();
        Error::Invalid(format!(
            "no model is called '{name}'; choose one of: {}",
            names.join(", ")
        ))
    })
}

impl ModelSpec {
    /// Parses the card of the network as published.
    ///
    /// # Errors
    /// When the card is malformed (a bug).
    pub fn card(&self) -> Result<Card> {
        Card::parse(self.name, self.card)
    }

    /// Returns the card of a weights file: the one next to it if it exists, otherwise the model's.
    /// Without a file, the card of the bundled weights if there are any.
    ///
    /// # Errors
    /// When the card next to the file is invalid, or belongs to another model or another file.
    pub fn card_for(&self, weights: Option<&Path>) -> Result<Card> {
        match (weights, self.bundled) {
            (None, Some(bundled)) => Card::parse(self.name, bundled.card),
            (None, None) => self.card(),
            (Some(file), _) => Card::beside(file, self)?.map_or_else(|| self.card(), Ok),
        }
    }

    /// Returns names and shapes of the network's tensors, by name.
    ///
    /// # Errors
    /// When the network cannot be built with these options.
    pub fn shapes(&self, options: &BuildOptions) -> Result<WeightShapes> {
        WeightShapes::of(self.special, |vb| (self.build)(options, vb))
    }

    /// Builds the network for inference.
    ///
    /// # Errors
    /// When a tensor is missing or its shape differs; the message names the first one, with both
    /// shapes.
    pub fn load(
        &self,
        options: &BuildOptions,
        weights: &Weights,
        device: &candle_core::Device,
    ) -> Result<Box<dyn PoseModel>> {
        weights.check(&self.shapes(options)?)?;
        Ok((self.build)(options, &weights.var_builder(device)?)?)
    }

    /// Measures the work of a forward pass on one input by running the network on zeros; times are
    /// those of that run.
    ///
    /// # Errors
    /// When the input size is unsuitable for the network.
    pub fn survey(&self, options: &BuildOptions, input: Size) -> Result<Survey> {
        let device = candle_core::Device::Cpu;
        let zeros = VarBuilder::zeros(DType::F32, &device);
        let net = (self.build)(options, &zeros)?;
        let is_tiled = |t: &Size| {
            input.area() > 0
                && input.width.is_multiple_of(t.width)
                && input.height.is_multiple_of(t.height)
        };
        let size = net.tile().filter(is_tiled).unwrap_or(input);
        let x = Tensor::zeros((1, 3, size.height, size.width), DType::F32, &device)?;
        let mut pass = Pass {
            wants_maps: true,
            kernels: Some(Kernels::new(0)?),
            ..Pass::counting()
        };
        let out = net.forward(&x, &mut pass)?;
        let mut tally = pass.tally.unwrap_or_default();
        for layer in &mut tally.layers {
            layer.macs *= (input.area() / size.area()) as u64;
        }
        Ok(Survey {
            tally,
            maps: out
                .maps
                .into_iter()
                .map(|m| m.name)
                .chain(out.query_key.into_iter().map(|q| q.name))
                .collect(),
        })
    }
}

/// Returns the prefix with the highest number among tensors called like `layer2.0.weight`.
fn last_numbered(shapes: &WeightShapes, stem: &str) -> Option<String> {
    let number = |name: &String| {
        let (number, _) = name.strip_prefix(stem)?.split_once('.')?;
        number.parse::<usize>().ok()
    };
    let last = shapes.0.keys().filter_map(number).max()?;
    Some(format!("{stem}{last}."))
}

/// Records an intermediate tensor if the pass has probes.
fn probe(name: &str, x: &Features, pass: &mut Pass) -> TensorResult<()> {
    if let Some(probes) = &mut pass.probes {
        probes.push((name.to_owned(), x.to_tensor()?));
    }
    Ok(())
}

/// Work of a forward pass.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Survey {
    /// Work per layer.
    pub tally: Tally,
    /// Names of the attention maps.
    pub maps: Vec<String>,
}
