//! Fractions of correct joints, counted per joint.

use std::collections::BTreeMap;

use crate::skeleton::Skeleton;

/// Counts correct and evaluated predictions per joint.
#[derive(Debug, Clone)]
pub struct JointRates {
    skeleton: &'static Skeleton,
    /// (correct, evaluated) per joint.
    counts: Vec<(usize, usize)>,
}

impl JointRates {
    /// Creates counters at zero.
    pub fn new(skeleton: &'static Skeleton) -> Self {
        Self {
            skeleton,
            counts: vec![(0, 0); skeleton.n_joints()],
        }
    }

    /// Counts one prediction of joint `j`.
    pub fn add(&mut self, j: usize, hit: bool) {
        let (hits, tries) = &mut self.counts[j];
        *hits += usize::from(hit);
        *tries += 1;
    }

    /// Returns the fraction of correct predictions by joint name; `None` for joints never
    /// evaluated.
    pub fn per_joint(&self) -> BTreeMap<String, Option<f64>> {
        let names = self.skeleton.joints.iter().cloned();
        names
            .zip(self.counts.iter().map(|&count| share(count)))
            .collect()
    }

    /// Combines left and right under their common name: the mean of the two fractions, as in the
    /// tables of MPII and LSP.
    pub fn groups(&self) -> BTreeMap<String, Option<f64>> {
        let mut shares: BTreeMap<String, Vec<f64>> = BTreeMap::new();
        for (name, &count) in self.skeleton.joints.iter().zip(&self.counts) {
            let group = shares.entry(common_name(name).to_owned()).or_default();
            group.extend(share(count));
        }
        let mean = |s: Vec<f64>| (!s.is_empty()).then(|| s.iter().sum::<f64>() / s.len() as f64);
        shares.into_iter().map(|(k, s)| (k, mean(s))).collect()
    }

    /// Returns the fraction of correct predictions over all joints whose name `counts` accepts;
    /// joints are weighted by how often they are labelled.
    pub fn pooled(&self, counts: impl Fn(&str) -> bool) -> Option<f64> {
        share(self.sum(counts))
    }

    /// Returns the number of predictions of all joints whose name `counts` accepts.
    pub fn n_pooled(&self, counts: impl Fn(&str) -> bool) -> usize {
        self.sum(counts).1
    }

    fn sum(&self, counts: impl Fn(&str) -> bool) -> (usize, usize) {
        let joints = self.skeleton.joints.iter().zip(&self.counts);
        joints
            .filter(|(name, _)| counts(name))
            .fold((0, 0), |(h, t), (_, &(hits, tries))| (h + hits, t + tries))
    }
}

/// Returns `wrist` for `l_wrist` and `r_wrist`.
pub fn common_name(joint: &str) -> &str {
    let stripped = joint.strip_prefix("l_").or(joint.strip_prefix("r_"));
    stripped.unwrap_or(joint)
}

fn share((hits, tries): (usize, usize)) -> Option<f64> {
    (tries > 0).then(|| hits as f64 / tries as f64)
}
