//! SFM with HSA: "Efficient Human Pose Estimation by Maximizing Fusion and High-Level Spatial
//! Attention", <https://arxiv.org/abs/2107.13693>.
//!
//! Two pyramids walked in a zigzag over five levels (strides 2 to 32). Node `x_ij` is the
//! `j`-th visit of level `i`; every node with `j >= 2` fuses with the latest earlier map of its
//! own level (eq. 1), by concatenation in the first pyramid and by addition in the second.
//! Four nodes end in an HSA block: a one-channel spatial gate (eq. 2-4).
//!
//! The authors published no code. Channel widths and the form of `theta` are this project's
//! reconstruction; they meet the paper's 1.5 M parameters and 1.7 G multiply-accumulates.

use candle_core::{Result, Tensor};
use candle_nn::{Init, VarBuilder};

use super::{Bundled, ModelSpec, PoseModel, RawMap, RawOutput, probe};
use crate::nn::{Conv2d, ConvBn, Features, GateMaps, Mode, Pass, SpatialGate};
use crate::output::{AttentionKind, MapPlace};

/// Channels of levels 1 to 5.
const CHANNELS: [usize; 5] = [32, 64, 64, 80, 160];

/// No weights were published: the card of ours serves the network as well.
const CARD: &str = include_str!("../../../assets/models/sfm-coco17.toml");

pub(super) const SFM: ModelSpec = ModelSpec {
    name: "sfm",
    summary: "Slender Fusion Model with spatial attention: small, real-time, 256x256",
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
    /// HSA blocks at x51, x12, x52, x13.
    pub hsa: bool,
    /// Additions from the first pyramid to the second.
    pub bridges: bool,
}

impl SfmConfig {
    /// The published network.
    pub const fn full(n_joints: usize) -> Self {
        Self {
            n_joints,
            hsa: true,
            bridges: true,
        }
    }

    /// Without attention.
    pub const fn no_hsa(n_joints: usize) -> Self {
        Self {
            hsa: false,
            ..Self::full(n_joints)
        }
    }

    /// Without attention and bridges: "cascaded pyramid".
    pub const fn cascaded(n_joints: usize) -> Self {
        Self {
            bridges: false,
            ..Self::no_hsa(n_joints)
        }
    }
}

/// How a node joins the map before it with its level's history.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fusion {
    /// Nothing to join: the stem's output.
    First,
    /// 3x3 stride 2.
    Down,
    /// 1x1 over the upsampled map and the history, concatenated in this order.
    Concat,
    /// 3x3 stride 2, history added.
    Bridge,
    /// 1x1, upsampled, history added.
    Lateral,
}

/// The zigzag: name, level (0-based) and fusion of every node in order of execution.
const ZIGZAG: [(&str, usize, Fusion); 17] = [
    ("x11", 0, Fusion::First),
    ("x21", 1, Fusion::Down),
    ("x31", 2, Fusion::Down),
    ("x41", 3, Fusion::Down),
    ("x51", 4, Fusion::Down),
    ("x42", 3, Fusion::Concat),
    ("x32", 2, Fusion::Concat),
    ("x22", 1, Fusion::Concat),
    ("x12", 0, Fusion::Concat),
    ("x23", 1, Fusion::Bridge),
    ("x33", 2, Fusion::Bridge),
    ("x43", 3, Fusion::Bridge),
    ("x52", 4, Fusion::Bridge),
    ("x44", 3, Fusion::Lateral),
    ("x34", 2, Fusion::Lateral),
    ("x24", 1, Fusion::Lateral),
    ("x13", 0, Fusion::Lateral),
];

/// Nodes with attention: the deepest ones and the output of each pyramid.
const HSA_NODES: [&str; 4] = ["x51", "x12", "x52", "x13"];

/// The output of the first pyramid, where training attaches a second head.
const AUX_NODE: &str = "x12";

/// The output of the second pyramid, which the head reads.
const OUTPUT_NODE: &str = "x13";

/// One node: fuse, then `ReLU(t + BN(conv3x3(t)))`, then perhaps attend.
struct Node {
    name: &'static str,
    level: usize,
    fusion: Fusion,
    /// `down`, `fuse` or `lat`; none for the first node.
    entry: Option<ConvBn>,
    fwd: ConvBn,
    hsa: Option<SpatialGate>,
}

