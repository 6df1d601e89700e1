//! The bottom-up evaluation protocol: the predictor receives whole images and returns all people in
//! them; predictions are matched to labelled people here.
//!
//! OKS uses the predictions unchanged. A joint that was not found enters as (0, 0), as in the
//! result files of bottom-up methods and as read by pycocotools; it counts towards the area of the
//! pose's box and, by chance, as a joint in that corner. PCK and PCKh match labelled and predicted
//! people one to one, most similar pair first. The joints of a person without a prediction, and
//! joints that were not found, are misses. Predictions without a person lower only OKS's precision.

use super::coco_ap::Detection;
use super::oks::oks;
use super::report::{EvalOptions, EvalReport};
use super::tally::{NOWHERE, Tally, check_joints, labelled_people, points};
use crate::codec::DecodedPerson;
use crate::error::{Error, Result};
use crate::geometry::Point;
use crate::sample::Sample;
use crate::skeleton::Skeleton;
use crate::track::assign;

/// Any similarity above zero makes a pair: a person with a joint near its label has it, and
/// unpaired people count as misses just like wrong pairs.
const LEAST_SIMILARITY: f64 = f64::MIN_POSITIVE;

/// Calls `predict` for all people in every image and compares the predictions with the labels.
///
/// Of the options, only the thresholds of PCK and PCKh are used; there is no suppression. The
/// people evaluated are those of the top-down protocol: with a labelled joint and a positive area,
/// and no crowds. As there, PCK and PCKh ignore joints labelled outside the image. Where the
/// skeleton defines no OKS sigmas, COCO's median is used for matching, and OKS is `None`.
///
/// # Errors
/// When the predictor fails or returns a wrong number of joints, or the options hold a detector's
/// boxes.
pub fn evaluate_bottom_up(
    skeleton: &'static Skeleton,
    samples: &[Sample],
    options: &EvalOptions,
    predict: &mut dyn FnMut(&Sample) -> Result<Vec<DecodedPerson>>,
) -> Result<EvalReport> {
    if options.boxes.is_some() {
        return Err(Error::Invalid(
            "the model finds people by itself and cannot use boxes; omit --boxes".to_owned(),
        ));
    }
    let sigmas: Vec<f64> = (0..skeleton.n_joints())
        .map(|j| skeleton.sigma(j))
        .collect();
    let mut tally = Tally::new(skeleton, options);
    for sample in samples {
        let found = predict(sample)?;
        for person in &found {
            check_joints(skeleton, person.joints.len())?;
            tally.detections.push(Detection {
                image_id: sample.image_id,
                points: points(&person.joints, Point::default()),
                score: person.score,
            });
        }
        let found: Vec<Vec<Point>> = found.iter().map(|p| points(&p.joints, NOWHERE)).collect();
        let labelled: Vec<_> = labelled_people(sample, &options.input)
            .map(|(_, label)| label)
            .collect();
        let similarity: Vec<Vec<f64>> = labelled
            .iter()
            .map(|label| found.iter().map(|p| oks(p, label, &sigmas)).collect())
            .collect();
        let missed = vec![NOWHERE; skeleton.n_joints()];
        tally.n_people += labelled.len();
        for (label, answer) in labelled.iter().zip(assign(&similarity, LEAST_SIMILARITY)) {
            tally.add(sample, label, answer.map_or(&missed, |i| &found[i]));
        }
    }
    Ok(tally.report(samples))
}

#[cfg(test)]
mod tests {
    use super::super::coco_ap::tests::golden_samples;
    use super::super::top_down::tests::options;
    use super::*;
    use crate::geometry::{BBox, Size};
    use crate::pose::Keypoint;
    use crate::sample::{Annotation, DetectedBox, Joint, Visibility};
    use crate::skeleton::JointOrigin;
    use proptest::prelude::*;

