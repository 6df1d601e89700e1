//! PCK of parts of the validation set, from the predictions that were made for the whole set.

use std::collections::{BTreeMap, HashMap};

use crate::codec::DecodedPerson;
use crate::dataset::Dataset;
use crate::error::Result;
use crate::eval::{EvalOptions, EvalReport, evaluate_bottom_up, evaluate_top_down};
use crate::geometry::Roi;
use crate::pose::Keypoint;
use crate::sample::Sample;
use crate::skeleton::Skeleton;

/// Predictions by the id of the image.
#[derive(Debug, Default)]
pub(super) struct Answers {
    /// Joints in each region.
    regions: HashMap<u64, Vec<(Roi, Vec<Keypoint>)>>,
    /// All people of the image.
    people: HashMap<u64, Vec<DecodedPerson>>,
}

impl Answers {
    /// Notes the joints that were found in a region.
    pub(super) fn add_region(&mut self, image_id: u64, roi: Roi, joints: &[Keypoint]) {
        let regions = self.regions.entry(image_id).or_default();
        regions.push((roi, joints.to_vec()));
    }

    /// Notes the people that were found in an image.
    pub(super) fn add_people(&mut self, image_id: u64, people: &[DecodedPerson]) {
        self.people.insert(image_id, people.to_vec());
    }
}

/// The parts with their samples.
#[derive(Debug, Default)]
pub(super) struct Parts(BTreeMap<String, Vec<Sample>>);

impl Parts {
    /// Divides a data set by the names of the clips in each part. A part without images is left out.
    pub(super) fn of(dataset: &Dataset, clips: &BTreeMap<String, Vec<String>>) -> Self {
        let part = |(name, clips): (&String, &Vec<String>)| {
            let is_in = |sample: &&Sample| sample.clip.as_ref().is_some_and(|c| clips.contains(c));
            let samples: Vec<Sample> = dataset.samples.iter().filter(is_in).cloned().collect();
            (!samples.is_empty()).then(|| (name.clone(), samples))
        };
        Self(clips.iter().filter_map(part).collect())
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns PCK of every part by the predictions in regions.
    pub(super) fn top_down(
        &self,
        skeleton: &'static Skeleton,
        options: &EvalOptions,
        answers: &Answers,
    ) -> Result<BTreeMap<String, f64>> {
        self.measure(|samples| {
            evaluate_top_down(skeleton, samples, options, &mut |sample, roi| {
                let regions = answers.regions.get(&sample.image_id);
                let mut regions = regions.into_iter().flatten();
                let found = regions.find(|(other, _)| other == roi);
                let missed = || vec![Keypoint::default(); skeleton.n_joints()];
                Ok(found.map_or_else(missed, |(_, joints)| joints.clone()))
            })
        })
    }

    /// Returns PCK of every part by the people in images.
    pub(super) fn bottom_up(
        &self,
        skeleton: &'static Skeleton,
        options: &EvalOptions,
        answers: &Answers,
    ) -> Result<BTreeMap<String, f64>> {
        self.measure(|samples| {
            evaluate_bottom_up(skeleton, samples, options, &mut |sample| {
                let people = answers.people.get(&sample.image_id);
                Ok(people.cloned().unwrap_or_default())
            })
        })
    }

    fn measure(
        &self,
        evaluate: impl Fn(&[Sample]) -> Result<EvalReport>,
    ) -> Result<BTreeMap<String, f64>> {
        let mut measured = BTreeMap::new();
        for (name, samples) in &self.0 {
            let pck = evaluate(samples)?.pck;
            if let Some(pck) = pck.and_then(|pck| pck.mean) {
                measured.insert(name.clone(), pck);
            }
        }
        Ok(measured)
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;
    use crate::estimator::input_spec;
    use crate::geometry::{BBox, Point, Size};
    use crate::model::model;
    use crate::sample::{Annotation, Joint, Orientation, Visibility};

    /// A person 160 pixels high in an image of a clip.
    fn sample(image_id: u64, clip: &str) -> Sample {
        let joint = |j: u32| Joint {
            point: Point::new(20.0 + 20.0 * f64::from(j % 5), 20.0 + 10.0 * f64::from(j)),
            visibility: Visibility::Visible,
        };
        let person = Annotation {
            id: image_id,
            bbox: BBox {
                x: 10.0,
                y: 10.0,
                w: 110.0,
                h: 190.0,
            },
            region: None,
            area: 20_000.0,
            is_crowd: false,
            n_keypoints: 17,
            joints: (0..17).map(joint).collect(),
            head_box: None,
            track_id: None,
        };
        Sample {
            image_id,
            path: PathBuf::from(format!("{clip}/{image_id}.png")),
            size: Size::new(256, 256),
            clip: Some(clip.to_owned()),
            frame: None,
            orientation: Orientation::Stored,
            annotations: vec![person],
        }
    }

    /// Fails when a part is measured with the predictions of another one, or a part without images
    /// is measured.
    #[test]
    fn every_part_has_its_own_figure() {
        let skeleton = Skeleton::by_name("coco17").unwrap();
        let mut dataset = Dataset::of(skeleton);
        dataset.samples = vec![sample(1, "a"), sample(2, "b"), sample(3, "a")];
        let clips = [("round 1", "a"), ("round 2", "b"), ("round 3", "c")];
        let clips = clips.map(|(name, clip)| (name.to_owned(), vec![clip.to_owned()]));
        let parts = Parts::of(&dataset, &clips.into());
        assert!(!parts.is_empty() && Parts::of(&dataset, &BTreeMap::new()).is_empty());
        let options = EvalOptions::new(input_spec(&model("sfm").unwrap().card().unwrap()));
        // Right in the second image and half right in the third.
        let mut answers = Answers::default();
        for sample in &dataset.samples {
            let person = &sample.annotations[0];
            let joints = person.joints.iter().enumerate().map(|(j, joint)| {
                let is_right = match sample.image_id {
                    1 => false,
                    2 => true,
                    _ => j % 2 == 0,
                };
                let off = if is_right { 0.0 } else { 500.0 };
                let Point { x, y } = joint.point;
                Keypoint::from([(x + off) as f32, y as f32, 0.9])
            });
            let joints: Vec<Keypoint> = joints.collect();
            let roi = options.input.roi_of(person, sample.size).unwrap();
            answers.add_region(sample.image_id, roi, &joints);
            let found = DecodedPerson { joints, score: 0.9 };
            answers.add_people(sample.image_id, &[found]);
        }
        let top_down = parts.top_down(skeleton, &options, &answers).unwrap();
        assert_eq!(top_down.len(), 2, "{top_down:?}");
        // 9 of the 34 joints of both images.
        assert!(
            (top_down["round 1"] - 9.0 / 34.0).abs() < 0.1,
            "{top_down:?}"
        );
        assert_eq!(top_down["round 2"], 1.0);
        let bottom_up = parts.bottom_up(skeleton, &options, &answers).unwrap();
        assert_eq!(bottom_up["round 2"], 1.0);
    }
}
