//! The top-down evaluation protocol: every person is a region, the predictor returns the joints in
//! it, and all metrics are computed from these predictions.
//!
//! By default the regions are those of all people with a labelled joint and a positive area, except
//! crowds ([`crate::preprocess::InputSpec::roi_of`]). With a detector's boxes, which are not
//! clipped, each box is a person for OKS. PCK and PCKh need to know which labels a prediction
//! belongs to, so they are omitted.

use std::collections::BTreeMap;

use super::coco_ap::Detection;
use super::oks::{ScoredPose, oks_nms};
use super::report::{EvalOptions, EvalReport};
use super::tally::{Tally, check_joints, labelled_people};
use crate::error::{Error, Result};
use crate::geometry::{Point, Roi};
use crate::pose::{Keypoint, Pose};
use crate::preprocess::InputSpec;
use crate::sample::{Annotation, DetectedBox, Sample};
use crate::skeleton::Skeleton;
use crate::words::{counted, none_of};

/// Calls `predict` for the joints in every person's region, in image pixels and `skeleton`'s order,
/// and compares them with the labels.
///
/// A joint labelled outside the image is never visible, so PCK and PCKh neither count it nor
/// measure a torso or head with it. OKS uses all labels unchanged, like pycocotools. The score of a
/// person is the mean of the joint scores above 0.2, times the box's score.
///
/// # Errors
/// When the predictor fails or returns a wrong number of joints, or the boxes belong to other
/// images.
pub fn evaluate_top_down(
    skeleton: &'static Skeleton,
    samples: &[Sample],
    options: &EvalOptions,
    predict: &mut dyn FnMut(&Sample, &Roi) -> Result<Vec<Keypoint>>,
) -> Result<EvalReport> {
    let mut tally = Tally::new(skeleton, options);
    let boxes = boxes_by_image(samples, options.boxes.as_deref())?;
    for sample in samples {
        let mut found = Vec::new();
        for person in people(sample, &options.input, boxes.as_ref()) {
            tally.n_people += 1;
            let roi = person.roi;
            let joints = predict(sample, &roi)?;
            check_joints(skeleton, joints.len())?;
            let points: Vec<Point> = joints.iter().map(|k| k.point()).collect();
            if let Some(label) = person.label {
                tally.add(sample, label, &points);
            }
            found.push(ScoredPose {
                points,
                area: roi.width * roi.height,
                score: f64::from(Pose::from_keypoints(joints).score) * person.score,
            });
        }
        for i in oks_nms(&found, options.nms_threshold, &skeleton.oks_sigmas) {
            tally.detections.push(Detection {
                image_id: sample.image_id,
                points: std::mem::take(&mut found[i].points),
                score: found[i].score,
            });
        }
    }
    Ok(tally.report(samples))
}

/// A person to be evaluated.
struct Person<'a> {
    roi: Roi,
    score: f64,
    label: Option<&'a Annotation>,
}

type BoxesByImage = BTreeMap<u64, Vec<DetectedBox>>;

fn people<'a>(
    sample: &'a Sample,
    input: &InputSpec,
    boxes: Option<&BoxesByImage>,
) -> Vec<Person<'a>> {
    let Some(boxes) = boxes else {
        let labelled = |(roi, a)| Person {
            roi,
            score: 1.0,
            label: Some(a),
        };
        return labelled_people(sample, input).map(labelled).collect();
    };
    let detected = |b: &DetectedBox| Person {
        roi: input.roi(b.bbox),
        score: b.score,
        label: None,
    };
    let boxes = boxes.get(&sample.image_id).into_iter().flatten();
    boxes.map(detected).collect()
}

