//! Truncated ResNet-50: "Deep Residual Learning for Image Recognition",
//! <https://arxiv.org/abs/1512.03385>, with the tensor names of torchvision.
//!
//! The remaining layers have an output stride of 8.

use candle_core::Result;
use candle_nn::VarBuilder;

use super::probe;
use crate::nn::{ConvBn, Features, Pass, Pool, max_pool};

/// Output channels of the stem.
const STEM: usize = 64;

/// Ratio of a bottleneck's output channels to its inner channels.
const EXPANSION: usize = 4;

/// Inner channels and stride of the stages `layer1` to `layer3`. ResNet-50's third has stride 2.
const STAGES: [(&str, usize, usize); 3] =
    [("layer1", 64, 1), ("layer2", 128, 2), ("layer3", 256, 1)];

/// Part of ResNet-50 that is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ResNetConfig {
    /// Number of bottlenecks of `layer1` to `layer3`.
    pub blocks: [usize; 3],
}

impl ResNetConfig {
    /// Input pixels per output pixel.
    pub const STRIDE: usize = 8;

    /// Returns ResNet-S: ResNet-50 up to the end of `layer2`.
    pub const fn small() -> Self {
        Self { blocks: [3, 4, 0] }
    }

    /// Returns ResNet-S*: plus one bottleneck of `layer3`, without its stride. A reconstruction,
    /// see [`super::transpose`].
    pub const fn small_star() -> Self {
        Self { blocks: [3, 4, 1] }
    }

    /// Returns the number of output channels.
    pub fn channels(&self) -> usize {
        let mut kept = STAGES.iter().zip(self.blocks).filter(|(_, n)| *n > 0);
        kept.next_back()
            .map_or(STEM, |((_, c, _), _)| EXPANSION * c)
    }
}

/// `ReLU(x + conv1x1(conv3x3(conv1x1(x))))`; each convolution has a norm, the first two also a
/// ReLU. If the output differs in size or channels, `x` is projected by a 1x1 convolution.
pub(super) struct Bottleneck {
    conv1: ConvBn,
    conv2: ConvBn,
    conv3: ConvBn,
    downsample: Option<ConvBn>,
}

impl Bottleneck {
    /// Builds `n` bottlenecks, `{i}.*`, with `inner` channels; the first one has the stride.
    pub(super) fn stage(
        vb: &VarBuilder<'_>,
        n: usize,
        (c_in, inner): (usize, usize),
        stride: usize,
    ) -> Result<Vec<Self>> {
        (0..n)
            .map(|i| match i {
                0 => Self::new(&vb.pp(i), (c_in, inner), stride),
                _ => Self::new(&vb.pp(i), (EXPANSION * inner, inner), 1),
            })
            .collect()
    }

    fn new(vb: &VarBuilder<'_>, (c_in, inner): (usize, usize), stride: usize) -> Result<Self> {
        let c_out = EXPANSION * inner;
        let layer = |i: usize, channels, kernel, stride| {
            let (conv, bn) = (vb.pp(format!("conv{i}")), vb.pp(format!("bn{i}")));
            ConvBn::with(&conv, &bn, channels, kernel, stride)
        };
        let side = vb.pp("downsample");
        Ok(Self {
            conv1: layer(1, (c_in, inner), 1, 1)?,
            conv2: layer(2, (inner, inner), 3, stride)?,
            conv3: layer(3, (inner, c_out), 1, 1)?,
            downsample: (c_in != c_out || stride != 1)
                .then(|| ConvBn::with(&side.pp(0), &side.pp(1), (c_in, c_out), 1, stride))
                .transpose()?,
        })
    }

    pub(super) fn forward(&self, x: &Features, pass: &mut Pass) -> Result<Features> {
        let y = self.conv1.relu(x, pass)?;
        let y = self.conv2.relu(&y, pass)?;
        match &self.downsample {
            None => self.conv3.relu_add(&y, x, pass),
            Some(downsample) => {
                let x = downsample.forward(x, pass)?;
                self.conv3.relu_add(&y, &x, pass)
            }
        }
    }
}

/// The network: maps `[N, 3, H, W]` to `[N, C, H / 8, W / 8]`.
pub(super) struct ResNet {
    conv1: ConvBn,
    /// Stages `layer1` to `layer3` with their names.
    stages: Vec<(&'static str, Vec<Bottleneck>)>,
}

impl ResNet {
    pub(super) fn new(config: &ResNetConfig, vb: &VarBuilder<'_>) -> Result<Self> {
        let mut c_in = STEM;
        let mut stages = Vec::new();
        for ((name, inner, stride), n) in STAGES.into_iter().zip(config.blocks) {
            if n > 0 {
                stages.push((
                    name,
                    Bottleneck::stage(&vb.pp(name), n, (c_in, inner), stride)?,
                ));
                c_in = EXPANSION * inner;
            }
        }
        Ok(Self {
            conv1: ConvBn::with(&vb.pp("conv1"), &vb.pp("bn1"), (3, STEM), 7, 2)?,
            stages,
        })
    }

    pub(super) fn forward(&self, x: &Features, pass: &mut Pass) -> Result<Features> {
        let y = self.conv1.relu(x, pass)?;
        let mut x = max_pool(&y, Pool::STEM)?;
        probe("stem_out", &x, pass);
        for (name, blocks) in &self.stages {
            for block in blocks {
                x = block.forward(&x, pass)?;
            }
            probe(&format!("{name}_out"), &x, pass);
        }
        Ok(x)
    }
}
