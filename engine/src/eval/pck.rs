//! PCK: the fraction of joints predicted within a fraction of the torso length, which is the
//! labelled distance from the left shoulder to the right hip.
//!
//! `mean` covers the twelve limb joints (shoulders, elbows, wrists, hips, knees, ankles) for every
//! skeleton, so that results of different skeletons are comparable: joints 5 to 16 of coco17.
//! `mean_all` covers every labelled joint, as the mean in LSP's tables does. Only people with both
//! ends of the torso labelled are counted.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::rates::{JointRates, common_name};
use crate::geometry::Point;
use crate::skeleton::Skeleton;

const LIMB_JOINTS: [&str; 6] = ["shoulder", "elbow", "wrist", "hip", "knee", "ankle"];

/// PCK results from 0 to 1; `None` where no joint is labelled.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PckReport {
    /// Mean over the twelve limb joints.
    pub mean: Option<f64>,
    /// Mean over every labelled joint.
    pub mean_all: Option<f64>,
    /// Maximum error of a correct joint, as a fraction of the torso length.
    pub threshold: f64,
    /// Results by joint name.
    pub per_joint: BTreeMap<String, Option<f64>>,
    /// Results of left and right together, by common name.
    pub groups: BTreeMap<String, Option<f64>>,
    /// Number of people with a labelled torso.
    pub n_people: usize,
    /// Number of labelled limb joints of these people, of which `mean` is the fraction.
    pub n_joints: usize,
}

/// Accumulates PCK person by person.
#[derive(Debug, Clone)]
pub struct Pck {
    skeleton: &'static Skeleton,
    threshold: f64,
    rates: JointRates,
    n_people: usize,
}

impl Pck {
    /// Creates an empty accumulator; joints within `threshold` torso lengths are correct.
    pub fn new(skeleton: &'static Skeleton, threshold: f64) -> Self {
        Self {
            skeleton,
            threshold,
            rates: JointRates::new(skeleton),
            n_people: 0,
        }
    }

    /// Adds one person: labelled joints (`None` where unlabelled) and predicted ones. Returns how many
    /// of the limb joints are correct, and the number of those.
    pub fn add(&mut self, labels: &[Option<Point>], pose: &[Point]) -> [u32; 2] {
        let mut hits = [0; 2];
        let Some(torso) = torso(self.skeleton, labels) else {
            return hits;
        };
        self.n_people += 1;
        for (j, (label, p)) in labels.iter().zip(pose).enumerate() {
            if let Some(q) = label {
                let is_hit = p.distance(*q) <= self.threshold * torso;
                self.rates.add(j, is_hit);
                if is_limb(&self.skeleton.joints[j]) {
                    hits[0] += u32::from(is_hit);
                    hits[1] += 1;
                }
            }
        }
        hits
    }

    /// Returns the results; `None` if no person with a labelled torso was added.
    pub fn report(&self) -> Option<PckReport> {
        (self.n_people > 0).then(|| PckReport {
            mean: self.rates.pooled(is_limb),
            mean_all: self.rates.pooled(|_| true),
            threshold: self.threshold,
            per_joint: self.rates.per_joint(),
            groups: self.rates.groups(),
            n_people: self.n_people,
            n_joints: self.rates.n_pooled(is_limb),
        })
    }
}

fn is_limb(name: &str) -> bool {
    LIMB_JOINTS.contains(&common_name(name))
}

/// Returns the distance from the left shoulder to the right hip, if both are labelled and differ.
pub fn torso(skeleton: &Skeleton, labels: &[Option<Point>]) -> Option<f64> {
    let at = |name| labels.get(skeleton.joint(name)?).copied().flatten();
    let length = at("l_shoulder")?.distance(at("r_hip")?);
    (length > 0.0).then_some(length)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_golden::json;
    use serde_json::Value;

    type People = Vec<Vec<[f64; 2]>>;

    fn people(value: &Value) -> Vec<Vec<Point>> {
        let people: People = serde_json::from_value(value.clone()).unwrap();
        let points = |p: Vec<[f64; 2]>| p.into_iter().map(|[x, y]| Point::new(x, y)).collect();
        people.into_iter().map(points).collect()
    }

    /// Fails when torso, threshold, groups or means differ from LSP's definition.
    #[test]
    fn lsp_numbers_equal_the_golden() {
        let golden: Value = json("transpose/lsp_pck.json");
        let lsp = Skeleton::by_name("lsp14").unwrap();
        let mut pck = Pck::new(lsp, 0.2);
        let labels = people(&golden["gt"]);
        for (i, (labels, pose)) in labels.iter().zip(people(&golden["pred"])).enumerate() {
            let labels: Vec<_> = labels.iter().copied().map(Some).collect();
            let torso = torso(lsp, &labels).unwrap();
            assert!((torso - golden["torso"][i].as_f64().unwrap()).abs() < 1e-9);
            pck.add(&labels, &pose);
        }
        let report = pck.report().unwrap();
        let mut worst = 0.0f64;
        let mut check = |ours: Option<f64>, theirs: &Value| {
            let error = (100.0 * ours.unwrap() - theirs.as_f64().unwrap()).abs();
            worst = worst.max(error);
        };
        check(report.mean_all, &golden["pck02_mean"]);
        for (j, name) in lsp.joints.iter().enumerate() {
            check(report.per_joint[name], &golden["pck02_per_joint"][j]);
        }
        for (ours, theirs) in [
            ("head_top", "Head"),
            ("upper_neck", "Neck"),
            ("wrist", "Wrist"),
            ("shoulder", "Shoulder"),
            ("elbow", "Elbow"),
            ("hip", "Hip"),
            ("knee", "Knee"),
            ("ankle", "Ankle"),
        ] {
            check(report.groups[ours], &golden["pck02_groups"][theirs]);
        }
        println!("lsp pck: {worst:e} %");
        assert!(worst < 1e-9, "{worst}");
        assert_eq!(report.n_people, 20);
    }

    /// Fails when face joints enter the limb mean, or people without a torso are counted.
    #[test]
    fn the_mean_is_over_limb_joints() {
        let coco = Skeleton::by_name("coco17").unwrap();
        let labels: Vec<_> = (0..17u8)
            .map(|j| Some(Point::new(f64::from(j) * 10.0, 0.0)))
            .collect();
        let pose: Vec<_> = labels
            .iter()
            .enumerate()
            .map(|(j, p)| {
                if j < 5 {
                    Point::new(-900.0, 0.0)
                } else {
                    p.unwrap()
                }
            })
            .collect();
        let mut pck = Pck::new(coco, 0.2);
        pck.add(&labels, &pose);
        let mut no_torso = labels.clone();
        no_torso[12] = None;
        pck.add(&no_torso, &pose);
        let report = pck.report().unwrap();
        assert_eq!(report.n_people, 1);
        assert_eq!(report.mean, Some(1.0));
        assert_eq!(report.mean_all, Some(12.0 / 17.0));
        assert_eq!(report.per_joint["nose"], Some(0.0));
    }
}
