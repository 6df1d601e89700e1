//! Network architectures. A model maps a batch of inputs to raw tensors: no files, no decoding.
//!
//! A [`ModelSpec`] is an entry of [`MODELS`]: how to build the network, its [`Card`] and, where
//! bundled, its weights. To add a model: a new file, one line in the table.

mod card;
mod hrnet;
mod mca;
mod output;
mod recording;
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
pub use output::{BackboneOutput, RawMap, RawOutput, RawQueryKey};
pub use recording::{Recording, Survey};
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
use crate::nn::{Features, Mode, Pass};
use crate::output::Approach;

/// A network: a backbone that computes features from the input, and a head that computes outputs
/// from them. The tensors of the head are those of [`ModelSpec::head`].
pub trait PoseModel: Send + Sync {
    /// Runs the backbone on `[N, 3, H, W]`, normalised RGB, sides multiples of 32 (some networks
    /// accept others).
    ///
    /// # Errors
    /// When shapes do not match or the device fails.
    fn backbone(&self, input: &Features, pass: &mut Pass) -> TensorResult<BackboneOutput>;

    /// Runs the head on the result of [`Self::backbone`].
    ///
    /// # Errors
    /// When these are not the features of this network, or the device fails.
    fn head(&self, backbone: BackboneOutput, pass: &mut Pass) -> TensorResult<RawOutput<Features>>;

    /// Runs the network once on an input of [`Self::backbone`]. In inference with kernels it is
    /// recorded and prepared for this one run; [`Recording`] is for many.
    ///
    /// # Errors
    /// When shapes do not match or the device fails.
    fn forward(&self, input: &Tensor, pass: &mut Pass) -> TensorResult<RawOutput> {
        match pass.kernels.clone() {
            Some(kernels) if pass.mode == Mode::Eval && !input.track_op() => {
                recording::run_once(&|x, pass| both(self, x, pass), input, &kernels, pass)
            }
            _ => both(self, &pass.enter(input)?, pass)?.1.to_tensors(),
        }
    }
}

/// Runs backbone and head; returns the backbone's features, too.
fn both<M: PoseModel + ?Sized>(
    net: &M,
    input: &Features,
    pass: &mut Pass,
) -> TensorResult<(Vec<Features>, RawOutput<Features>)> {
    let backbone = net.backbone(input, pass)?;
    let features = backbone.features.clone();
    Ok((features, net.head(backbone, pass)?))
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

    /// Counts the work of a forward pass on one input.
    ///
    /// # Errors
    /// When the input size is unsuitable for the network.
    pub fn survey(&self, options: &BuildOptions, input: Size) -> Result<Survey> {
        let zeros = VarBuilder::zeros(DType::F32, &candle_core::Device::Cpu);
        let net = (self.build)(options, &zeros)?;
        Ok(Recording::of(net.as_ref(), input)?.survey())
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

/// Keeps an intermediate result if the pass has probes.
fn probe(name: &str, x: &Features, pass: &mut Pass) {
    if let Some(probes) = &mut pass.probes {
        probes.push((name.to_owned(), x.clone()));
    }
}
