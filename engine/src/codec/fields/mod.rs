//! Several people at once (bottom-up): joints first, then who they belong to.
//!
//! A network answers with three kinds of maps, whose places a [`Layout`] names. *Heatmaps* peak at
//! joints, whoever owns them. *Part affinity fields* hold, on each limb, the unit vector from its
//! first to its second joint (OpenPose, arXiv:1611.08050). *Offsets* say where within a heatmap
//! pixel the joint lies, so that the coarse grid costs no precision and nothing is upsampled
//! (resolution-irrelevant encoding). Decoding goes `peaks` (heatmaps and offsets to joints),
//! `limbs` (which joints the fields connect), `assemble` (connections to people).
//!
//! Coordinates are heatmap pixels with centres at integers, offsets too: the codec knows no
//! stride. Gaussians 7 input pixels wide on a grid of stride 8 have sigma 0.875 here.
//!
//! Milliseconds on 46x46 cells with 18 joints and 19 limbs, best of 40 on one core of a busy
//! two-core machine:
//!
//! | | encode | decode |
//! |---|---|---|
//! | nobody | | 0.04 |
//! | 3 people | 0.03 | 0.05 |
//! | 20 people | 0.11 | 0.31 |
//! | noise in (-1, 1) | | 16 |

mod assemble;
mod encode;
#[cfg(test)]
mod golden_tests;
mod limbs;
mod peaks;
#[cfg(test)]
mod round_trip_tests;

use std::ops::Range;

use super::{Codec, CodecSpec, Found, Places};
use crate::geometry::Size;
use crate::output::{Approach, Planes};
use crate::skeleton::Skeleton;
use encode::OFFSET_GATE;

/// Where each kind of map stands among the channels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Layout {
    /// Joints of the skeleton, J.
    pub n_joints: usize,
    /// Limbs of the skeleton, L.
    pub n_limbs: usize,
}

impl Layout {
    /// One heatmap per joint and, last, the background: 1 where no joint is. J + 1 maps.
    pub fn heatmaps(self) -> Range<usize> {
        0..self.n_joints + 1
    }

    /// Two part affinity fields per limb: x of limb 0, y of limb 0, x of limb 1, ... 2 L maps.
    pub fn paf(self) -> Range<usize> {
        let start = self.heatmaps().end;
        start..start + 2 * self.n_limbs
    }

    /// Two offsets per joint, in -0.5..=0.5: x of joint 0, y of joint 0, ... 2 J maps.
    pub fn offsets(self) -> Range<usize> {
        let start = self.paf().end;
        start..start + 2 * self.n_joints
    }

    /// Number of maps.
    pub fn total(self) -> usize {
        self.offsets().end
    }
}

/// Turns people into maps and maps back into people.
#[derive(Debug, Clone, Copy)]
pub struct FieldCodec {
    skeleton: &'static Skeleton,
    sigma: f64,
}

/// The row of the table.
pub(super) const FIELDS: CodecSpec = CodecSpec {
    name: "fields",
    help: "several people: peaks joined along affinity fields (OpenPose), placed by offsets (SSA)",
    approach: Approach::BottomUp,
    outputs: &["heatmaps", "paf", "offsets"],
    mirror,
    build: |options| Box::new(FieldCodec::new(options.skeleton, options.sigma)),
};

/// Joints and limbs become their partners; what points along x changes its sign.
fn mirror(skeleton: &Skeleton) -> Vec<(usize, f32)> {
    let partner = |&[a, b]: &[usize; 2]| {
        let (a, b) = (skeleton.mirror[a], skeleton.mirror[b]);
        let at = |limb| skeleton.limbs.iter().position(|l| *l == limb);
        // A limb between partners is its own, pointing back.
        at([a, b])
            .map(|l| (l, 1.0))
            .or_else(|| at([b, a]).map(|l| (l, -1.0)))
    };
    let layout = Layout {
        n_joints: skeleton.n_joints(),
        n_limbs: skeleton.limbs.len(),
    };
    let vector = |first: usize, (i, sign): (usize, f32)| {
        let x = first + 2 * i;
        [(x, -sign), (x + 1, sign)]
    };
    let mut channels: Vec<_> = skeleton.mirror.iter().map(|&j| (j, 1.0)).collect();
    channels.push((layout.n_joints, 1.0));
    let limbs = skeleton.limbs.iter().enumerate();
    let limbs = limbs.map(|(l, limb)| partner(limb).unwrap_or((l, 1.0)));
    channels.extend(limbs.flat_map(|limb| vector(layout.paf().start, limb)));
    let joints = skeleton.mirror.iter().map(|&j| (j, 1.0));
    channels.extend(joints.flat_map(|joint| vector(layout.offsets().start, joint)));
    channels
}

