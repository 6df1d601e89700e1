//! `eval --people several`: whole images, without given person boxes.

use poselens_engine::codec::DecodedPerson;
use poselens_engine::dataset::picture;
use poselens_engine::estimator::{Averaging, FINDER, Infer, People, RequestedMaps};
use poselens_engine::eval::identity::{Clip, IdentityTally, TrackedPose, clips};
use poselens_engine::eval::{EvalOptions, EvalReport, evaluate_bottom_up};
use poselens_engine::frame::Frame;
use poselens_engine::skeleton::JointOrigin;

use super::figures::Figures;
use super::{EvalArgs, Labels, measure};
use crate::cli::args::NetworkArgs;
use crate::cli::progress::Progress;
use crate::cli::{Common, checked};

/// Assumed interval of the images of a clip, in seconds: labels have no times.
const INTERVAL: f64 = 1.0 / 25.0;

/// Parses `one`, `several` (everybody is examined closely) or `several:N`.
pub(super) fn people(text: &str) -> Result<People, String> {
    match text.parse::<People>() {
        Ok(_) if text == "several" => Ok(People::Several { most: People::MOST }),
        Ok(people) => Ok(people),
        Err(error) => Err(error.to_string()),
    }
}

impl EvalArgs {
    /// Measures the combination of a network with the one that finds people, and that one alone.
    pub(super) fn measure_several(
        &self,
        common: &Common,
        people: People,
        labels: &Labels,
        options: &EvalOptions,
    ) -> anyhow::Result<(EvalReport, EvalReport)> {
        let (skeleton, samples) = (labels.dataset.skeleton, &labels.dataset.samples);
        let mut infer = self.estimator(common, people)?;
        let progress = Progress::new(None);
        progress.expect(Some(samples.len() as u64));
        let mut n_done = 0;
        let combined = evaluate_bottom_up(skeleton, samples, options, &mut |sample| {
            let frame = picture::of_sample(sample)?;
            let output = infer.inspect(&frame, &[], RequestedMaps::default())?;
            n_done += 1;
            progress.set(n_done);
            let poses = output.poses.into_iter();
            let people = poses.map(|pose| DecodedPerson {
                score: f64::from(pose.detection_score()),
                joints: pose.keypoints_raw,
            });
            Ok(people.collect())
        })?;
        progress.finish();
        let finder = NetworkArgs {
            model: FINDER.to_owned(),
            weights: None,
        };
        let mut finder = checked(finder.load(common, None))?;
        let names = finder.skeleton().map_to(&skeleton.name);
        let labels = Labels {
            dataset: labels.dataset.clone(),
            names: names.unwrap_or_default(),
        };
        let options = EvalOptions {
            input: *finder.input(),
            ..options.clone()
        };
        let plain = Averaging {
            flip: false,
            scales: vec![1.0],
        };
        let alone = measure(&mut finder, &labels, &options, &plain)?;
        Ok((combined, alone))
    }

    /// Runs the images of each clip in order and measures how well people keep their identities;
    /// `None` if the labels have none.
    pub(super) fn identities(
        &self,
        common: &Common,
        people: People,
        labels: &Labels,
    ) -> anyhow::Result<Option<Figures>> {
        let samples = &labels.dataset.samples;
        let mut labelled = samples.iter().flat_map(|s| &s.annotations);
        if labelled.all(|a| a.track_id.is_none()) {
            return Ok(None);
        }
        let all = clips(samples);
        let mut tally = IdentityTally::new(labels.dataset.skeleton);
        let progress = Progress::new(None);
        progress.expect(Some(samples.len() as u64));
        let mut n_done = 0;
        for clip in &all {
            tally.begin_clip(&clip.name);
            // A new estimator for each clip: ids are never given twice in a run.
            let mut infer = self.estimator(common, people)?;
            for (i, image) in clip.images.iter().enumerate() {
                let output = infer.infer(&frame(clip, i)?, RequestedMaps::default())?;
                let poses = output.poses.iter().map(|pose| {
                    let joints = &pose.keypoints_raw;
                    let pick =
                        |o: &Option<JointOrigin>| o.map(|o| o.pick(joints)).unwrap_or_default();
                    let renamed: Vec<_> = labels.names.iter().map(pick).collect();
                    let is_renamed = !labels.names.is_empty();
                    TrackedPose::new(pose.track_id, if is_renamed { &renamed } else { joints })
                });
                tally.add_frame(image, &poses.collect::<Vec<_>>())?;
                n_done += 1;
                progress.set(n_done);
            }
        }
        progress.finish();
        Ok(Some(Figures::new(&tally, &vec![0; all.len()])))
    }

    fn estimator(&self, common: &Common, people: People) -> anyhow::Result<Box<dyn Infer>> {
        let network = checked(self.network.load(common, self.decode.as_deref()))?;
        checked(people.estimator(network, false))
    }
}

/// Reads the image at `position` of a clip with its time: that of its number, or of its position if
/// not all images have one.
fn frame(clip: &Clip<'_>, position: usize) -> anyhow::Result<Frame> {
    let image = clip.images[position];
    let is_numbered = clip.images.iter().all(|image| image.frame.is_some());
    let number = match (image.frame, clip.images[0].frame) {
        (Some(number), Some(first)) if is_numbered => number - first,
        _ => position as u64,
    };
    let mut frame = picture::of_sample(image)?;
    frame.id = number;
    frame.time_secs = number as f64 * INTERVAL;
    Ok(frame)
}
