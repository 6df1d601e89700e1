//! HRNet without its last stage: "Deep High-Resolution Representation Learning for Human Pose
//! Estimation", <https://arxiv.org/abs/1902.09212>, with the tensor names of the authors.
//!
//! Branches of 1/4, 1/8 and 1/16 of the input resolution run in parallel. A [`Module`] applies four
//! [`BasicBlock`]s to each branch; every output is then the sum of all branches, resampled to its
//! resolution. The output of the network is the finest branch.

use candle_core::Result;
use candle_nn::VarBuilder;

use super::probe;
use super::resnet::Bottleneck;
use crate::nn::{ConvBn, Features, Pass, upsample_nearest_add};

/// Output channels of the stem.
const STEM: usize = 64;

/// Channels after the four bottlenecks of `layer1`.
const LAYER1: usize = 256;

/// Basic blocks per branch.
const BLOCKS: usize = 4;

/// Number of modules in the third stage.
const STAGE3: usize = 4;

/// Width of the network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HrNetConfig {
    /// Channels of the finest branch; each coarser one has twice as many.
    pub width: usize,
}

impl HrNetConfig {
    /// Input pixels per output pixel.
    pub const STRIDE: usize = 4;

    /// HRNet-S-W32.
    pub const fn w32() -> Self {
        Self { width: 32 }
    }

    /// HRNet-S-W48.
    pub const fn w48() -> Self {
        Self { width: 48 }
    }

    /// Returns the number of channels of branch `i`.
    const fn branch(self, i: usize) -> usize {
        self.width << i
    }
}

/// `ReLU(x + conv3x3(conv3x3(x)))`; each convolution has a norm, the first one also a ReLU.
struct BasicBlock {
    conv1: ConvBn,
    conv2: ConvBn,
}

impl BasicBlock {
    fn new(vb: &VarBuilder<'_>, channels: usize) -> Result<Self> {
        let layer = |i: usize| {
            let (conv, bn) = (vb.pp(format!("conv{i}")), vb.pp(format!("bn{i}")));
            ConvBn::with(&conv, &bn, (channels, channels), 3, 1)
        };
        Ok(Self {
            conv1: layer(1)?,
            conv2: layer(2)?,
        })
    }

    fn forward(&self, x: &Features, pass: &mut Pass) -> Result<Features> {
        let y = self.conv1.relu(x, pass)?;
        self.conv2.relu_add(&y, x, pass)
    }
}

/// Builds the convolution `0` with its norm `1`.
fn conv_bn(
    vb: &VarBuilder<'_>,
    channels: (usize, usize),
    kernel: usize,
    stride: usize,
) -> Result<ConvBn> {
    ConvBn::with(&vb.pp(0), &vb.pp(1), channels, kernel, stride)
}

/// Resampling of a branch to the resolution of a module's output.
enum Fusion {
    /// The branch has the output's resolution.
    Same,
    /// The branch is coarser: 1x1, then upsampled by this factor (nearest).
    Up(ConvBn, usize),
    /// The branch is finer: 3x3 with stride 2 as often as needed, ReLU between them.
    Down(Vec<ConvBn>, ConvBn),
}

impl Fusion {
    fn new(vb: &VarBuilder<'_>, config: HrNetConfig, (from, to): (usize, usize)) -> Result<Self> {
        let (c_from, c_to) = (config.branch(from), config.branch(to));
        if from == to {
            return Ok(Self::Same);
        }
        if from > to {
            return Ok(Self::Up(
                conv_bn(vb, (c_from, c_to), 1, 1)?,
                1 << (from - to),
            ));
        }
        let last = to - from - 1;
        let halve = |i: usize, c| conv_bn(&vb.pp(i), (c_from, c), 3, 2);
        Ok(Self::Down(
            (0..last).map(|i| halve(i, c_from)).collect::<Result<_>>()?,
            halve(last, c_to)?,
        ))
    }
}

/// Parallel branches followed by fusion.
struct Module {
    branches: Vec<Vec<BasicBlock>>,
    /// For each output, the resampling of each branch.
    fuse_layers: Vec<Vec<Fusion>>,
}

impl Module {
    /// Builds a module of `n` branches that returns the first `n_out`.
    fn new(vb: &VarBuilder<'_>, config: HrNetConfig, n: usize, n_out: usize) -> Result<Self> {
        let branch = |i: usize| {
            let vb = vb.pp("branches").pp(i);
            (0..BLOCKS)
                .map(|j| BasicBlock::new(&vb.pp(j), config.branch(i)))
                .collect::<Result<_>>()
        };
        let output = |to: usize| {
            let vb = vb.pp("fuse_layers").pp(to);
            (0..n)
                .map(|from| Fusion::new(&vb.pp(from), config, (from, to)))
                .collect::<Result<_>>()
        };
        Ok(Self {
            branches: (0..n).map(branch).collect::<Result<_>>()?,
            fuse_layers: (0..n_out).map(output).collect::<Result<_>>()?,
        })
    }