impl FieldCodec {
    /// Targets of standard deviation `sigma` (heatmap pixels, above 0). With less than 0.5223 some
    /// joints would own no pixel that reaches [`OFFSET_GATE`], and so no offset.
    pub fn new(skeleton: &'static Skeleton, sigma: f64) -> Self {
        Self { skeleton, sigma }
    }

    /// Where the maps stand.
    pub fn layout(&self) -> Layout {
        Layout {
            n_joints: self.skeleton.n_joints(),
            n_limbs: self.skeleton.limbs.len(),
        }
    }

    /// Per joint where it may be.
    fn candidates(&self, fields: &Planes) -> Vec<Vec<peaks::Candidate>> {
        let layout = self.layout();
        let candidates = |j: usize| {
            let x = layout.offsets().start + 2 * j;
            let offsets = [fields.plane(x), fields.plane(x + 1)];
            peaks::candidates(fields.plane(j), offsets, fields.size)
        };
        (0..layout.n_joints).map(candidates).collect()
    }

    /// The pairs of candidates that limb `l` may join, best first.
    fn scored(
        &self,
        fields: &Planes,
        l: usize,
        candidates: &[Vec<peaks::Candidate>],
    ) -> Vec<limbs::Connection> {
        let [first, second] = self.skeleton.limbs[l];
        let x = self.layout().paf().start + 2 * l;
        let field = limbs::Field {
            x: fields.plane(x),
            y: fields.plane(x + 1),
            size: fields.size,
        };
        field.scored(&candidates[first], &candidates[second])
    }
}

impl Codec for FieldCodec {
    /// Targets of all `people`: [`Layout::total`] maps. Joints are in the skeleton's order; `None`
    /// (unlabelled), missing and not finite ones draw nothing. A joint outside the map still
    /// draws what reaches in.
    fn encode(&self, people: &[Places], size: Size) -> Planes {
        let layout = self.layout();
        let area = size.area();
        let mut values = vec![0.0; layout.total() * area];
        if area > 0 {
            let (heatmaps, rest) = values.split_at_mut(layout.heatmaps().len() * area);
            let (paf, offsets) = rest.split_at_mut(layout.paf().len() * area);
            encode::draw_joints(people, self.sigma, size, heatmaps, offsets);
            encode::draw_limbs(people, &self.skeleton.limbs, size, paf);
        }
        Planes {
            n: layout.total(),
            size,
            values,
        }
    }

    /// A heatmap weighs where its joint is known, the background where all are, a field where both
    /// ends of its limb are, an offset in pixels that the joint owns (eq. 7: the rest has none).
    fn weights(&self, targets: &Planes, known: &[bool]) -> Planes {
        let layout = self.layout();
        let area = targets.size.area();
        let per_joint = known.len() / layout.n_joints.max(1);
        let knows = |j: usize, cell: usize| {
            let at = cell.checked_rem(per_joint).map(|cell| j * per_joint + cell);
            at.and_then(|at| known.get(at)).copied().unwrap_or_default()
        };
        let weight = |known: bool| f32::from(u8::from(known));
        let mut values = Vec::with_capacity(layout.total() * area);
        for j in 0..layout.n_joints {
            values.extend((0..area).map(|cell| weight(knows(j, cell))));
        }
        let all_known = |cell| (0..layout.n_joints).all(|j| knows(j, cell));
        values.extend((0..area).map(|cell| weight(all_known(cell))));
        for &[a, b] in &self.skeleton.limbs {
            for _ in ["x", "y"] {
                values.extend((0..area).map(|cell| weight(knows(a, cell) && knows(b, cell))));
            }
        }
        for j in 0..layout.n_joints {
            let owned = targets.plane(j).iter().enumerate();
            let owned = owned.map(|(cell, &v)| f64::from(v) > OFFSET_GATE && knows(j, cell));
            for _ in ["x", "y"] {
                values.extend(owned.clone().map(weight));
            }
        }
        Planes {
            n: layout.total(),
            size: targets.size,
            values,
        }
    }

    /// People in `fields`, best first; maps that are not laid out as [`Self::layout`] says hold
    /// none.
    fn decode(&self, fields: &Planes) -> Vec<Found> {
        let layout = self.layout();
        let n_values = layout.total() * fields.size.area();
        if fields.n != layout.total() || fields.values.len() != n_values {
            return Vec::new();
        }
        let candidates = self.candidates(fields);
        let connections: Vec<_> = (0..layout.n_limbs)
            .map(|l| limbs::matched(&self.scored(fields, l, &candidates)))
            .collect();
        assemble::people(self.skeleton, &candidates, &connections)
    }
}