/// Boxes of other images are normal (a list for the whole data set, of which a part is evaluated);
/// a list without any box for these images is a wrong file.
fn boxes_by_image(
    samples: &[Sample],
    boxes: Option<&[DetectedBox]>,
) -> Result<Option<BoxesByImage>> {
    let Some(boxes) = boxes else {
        return Ok(None);
    };
    let mut by_image = BoxesByImage::new();
    for b in boxes {
        by_image.entry(b.image_id).or_default().push(*b);
    }
    if !samples.iter().any(|s| by_image.contains_key(&s.image_id)) {
        return Err(Error::Invalid(format!(
            "{} belongs to one of {}; compare the `image_id`s",
            none_of(boxes.len(), "box"),
            counted(samples.len(), "image")
        )));
    }
    Ok(Some(by_image))
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::METRICS;
    use super::super::coco_ap::tests::golden_samples;
    use super::*;
    use crate::geometry::{Alignment, BBox, Size};
    use crate::sample::{Joint, Visibility};
    use serde_json::Value;

    /// Samples of a COCO file that is known to be valid.
    pub(crate) fn samples(file: &Value) -> Vec<Sample> {
        let list = |key: &str| file[key].as_array().unwrap().clone();
        let number = |v: &Value, key: &str| v[key].as_u64().unwrap();
        let annotation = |a: &Value| {
            let [x, y, w, h] = serde_json::from_value(a["bbox"].clone()).unwrap();
            let numbers: Vec<f64> = serde_json::from_value(a["keypoints"].clone()).unwrap();
            let joint = |&[x, y, v]: &[f64; 3]| Joint {
                point: Point::new(x, y),
                visibility: if v > 0.0 {
                    Visibility::Visible
                } else {
                    Visibility::Unlabelled
                },
            };
            Annotation {
                id: number(a, "id"),
                bbox: BBox::new(x, y, w, h),
                area: a["area"].as_f64().unwrap(),
                is_crowd: number(a, "iscrowd") != 0,
                n_keypoints: number(a, "num_keypoints") as usize,
                joints: numbers.as_chunks::<3>().0.iter().map(joint).collect(),
                head_box: None,
                region: None,
                track_id: None,
            }
        };
        let sample = |image: &Value| Sample {
            image_id: number(image, "id"),
            path: "unused.jpg".into(),
            size: Size::new(
                number(image, "width") as usize,
                number(image, "height") as usize,
            ),
            clip: None,
            frame: None,
            orientation: crate::sample::Orientation::Auto,
            annotations: list("annotations")
                .iter()
                .filter(|a| a["image_id"] == image["id"])
                .map(annotation)
                .collect(),
        };
        list("images").iter().map(sample).collect()
    }

    fn coco17() -> &'static Skeleton {
        Skeleton::by_name("coco17").unwrap()
    }

    /// The default options for a square input.
    pub(crate) fn options() -> EvalOptions {
        EvalOptions::new(InputSpec {
            size: Size::square(256),
            mean: InputSpec::IMAGENET_MEAN,
            std: InputSpec::IMAGENET_STD,
            alignment: Alignment::HalfPixel,
            padding: 1.25,
            border: [0; 3],
        })
    }

    /// Returns the labels of the person whose region it is, as a prediction.
    fn labels_of(sample: &Sample, roi: &Roi) -> Vec<Keypoint> {
        let input = options().input;
        let is_it = |a: &&Annotation| input.roi_of(a, sample.size) == Some(*roi);
        let person = sample.annotations.iter().find(is_it).unwrap();
        let keypoint = |j: &Joint| Keypoint::from([j.point.x as f32, j.point.y as f32, 0.9]);
        person.joints.iter().map(keypoint).collect()
    }

    /// Fails when a perfect predictor does not score 1, people are evaluated twice or not at all,
    /// or the report's keys change.
    #[test]
    fn perfect_predictions_score_one() {
        let samples = golden_samples();
        let mut predict = |s: &Sample, roi: &Roi| Ok(labels_of(s, roi));
        let report = evaluate_top_down(coco17(), &samples, &options(), &mut predict).unwrap();
        let all = samples.iter().flat_map(|s| &s.annotations);
        let asked = all.filter(|a| !a.is_crowd && a.n_keypoints > 0).count();
        assert_eq!(report.n_people, asked);
        let oks = report.oks.unwrap();
        assert!((oks.ap.unwrap() - 1.0).abs() < 1e-9, "{oks:?}");
        let json = serde_json::to_value(&report).unwrap();
        assert_eq!(json["pck"]["mean"], 1.0);
        assert_eq!(json["pck"]["mean_all"], 1.0);
        assert_eq!(json["pck"]["threshold"], 0.2);
        assert_eq!(json["pck"]["per_joint"]["l_wrist"], 1.0);
        assert!(json["pck"]["n_people"].as_u64().unwrap() > 0);
        assert!(json["pckh"].is_null(), "coco17 has no head");
        for key in [
            "ap50", "ap75", "ap_m", "ap_l", "ar", "ar50", "ar75", "ar_m", "ar_l",
        ] {
            assert_eq!(
                json["oks"][key].as_f64().map(|v| v > 0.999),
                Some(true),
                "{key}"
            );
        }
        for metric in METRICS {
            assert_eq!((metric.headline)(&report).is_some(), metric.name != "pckh");
            let mut one = report.clone();
            one.keep_only(metric.name);
            let json = serde_json::to_value(&one).unwrap();
            let kept = METRICS.iter().filter(|m| !json[m.name].is_null()).count();
            assert_eq!(kept, usize::from(metric.name != "pckh"));
        }
        let limbs: [u32; 2] = [0, 1].map(|i| report.hits.values().map(|hits| hits[i]).sum());
        assert!(limbs[0] > 0 && limbs[0] == limbs[1], "{limbs:?}");
        let back: EvalReport = serde_json::from_value(json).unwrap();
        // The hits of single images are not part of the report that is printed.
        let printed = EvalReport {
            hits: back.hits.clone(),
            ..report
        };
        assert!(back.hits.is_empty());
        assert_eq!(back, printed);
    }

    /// Fails when a label outside the image counts as a missed joint, or is used to measure a
    /// torso.
    #[test]
    fn labels_outside_the_image_are_ignored() {
        let mut samples = golden_samples();
        for a in samples.iter_mut().flat_map(|s| &mut s.annotations) {
            a.joints[9].point = Point::new(-1000.0, -1000.0);
            a.joints[9].visibility = Visibility::Visible;
        }
        let mut predict = |s: &Sample, roi: &Roi| {
            let mut joints = labels_of(s, roi);
            joints[9] = Keypoint::from([100.0, 100.0, 0.1]);
            Ok(joints)
        };
        let report = evaluate_top_down(coco17(), &samples, &options(), &mut predict).unwrap();
        let pck = report.pck.unwrap();
        assert_eq!((pck.mean, pck.per_joint["l_wrist"]), (Some(1.0), None));
        for a in samples.iter_mut().flat_map(|s| &mut s.annotations) {
            a.joints[12].point = Point::new(-1000.0, -1000.0);
        }
        let report = evaluate_top_down(coco17(), &samples, &options(), &mut predict).unwrap();
        assert_eq!(report.pck, None);
    }

    /// Fails when a detector's boxes are not used, their scores do not rank people, or two boxes on
    /// one person count twice.
    #[test]
    fn detected_boxes_replace_the_labelled_ones() {
        let samples = golden_samples();
        let target = samples.iter().find(|s| s.image_id == 1035).unwrap();
        let person = &target.annotations[0];
        let bbox = person.bbox;
        let detected = |image_id, bbox, score| DetectedBox {
            image_id,
            bbox,
            score,
        };
        let mut options = options();
        options.boxes = Some(vec![
            detected(1035, bbox, 0.5),
            detected(1035, bbox, 0.9),
            detected(99, bbox, 1.0),
        ]);
        let mut asked = Vec::new();
        let mut predict = |s: &Sample, roi: &Roi| {
            asked.push((s.image_id, *roi));
            Ok(labels_of(s, &options.input.roi_of(person, s.size).unwrap()))
        };
        let one = std::slice::from_ref(target);
        let report = evaluate_top_down(coco17(), one, &options, &mut predict).unwrap();
        assert_eq!(asked, vec![(1035, options.input.roi(bbox)); 2]);
        assert_eq!((report.pck, report.pckh), (None, None));
        let oks = report.oks.unwrap();
        let n_people = target
            .annotations
            .iter()
            .filter(|a| a.n_keypoints > 0)
            .count();
        assert!((oks.ar.unwrap() - 1.0 / n_people as f64).abs() < 1e-9);

        options.boxes = Some(vec![detected(99, bbox, 1.0)]);
        let refused = evaluate_top_down(coco17(), one, &options, &mut |_, _| Ok(Vec::new()));
        assert!(refused.unwrap_err().to_string().contains("image_id"));
    }

    /// Fails when predictions with another skeleton's number of joints are accepted.
    #[test]
    fn a_wrong_number_of_joints_is_refused() {
        let mut predict = |_: &Sample, _: &Roi| Ok(vec![Keypoint::default(); 14]);
        let refused = evaluate_top_down(coco17(), &golden_samples(), &options(), &mut predict);
        assert!(refused.unwrap_err().to_string().contains("14 joints"));
    }
}
