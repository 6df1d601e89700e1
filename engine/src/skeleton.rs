//! Skeletons as data: joint names, mirror partners, limbs and OKS sigmas.
//!
//! The data are in `assets/skeletons.json`; adding a skeleton there is sufficient. `l_` and `r_`
//! mean the person's own left and right.

pub(crate) mod spelling;

use std::collections::BTreeMap;
use std::sync::LazyLock;

use serde::Deserialize;

use crate::pose::Keypoint;

/// Side of the body a joint belongs to, from its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// The person's own left.
    Left,
    /// The person's own right.
    Right,
    /// On the midline.
    Center,
}

/// Joint names, partners and limbs of one labelling convention.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Skeleton {
    /// Name, e.g. `coco17` or `mpii16`.
    #[serde(skip)]
    pub name: String,
    /// Joint names in tensor order.
    pub joints: Vec<String>,
    /// Pairs of joint indices that are connected by a line.
    pub limbs: Vec<[usize; 2]>,
    /// `mirror[j]` is the joint that `j` becomes in a mirrored image.
    pub mirror: Vec<usize>,
    /// Sigma of COCO's object keypoint similarity per joint; empty if undefined.
    #[serde(default)]
    pub oks_sigmas: Vec<f64>,
    /// Order in which bottom-up decoding assembles people along limbs; empty for the limbs' own
    /// order.
    #[serde(default)]
    pub assembly_order: Vec<usize>,
    /// Limbs that connect joints but do not start a new person.
    #[serde(default)]
    pub redundant_limbs: Vec<usize>,
}

/// Origin of a joint in another skeleton.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
pub enum JointOrigin {
    /// This joint.
    Joint(usize),
    /// The midpoint of these two joints.
    Middle(usize, usize),
}

impl JointOrigin {
    /// Returns the joint from the keypoints of the source skeleton. A midpoint has the lower score
    /// of its ends; all zero if a required joint is absent (score not above 0).
    pub fn pick(self, keypoints: &[Keypoint]) -> Keypoint {
        let get = |j: usize| keypoints.get(j).filter(|k| k.score > 0.0).copied();
        let picked = match self {
            Self::Joint(j) => get(j),
            Self::Middle(i, j) => get(i).zip(get(j)).map(|(a, b)| Keypoint {
                x: f32::midpoint(a.x, b.x),
                y: f32::midpoint(a.y, b.y),
                score: a.score.min(b.score),
            }),
        };
        picked.unwrap_or_default()
    }
}

/// For each target joint its origin; `None` if the source has no equivalent.
pub type JointMap = Vec<Option<JointOrigin>>;

/// Maps by `source->target`.
static MAPS: LazyLock<BTreeMap<String, JointMap>> = LazyLock::new(|| {
    #[derive(Deserialize)]
    struct File {
        maps: BTreeMap<String, JointMap>,
    }
    let text = include_str!("../../assets/skeletons.json");
    serde_json::from_str(text).map_or_else(|_| BTreeMap::new(), |file: File| file.maps)
});

static SKELETONS: LazyLock<Vec<Skeleton>> = LazyLock::new(|| {
    let text = include_str!("../../assets/skeletons.json");
    let entries: BTreeMap<String, serde_json::Value> =
        serde_json::from_str(text).unwrap_or_default();
    entries
        .into_iter()
        .filter(|(_, value)| value.get("joints").is_some())
        .filter_map(|(name, value)| {
            let skeleton: Skeleton = serde_json::from_value(value).ok()?;
            Some(Skeleton { name, ..skeleton })
        })
        .collect()
});

impl Skeleton {
    /// The median of COCO's seventeen sigmas, that of the elbow: for matching people where the
    /// skeleton defines none. Not for reported metrics.
    pub const MEDIAN_SIGMA: f64 = 0.072;