impl Node {
    fn new(
        vb: &VarBuilder<'_>,
        (name, level, fusion): (&'static str, usize, Fusion),
        hsa: bool,
    ) -> Result<Self> {
        let vb = vb.pp(name);
        let c = CHANNELS[level];
        let entry = match fusion {
            Fusion::First => None,
            Fusion::Down | Fusion::Bridge => {
                Some(ConvBn::new(&vb.pp("down"), (CHANNELS[level - 1], c), 3, 2)?)
            }
            Fusion::Concat => {
                let channels = (CHANNELS[level + 1] + c, c);
                Some(ConvBn::new(&vb.pp("fuse"), channels, 1, 1)?)
            }
            Fusion::Lateral => Some(ConvBn::new(&vb.pp("lat"), (CHANNELS[level + 1], c), 1, 1)?),
        };
        let hsa = (hsa && HSA_NODES.contains(&name))
            .then(|| SpatialGate::new(&vb.pp("hsa"), c))
            .transpose()?;
        Ok(Self {
            name,
            level,
            fusion,
            entry,
            fwd: ConvBn::new(&vb.pp("fwd"), (c, c), 3, 1)?,
            hsa,
        })
    }

    /// Fuse and convolve, before attention.
    fn forward(
        &self,
        prev: &Features,
        history: Option<&Features>,
        pass: &mut Pass,
    ) -> Result<Features> {
        let Some(entry) = &self.entry else {
            return self.fwd.relu_residual(prev, pass);
        };
        let fused = match (self.fusion, history) {
            (Fusion::Concat, Some(history)) => entry.relu_concat(prev, history, pass)?,
            (Fusion::Lateral, Some(history)) => entry.relu_up2_add(prev, history, pass)?,
            (Fusion::Bridge, Some(history)) => entry.relu_add(prev, history, pass)?,
            _ => entry.relu(prev, pass)?,
        };
        self.fwd.relu_residual(&fused, pass)
    }

    /// The attention maps by name, for display.
    fn named(&self, gate: &GateMaps) -> Result<[RawMap; 3]> {
        let [m, m_deeper, gate] = gate.tensors()?;
        let layer = HSA_NODES.iter().position(|&n| n == self.name).unwrap_or(0);
        let map = |suffix, kind, tensor, range| RawMap {
            name: format!("{}.{suffix}", self.name),
            kind,
            place: MapPlace {
                layer,
                iteration: None,
            },
            tensor,
            range,
        };
        Ok([
            map("M", AttentionKind::Signed, m, (-1.0, 1.0)),
            map("M_deeper", AttentionKind::Signed, m_deeper, (-1.0, 1.0)),
            map("gate", AttentionKind::Gate, gate, (-1.0, 3.0)),
        ])
    }
}

/// The network.
pub struct Sfm {
    config: SfmConfig,
    stem: ConvBn,
    nodes: Vec<Node>,
    head: Conv2d,
    /// Second head on [`AUX_NODE`], where the weights have one: training only.
    aux: Option<Conv2d>,
}

impl Sfm {
    /// Builds the network; `aux.*` tensors are taken where they are to be had.
    pub fn new(config: &SfmConfig, vb: &VarBuilder<'_>) -> Result<Self> {
        // Answers that are small at first: of larger ones, the gates would learn to shut.
        let init = Init::Randn {
            mean: 0.0,
            stdev: 0.01,
        };
        let channels = (CHANNELS[0], config.n_joints);
        let head = |name: &str| Conv2d::with_init(&vb.pp(name), channels, 1, 1, true, init);
        Ok(Self {
            config: *config,
            stem: ConvBn::new(&vb.pp("stem"), (3, CHANNELS[0]), 3, 2)?,
            nodes: ZIGZAG
                .iter()
                .map(|&row| Node::new(vb, row, config.hsa))
                .collect::<Result<_>>()?,
            head: head("head")?,
            aux: vb
                .contains_tensor("aux.weight")
                .then(|| head("aux"))
                .transpose()?,
        })
    }
}

impl PoseModel for Sfm {
    fn forward(&self, input: &Tensor, pass: &mut Pass) -> Result<RawOutput> {
        let (_, _, h, w) = input.dims4()?;
        if h % 32 != 0 || w % 32 != 0 {
            candle_core::bail!("SFM needs sides that are multiples of 32, not {w}x{h}");
        }
        let mut maps = Vec::new();
        let mut aux = None;
        let mut heatmaps = None;
        let mut history: [Option<Features>; CHANNELS.len()] = Default::default();
        let x = self.stem.relu(&Features::enter(input, pass)?, pass)?;
        probe("stem", &x, pass)?;
        history[0] = Some(x);
        let mut level = 0;
        for node in &self.nodes {
            let joins = node.fusion != Fusion::Bridge || self.config.bridges;
            let [prev, past] = [level, node.level].map(|l| history[l].as_ref());
            let Some(prev) = prev else {
                candle_core::bail!("the zigzag jumps over level {level}");
            };
            let mut x = node.forward(prev, past.filter(|_| joins), pass)?;
            if let Some(hsa) = &node.hsa {
                // Who looks at the nodes wants to see the gated one, which the head needs not.
                let gate = if node.name == OUTPUT_NODE && pass.probes.is_none() {
                    let (y, gate) = hsa.head(&x, &self.head, pass)?;
                    heatmaps = Some(y);
                    gate
                } else {
                    let gate = hsa.maps(&x, pass)?;
                    x = gate.apply(x, None, pass)?;
                    gate
                };
                if pass.wants_maps {
                    maps.extend(node.named(&gate)?);
                }
            }
            probe(node.name, &x, pass)?;
            if node.name == AUX_NODE && pass.mode == Mode::Train {
                let head = self.aux.as_ref().map(|h| h.forward(&x, pass));
                aux = head.transpose()?.map(|y| y.to_tensor()).transpose()?;
            }
            history[node.level] = Some(x);
            level = node.level;
        }
        let heatmaps = match (heatmaps, &history[0]) {
            (Some(heatmaps), _) => heatmaps,
            (None, Some(x)) => self.head.forward(x, pass)?,
            (None, None) => candle_core::bail!("the zigzag did not reach level 1"),
        };
        let mut tensors = vec![("heatmaps".to_owned(), heatmaps.to_tensor()?)];
        tensors.extend(aux.map(|t| ("heatmaps.aux".to_owned(), t)));
        Ok(RawOutput {
            tensors,
            maps,
            query_key: Vec::new(),
        })
    }
}