    fn forward(&self, mut maps: Vec<Features>, pass: &mut Pass) -> Result<Vec<Features>> {
        for (blocks, map) in self.branches.iter().zip(&mut maps) {
            for block in blocks {
                *map = block.forward(map, pass)?;
            }
        }
        let outputs = self.fuse_layers.iter().enumerate();
        outputs
            .map(|(to, fusions)| fuse(to, fusions, &maps, pass))
            .collect()
    }
}

/// Computes output `to`: `ReLU` of the sum of all branches, that of its own resolution first.
fn fuse(to: usize, fusions: &[Fusion], maps: &[Features], pass: &mut Pass) -> Result<Features> {
    let last = (0..maps.len()).rfind(|&from| from != to);
    let mut sum = None;
    for (from, fusion) in fusions.iter().enumerate() {
        let so_far = sum.as_ref().unwrap_or(&maps[to]);
        let ends = Some(from) == last;
        sum = match fusion {
            Fusion::Same => continue,
            Fusion::Up(conv, factor) => {
                let low = conv.forward(&maps[from], pass)?;
                Some(upsample_nearest_add(&low, *factor, so_far, ends)?)
            }
            Fusion::Down(first, last) => {
                let mut x = None;
                for conv in first {
                    x = Some(conv.relu(x.as_ref().unwrap_or(&maps[from]), pass)?);
                }
                let x = x.as_ref().unwrap_or(&maps[from]);
                Some(if ends {
                    last.relu_add(x, so_far, pass)?
                } else {
                    last.add(x, so_far, pass)?
                })
            }
        };
    }
    match sum {
        Some(sum) => Ok(sum),
        None => candle_core::bail!("a module of one branch has nothing to fuse"),
    }
}

/// The network: maps `[N, 3, H, W]` to `[N, width, H / 4, W / 4]`.
pub(super) struct HrNet {
    conv1: ConvBn,
    conv2: ConvBn,
    layer1: Vec<Bottleneck>,
    transition1: [ConvBn; 2],
    stage2: Module,
    transition2: ConvBn,
    stage3: Vec<Module>,
}

impl HrNet {
    pub(super) fn new(config: HrNetConfig, vb: &VarBuilder<'_>) -> Result<Self> {
        let stem = |i: usize, c_in| {
            let (conv, bn) = (vb.pp(format!("conv{i}")), vb.pp(format!("bn{i}")));
            ConvBn::with(&conv, &bn, (c_in, STEM), 3, 2)
        };
        let (transition1, transition2) = (vb.pp("transition1"), vb.pp("transition2"));
        let [fine, middle, coarse] = [0, 1, 2].map(|i| config.branch(i));
        let module = |i: usize| {
            let n_out = if i + 1 == STAGE3 { 1 } else { 3 };
            Module::new(&vb.pp("stage3").pp(i), config, 3, n_out)
        };
        Ok(Self {
            conv1: stem(1, 3)?,
            conv2: stem(2, STEM)?,
            layer1: Bottleneck::stage(&vb.pp("layer1"), BLOCKS, (STEM, LAYER1 / 4), 1)?,
            transition1: [
                conv_bn(&transition1.pp(0), (LAYER1, fine), 3, 1)?,
                conv_bn(&transition1.pp(1).pp(0), (LAYER1, middle), 3, 2)?,
            ],
            stage2: Module::new(&vb.pp("stage2").pp(0), config, 2, 2)?,
            transition2: conv_bn(&transition2.pp(2).pp(0), (middle, coarse), 3, 2)?,
            stage3: (0..STAGE3).map(module).collect::<Result<_>>()?,
        })
    }

    pub(super) fn forward(&self, x: &Features, pass: &mut Pass) -> Result<Features> {
        let x = self.conv1.relu(x, pass)?;
        let mut x = self.conv2.relu(&x, pass)?;
        probe("stem_out", &x, pass);
        for block in &self.layer1 {
            x = block.forward(&x, pass)?;
        }
        probe("layer1_out", &x, pass);
        let [fine, middle] = &self.transition1;
        let mut maps = vec![fine.relu(&x, pass)?, middle.relu(&x, pass)?];
        probe_all("stage2_in", &maps, pass);
        maps = self.stage2.forward(maps, pass)?;
        if let Some(coarsest) = maps.last() {
            maps.push(self.transition2.relu(coarsest, pass)?);
        }
        for (i, module) in self.stage3.iter().enumerate() {
            probe_all(&format!("stage3.{i}_in"), &maps, pass);
            maps = module.forward(maps, pass)?;
        }
        match maps.into_iter().next() {
            Some(finest) => Ok(finest),
            None => candle_core::bail!("no branch is left"),
        }
    }
}

/// Passes every branch to [`probe`].
fn probe_all(name: &str, maps: &[Features], pass: &mut Pass) {
    for (i, map) in maps.iter().enumerate() {
        probe(&format!("{name}.{i}"), map, pass);
    }
}
