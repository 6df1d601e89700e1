//! The zigzag: two pyramids traversed over five levels, node by node. Other networks use its first
//! nodes as their backbone.

use candle_core::Result;
use candle_nn::VarBuilder;

use crate::model::{RawMap, probe};
use crate::nn::{ConvBn, Features, GateMaps, Pass, SpatialGate};
use crate::output::{AttentionKind, MapPlace};

/// Channels of levels 1 to 5.
pub(in crate::model) const CHANNELS: [usize; 5] = [32, 64, 64, 80, 160];

/// How a node combines the preceding map with the history of its level.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fusion {
    /// The stem's output, without history.
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

/// Nodes with attention, in order of execution: the deepest ones, whose maps have few and large
/// pixels, and the output of each pyramid; with their titles for display.
const HSA_NODES: [(&str, &str, &str); 4] = [
    ("x51", "coarse", "first pyramid"),
    ("x12", "fine", "first pyramid"),
    ("x52", "coarse", "second pyramid"),
    ("x13", "fine", "second pyramid"),
];

/// The output of the first pyramid.
const FIRST_OUTPUT: &str = "x12";

/// Returns the index of the node called `name` in the zigzag.
fn position(name: &str) -> Result<usize> {
    match ZIGZAG.iter().position(|(other, ..)| *other == name) {
        Some(position) => Ok(position),
        None => candle_core::bail!("the zigzag has no node {name}"),
    }
}

/// One node: fusion, then `ReLU(t + BN(conv3x3(t)))`, then optional attention.
pub(super) struct Node {
    pub(super) name: &'static str,
    level: usize,
    fusion: Fusion,
    /// `down`, `fuse` or `lat`; `None` for the first node.
    entry: Option<ConvBn>,
    fwd: ConvBn,
    pub(super) hsa: Option<SpatialGate>,
}

impl Node {
    /// Builds a node from tensors `{name}.*`. With `hsa`, nodes of [`HSA_NODES`] have attention.
    pub(super) fn new(vb: &VarBuilder<'_>, name: &str, hsa: bool) -> Result<Self> {
        let (name, level, fusion) = ZIGZAG[position(name)?];
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
        let hsa = (hsa && HSA_NODES.iter().any(|node| node.0 == name))
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

    /// Fuses and convolves, before attention; without `joins`, the level's history is ignored.
    pub(super) fn forward(
        &self,
        walked: &Walked,
        joins: bool,
        pass: &mut Pass,
    ) -> Result<Features> {
        let prev = walked.last()?;
        let Some(entry) = &self.entry else {
            return self.fwd.relu_residual(prev, pass);
        };
        let history = walked.latest[self.level].as_ref().filter(|_| joins);
        let fused = match (self.fusion, history) {
            (Fusion::Concat, Some(history)) => entry.relu_concat(prev, history, pass)?,
            (Fusion::Lateral, Some(history)) => entry.relu_up2_add(prev, history, pass)?,
            (Fusion::Bridge, Some(history)) => entry.relu_add(prev, history, pass)?,
            _ => entry.relu(prev, pass)?,
        };
        self.fwd.relu_residual(&fused, pass)
    }

    /// Applies attention if the node has it.
    pub(super) fn attend(
        &self,
        x: Features,
        maps: &mut Vec<RawMap<Features>>,
        pass: &mut Pass,
    ) -> Result<Features> {
        let Some(hsa) = &self.hsa else {
            return Ok(x);
        };
        let gate = hsa.maps(&x)?;
        self.show(&gate, maps, pass)?;
        gate.apply(&x, (self.name, None))
    }

    /// Appends the attention maps to `maps`, if the pass collects them.
    pub(super) fn show(
        &self,
        gate: &GateMaps,
        maps: &mut Vec<RawMap<Features>>,
        pass: &Pass,
    ) -> Result<()> {
        if !pass.wants_maps {
            return Ok(());
        }
        let [m, m_deeper, gate] = gate.show()?;
        let mut nodes = HSA_NODES.iter().enumerate();
        let Some((layer, (_, grain, pyramid))) = nodes.find(|(_, node)| node.0 == self.name) else {
            candle_core::bail!("the node {} has no attention", self.name);
        };
        let map = |suffix, what, kind, tensor, range| RawMap {
            name: format!("{}.{suffix}", self.name),
            title: format!("{grain} {what}, {pyramid}"),
            kind,
            place: MapPlace {
                layer,
                iteration: None,
            },
            tensor,
            range,
            activity_of: None,
        };
        maps.extend([
            RawMap {
                activity_of: Some(self.name.to_owned()),
                ..map("M", "attention", AttentionKind::Signed, m, (-1.0, 1.0))
            },
            map(
                "M_deeper",
                "deeper attention",
                AttentionKind::Signed,
                m_deeper,
                (-1.0, 1.0),
            ),
            map(
                "gate",
                "gate as applied",
                AttentionKind::Gate,
                gate,
                (-1.0, 3.0),
            ),
        ]);
        Ok(())
    }
}

/// The first nodes of the zigzag, starting with the stem.
pub(in crate::model) struct Zigzag {
    stem: ConvBn,
    nodes: Vec<Node>,
    bridges: bool,
}

/// Result of a traversal.
pub(in crate::model) struct Walked {
    /// The latest map of every level.
    latest: [Option<Features>; CHANNELS.len()],
    level: usize,
}

impl Zigzag {
    /// Input sides are multiples of this: the stride of the deepest level.
    const GRANULARITY: usize = 1 << CHANNELS.len();