    /// Returns every known skeleton.
    pub fn all() -> &'static [Self] {
        &SKELETONS
    }

    /// Returns the skeleton called `name`.
    pub fn by_name(name: &str) -> Option<&'static Self> {
        Self::all().iter().find(|s| s.name == name)
    }

    /// Returns the number of joints.
    pub fn n_joints(&self) -> usize {
        self.joints.len()
    }

    /// Returns this skeleton if it has `n_joints` joints, otherwise the first one that has.
    pub fn or_with_joints(&'static self, n_joints: usize) -> Option<&'static Self> {
        let mut all = std::iter::once(self).chain(Self::all());
        all.find(|s| s.n_joints() == n_joints)
    }

    /// Returns the index of the joint called `name` (`l_wrist`).
    pub fn joint(&self, name: &str) -> Option<usize> {
        self.joints.iter().position(|j| j == name)
    }

    /// Returns the sigma of joint `j`: [`Self::oks_sigmas`], or [`Self::MEDIAN_SIGMA`] if
    /// undefined.
    pub fn sigma(&self, j: usize) -> f64 {
        let sigma = self.oks_sigmas.get(j).copied();
        sigma.unwrap_or(Self::MEDIAN_SIGMA)
    }

    /// Returns the map to the joints of the skeleton called `target`; `None` if there is none.
    pub fn map_to(&self, target: &str) -> Option<JointMap> {
        if self.name == target {
            return Some(
                (0..self.n_joints())
                    .map(|j| Some(JointOrigin::Joint(j)))
                    .collect(),
            );
        }
        MAPS.get(&format!("{}->{target}", self.name)).cloned()
    }

    /// Returns the side of joint `j`.
    pub fn side(&self, j: usize) -> Side {
        match self.joints[j].get(..2) {
            Some("l_") => Side::Left,
            Some("r_") => Side::Right,
            _ => Side::Center,
        }
    }

    /// Returns the name of limb `l`, that of its joints: `l_elbow-l_wrist`.
    pub fn limb_name(&self, l: usize) -> String {
        let [a, b] = self.limbs[l].map(|j| self.joints[j].as_str());
        format!("{a}-{b}")
    }

    /// Returns the index of the limb called `name` ([`Self::limb_name`]).
    pub fn limb(&self, name: &str) -> Option<usize> {
        (0..self.limbs.len()).find(|l| self.limb_name(*l) == name)
    }

    /// Returns the side of limb `l`: left or right if both ends, or one end and the midline, are on
    /// it.
    pub fn limb_side(&self, l: usize) -> Side {
        let [a, b] = self.limbs[l];
        match (self.side(a), self.side(b)) {
            (s, Side::Center) | (Side::Center, s) => s,
            (s, t) if s == t => s,
            _ => Side::Center,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Fails when a typing error in the data swaps, loses or misnames a joint.
    #[test]
    fn every_skeleton_is_consistent() {
        assert_eq!(Skeleton::all().len(), 4);
        for s in Skeleton::all() {
            let n = s.n_joints();
            assert_eq!(s.mirror.len(), n, "{}", s.name);
            for j in 0..n {
                assert_eq!(s.mirror[s.mirror[j]], j, "{} joint {j}", s.name);
                let partner = match s.side(j) {
                    Side::Left => s.joints[j].replacen("l_", "r_", 1),
                    Side::Right => s.joints[j].replacen("r_", "l_", 1),
                    Side::Center => s.joints[j].clone(),
                };
                assert_eq!(s.joints[s.mirror[j]], partner, "{}", s.name);
            }
            assert!(s.limbs.iter().flatten().all(|&j| j < n), "{}", s.name);
            assert!(s.oks_sigmas.is_empty() || s.oks_sigmas.len() == n);
            let mut order = s.assembly_order.clone();
            order.sort_unstable();
            assert!(order.is_empty() || order.iter().copied().eq(0..s.limbs.len()));
            assert!(s.redundant_limbs.iter().all(|&l| l < s.limbs.len()));
        }
        assert_eq!(Skeleton::by_name("coco17").unwrap().n_joints(), 17);
    }

    /// Fails when an exported joint has another joint's name or side.
    #[test]
    fn every_map_keeps_names_and_leads_to_real_joints() {
        for (source, target) in Skeleton::all()
            .iter()
            .flat_map(|s| Skeleton::all().iter().map(move |t| (s, t)))
        {
            let map = source.map_to(&target.name).unwrap();
            assert_eq!(map.len(), target.n_joints());
            for (d, origin) in map.into_iter().enumerate() {
                match origin {
                    Some(JointOrigin::Joint(j)) => assert_eq!(source.joints[j], target.joints[d]),
                    Some(JointOrigin::Middle(i, j)) => assert_eq!(source.mirror[i], j),
                    None => assert_eq!(source.joint(&target.joints[d]), None),
                }
            }
        }
    }

    /// Fails when a neck is invented from one shoulder.
    #[test]
    fn a_midpoint_needs_both_ends() {
        let neck = JointOrigin::Middle(0, 1);
        let mut ends = [[10.0, 20.0, 0.5].into(), [20.0, 40.0, 0.75].into()];
        assert_eq!(neck.pick(&ends), [15.0, 30.0, 0.5].into());
        ends[1].score = 0.0;
        assert_eq!(neck.pick(&ends), Keypoint::default());
        assert_eq!(JointOrigin::Joint(7).pick(&ends), Keypoint::default());
    }
}
