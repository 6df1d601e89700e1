//! Blocks of the stacked hourglass: pre-activation residual units, the hourglass residual unit
//! (section 4 of the paper), and the hourglass of `depth` levels.

use candle_core::Result;
use candle_nn::VarBuilder;

use super::McaConfig;
use super::attention::plain_conv;
use crate::nn::{BatchNorm, Conv2d, ConvBn, Features, Pass, Pool, max_pool, upsample_nearest_add};

/// A residual unit: `skip(x) + conv3(relu(bn3(conv2(relu(bn2(conv1(relu(bn1(x)))))))))`.
///
/// A norm between two convolutions is folded into the preceding one. The first one cannot be,
/// because its input is also used by the skip connection.
pub(super) struct Residual {
    bn1: BatchNorm,
    /// Folded with `bn2`.
    conv1: ConvBn,
    /// Folded with `bn3`.
    conv2: ConvBn,
    conv3: Conv2d,
    /// Present if the number of channels changes.
    skip: Option<Conv2d>,
    /// Present in an hourglass residual unit.
    pool: Option<PoolBranch>,
}

/// The third branch of an hourglass residual unit, at half the resolution:
/// `pool_conv2(relu(pool_bn2(pool_conv1(maxpool(relu(pool_bn1(x)))))))`.
#[allow(
    clippy::struct_field_names,
    reason = "fields are called as their tensors"
)]
struct PoolBranch {
    pool_bn1: BatchNorm,
    /// Folded with `pool_bn2`.
    pool_conv1: ConvBn,
    pool_conv2: Conv2d,
}

impl Residual {
    /// Builds a conventional unit of `(C_in, C_out)` channels.
    pub(super) fn new(vb: &VarBuilder<'_>, (c_in, c_out): (usize, usize)) -> Result<Self> {
        let middle = c_out / 2;
        let conv_bn = |conv: &str, bn: &str, channels, kernel| {
            ConvBn::with_bias(&vb.pp(conv), &vb.pp(bn), channels, kernel, 1)
        };
        Ok(Self {
            bn1: BatchNorm::new(&vb.pp("bn1"), c_in)?,
            conv1: conv_bn("conv1", "bn2", (c_in, middle), 1)?,
            conv2: conv_bn("conv2", "bn3", (middle, middle), 3)?,
            conv3: plain_conv(&vb.pp("conv3"), (middle, c_out), 1)?,
            skip: (c_in != c_out)
                .then(|| plain_conv(&vb.pp("skip"), (c_in, c_out), 1))
                .transpose()?,
            pool: None,
        })
    }

    /// Builds an hourglass residual unit of `channels`.
    fn with_pool(vb: &VarBuilder<'_>, channels: usize) -> Result<Self> {
        let (conv, bn) = (vb.pp("pool_conv1"), vb.pp("pool_bn2"));
        let both = (channels, channels);
        Ok(Self {
            pool: Some(PoolBranch {
                pool_bn1: BatchNorm::new(&vb.pp("pool_bn1"), channels)?,
                pool_conv1: ConvBn::with_bias(&conv, &bn, both, 3, 1)?,
                pool_conv2: plain_conv(&vb.pp("pool_conv2"), both, 3)?,
            }),
            ..Self::new(vb, both)?
        })
    }

    /// Computes the unit's output.
    pub(super) fn forward(&self, x: &Features, pass: &mut Pass) -> Result<Features> {
        self.forward_above(x, None, pass)
    }

    /// Computes the unit's output plus `below`, a map of half its size, upsampled 2x2 (nearest).
    fn forward_above(
        &self,
        x: &Features,
        below: Option<&Features>,
        pass: &mut Pass,
    ) -> Result<Features> {
        // Maps of half the resolution are added there, where it is four times cheaper.
        let branch = match &self.pool {
            None => None,
            Some(pool) => Some(pool.forward(x, below, pass)?),
        };
        let y = self.bn1.relu(x, pass)?;
        let y = self.conv1.relu(&y, pass)?;
        let y = self.conv2.relu(&y, pass)?;
        let around = match &self.skip {
            None => None,
            Some(skip) => Some(skip.forward(x)?),
        };
        let around = around.as_ref().unwrap_or(x);
        match branch.as_ref().or(below) {
            None => self.conv3.add(&y, around),
            Some(low) => {
                let around = upsample_nearest_add(low, 2, around, false)?;
                self.conv3.add(&y, &around)
            }
        }
    }
}

