//! Shares of joints that were found, counted per joint.

use std::collections::BTreeMap;

use crate::skeleton::Skeleton;

/// Counts per joint: how many were looked for, how many were hit.
#[derive(Debug, Clone)]
pub struct JointRates {
    skeleton: &'static Skeleton,
    /// Hits and tries per joint.
    counts: Vec<(usize, usize)>,
}

impl JointRates {
    /// No tries yet.
    pub fn new(skeleton: &'static Skeleton) -> Self {
        Self {
            skeleton,
            counts: vec![(0, 0); skeleton.n_joints()],
        }
    }

    /// One try for joint `j`.
    pub fn add(&mut self, j: usize, hit: bool) {
        let (hits, tries) = &mut self.counts[j];
        *hits += usize::from(hit);
        *tries += 1;
    }

    /// Share of hits per joint name; `None` for joints that nobody had.
    pub fn per_joint(&self) -> BTreeMap<String, Option<f64>> {
        let names = self.skeleton.joints.iter().cloned();
        names
            .zip(self.counts.iter().map(|&count| share(count)))
            .collect()
    }

    /// Left and right taken together under their common name: the mean of the two shares, as the
    /// tables of MPII and LSP have it.
    pub fn groups(&self) -> BTreeMap<String, Option<f64>> {
        let mut shares: BTreeMap<String, Vec<f64>> = BTreeMap::new();
        for (name, &count) in self.skeleton.joints.iter().zip(&self.counts) {
            let group = shares.entry(common_name(name).to_owned()).or_default();
            group.extend(share(count));
        }
        let mean = |s: Vec<f64>| (!s.is_empty()).then(|| s.iter().sum::<f64>() / s.len() as f64);
        shares.into_iter().map(|(k, s)| (k, mean(s))).collect()
    }

    /// Share of hits among all tries of the joints whose name `counts`: joints weigh by how often
    /// they were labelled.
    pub fn pooled(&self, counts: impl Fn(&str) -> bool) -> Option<f64> {
        let joints = self.skeleton.joints.iter().zip(&self.counts);
        let sum = joints
            .filter(|(name, _)| counts(name))
            .fold((0, 0), |(h, t), (_, &(hits, tries))| (h + hits, t + tries));
        share(sum)
    }
}

/// `wrist` for `l_wrist` and `r_wrist`.
pub fn common_name(joint: &str) -> &str {
    let stripped = joint.strip_prefix("l_").or(joint.strip_prefix("r_"));
    stripped.unwrap_or(joint)
}

fn share((hits, tries): (usize, usize)) -> Option<f64> {
    (tries > 0).then(|| hits as f64 / tries as f64)
}
