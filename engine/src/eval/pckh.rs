//! PCKh: the fraction of joints predicted within a fraction of the head size, MPII's metric.
//!
//! The head size is 0.6 times the diagonal of the labelled head box. Without a head box it is the
//! distance from head top to upper neck, which that factor is meant to approximate; the report
//! tells how many people were measured in which way ([`PckhReport::reference`]). `mean` excludes
//! pelvis and thorax and weights joints by how often they are labelled, like the official results.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::rates::JointRates;
use crate::geometry::{BBox, Point};
use crate::skeleton::Skeleton;
use crate::words::counted;

/// MPII's factor from the head box's diagonal to the head size.
const HEAD_OF_DIAGONAL: f64 = 0.6;
const NOT_IN_MEAN: [&str; 2] = ["pelvis", "thorax"];

/// PCKh results from 0 to 1; `None` where no joint is labelled.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PckhReport {
    /// Mean over every labelled joint except pelvis and thorax.
    pub mean: Option<f64>,
    /// Maximum error of a correct joint, as a fraction of the head size.
    pub threshold: f64,
    /// Results by joint name.
    pub per_joint: BTreeMap<String, Option<f64>>,
    /// Results of left and right together, by common name.
    pub groups: BTreeMap<String, Option<f64>>,
    /// Number of people with a known head size.
    pub n_people: usize,
    /// Number of those measured by their head box; the others by head top and upper neck.
    pub n_head_boxes: usize,
}

impl PckhReport {
    /// Describes how head sizes were measured: results by boxes and by segments are not comparable.
    pub fn reference(&self) -> String {
        let boxes = format!("head box of {}", counted(self.n_head_boxes, "person"));
        let n_segments = self.n_people.saturating_sub(self.n_head_boxes);
        let people = counted(n_segments, "person");
        let segments = format!("segment from upper neck to head top of {people}");
        match (self.n_head_boxes, n_segments) {
            (_, 0) => boxes,
            (0, _) => segments,
            _ => format!("{boxes}, {segments}"),
        }
    }
}

/// Accumulates PCKh person by person.
#[derive(Debug, Clone)]
pub struct Pckh {
    skeleton: &'static Skeleton,
    threshold: f64,
    rates: JointRates,
    n_people: usize,
    n_head_boxes: usize,
}

impl Pckh {
    /// Creates an empty accumulator; joints within `threshold` head sizes are correct.
    pub fn new(skeleton: &'static Skeleton, threshold: f64) -> Self {
        Self {
            skeleton,
            threshold,
            rates: JointRates::new(skeleton),
            n_people: 0,
            n_head_boxes: 0,
        }
    }

    /// Adds one person: head box, labelled joints (`None` where unlabelled), predicted joints.
    /// People without a known head size are ignored.
    pub fn add(&mut self, head_box: Option<BBox>, labels: &[Option<Point>], pose: &[Point]) {
        let by_box = head_box.map(|b| HEAD_OF_DIAGONAL * b.w.hypot(b.h));
        let Some(head) = by_box.or_else(|| self.head_segment(labels)) else {
            return;
        };
        if head <= 0.0 {
            return;
        }
        self.n_people += 1;
        self.n_head_boxes += usize::from(by_box.is_some());
        for (j, (label, p)) in labels.iter().zip(pose).enumerate() {
            if let Some(q) = label {
                self.rates.add(j, p.distance(*q) / head <= self.threshold);
            }
        }
    }

    fn head_segment(&self, labels: &[Option<Point>]) -> Option<f64> {
        let at = |name| labels.get(self.skeleton.joint(name)?).copied().flatten();
        Some(at("head_top")?.distance(at("upper_neck")?))
    }