impl PoolBranch {
    /// Computes the branch plus `below`, both of half the size of `x`.
    fn forward(&self, x: &Features, below: Option<&Features>, pass: &mut Pass) -> Result<Features> {
        let z = max_pool(&self.pool_bn1.relu(x, pass)?, Pool::HALVE)?;
        let z = self.pool_conv1.relu(&z, pass)?;
        match below {
            None => self.pool_conv2.forward(&z),
            Some(below) => self.pool_conv2.add(&z, below),
        }
    }
}

/// A sequence of at least one unit.
struct Chain {
    first: Residual,
    rest: Vec<Residual>,
}

impl Chain {
    /// Builds `{prefix}.0` to `{prefix}.{n - 1}`; units selected by `is_hru` are hourglass residual
    /// units.
    fn new(
        vb: &VarBuilder<'_>,
        n: usize,
        channels: usize,
        is_hru: impl Fn(usize) -> bool,
    ) -> Result<Self> {
        let unit = |j: usize| {
            let vb = vb.pp(j);
            if is_hru(j) {
                Residual::with_pool(&vb, channels)
            } else {
                Residual::new(&vb, (channels, channels))
            }
        };
        Ok(Self {
            first: unit(0)?,
            rest: (1..n).map(unit).collect::<Result<_>>()?,
        })
    }

    /// Computes the last unit's output plus `below`, if any, upsampled 2x2 (nearest).
    fn forward(&self, x: &Features, below: Option<&Features>, pass: &mut Pass) -> Result<Features> {
        let below_of = |is_last: bool| below.filter(|_| is_last);
        let mut y = self
            .first
            .forward_above(x, below_of(self.rest.is_empty()), pass)?;
        for (j, unit) in self.rest.iter().enumerate() {
            y = unit.forward_above(&y, below_of(j + 1 == self.rest.len()), pass)?;
        }
        Ok(y)
    }
}

/// One resolution level of an hourglass.
struct Level {
    /// Skip branch past the lower levels.
    up: Chain,
    /// Before the next lower level.
    low1: Chain,
    /// After the next lower level.
    low3: Residual,
}

/// An hourglass: down to `1 / 2^depth` of its input size and back.
pub(super) struct Hourglass {
    /// From `l1`, the smallest, to `l{depth}`, of the input's size.
    levels: Vec<Level>,
    /// The bottom, `l1.low2`.
    low2: Residual,
}

impl Hourglass {
    pub(super) fn new(vb: &VarBuilder<'_>, config: &McaConfig) -> Result<Self> {
        let McaConfig {
            channels,
            modules,
            hru,
            ..
        } = *config;
        let level = |n: usize| {
            let vb = vb.pp(format!("l{n}"));
            // One module: a conventional unit, then n - 2 with a pooling branch. At the smallest
            // level it is one unit, with a pooling branch from the second module on.
            let per_module = if n == 1 { 1 } else { n - 1 };
            let is_hru = |j: usize| {
                hru && if n == 1 {
                    j > 0
                } else {
                    !j.is_multiple_of(per_module)
                }
            };
            Ok(Level {
                up: Chain::new(&vb.pp("up"), modules * per_module, channels, is_hru)?,
                low1: Chain::new(&vb.pp("low1"), modules, channels, |_| false)?,
                low3: Residual::new(&vb.pp("low3"), (channels, channels))?,
            })
        };
        Ok(Self {
            levels: (1..=config.depth).map(level).collect::<Result<_>>()?,
            low2: Residual::new(&vb.pp("l1.low2"), (channels, channels))?,
        })
    }

    /// Computes the maps `F_1`, the smallest, to `F_depth`, the output, each `[N, C, h, w]`; sizes
    /// double.
    pub(super) fn forward(&self, x: &Features, pass: &mut Pass) -> Result<Vec<Features>> {
        // Input of each level except the topmost, which reads `x`; the bottom last.
        let mut inputs: Vec<Features> = Vec::with_capacity(self.levels.len());
        for level in self.levels.iter().rev() {
            let half = max_pool(inputs.last().unwrap_or(x), Pool::HALVE)?;
            inputs.push(level.low1.forward(&half, None, pass)?);
        }
        let bottom = inputs.pop();
        let bottom = self.low2.forward(bottom.as_ref().unwrap_or(x), pass)?;
        let mut outs: Vec<Features> = Vec::with_capacity(self.levels.len());
        for level in &self.levels {
            let below = level.low3.forward(outs.last().unwrap_or(&bottom), pass)?;
            let input = inputs.pop();
            let input = input.as_ref().unwrap_or(x);
            outs.push(level.up.forward(input, Some(&below), pass)?);
        }
        Ok(outs)
    }
}
