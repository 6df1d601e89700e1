//! Parts shared by both protocols: the labelled people, the accumulated predictions, and the
//! report.

use std::collections::BTreeMap;

use super::coco_ap::{Detection, coco_ap};
use super::pck::Pck;
use super::pckh::Pckh;
use super::report::{EvalOptions, EvalReport};
use crate::error::{Error, Result};
use crate::geometry::{Point, Roi};
use crate::pose::Keypoint;
use crate::preprocess::{InputSpec, has_region};
use crate::sample::{Annotation, LeftOut, Sample, Visibility};
use crate::skeleton::Skeleton;
use crate::words::{counted, none_of};

/// Position of a joint that was not found: too far from every label to be correct.
pub(super) const NOWHERE: Point = Point::new(f64::INFINITY, f64::INFINITY);

/// Returns the positions of a person's joints, with `absent` for those not found.
pub(super) fn points(joints: &[Keypoint], absent: Point) -> Vec<Point> {
    let is_found = |k: &&Keypoint| k.score > 0.0 && k.x.is_finite() && k.y.is_finite();
    let place = |k: &Keypoint| Some(k).filter(is_found).map_or(absent, |k| k.point());
    joints.iter().map(place).collect()
}

/// Returns all people to evaluate, with their regions for networks with input format `input`:
/// people with a labelled joint and a positive area, except crowds.
pub(super) fn labelled_people<'a>(
    sample: &'a Sample,
    input: &InputSpec,
) -> impl Iterator<Item = (Roi, &'a Annotation)> {
    let asked = |a: &&Annotation| why_left_out(sample, a).is_none();
    let people = sample.annotations.iter().filter(asked);
    people.filter_map(|a| Some((input.roi_of(a, sample.size)?, a)))
}

/// Returns why a person is not evaluated, or `None` if they are.
fn why_left_out(sample: &Sample, person: &Annotation) -> Option<&'static str> {
    if person.is_crowd {
        Some("crowds")
    } else if person.joints.iter().all(|j| j.labelled().is_none()) {
        Some("without labelled joints")
    } else if person.area <= 0.0 || person.area.is_nan() {
        Some("without an area")
    } else if !has_region(person, sample.size) {
        Some("without a box in the image")
    } else {
        None
    }
}

/// Adds the people whom both protocols skip to the counts in `left_out`.
///
/// # Errors
/// When no person remains; the message tells why.
pub fn check_people(samples: &[Sample], left_out: &mut LeftOut) -> Result<()> {
    let mut n_asked = 0;
    for sample in samples {
        for person in &sample.annotations {
            match why_left_out(sample, person) {
                None => n_asked += 1,
                Some(why) => left_out.count(why, 1),
            }
        }
    }
    if n_asked > 0 {
        return Ok(());
    }
    let n: usize = left_out.people.values().sum();
    Err(Error::Invalid(match n {
        0 => "there are no people to evaluate on: none are labelled".to_owned(),
        _ => format!(
            "{} can be measured: {}",
            none_of(n, "labelled person"),
            left_out.reasons()
        ),
    }))
}

/// Rejects a prediction of `n` joints, made with another skeleton.
pub(super) fn check_joints(skeleton: &Skeleton, n: usize) -> Result<()> {
    if n == skeleton.n_joints() {
        return Ok(());
    }
    Err(Error::Invalid(format!(
        "the model predicts {}, the labels are {} with {}; choose weights for {}",
        counted(n, "joint"),
        skeleton.name,
        skeleton.n_joints(),
        skeleton.name
    )))
}

/// Accumulated results of one evaluation.
pub(super) struct Tally {
    skeleton: &'static Skeleton,
    pck: Pck,
    /// Correct limb joints and their number, by image.
    hits: BTreeMap<u64, [u32; 2]>,
    pckh: Pckh,
    /// Predictions for OKS.
    pub(super) detections: Vec<Detection>,
    /// Number of people evaluated.
    pub(super) n_people: usize,
}

impl Tally {
    /// Creates an empty tally.
    pub(super) fn new(skeleton: &'static Skeleton, options: &EvalOptions) -> Self {
        Self {
            skeleton,
            pck: Pck::new(skeleton, options.pck_threshold),
            hits: BTreeMap::new(),
            pckh: Pckh::new(skeleton, options.pckh_threshold),
            detections: Vec::new(),
            n_people: 0,
        }
    }

    /// Adds one person's labels and predicted joints to PCK and PCKh.
    pub(super) fn add(&mut self, sample: &Sample, label: &Annotation, joints: &[Point]) {
        let labels = label.joints.iter().map(|j| j.inside(sample.size));
        let labels: Vec<_> = labels.collect();
        let [found, all] = self.pck.add(&labels, joints);
        let of_image = self.hits.entry(sample.image_id).or_default();
        *of_image = [of_image[0] + found, of_image[1] + all];
        self.pckh.add(label.head_box, &labels, joints);
    }

    /// Computes all metrics.
    pub(super) fn report(self, samples: &[Sample]) -> EvalReport {
        let sigmas = &self.skeleton.oks_sigmas;
        EvalReport {
            n_people: self.n_people,
            pck: self.pck.report(),
            hits: self.hits,
            pckh: self.pckh.report(),
            oks: (!sigmas.is_empty()).then(|| {
                let samples: Vec<Sample> = samples.iter().map(in_the_picture).collect();
                coco_ap(&samples, &self.detections, sigmas)
            }),
        }
    }
}

/// Returns the sample without labels outside its image: such joints are not visible, so they are
/// neither evaluated nor used to measure a torso or head. COCO has none.
fn in_the_picture(sample: &Sample) -> Sample {
    let mut sample = sample.clone();
    let joints = sample.annotations.iter_mut().flat_map(|a| &mut a.joints);
    for joint in joints {
        if joint.inside(sample.size).is_none() {
            joint.visibility = Visibility::Unlabelled;
        }
    }
    sample
}

#[cfg(test)]
mod tests {
    use super::super::top_down::tests::options;
    use super::*;
    use crate::geometry::{BBox, Size};
    use crate::sample::Joint;

    /// Fails when the two protocols treat a joint labelled outside the image differently.
    #[test]
    fn joints_outside_the_image_are_ignored() {
        let skeleton = Skeleton::by_name("coco17").unwrap();
        let points: Vec<Point> = (0..17)
            .map(|j| Point::new(20.0 + 3.0 * f64::from(j), 15.0 + 4.0 * f64::from(j)))
            .collect();
        let joint = |point| Joint {
            point,
            visibility: Visibility::Visible,
        };
        let mut joints: Vec<Joint> = points.iter().copied().map(joint).collect();
        joints[15] = joint(Point::new(-1000.0, -1000.0));
        let sample = Sample {
            image_id: 1,
            path: "a.png".into(),
            size: Size::new(100, 100),
            clip: None,
            frame: None,
            orientation: crate::sample::Orientation::Auto,
            annotations: vec![Annotation {
                id: 1,
                bbox: BBox::new(18.0, 13.0, 60.0, 70.0),
                area: 4200.0,
                is_crowd: false,
                n_keypoints: 17,
                joints,
                head_box: None,
                region: None,
                track_id: None,
            }],
        };
        let mut tally = Tally::new(skeleton, &options());
        tally.add(&sample, &sample.annotations[0], &points);
        tally.detections.push(Detection {
            image_id: 1,
            score: 1.0,
            points,
        });
        let report = tally.report(&[sample]);
        assert!(report.oks.unwrap().ap > Some(0.999), "{report:?}");
        assert_eq!(report.pck.unwrap().mean, Some(1.0));
    }
}
