//! One stack: an hourglass, its attention and its heatmaps.

use candle_core::Result;
use candle_nn::VarBuilder;

use super::McaConfig;
use super::attention::{Attend, plain_conv};
use super::hourglass::Hourglass;
use crate::model::{RawMap, probe};
use crate::nn::{Conv2d, ConvBn, Features, Pass, add, add_bias, multiply, upsample_nearest_add};
use crate::output::{AttentionKind, MapPlace};

/// One stack of the network.
pub(super) struct Stack {
    index: usize,
    hg: Hourglass,
    lin1: ConvBn,
    lin2: ConvBn,
    att: Holistic,
    /// `refine`, one map for all joints, or `part`, one per joint.
    gate: Option<Attend>,
    /// `head` or, after part attention, `part_cls`.
    head: Conv2d,
    /// Absent in the last stack.
    merge: Option<Merge>,
}

/// The first attention of a stack.
enum Holistic {
    None,
    /// `att`, computed from the features to which it is applied.
    Single(Box<Attend>),
    /// `att_l1` to `att_l{depth}`, one for each level of the hourglass (eq. 9).
    Levels(Vec<Attend>),
}

/// Layers that add features and heatmaps to the input of the next stack.
struct Merge {
    merge_hm: Conv2d,
    merge_feat: ConvBn,
}

impl Stack {
    /// Builds stack `index` (from 0) from tensors `stacks.{index}.*`.
    pub(super) fn new(vb: &VarBuilder<'_>, index: usize, config: &McaConfig) -> Result<Self> {
        let vb = &vb.pp(index);
        let (c, joints) = (config.channels, config.n_joints);
        let is_last = index + 1 == config.nstack;
        let width = if is_last { 2 * c } else { c };
        let lin = |name: &str, channels| {
            let vb = vb.pp(name);
            ConvBn::with_bias(&vb.pp("conv"), &vb.pp("bn"), channels, 1, 1)
        };
        let attend = |field: &str, what: &str, channels| {
            Attend::new(vb, (index, field, what), channels, config)
        };
        let att = if config.multi_resolution {
            // Level 1 has the largest pixels.
            let level = |n| {
                let what = format!("attention of level {n} of {}", config.depth);
                attend(&format!("att_l{n}"), &what, (c, 1))
            };
            let levels = (1..=config.depth).map(level);
            let levels: Option<Vec<_>> = levels.collect::<Result<_>>()?;
            levels.map_or(Holistic::None, Holistic::Levels)
        } else {
            attend("att", "attention to the whole body", (width, 1))?
                .map_or(Holistic::None, |att| Holistic::Single(Box::new(att)))
        };
        let gate = if config.has_parts(index) {
            attend("part", "attention to each joint", (width, joints))?
        } else if config.refined {
            attend("refine", "refined attention to the whole body", (width, 1))?
        } else {
            None
        };
        let head = if config.has_parts(index) {
            "part_cls"
        } else {
            "head"
        };
        let merge = || {
            Ok::<_, candle_core::Error>(Merge {
                merge_hm: plain_conv(&vb.pp("merge_hm"), (joints, c), 1)?,
                merge_feat: lin("merge_feat", (c, c))?,
            })
        };
        Ok(Self {
            index,
            hg: Hourglass::new(&vb.pp("hg"), config)?,
            lin1: lin("lin1", (c, width))?,
            lin2: lin("lin2", (width, width))?,
            att,
            gate,
            head: plain_conv(&vb.pp(head), (width, joints), 1)?,
            merge: (!is_last).then(merge).transpose()?,
        })
    }

    /// Returns heatmaps `[N, P, h, w]` and the next stack's input, unless it is the last.
    pub(super) fn forward(
        &self,
        x: &Features,
        maps: &mut Vec<RawMap<Features>>,
        pass: &mut Pass,
    ) -> Result<(Features, Option<Features>)> {
        let i = self.index;
        let levels = self.hg.forward(x, pass)?;
        for (n, level) in levels.iter().enumerate() {
            probe(&format!("s{i}_level{}", n + 1), level, pass);
        }
        let Some(f) = levels.last() else {
            candle_core::bail!("an hourglass without levels");
        };
        let a1 = self.lin1.relu(f, pass)?;
        let a2 = self.lin2.relu(&a1, pass)?;
        let h1 = match self.holistic(&levels, &a2, maps, pass)? {
            None => a2,
            Some(map) => multiply(&a2, &map)?,
        };
        drop(levels);
        probe(&format!("s{i}_h1"), &h1, pass);
        let heatmaps = self.heatmaps(&h1, maps, pass)?;
        let next = match &self.merge {
            None => None,
            Some(merge) => {
                let sum = merge.merge_hm.add(&heatmaps, x)?;
                let feat = merge.merge_feat.relu(&a1, pass)?;
                Some(add(&sum, &feat, false)?)
            }
        };
        Ok((heatmaps, next))
    }

    /// Returns the map that multiplies the features `a2`: `[N, 1, h, w]`.
    fn holistic(
        &self,
        levels: &[Features],
        a2: &Features,
        maps: &mut Vec<RawMap<Features>>,
        pass: &mut Pass,
    ) -> Result<Option<Features>> {
        let attends = match &self.att {
            Holistic::None => return Ok(None),
            Holistic::Single(att) => return att.forward(a2, maps, pass).map(Some),
            Holistic::Levels(attends) => attends,
        };
        // Upsampling by 2 level by level equals upsampling by 8, 4 and 2 at the end.
        let mut sum: Option<Features> = None;
        for (attend, level) in attends.iter().zip(levels) {
            let map = attend.forward(level, maps, pass)?;
            sum = Some(match sum {
                None => map,
                Some(sum) => upsample_nearest_add(&sum, 2, &map, false)?,
            });
        }
        if let (Some(sum), true) = (&sum, pass.wants_maps) {
            maps.push(RawMap {
                name: format!("s{}_att_sum", self.index),
                title: format!("attention of all levels, stack {}", self.index),
                kind: AttentionKind::Gate,
                place: MapPlace {
                    layer: self.index,
                    iteration: None,
                },
                tensor: sum.clone(),
                range: (0.0, attends.len() as f32),
                activity_of: None,
            });
        }
        Ok(sum)
    }

    /// Computes heatmaps of the attended features.
    ///
    /// A gate is one value per pixel and heatmap, so it can be applied after the head: `w_p . (q_p
    /// h) + b_p = q_p (w_p . h) + b_p`. This avoids materialising the P times as many features
    /// gated by each joint's map.
    fn heatmaps(
        &self,
        h1: &Features,
        maps: &mut Vec<RawMap<Features>>,
        pass: &mut Pass,
    ) -> Result<Features> {
        let Some(gate) = &self.gate else {
            return self.head.forward(h1);
        };
        let q = gate.forward(h1, maps, pass)?;
        let y = self.head.forward_without_bias(h1)?;
        let y = multiply(&y, &q)?;
        match self.head.bias() {
            None => Ok(y),
            Some(bias) => add_bias(&y, self.head.name(), bias),
        }
    }
}
