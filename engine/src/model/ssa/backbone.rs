//! Backbones that compute F0 from the image.

use candle_core::Result;
use candle_nn::VarBuilder;

use super::SsaBackbone;
use crate::model::RawMap;
use crate::model::sfm::Zigzag;
use crate::nn::{Conv2d, Features, Pass, Pool, max_pool};

/// Backbone of F0.
pub(super) enum Backbone {
    Vgg(Vgg),
    Sfm(Box<Zigzag>),
}

impl Backbone {
    /// Loads tensors `backbone.*` for VGG-19; SFM's keep their own names, so that its weights can
    /// be loaded.
    pub(super) fn new(kind: SsaBackbone, vb: &VarBuilder<'_>) -> Result<Self> {
        Ok(match kind {
            SsaBackbone::Vgg19 => Self::Vgg(Vgg::new(&vb.pp("backbone"))?),
            SsaBackbone::Sfm => Self::Sfm(Box::new(Zigzag::new(vb, "x34", true, true)?)),
        })
    }

    /// Maps `[N, 3, H, W]` to `[N, C, H / 8, W / 8]`; attention maps are appended to `maps`.
    pub(super) fn forward(
        &self,
        input: &Features,
        maps: &mut Vec<RawMap<Features>>,
        pass: &mut Pass,
    ) -> Result<Features> {
        match self {
            Self::Vgg(vgg) => vgg.forward(input),
            Self::Sfm(zigzag) => zigzag.walk(input, maps, pass)?.into_last(),
        }
    }
}

/// Channels of the 3x3 convolutions; pools separate the blocks. The last two convolutions are
/// OpenPose's own.
const BLOCKS: [&[usize]; 4] = [
    &[64, 64],
    &[128, 128],
    &[256, 256, 256, 256],
    &[512, 512, 256, 128],
];

/// The first ten convolutions of VGG-19 and two more, each with a ReLU.
///
/// Random initialisation is Kaiming's, not N(0, 0.01) as in the stages: the latter suits
/// convolutions after trained ones. Starting from the image, the signal would vanish in 3x3 windows
/// of 3 and of 64 channels (for that reason VGG itself was initialised from a trained shorter
/// network).
pub(super) struct Vgg {
    blocks: Vec<Vec<Conv2d>>,
}

impl Vgg {
    /// Channels of F0.
    pub(super) const CHANNELS: usize = 128;
    /// Number of convolutions after the last pool.
    pub(super) const LAST_BLOCK: usize = BLOCKS[BLOCKS.len() - 1].len();
    /// Stride of F0 in pixels.
    pub(super) const STRIDE: usize = 1 << (BLOCKS.len() - 1);

    /// Loads tensors `{i}.weight`, `{i}.bias`, where `i` counts ReLUs and pools as well.
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

    fn forward(&self, input: &Features) -> Result<Features> {
        let [_, _, h, w] = input.dims4()?;
        let unit = Self::STRIDE;
        if h == 0 || w == 0 || !h.is_multiple_of(unit) || !w.is_multiple_of(unit) {
            candle_core::bail!("VGG-19 needs sides that are multiples of {unit}, not {w}x{h}");
        }
        let mut x = input.clone();
        for (i, block) in self.blocks.iter().enumerate() {
            if i > 0 {
                x = max_pool(&x, Pool::HALVE)?;
            }
            for conv in block {
                x = conv.relu(&x)?;
            }
        }
        Ok(x)
    }
}