    /// Builds the zigzag from tensors `stem.*` and those of all nodes up to `last`. Without `hsa`
    /// no node has attention; without `bridges` the second pyramid's downward path does not add the
    /// first one's maps.
    pub(in crate::model) fn new(
        vb: &VarBuilder<'_>,
        last: &str,
        hsa: bool,
        bridges: bool,
    ) -> Result<Self> {
        Ok(Self {
            stem: ConvBn::new(&vb.pp("stem"), (3, CHANNELS[0]), 3, 2)?,
            nodes: ZIGZAG[..=position(last)?]
                .iter()
                .map(|(name, ..)| Node::new(vb, name, hsa))
                .collect::<Result<_>>()?,
            bridges,
        })
    }

    /// Runs all nodes on `[N, 3, H, W]`; attention maps are appended to `maps` if the pass collects
    /// them.
    pub(in crate::model) fn walk(
        &self,
        input: &Features,
        maps: &mut Vec<RawMap<Features>>,
        pass: &mut Pass,
    ) -> Result<Walked> {
        let walked = self.first_pyramid(input, maps, pass)?;
        self.second_pyramid(walked, maps, pass)
    }

    /// Runs the stem and the nodes of the first pyramid.
    pub(in crate::model) fn first_pyramid(
        &self,
        input: &Features,
        maps: &mut Vec<RawMap<Features>>,
        pass: &mut Pass,
    ) -> Result<Walked> {
        let [_, _, h, w] = input.dims4()?;
        let unit = Self::GRANULARITY;
        if !h.is_multiple_of(unit) || !w.is_multiple_of(unit) {
            candle_core::bail!("SFM needs sides that are multiples of {unit}, not {w}x{h}");
        }
        let x = self.stem.relu(input, pass)?;
        probe("stem", &x, pass);
        let mut walked = Walked {
            latest: Default::default(),
            level: 0,
        };
        walked.latest[0] = Some(x);
        let first = &self.nodes[..self.n_first()?];
        self.run(first, walked, maps, pass)
    }

    /// Runs the nodes after the first pyramid.
    pub(in crate::model) fn second_pyramid(
        &self,
        walked: Walked,
        maps: &mut Vec<RawMap<Features>>,
        pass: &mut Pass,
    ) -> Result<Walked> {
        let second = &self.nodes[self.n_first()?..];
        self.run(second, walked, maps, pass)
    }

    /// Returns the number of nodes of the first pyramid.
    fn n_first(&self) -> Result<usize> {
        Ok((position(FIRST_OUTPUT)? + 1).min(self.nodes.len()))
    }

    fn run(
        &self,
        nodes: &[Node],
        mut walked: Walked,
        maps: &mut Vec<RawMap<Features>>,
        pass: &mut Pass,
    ) -> Result<Walked> {
        for node in nodes {
            let joins = node.fusion != Fusion::Bridge || self.bridges;
            let x = node.forward(&walked, joins, pass)?;
            let x = node.attend(x, maps, pass)?;
            probe(node.name, &x, pass);
            walked.latest[node.level] = Some(x);
            walked.level = node.level;
        }
        Ok(walked)
    }
}

impl Walked {
    /// Returns the latest map of `level`, from 0.
    pub(in crate::model) fn level(&self, level: usize) -> Result<&Features> {
        match self.latest.get(level) {
            Some(Some(x)) => Ok(x),
            _ => candle_core::bail!("the zigzag has not reached level {level}"),
        }
    }

    /// Returns the latest map of every level after the first pyramid, from level 1.
    pub(in crate::model) fn into_levels(self) -> Vec<Features> {
        self.latest.into_iter().flatten().collect()
    }

    /// Returns the state after the first pyramid from the maps of [`Self::into_levels`].
    pub(in crate::model) fn from_levels(levels: Vec<Features>) -> Result<Self> {
        let n = levels.len();
        let mut latest: [Option<Features>; CHANNELS.len()] = Default::default();
        if n != latest.len() {
            candle_core::bail!("the first pyramid has {} levels, not {n}", latest.len());
        }
        for (place, level) in latest.iter_mut().zip(levels) {
            *place = Some(level);
        }
        Ok(Self { latest, level: 0 })
    }

    /// Returns the last node's map.
    fn last(&self) -> Result<&Features> {
        self.level(self.level)
    }

    /// Returns the last node's map and frees the others.
    pub(in crate::model) fn into_last(mut self) -> Result<Features> {
        match self.latest[self.level].take() {
            Some(x) => Ok(x),
            None => candle_core::bail!("the zigzag has not reached level {}", self.level),
        }
    }
}
