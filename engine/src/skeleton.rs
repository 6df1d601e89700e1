//! Skeletons as data: joint names, mirror partners, limbs and OKS sigmas.
//!
//! The data lives in `assets/skeletons.json`; adding a skeleton there is all it takes.
//! `l_` and `r_` mean the person's own left and right.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use serde::Deserialize;

/// Side of the body a joint belongs to, from its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// The person's own left.
    Left,
    /// The person's own right.
    Right,
    /// On the middle line.
    Center,
}

/// Joint names, partners and limbs of one labelling convention.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Skeleton {
    /// `coco17`, `mpii16`, ...
    #[serde(skip)]
    pub name: String,
    /// Joint names in tensor order.
    pub joints: Vec<String>,
    /// Pairs of joint indices joined by a line.
    pub limbs: Vec<[usize; 2]>,
    /// `mirror[j]` is the joint that `j` becomes in a mirrored image.
    pub mirror: Vec<usize>,
    /// Per-joint sigma of COCO's object keypoint similarity; empty where none is defined.
    #[serde(default)]
    pub oks_sigmas: Vec<f64>,
}

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
    /// Every known skeleton, by name.
    pub fn all() -> &'static [Self] {
        &SKELETONS
    }

    /// The skeleton called `name`.
    pub fn by_name(name: &str) -> Option<&'static Self> {
        Self::all().iter().find(|s| s.name == name)
    }

    /// Number of joints.
    pub fn n_joints(&self) -> usize {
        self.joints.len()
    }

    /// Index of the joint called `name` (`l_wrist`).
    pub fn joint(&self, name: &str) -> Option<usize> {
        self.joints.iter().position(|j| j == name)
    }

    /// Side of joint `j`.
    pub fn side(&self, j: usize) -> Side {
        match self.joints[j].get(..2) {
            Some("l_") => Side::Left,
            Some("r_") => Side::Right,
            _ => Side::Center,
        }
    }

    /// Side of limb `l`: left or right when both ends or one end and the middle line are there.
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

    /// Fails when a typing error in the data would swap, lose or misname a joint.
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
        }
        assert_eq!(Skeleton::by_name("coco17").unwrap().n_joints(), 17);
    }
}
