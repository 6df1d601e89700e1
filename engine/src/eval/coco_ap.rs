//! The ten COCO keypoint metrics, with the same results as pycocotools.
//!
//! For each image, similarity threshold and size class, poses are matched to people, best pose
//! first. The precision-recall curve follows from the matches of all images, sorted by score.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::oks::oks;
use crate::geometry::{BBox, Point};
use crate::sample::{Annotation, Sample};

/// A predicted person.
#[derive(Debug, Clone, PartialEq)]
pub struct Detection {
    /// COCO `image_id` of the image.
    pub image_id: u64,
    /// Joints in the skeleton's order, in image pixels.
    pub points: Vec<Point>,
    /// Confidence of the person; only the order matters.
    pub score: f64,
}

/// Average precision and recall, from 0 to 1; `None` where no person of that size class is
/// labelled.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct CocoAp {
    /// AP: mean over the similarity thresholds 0.50, 0.55 .. 0.95.
    pub ap: Option<f64>,
    /// AP at threshold 0.50.
    pub ap50: Option<f64>,
    /// AP at threshold 0.75.
    pub ap75: Option<f64>,
    /// AP of medium people: areas of 32^2 to 96^2 pixels.
    pub ap_m: Option<f64>,
    /// AP of large people: areas above 96^2 pixels.
    pub ap_l: Option<f64>,
    /// AR: mean over the thresholds.
    pub ar: Option<f64>,
    /// Recall at threshold 0.50.
    pub ar50: Option<f64>,
    /// Recall at threshold 0.75.
    pub ar75: Option<f64>,
    /// AR of medium people: areas of 32^2 to 96^2 pixels.
    pub ar_m: Option<f64>,
    /// AR of large people: areas above 96^2 pixels.
    pub ar_l: Option<f64>,
}

impl CocoAp {
    /// Returns the metrics with COCO's names, in COCO's order.
    pub fn numbers(&self) -> [(&'static str, Option<f64>); 10] {
        [
            ("AP", self.ap),
            ("AP50", self.ap50),
            ("AP75", self.ap75),
            ("AP_M", self.ap_m),
            ("AP_L", self.ap_l),
            ("AR", self.ar),
            ("AR50", self.ar50),
            ("AR75", self.ar75),
            ("AR_M", self.ar_m),
            ("AR_L", self.ar_l),
        ]
    }
}

/// Maximum number of poses evaluated per image, best first.
const MAX_DETECTIONS: usize = 20;
const N_THRESHOLDS: usize = 10;
/// Index of 0.75 among the thresholds.
const AT_75: usize = 5;
const N_RECALLS: usize = 101;

const ALL: (f64, f64) = (0.0, 1e10);
const MEDIUM: (f64, f64) = (32.0 * 32.0, 96.0 * 96.0);
const LARGE: (f64, f64) = (96.0 * 96.0, 1e10);

/// Returns the similarity thresholds, rounded like numpy's `linspace(0.5, 0.95, 10)`.
fn thresholds() -> [f64; N_THRESHOLDS] {
    let step = (0.95 - 0.5) / (N_THRESHOLDS - 1) as f64;
    std::array::from_fn(|i| {
        if i + 1 == N_THRESHOLDS {
            0.95
        } else {
            0.5 + i as f64 * step
        }
    })
}

/// Computes the ten metrics for `detections` on `samples`. Detections in other images are ignored.
pub fn coco_ap(samples: &[Sample], detections: &[Detection], sigmas: &[f64]) -> CocoAp {
    let images = images(samples, detections, sigmas);
    let all = curves(&images, ALL);
    let medium = curves(&images, MEDIUM);
    let large = curves(&images, LARGE);
    let mean_of = |curves: &Option<Curves>, value: fn(&Curves, usize) -> f64| {
        let sum = |c: &Curves| (0..N_THRESHOLDS).map(|t| value(c, t)).sum::<f64>();
        curves.as_ref().map(|c| sum(c) / N_THRESHOLDS as f64)
    };
    let precision = |c: &Curves, t: usize| c.precision[t];
    let recall = |c: &Curves, t: usize| c.recall[t];
    CocoAp {
        ap: mean_of(&all, precision),
        ap50: all.as_ref().map(|c| c.precision[0]),
        ap75: all.as_ref().map(|c| c.precision[AT_75]),
        ap_m: mean_of(&medium, precision),
        ap_l: mean_of(&large, precision),
        ar: mean_of(&all, recall),
        ar50: all.as_ref().map(|c| c.recall[0]),
        ar75: all.as_ref().map(|c| c.recall[AT_75]),
        ar_m: mean_of(&medium, recall),
        ar_l: mean_of(&large, recall),
    }
}

/// One image, prepared for matching at any threshold and size class.
struct Image<'a> {
    people: &'a [Annotation],
    /// Best first, at most [`MAX_DETECTIONS`].
    poses: Vec<ImagePose>,
}

