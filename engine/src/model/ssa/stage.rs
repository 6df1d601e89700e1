//! One stage: two branches over the same features.

use candle_core::Result;
use candle_nn::{Init, VarBuilder};

use super::{BranchConfig, SsaConfig};
use crate::nn::{Conv2d, Features};

/// Initialisation with small outputs (OpenPose).
pub(super) const SMALL: Init = Init::Randn {
    mean: 0.0,
    stdev: 0.01,
};

/// Outputs of a stage.
pub(super) struct Fields {
    /// Affinity fields, `[N, 2 L, h, w]`.
    pub(super) paf: Features,
    /// Heatmaps, background, offsets: `[N, J + 1 + 2 J, h, w]`.
    pub(super) heat: Features,
}

/// One stage of the network.
pub(super) struct Stage {
    paf: Branch,
    heat: Branch,
}

impl Stage {
    /// Builds stage `t` (from 0) from tensors `paf.{t}.*` and `heat.{t}.*`.
    pub(super) fn new(vb: &VarBuilder<'_>, t: usize, config: &SsaConfig) -> Result<Self> {
        let (paf, heat) = (config.paf_channels(), config.heat_channels());
        let f0 = config.backbone.channels();
        let (c_in, layers) = match t {
            0 => (f0, config.first),
            _ => (paf + heat + f0, config.later),
        };
        let init = config.backbone.init_of_stages();
        let branch =
            |name: &str, c_out| Branch::new(&vb.pp(name).pp(t), (c_in, c_out), layers, init);
        Ok(Self {
            paf: branch("paf", paf)?,
            heat: branch("heat", heat)?,
        })
    }

    pub(super) fn forward(&self, x: &Features) -> Result<Fields> {
        Ok(Fields {
            paf: self.paf.forward(x)?,
            heat: self.heat.forward(x)?,
        })
    }
}

/// A sequence of convolutions.
struct Branch {
    hidden: Vec<Conv2d>,
    /// Last layer, without ReLU.
    out: Conv2d,
}

impl Branch {
    /// Loads tensors `{k}.weight`, `{k}.bias`, where `k` counts ReLUs as well.
    fn new(
        vb: &VarBuilder<'_>,
        (c_in, c_out): (usize, usize),
        layers: BranchConfig,
        init: Init,
    ) -> Result<Self> {
        let mut hidden = Vec::new();
        let mut c = c_in;
        let convs = (0..layers.convs).map(|_| (layers.kernel, layers.width));
        for (i, (kernel, width)) in convs.chain([(1, layers.hidden)]).enumerate() {
            let vb = vb.pp(2 * i);
            hidden.push(Conv2d::with_init(&vb, (c, width), kernel, 1, true, init)?);
            c = width;
        }
        let vb = vb.pp(2 * hidden.len());
        Ok(Self {
            hidden,
            out: Conv2d::with_init(&vb, (c, c_out), 1, 1, true, SMALL)?,
        })
    }

    fn forward(&self, x: &Features) -> Result<Features> {
        let [first, rest @ ..] = &self.hidden[..] else {
            return self.out.forward(x);
        };
        let mut x = first.relu(x)?;
        for conv in rest {
            x = conv.relu(&x)?;
        }
        self.out.forward(&x)
    }
}
