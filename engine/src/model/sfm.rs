//! SFM with HSA: "Efficient Human Pose Estimation by Maximizing Fusion and High-Level Spatial
//! Attention", <https://arxiv.org/abs/2107.13693>.
//!
//! Two pyramids traversed in a zigzag over five levels (strides 2 to 32). Node `x_ij` is the `j`-th
//! visit of level `i`; every node with `j >= 2` fuses with the latest earlier map of its own level
//! (eq. 1), by concatenation in the first pyramid and by addition in the second. Four nodes end in
//! an HSA block: a one-channel spatial gate (eq. 2-4).
//!
//! The authors published no code. Channel widths and the form of `theta` are this project's
//! reconstruction; they match the paper's 1.5 M parameters and 1.7 G multiply-accumulates.

mod zigzag;

use candle_core::Result;
use candle_nn::{Init, VarBuilder};

use super::{
    Approach, BackboneOutput, Bundled, ModelSpec, PoseModel, RawOutput, SpecialTensors, probe,
};
use crate::nn::{Conv2d, Features, Mode, Pass};
use zigzag::Node;
use zigzag::Walked;
pub(super) use zigzag::{CHANNELS, Zigzag};

/// No weights were published: the card of our weights also describes the network.
const CARD: &str = include_str!("../../../assets/models/sfm-coco17.toml");

pub(super) const SFM: ModelSpec = ModelSpec {
    name: "sfm",
    summary: "Slender Fusion Model with spatial attention: small, real-time, 256x256",
    approach: Approach::TopDown,
    unit: 32,
    backbone_from: None,
    recipe: "sfm",
    head: |_| {
        // The second pyramid; the maps of the first one are its features.
        let nodes = [
            "x23", "x33", "x43", "x52", "x44", "x34", "x24", "x13", "head",
        ];
        nodes.map(|node| format!("{node}.")).to_vec()
    },
    last_blocks: |_| {
        ["x42.", "x32.", "x22.", "x12.", "aux."]
            .map(str::to_owned)
            .to_vec()
    },
    special: SpecialTensors {
        training_only: Some("aux."),
        ..SpecialTensors::NONE
    },
    card: CARD,
    bundled: Some(Bundled {
        weights: include_bytes!("../../../assets/models/sfm-coco17.safetensors"),
        card: CARD,
    }),
    build: |options, vb| build(&SfmConfig::full(options.n_joints), vb),
};

pub(super) const SFM_NO_HSA: ModelSpec = ModelSpec {
    name: "sfm-no-hsa",
    summary: "SFM without its attention blocks (the paper's ablation)",
    bundled: None,
    build: |options, vb| build(&SfmConfig::no_hsa(options.n_joints), vb),
    ..SFM
};

pub(super) const SFM_CASCADED: ModelSpec = ModelSpec {
    name: "sfm-cascaded",
    summary: "SFM without attention and without bridges between its pyramids (ablation)",
    bundled: None,
    build: |options, vb| build(&SfmConfig::cascaded(options.n_joints), vb),
    ..SFM
};

fn build(config: &SfmConfig, vb: &VarBuilder<'_>) -> Result<Box<dyn PoseModel>> {
    Ok(Box::new(Sfm::new(config, vb)?))
}

/// Switches of the paper's ablation (Table II).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SfmConfig {
    /// Channels of the heatmaps.
    pub n_joints: usize,
    /// Whether x51, x12, x52 and x13 have HSA blocks.
    pub hsa: bool,
    /// Whether the first pyramid's maps are added to the second.
    pub bridges: bool,
}

impl SfmConfig {
    /// Returns the published network.
    pub const fn full(n_joints: usize) -> Self {
        Self {
            n_joints,
            hsa: true,
            bridges: true,
        }
    }

    /// Returns the network without attention.
    pub const fn no_hsa(n_joints: usize) -> Self {
        Self {
            hsa: false,
            ..Self::full(n_joints)
        }
    }

    /// Returns the network without attention and bridges ("cascaded pyramid").
    pub const fn cascaded(n_joints: usize) -> Self {
        Self {
            bridges: false,
            ..Self::no_hsa(n_joints)
        }
    }
}

/// The last node before the output.
const LAST_BUT_ONE: &str = "x24";

/// The output node of the second pyramid, which the head reads.
const OUTPUT: &str = "x13";

/// The SFM network.
pub struct Sfm {
    zigzag: Zigzag,
    /// The node x13.
    output: Node,
    head: Conv2d,
    /// Auxiliary head on x12, the output of the first pyramid, if the weights include one: used in
    /// training only.
    aux: Option<Conv2d>,
}

impl Sfm {
    /// Builds the network; `aux.*` tensors are used if available.
    pub fn new(config: &SfmConfig, vb: &VarBuilder<'_>) -> Result<Self> {
        // Small initial outputs: with larger ones, the gates would learn to close.
        let init = Init::Randn {
            mean: 0.0,
            stdev: 0.01,
        };
        let channels = (CHANNELS[0], config.n_joints);
        let head = |name: &str| Conv2d::with_init(&vb.pp(name), channels, 1, 1, true, init);
        Ok(Self {
            zigzag: Zigzag::new(vb, LAST_BUT_ONE, config.hsa, config.bridges)?,
            output: Node::new(vb, OUTPUT, config.hsa)?,
            head: head("head")?,
            aux: vb
                .contains_tensor("aux.weight")
                .then(|| head("aux"))
                .transpose()?,
        })
    }
}

impl PoseModel for Sfm {
    /// Runs the first pyramid; its features are the latest map of every level.
    fn backbone(&self, input: &Features, pass: &mut Pass) -> Result<BackboneOutput> {
        let mut out = RawOutput::default();
        let walked = self.zigzag.first_pyramid(input, &mut out.maps, pass)?;
        Ok(BackboneOutput {
            features: walked.into_levels(),
            out,
        })
    }

    fn head(&self, backbone: BackboneOutput, pass: &mut Pass) -> Result<RawOutput<Features>> {
        let mut maps = backbone.out.maps;
        let walked = Walked::from_levels(backbone.features)?;
        let walked = self.zigzag.second_pyramid(walked, &mut maps, pass)?;
        // The second pyramid reaches the first level only at x13: its latest map is still x12 here.
        let aux = match &self.aux {
            Some(aux) if pass.mode == Mode::Train => Some(aux.forward(walked.level(0)?)?),
            _ => None,
        };
        let x = self.output.forward(&walked, true, pass)?;
        let heatmaps = match &self.output.hsa {
            Some(hsa) if pass.probes.is_none() => {
                let (heatmaps, gate) = hsa.head(&x, &self.head)?;
                self.output.show(&gate, &mut maps, pass)?;
                heatmaps
            }
            // Probes need the gated map, which the fused head never builds.
            _ => {
                let x = self.output.attend(x, &mut maps, pass)?;
                probe(OUTPUT, &x, pass);
                self.head.forward(&x)?
            }
        };
        let mut tensors = vec![("heatmaps".to_owned(), heatmaps)];
        tensors.extend(aux.map(|t| ("heatmaps.aux".to_owned(), t)));
        Ok(RawOutput {
            tensors,
            maps,
            query_key: Vec::new(),
        })
    }
}