struct ImagePose {
    score: f64,
    /// Area of the box around all joints, in square pixels.
    area: f64,
    /// Similarity to each labelled person.
    oks: Vec<f64>,
}

fn images<'a>(samples: &'a [Sample], detections: &[Detection], sigmas: &[f64]) -> Vec<Image<'a>> {
    let mut by_image: BTreeMap<u64, Vec<&Detection>> = BTreeMap::new();
    for d in detections {
        by_image.entry(d.image_id).or_default().push(d);
    }
    // Poses of equal score are ranked by image id, as in pycocotools.
    let sorted: BTreeMap<u64, &Sample> = samples.iter().map(|s| (s.image_id, s)).collect();
    let image = |(id, sample): (u64, &'a Sample)| {
        let mut found = by_image.remove(&id).unwrap_or_default();
        found.sort_by(|a, b| b.score.total_cmp(&a.score));
        let pose = |d: &Detection| ImagePose {
            score: d.score,
            area: BBox::around(d.points.iter().copied()).map_or(0.0, BBox::area),
            oks: sample
                .annotations
                .iter()
                .map(|person| oks(&d.points, person, sigmas))
                .collect(),
        };
        Image {
            people: &sample.annotations,
            poses: found.into_iter().take(MAX_DETECTIONS).map(pose).collect(),
        }
    };
    sorted.into_iter().map(image).collect()
}

/// Result of matching a pose at one threshold.
#[derive(Clone, Copy, PartialEq)]
enum Outcome {
    Hit,
    Miss,
    /// Matched to an ignored person, or unmatched and outside the size class.
    Ignored,
}

/// Matches an image's poses to its people: each pose, best first, takes the most similar free
/// person at or above the threshold. People who count are preferred over ignored ones.
fn outcomes(image: &Image, ignored: &[bool], range: (f64, f64), threshold: f64) -> Vec<Outcome> {
    let mut taken = vec![false; image.people.len()];
    let outcome = |pose: &ImagePose| {
        // The cap lets a perfect pose pass a threshold of 1.
        let best_of = |counting: bool, taken: &[bool]| {
            let mut best: Option<(usize, f64)> = None;
            for (g, &similarity) in pose.oks.iter().enumerate() {
                let free = !taken[g] || image.people[g].is_crowd;
                let least = best.map_or(threshold.min(1.0 - 1e-10), |(_, s)| s);
                // `>=`: the last of equally similar people wins.
                if ignored[g] != counting && free && similarity >= least {
                    best = Some((g, similarity));
                }
            }
            best.map(|(g, _)| g)
        };
        match best_of(true, &taken).or_else(|| best_of(false, &taken)) {
            Some(g) => {
                taken[g] = true;
                if ignored[g] {
                    Outcome::Ignored
                } else {
                    Outcome::Hit
                }
            }
            None if pose.area < range.0 || pose.area > range.1 => Outcome::Ignored,
            None => Outcome::Miss,
        }
    };
    image.poses.iter().map(outcome).collect()
}

/// Mean precision over 101 recall values, and the recall reached, per threshold.
struct Curves {
    precision: [f64; N_THRESHOLDS],
    recall: [f64; N_THRESHOLDS],
}

/// Returns `None` when no person counts.
fn curves(images: &[Image], range: (f64, f64)) -> Option<Curves> {
    let ignored: Vec<Vec<bool>> = images
        .iter()
        .map(|image| {
            let ignore = |p: &Annotation| {
                p.is_crowd || p.n_keypoints == 0 || p.area < range.0 || p.area > range.1
            };
            image.people.iter().map(ignore).collect()
        })
        .collect();
    let n_people = ignored.iter().flatten().filter(|&&i| !i).count();
    if n_people == 0 {
        return None;
    }
    let mut result = Curves {
        precision: [0.0; N_THRESHOLDS],
        recall: [0.0; N_THRESHOLDS],
    };
    for (t, threshold) in thresholds().into_iter().enumerate() {
        let mut ranked: Vec<(f64, Outcome)> = Vec::new();
        for (image, ignored) in images.iter().zip(&ignored) {
            let found = outcomes(image, ignored, range, threshold);
            ranked.extend(image.poses.iter().map(|p| p.score).zip(found));
        }
        ranked.sort_by(|a, b| b.0.total_cmp(&a.0));
        (result.precision[t], result.recall[t]) = precision_and_recall(&ranked, n_people);
    }
    Some(result)
}

