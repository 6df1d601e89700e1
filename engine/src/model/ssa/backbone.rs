//! From the picture to F0.

use candle_core::{Result, Tensor};
use candle_nn::VarBuilder;

use super::SsaBackbone;
use crate::model::RawMap;
use crate::model::sfm::Zigzag;
use crate::nn::{Conv2d, Features, Pass, Pool, max_pool};

/// What F0 comes from.
pub(super) enum Backbone {
    Vgg(Vgg),
    Sfm(Box<Zigzag>),
}

impl Backbone {
    /// Tensors `backbone.*` of VGG-19; SFM's have their own names, so that its weights fit.
    pub(super) fn new(kind: SsaBackbone, vb: &VarBuilder<'_>) -> Result<Self> {
        Ok(match kind {
            SsaBackbone::Vgg19 => Self::Vgg(Vgg::new(&vb.pp("backbone"))?),
            SsaBackbone::Sfm => Self::Sfm(Box::new(Zigzag::new(vb, "x34", true, true)?)),
        })
    }

    /// `[N, 3, H, W]` to `[N, C, H / 8, W / 8]`; attention maps are added to `maps`.
    pub(super) fn forward(
        &self,
        input: &Tensor,
        maps: &mut Vec<RawMap>,
        pass: &mut Pass,
    ) -> Result<Features> {
        match self {
            Self::Vgg(vgg) => vgg.forward(input, pass),
            Self::Sfm(zigzag) => zigzag.walk(input, maps, pass)?.into_last(),
        }
    }
}

/// Channels of the 3x3 convolutions; their blocks are parted by pools. The last two are
/// OpenPose's own.
const BLOCKS: [&[usize]; 4] = [
    &[64, 64],
    &[128, 128],
    &[256, 256, 256, 256],
    &[512, 512, 256, 128],
];

/// The first ten convolutions of VGG-19 and two more, each with a ReLU.
///
/// Its fresh weights are Kaiming's, not N(0, 0.01) as in the stages: that is for convolutions
/// behind trained ones. From the picture on, 3x3 windows of 3 and of 64 channels would leave a
/// signal nothing (VGG itself was begun from a trained shorter network for that reason).
pub(super) struct Vgg {
    blocks: Vec<Vec<Conv2d>>,
}

impl Vgg {
    /// Channels of F0.
    pub(super) const CHANNELS: usize = 128;
    /// Pixels between F0's cells.
    pub(super) const STRIDE: usize = 1 << (BLOCKS.len() - 1);

    /// Tensors `{i}.weight`, `{i}.bias`, where a ReLU and a pool count as well.
    fn new(vb: &VarBuilder<'_>) -> Result<Self> {
        let (mut index, mut c_in) = (0, 3);
        let mut blocks = Vec::new();
        for widths in BLOCKS {
            let mut block = Vec::new();
            for &c_out in widths {
                block.push(Conv2d::new(&vb.pp(index), (c_in, c_out), 3, 1, true)?);
                c_in = c_out;
                index += 2;
            }
            blocks.push(block);
            index += 1;
        }
        Ok(Self { blocks })
    }

    fn forward(&self, input: &Tensor, pass: &mut Pass) -> Result<Features> {
        let (_, _, h, w) = input.dims4()?;
        let unit = Self::STRIDE;
        if h == 0 || w == 0 || !h.is_multiple_of(unit) || !w.is_multiple_of(unit) {
            candle_core::bail!("VGG-19 needs sides that are multiples of {unit}, not {w}x{h}");
        }
        let mut x = Features::enter(input, pass)?;
        for (i, block) in self.blocks.iter().enumerate() {
            if i > 0 {
                x = max_pool(&x, Pool::HALVE, pass)?;
            }
            for conv in block {
                x = conv.relu(&x, pass)?;
            }
        }
        Ok(x)
    }
}