    fn coco17() -> &'static Skeleton {
        Skeleton::by_name("coco17").unwrap()
    }

    /// Returns the labels as a prediction; unlabelled joints are not found.
    fn answer(person: &Annotation, score: f64) -> DecodedPerson {
        let keypoint = |j: &Joint| match j.labelled() {
            Some(p) => Keypoint::from([p.x as f32, p.y as f32, 0.9]),
            None => Keypoint::default(),
        };
        DecodedPerson {
            joints: person.joints.iter().map(keypoint).collect(),
            score,
        }
    }

    fn answers(sample: &Sample) -> Vec<DecodedPerson> {
        let input = options().input;
        let labelled = labelled_people(sample, &input);
        labelled.map(|(_, a)| answer(a, 0.8)).collect()
    }

    /// A person with 17 joints in a box of 80 x 160 pixels; `labelled` is a bit mask of joints.
    fn person(id: u64, x: f64, y: f64, labelled: u32) -> Annotation {
        let joint = |j: u32| Joint {
            point: Point::new(x + 20.0 * f64::from(j % 5), y + 10.0 * f64::from(j)),
            visibility: if labelled >> j & 1 == 1 {
                Visibility::Visible
            } else {
                Visibility::Unlabelled
            },
        };
        Annotation {
            id,
            bbox: BBox::new(x, y, 80.0, 160.0),
            area: 9000.0,
            is_crowd: false,
            n_keypoints: (labelled & 0x1_ffff).count_ones() as usize,
            joints: (0..17).map(joint).collect(),
            head_box: None,
            region: None,
            track_id: None,
        }
    }

    fn scene(annotations: Vec<Annotation>) -> Sample {
        Sample {
            image_id: 5,
            path: "unused.jpg".into(),
            size: Size::new(640, 480),
            clip: None,
            frame: None,
            orientation: crate::sample::Orientation::Auto,
            annotations,
        }
    }

    /// Computes the metrics of one prediction for one image; PCK within a twentieth of the torso, 4
    /// pixels.
    fn measure(sample: &Sample, found: &[DecodedPerson]) -> EvalReport {
        let one = std::slice::from_ref(sample);
        let mut strict = options();
        strict.pck_threshold = 0.05;
        evaluate_bottom_up(coco17(), one, &strict, &mut |_| Ok(found.to_vec())).unwrap()
    }

    /// Fails when a perfect predictor does not score 1, an image is evaluated twice or not at all,
    /// or crowds are evaluated.
    #[test]
    fn perfect_predictions_score_one() {
        let samples = golden_samples();
        let mut asked = Vec::new();
        let report = evaluate_bottom_up(coco17(), &samples, &options(), &mut |s| {
            asked.push(s.image_id);
            Ok(answers(s))
        });
        let report = report.unwrap();
        assert!(asked.iter().eq(samples.iter().map(|s| &s.image_id)));
        let all = samples.iter().flat_map(|s| &s.annotations);
        let people = all.filter(|a| !a.is_crowd && a.n_keypoints > 0).count();
        assert_eq!(report.n_people, people);
        let pck = report.pck.unwrap();
        assert_eq!((pck.mean, pck.mean_all), (Some(1.0), Some(1.0)));
        let oks = report.oks.unwrap();
        for value in [oks.ap, oks.ar, oks.ap_m, oks.ap_l] {
            assert!((value.unwrap() - 1.0).abs() < 1e-9, "{oks:?}");
        }
    }

    proptest! {
        /// Fails when a missing person or joint affects more or less than its own share of the
        /// metrics, or the order of predictions matters.
        #[test]
        fn missing_joints_count_once(
            labelled in prop::collection::vec(any::<u32>(), 2..5),
            absent in any::<u32>(), missing in 0..5_usize,
        ) {
            // Torsos (left shoulder, right hip) are always labelled, as PCK would ignore the person
            // otherwise.
            let labelled: Vec<u32> = labelled.iter().map(|l| l | 1 << 5 | 1 << 12).collect();
            let at = |i: usize| person(i as u64, 20.0 + 120.0 * i as f64, 200.0, labelled[i]);
            let sample = scene((0..labelled.len()).map(at).collect());
            let missing = missing % labelled.len();
            let mut found = answers(&sample);
            for (j, k) in found[(missing + 1) % labelled.len()].joints.iter_mut().enumerate() {
                if absent >> j & 1 == 1 {
                    *k = Keypoint::default();
                }
            }
            found.remove(missing);
            found.reverse();
            let count = |bits: u32| (bits & 0x1_ffff).count_ones();
            let total: u32 = labelled.iter().map(|&l| count(l)).sum();
            let lost = count(labelled[missing])
                + count(labelled[(missing + 1) % labelled.len()] & absent);
            let report = measure(&sample, &found);
            let pck = report.pck.unwrap();
            let expected = f64::from(total - lost) / f64::from(total);
            prop_assert!((pck.mean_all.unwrap() - expected).abs() < 1e-12);
            prop_assert_eq!(report.n_people, labelled.len());
            prop_assert_eq!(pck.n_people, labelled.len());
            let most = (labelled.len() - 1) as f64 / labelled.len() as f64;
            prop_assert!(report.oks.unwrap().ar50.unwrap() <= most + 1e-9);
        }
    }

    /// Fails when a false positive does not lower AP, or lowers PCK.
    #[test]
    fn false_positives_lower_only_precision() {
        let sample = scene(vec![person(1, 50.0, 50.0, !0), person(2, 300.0, 200.0, !0)]);
        let right = measure(&sample, &answers(&sample));
        let mut found = answers(&sample);
        found.push(answer(&person(3, 500.0, 100.0, !0), 0.95));
        let wrong = measure(&sample, &found);
        let (was, is) = (right.oks.unwrap(), wrong.oks.unwrap());
        assert!((was.ap.unwrap() - 1.0).abs() < 1e-9);
        assert!(is.ap.unwrap() < 0.7, "{is:?}");
        assert_eq!(was.ar, is.ar);
        assert_eq!(right.pck, wrong.pck);
    }

    /// Fails when one prediction is matched to two overlapping people, or the better pair is not
    /// formed.
    #[test]
    fn one_prediction_matches_one_person() {
        let (front, back) = (person(1, 200.0, 200.0, !0), person(2, 206.0, 203.0, !0));
        let sample = scene(vec![front.clone(), back.clone()]);
        for one in [&front, &back] {
            let report = measure(&sample, &[answer(one, 0.9)]);
            assert_eq!(report.pck.unwrap().mean_all, Some(0.5));
            assert_eq!(report.oks.unwrap().ar50, Some(0.5));
        }
        let both = [answer(&back, 0.9), answer(&front, 0.8)];
        assert_eq!(measure(&sample, &both).pck.unwrap().mean_all, Some(1.0));
        assert_eq!(measure(&sample, &[]).pck.unwrap().mean_all, Some(0.0));
    }

    /// Fails when PCK takes a joint that was not found for one in the image's corner, or OKS does
    /// not receive it as (0, 0), as in COCO's result files.
    #[test]
    fn absent_joints_are_misses() {
        let mut label = person(1, 0.0, 0.0, 0);
        for (j, [x, y]) in [(0, [1.0, 1.0]), (5, [60.0, 40.0]), (12, [20.0, 120.0])] {
            label.joints[j] = Joint {
                point: Point::new(x, y),
                visibility: Visibility::Visible,
            };
        }
        label.n_keypoints = 3;
        let sample = scene(vec![label.clone()]);
        let mut found = answer(&label, 0.9);
        // Coordinates of a joint with score 0 are meaningless.
        found.joints[0] = Keypoint::from([300.0, 300.0, 0.0]);
        let report = measure(&sample, std::slice::from_ref(&found));
        assert_eq!(report.pck.as_ref().unwrap().per_joint["nose"], Some(0.0));
        found.joints[0] = Keypoint::from([0.0, 0.0, 0.9]);
        let at_zero = measure(&sample, &[found]);
        assert_eq!(report.oks, at_zero.oks);
        assert_eq!(at_zero.pck.unwrap().per_joint["nose"], Some(1.0));
    }

    /// Fails when predictions of another skeleton are scored joint by joint, cannot be mapped to
    /// the labels' names, or are not measured where no sigmas are defined.
    #[test]
    fn skeletons_must_fit_and_can_be_renamed() {
        let sample = scene(vec![person(1, 50.0, 50.0, !0), person(2, 300.0, 200.0, !0)]);
        let one = std::slice::from_ref(&sample);
        let openpose = Skeleton::by_name("openpose18").unwrap();
        let to_openpose = coco17().map_to("openpose18").unwrap();
        let found: Vec<_> = answers(&sample)
            .iter()
            .map(|p| p.renamed(&to_openpose))
            .collect();
        let mut predict = |_: &Sample| Ok(found.clone());
        let refused = evaluate_bottom_up(coco17(), one, &options(), &mut predict);
        assert!(refused.unwrap_err().to_string().contains("18 joints"));
        let to_coco = openpose.map_to("coco17").unwrap();
        let back: Vec<_> = found.iter().map(|p| p.renamed(&to_coco)).collect();
        assert_eq!(back, answers(&sample));

        // Labels comparable with openpose18: the neck unlabelled, the other joints mapped by name.
        let renamed = |a: &Annotation| {
            let origins = to_openpose.iter().map(|o| match o {
                Some(JointOrigin::Joint(j)) => a.joints[*j],
                _ => Joint {
                    visibility: Visibility::Unlabelled,
                    ..a.joints[0]
                },
            });
            Annotation {
                joints: origins.collect(),
                ..a.clone()
            }
        };
        let labels = scene(sample.annotations.iter().map(renamed).collect());
        let one = std::slice::from_ref(&labels);
        let report = evaluate_bottom_up(openpose, one, &options(), &mut predict).unwrap();
        assert_eq!(report.oks, None);
        let pck = report.pck.unwrap();
        assert_eq!((pck.mean_all, pck.per_joint["neck"]), (Some(1.0), None));
    }

    /// Fails when a detector's boxes are silently ignored, or malformed predictions cause a panic.
    #[test]
    fn boxes_are_refused_and_malformed_predictions_are_misses() {
        let sample = scene(vec![person(1, 50.0, 50.0, !0)]);
        let mut broken = answer(&sample.annotations[0], f64::NAN);
        for (k, x) in broken
            .joints
            .iter_mut()
            .zip([f32::NAN, f32::INFINITY].into_iter().cycle())
        {
            *k = Keypoint::from([x, 10.0, f32::INFINITY]);
        }
        let pck = measure(&sample, &[broken]).pck.unwrap();
        assert_eq!(pck.mean_all, Some(0.0));
        let mut options = options();
        options.boxes = Some(vec![DetectedBox {
            image_id: 5,
            bbox: sample.annotations[0].bbox,
            score: 1.0,
        }]);
        let refused = evaluate_bottom_up(coco17(), &[sample], &options, &mut |_| Ok(Vec::new()));
        assert!(refused.unwrap_err().to_string().contains("boxes"));
    }
}
