//! Bottom-up pose estimation for several people: joints first, then their assignment to people.
//!
//! A network outputs three kinds of maps, whose channels a [`Layout`] describes. *Heatmaps* peak at
//! the joints of all people. *Part affinity fields* hold, on each limb, the unit vector from its
//! first to its second joint (OpenPose, arXiv:1611.08050). *Offsets* locate the joint within a
//! heatmap pixel, so that the coarse grid costs no precision and nothing has to be upsampled
//! (resolution-irrelevant encoding). Decoding runs through `peaks` (heatmaps and offsets to joint
//! candidates), `limbs` (candidate pairs supported by the fields) and `assemble` (connections to
//! people).
//!
//! Coordinates and offsets are in heatmap pixels with centres at integers; the codec does not know
//! the stride. Gaussians 7 input pixels wide on a grid of stride 8 have sigma 0.875 here.
//!
//! Time in milliseconds on 46x46 cells with 18 joints and 19 limbs, best of 40 on one core of a
//! busy two-core machine:
//!
//! | | encode | decode |
//! |---|---|---|
//! | no people | | 0.04 |
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

use super::{Codec, CodecSpec, DecodedPerson, PersonJoints};
use crate::geometry::Size;
use crate::output::{Approach, Planes};
use crate::skeleton::Skeleton;
use encode::OFFSET_GATE;

/// Channel ranges of each kind of map.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Layout {
    /// Number of joints in the skeleton, J.
    pub n_joints: usize,
    /// Number of limbs in the skeleton, L.
    pub n_limbs: usize,
}

impl Layout {
    /// Returns the layout of the maps for `skeleton`.
    pub fn of(skeleton: &Skeleton) -> Self {
        Self {
            n_joints: skeleton.n_joints(),
            n_limbs: skeleton.limbs.len(),
        }
    }

    /// Returns the channels of the heatmaps: one per joint, then the background, which is 1 where
    /// there is no joint. J + 1 maps.
    pub fn heatmaps(self) -> Range<usize> {
        0..self.n_joints + 1
    }

    /// Returns the channels of the part affinity fields, two per limb: x of limb 0, y of limb 0, x
    /// of limb 1, ... 2 L maps.
    pub fn paf(self) -> Range<usize> {
        let start = self.heatmaps().end;
        start..start + 2 * self.n_limbs
    }

    /// Returns the channels of the offsets, two per joint, in -0.5..=0.5: x of joint 0, y of joint
    /// 0, ... 2 J maps.
    pub fn offsets(self) -> Range<usize> {
        let start = self.paf().end;
        start..start + 2 * self.n_joints
    }

    /// Returns the total number of maps, 3 J + 2 L + 1.
    pub fn total(self) -> usize {
        self.offsets().end
    }
}

/// Encodes people as heatmaps, part affinity fields and offsets, and decodes such maps.
#[derive(Debug, Clone, Copy)]
pub struct FieldCodec {
    skeleton: &'static Skeleton,
    sigma: f64,
}

/// The row in [`super::CODECS`].
pub(super) const FIELDS: CodecSpec = CodecSpec {
    name: "fields",
    help: "several people: peaks joined along affinity fields (OpenPose), placed by offsets (SSA)",
    approach: Approach::BottomUp,
    outputs: &["heatmaps", "paf", "offsets"],
    mirror,
    limb_fields: |skeleton| Some(Layout::of(skeleton).paf()),
    build: |options| Box::new(FieldCodec::new(options.skeleton, options.sigma)),
};

/// Maps each channel to its mirror partner; x components change their sign.
fn mirror(skeleton: &Skeleton) -> Vec<(usize, f32)> {
    let partner = |&[a, b]: &[usize; 2]| {
        let (a, b) = (skeleton.mirror[a], skeleton.mirror[b]);
        let at = |limb| skeleton.limbs.iter().position(|l| *l == limb);
        // A limb between mirror partners maps to itself with its direction reversed.
        at([a, b])
            .map(|l| (l, 1.0))
            .or_else(|| at([b, a]).map(|l| (l, -1.0)))
    };
    let layout = Layout::of(skeleton);
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
    /// Creates a codec with targets of standard deviation `sigma` (heatmap pixels, above 0). Below
    /// 0.5223 some joints would have no pixel that reaches [`OFFSET_GATE`], and so no offset
    /// target.
    pub fn new(skeleton: &'static Skeleton, sigma: f64) -> Self {
        Self { skeleton, sigma }
    }

    /// Returns the channel layout of the maps.
    pub fn layout(&self) -> Layout {
        Layout::of(self.skeleton)
    }

    /// Finds the candidates of each joint.
    fn candidates(&self, fields: &Planes) -> Vec<Vec<peaks::Candidate>> {
        let layout = self.layout();
        let candidates = |j: usize| {
            let x = layout.offsets().start + 2 * j;
            let offsets = [fields.plane(x), fields.plane(x + 1)];
            peaks::candidates(fields.plane(j), offsets, fields.size)
        };
        (0..layout.n_joints).map(candidates).collect()
    }

    /// Scores the pairs of candidates that limb `l` may connect, best first.
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
    /// Encodes all `people` into [`Layout::total`] maps. Joints are in the skeleton's order; those
    /// that are unlabelled (`None`), missing or not finite draw nothing. A joint outside the map
    /// still draws the part of its Gaussian that reaches into it.
    fn encode(&self, people: &[PersonJoints], size: Size) -> Planes {
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

    /// A heatmap counts where its joint is annotated, the background where all joints are, a field
    /// where both ends of its limb are, and an offset in the pixels that its joint owns (eq. 7:
    /// elsewhere offsets are undefined).
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

    /// Decodes the people in `fields`, best first. Returns none if the number of maps does not fit
    /// [`Self::layout`].
    fn decode(&self, fields: &Planes) -> Vec<DecodedPerson> {
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