    /// Returns the results; `None` if no person with a known head size was added.
    pub fn report(&self) -> Option<PckhReport> {
        (self.n_people > 0).then(|| PckhReport {
            mean: self.rates.pooled(|name| !NOT_IN_MEAN.contains(&name)),
            threshold: self.threshold,
            per_joint: self.rates.per_joint(),
            groups: self.rates.groups(),
            n_people: self.n_people,
            n_head_boxes: self.n_head_boxes,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_golden::json;
    use serde_json::Value;

    #[derive(serde::Deserialize)]
    struct Golden {
        gt_1based: Vec<Vec<[f64; 2]>>,
        pred_0based: Vec<Vec<[f64; 2]>>,
        #[serde(rename = "headbox_x1y1_x2y2")]
        head_boxes: Vec<[f64; 4]>,
        missing: Vec<Vec<u8>>,
        official: Value,
        pckh_mean_thr_0_10: f64,
        pckh_mean_thr_0_11: f64,
        pckh_mean_thr_0_5: f64,
    }

    fn report(golden: &Golden, threshold: f64) -> PckhReport {
        let mut pckh = Pckh::new(Skeleton::by_name("mpii16").unwrap(), threshold);
        for i in 0..golden.gt_1based.len() {
            let label =
                |(p, &missing): (&[f64; 2], &u8)| (missing == 0).then_some(Point::new(p[0], p[1]));
            let labels: Vec<_> = golden.gt_1based[i]
                .iter()
                .zip(&golden.missing[i])
                .map(label)
                .collect();
            let pose: Vec<_> = golden.pred_0based[i]
                .iter()
                .map(|p| Point::new(p[0] + 1.0, p[1] + 1.0))
                .collect();
            let [x0, y0, x1, y1] = golden.head_boxes[i];
            pckh.add(Some(BBox::new(x0, y0, x1 - x0, y1 - y0)), &labels, &pose);
        }
        pckh.report().unwrap()
    }

    /// Fails when a value of MPII's table differs from the official script's.
    #[test]
    fn mpii_numbers_equal_the_official_ones() {
        let golden: Golden = json("transpose/mpii_pckh.json");
        let half = report(&golden, 0.5);
        let mut worst = 0.0f64;
        let mut check = |ours: Option<f64>, theirs: f64| {
            worst = worst.max((100.0 * ours.unwrap() - theirs).abs());
        };
        for (ours, theirs) in [
            ("head_top", "Head"),
            ("shoulder", "Shoulder"),
            ("elbow", "Elbow"),
            ("wrist", "Wrist"),
            ("hip", "Hip"),
            ("knee", "Knee"),
            ("ankle", "Ankle"),
        ] {
            check(half.groups[ours], golden.official[theirs].as_f64().unwrap());
        }
        check(half.mean, golden.official["Mean"].as_f64().unwrap());
        check(half.mean, golden.pckh_mean_thr_0_5);
        check(report(&golden, 0.10).mean, golden.pckh_mean_thr_0_10);
        check(report(&golden, 0.11).mean, golden.pckh_mean_thr_0_11);
        println!("pckh: {worst:e} %");
        assert!(worst < 1e-9, "{worst}");
        assert_eq!((half.n_people, half.n_head_boxes), (24, 24));
    }

    /// Fails when people without a head box and without head joints are counted.
    #[test]
    fn a_head_is_a_box_or_a_segment() {
        let mpii = Skeleton::by_name("mpii16").unwrap();
        let mut labels = vec![None; 16];
        labels[10] = Some(Point::new(50.0, 50.0));
        let pose = vec![Point::new(55.0, 50.0); 16];
        let mut pckh = Pckh::new(mpii, 0.5);
        pckh.add(None, &labels, &pose);
        assert_eq!(pckh.report(), None);
        labels[8] = Some(Point::new(0.0, 20.0));
        labels[9] = Some(Point::new(0.0, 10.0));
        pckh.add(None, &labels, &pose);
        let report = pckh.report().unwrap();
        assert_eq!((report.n_people, report.n_head_boxes), (1, 0));
        assert_eq!(report.per_joint["r_wrist"], Some(1.0));
        assert_eq!(report.per_joint["head_top"], Some(0.0));
    }

    /// Fails when the report does not tell results by head boxes from results by head segments.
    #[test]
    fn the_reference_is_named() {
        let mpii = Skeleton::by_name("mpii16").unwrap();
        let mut labels = vec![Some(Point::new(50.0, 50.0)); 16];
        labels[mpii.joint("head_top").unwrap()] = Some(Point::new(50.0, 20.0));
        let pose = vec![Point::new(50.0, 50.0); 16];
        let reference = |n_boxes: usize, n_segments: usize| {
            let mut pckh = Pckh::new(mpii, 0.5);
            for i in 0..n_boxes + n_segments {
                let head = BBox::new(40.0, 20.0, 20.0, 25.0);
                pckh.add((i < n_boxes).then_some(head), &labels, &pose);
            }
            pckh.report().unwrap().reference()
        };
        assert_eq!(reference(3, 0), "head box of 3 people");
        let segment = "segment from upper neck to head top of 2 people";
        assert_eq!(reference(0, 2), segment);
        assert_eq!(reference(1, 2), format!("head box of 1 person, {segment}"));
    }
}