fn precision_and_recall(ranked: &[(f64, Outcome)], n_people: usize) -> (f64, f64) {
    let (mut hits, mut misses) = (0usize, 0usize);
    let mut recalls = Vec::with_capacity(ranked.len());
    let mut precisions = Vec::with_capacity(ranked.len());
    for (_, outcome) in ranked {
        match outcome {
            Outcome::Hit => hits += 1,
            Outcome::Miss => misses += 1,
            Outcome::Ignored => {}
        }
        recalls.push(hits as f64 / n_people as f64);
        precisions.push(hits as f64 / ((hits + misses) as f64 + f64::EPSILON));
    }
    // The interpolated precision is the maximum over that recall and all higher ones.
    for i in (1..precisions.len()).rev() {
        precisions[i - 1] = precisions[i - 1].max(precisions[i]);
    }
    let at = |i: usize| {
        let recall = i as f64 * (1.0 / (N_RECALLS - 1) as f64);
        let first = recalls.partition_point(|&r| r < recall);
        precisions.get(first).copied().unwrap_or(0.0)
    };
    let precision = (0..N_RECALLS).map(at).sum::<f64>() / N_RECALLS as f64;
    (precision, recalls.last().copied().unwrap_or(0.0))
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::skeleton::Skeleton;
    use crate::test_golden::json;
    use proptest::prelude::*;
    use serde_json::Value;

    fn sigmas() -> &'static [f64] {
        &Skeleton::by_name("coco17").unwrap().oks_sigmas
    }

    /// The golden detections, in file order.
    pub(crate) fn golden_detections() -> Vec<Detection> {
        let list: Vec<Value> = json("transpose/coco_dets.json");
        let detection = |d: &Value| {
            let numbers: Vec<f64> = serde_json::from_value(d["keypoints"].clone()).unwrap();
            let (triples, _) = numbers.as_chunks::<3>();
            Detection {
                image_id: d["image_id"].as_u64().unwrap(),
                points: triples.iter().map(|&[x, y, _]| Point::new(x, y)).collect(),
                score: d["score"].as_f64().unwrap(),
            }
        };
        list.iter().map(detection).collect()
    }

    /// The golden annotations.
    pub(crate) fn golden_samples() -> Vec<Sample> {
        super::super::top_down::tests::samples(&json("transpose/coco_gt.json"))
    }

    /// Fails when any of the ten metrics or any similarity differs from pycocotools. The golden
    /// data includes crowds, people without labels, ties, duplicates and more than twenty poses.
    #[test]
    fn the_ten_metrics_equal_pycocotools() {
        let (samples, detections) = (golden_samples(), golden_detections());
        let expected: Value = json("transpose/coco_expected.json");
        let ours = coco_ap(&samples, &detections, sigmas());
        let stats = &expected["stats"];
        let mut worst = 0.0f64;
        for (name, ours) in ours.numbers() {
            let error = (ours.unwrap() - stats[name].as_f64().unwrap()).abs();
            assert!(error < 1e-6, "{name}: {ours:?}");
            worst = worst.max(error);
        }
        let mut worst_oks = 0.0f64;
        for (sample, image) in samples.iter().zip(images(&samples, &detections, sigmas())) {
            let rows = &expected["oks"][sample.image_id.to_string()];
            let rows: Vec<Vec<f64>> = serde_json::from_value(rows.clone()).unwrap();
            assert_eq!(rows.len(), image.poses.len());
            for (pose, row) in image.poses.iter().zip(rows) {
                for (ours, theirs) in pose.oks.iter().zip(row) {
                    worst_oks = worst_oks.max((ours - theirs).abs());
                }
            }
        }
        println!("stats {worst:e}, oks {worst_oks:e}");
        assert!(worst_oks < 1e-12, "{worst_oks}");
    }

    proptest! {
        /// Fails when the labels themselves do not score 1, or the order of the list matters.
        #[test]
        fn labels_score_one(seed in any::<u64>()) {
            let mut samples = golden_samples();
            for s in &mut samples {
                s.annotations.retain(|a| !a.is_crowd && a.n_keypoints > 0);
            }
            let person = |s: &Sample| {
                let id = s.image_id;
                let points = |a: &Annotation| a.joints.iter().map(|j| j.point).collect();
                s.annotations
                    .iter()
                    .map(move |a| Detection { image_id: id, points: points(a), score: 1.0 })
                    .collect::<Vec<_>>()
            };
            let mut detections: Vec<Detection> = samples.iter().flat_map(person).collect();
            let n = detections.len();
            for i in 0..n {
                detections.swap(i, (seed.rotate_left(i as u32) % n as u64) as usize);
            }
            let report = coco_ap(&samples, &detections, sigmas());
            for value in [report.ap, report.ar, report.ap_m, report.ar_l] {
                prop_assert!((value.unwrap() - 1.0).abs() < 1e-9, "{:?}", report);
            }
        }
    }

    /// Fails when a data set without people causes a division by zero.
    #[test]
    fn a_data_set_without_people_gives_no_metrics() {
        assert_eq!(
            coco_ap(&[], &golden_detections(), sigmas()),
            CocoAp::default()
        );
        let none = coco_ap(&golden_samples(), &[], sigmas());
        assert_eq!((none.ap, none.ar), (Some(0.0), Some(0.0)));
    }
}
