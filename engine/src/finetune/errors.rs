//! Distances of a network's predictions from labels, in torso lengths.

use std::collections::BTreeMap;
use std::path::Path;

use crate::concurrency::StopFlag;
use crate::dataset::{Annotation, Dataset, Split, picture};
use crate::error::{Error, Result};
use crate::estimator::{Network, RequestedMaps};
use crate::eval::pck::torso;
use crate::geometry::{Point, Roi};
use crate::output::{Approach, Timings};
use crate::pose::Keypoint;
use crate::sample::Sample;
use crate::skeleton::Skeleton;
use crate::track::assign;
use crate::train::DataConfig;

/// Error of a joint that was not found, in torso lengths.
const MISSED: f64 = 1.0;
/// Least score of predicted joints that are shown although they are not labelled.
const LIKELY: f32 = 0.2;

/// Errors in one frame.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct FrameErrors {
    /// Name of the clip.
    pub clip: String,
    /// Index of the frame.
    pub frame: u32,
    /// Errors of the labelled joints of each person.
    pub people: Vec<Vec<f64>>,
    /// The joints of the same people.
    pub poses: Vec<MeasuredPose>,
}

/// Labelled and predicted joints of a person in pixels; `None` where there is none.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct MeasuredPose {
    pub labels: Vec<Option<Point>>,
    pub found: Vec<Option<Point>>,
}

/// Labelled images to measure with.
pub(super) struct MeasuringSet {
    dataset: Dataset,
    /// Torso length of each person of each image.
    torsos: Vec<Vec<Option<f64>>>,
}

/// Returns the labelled joints inside the image.
fn labels(person: &Annotation, sample: &Sample) -> Vec<Option<Point>> {
    let joints = person.joints.iter();
    joints.map(|joint| joint.inside(sample.size)).collect()
}

/// Returns the distance from a shoulder to the opposite hip: the left one as everywhere, else the
/// right one.
fn own_torso(skeleton: &Skeleton, labels: &[Option<Point>]) -> Option<f64> {
    torso(skeleton, labels).or_else(|| {
        let mirrored = skeleton
            .mirror
            .iter()
            .map(|j| labels.get(*j).copied().flatten());
        torso(skeleton, &mirrored.collect::<Vec<_>>())
    })
}

fn clip_of(sample: &Sample) -> String {
    let folder = sample.path.parent().and_then(Path::file_name);
    folder.unwrap_or_default().to_string_lossy().into_owned()
}

impl MeasuringSet {
    /// Reads labels; their joints become those of `skeleton`.
    ///
    /// # Errors
    /// When they cannot be read, or have no joints in common.
    pub(super) fn read(
        labels_file: &Path,
        images: &Path,
        skeleton: &'static Skeleton,
    ) -> Result<Self> {
        let data = DataConfig::new(labels_file.to_owned(), Some(images.to_owned()));
        let dataset = data.load(Split::HeldOut)?;
        let renamed = dataset.renamed_to(skeleton).ok_or_else(|| {
            let reason = format!("its joints cannot be renamed to {}", skeleton.name);
            Error::data(labels_file, reason)
        })?;
        Ok(Self::of(renamed))
    }

    fn of(dataset: Dataset) -> Self {
        let skeleton = dataset.skeleton;
        let mut torsos: Vec<Vec<Option<f64>>> = dataset
            .samples
            .iter()
            .map(|sample| {
                let people = sample.annotations.iter();
                people
                    .map(|p| own_torso(skeleton, &labels(p, sample)))
                    .collect()
            })
            .collect();
        // Where the hips are not in the image, the median of the clip.
        let mut by_clip: BTreeMap<String, Vec<f64>> = BTreeMap::new();
        for (sample, torsos) in dataset.samples.iter().zip(&torsos) {
            let known = by_clip.entry(clip_of(sample)).or_default();
            known.extend(torsos.iter().flatten());
        }
        for known in by_clip.values_mut() {
            known.sort_by(f64::total_cmp);
        }
        for (sample, torsos) in dataset.samples.iter().zip(&mut torsos) {
            let known = &by_clip[&clip_of(sample)];
            let median = known.get(known.len() / 2).copied();
            for torso in torsos {
                *torso = torso.or(median);
            }
        }
        Self { dataset, torsos }
    }

    /// Returns the number of images.
    pub(super) fn n_images(&self) -> usize {
        self.dataset.samples.len()
    }

    /// Returns the number of people without a torso length, who are not measured.
    pub(super) fn n_left_out(&self) -> usize {
        let people = self
            .dataset
            .samples
            .iter()
            .flat_map(|sample| &sample.annotations);
        let people = people.zip(self.torsos.iter().flatten());
        let left_out = people.filter(|(person, torso)| torso.is_none() && !person.is_crowd);
        left_out.count()
    }

    /// Runs the network on every image. `progress` is called before each.
    ///
    /// # Errors
    /// When an image cannot be read, the network fails, or a stop is requested.
    pub(super) fn measure(
        &self,
        network: &mut Network,
        progress: &mut dyn FnMut(),
        stop: &StopFlag,
    ) -> Result<Vec<FrameErrors>> {
        let mut frames = Vec::new();
        for (sample, torsos) in self.dataset.samples.iter().zip(&self.torsos) {
            if stop.is_stopped() {
                return Err(Error::Cancelled("the measurement was stopped".to_owned()));
            }
            progress();
            let pairs = sample.annotations.iter().zip(torsos);
            let measured = pairs.filter(|(person, _)| !person.is_crowd);
            let people: Vec<(&Annotation, f64)> = measured
                .filter_map(|(person, torso)| Some((person, (*torso)?)))
                .collect();
            if people.is_empty() {
                continue;
            }
            let found = find(network, sample, &people)?;
            let (mut all_errors, mut poses) = (Vec::new(), Vec::new());
            for ((person, torso), found) in people.iter().zip(found) {
                let labels = labels(person, sample);
                all_errors.push(errors(&labels, &found, *torso));
                // Unlikely joints that are not labelled, mostly outside the image, are not measured.
                let is_shown = |j: usize, k: &Keypoint| {
                    let is_labelled = labels.get(j).is_some_and(Option::is_some);
                    is_found(k) && (is_labelled || k.score >= LIKELY)
                };
                let found = found.iter().enumerate();
                let found = found.map(|(j, k)| is_shown(j, k).then(|| k.point()));
                let found = found.collect();
                poses.push(MeasuredPose { labels, found });
            }
            let stem = sample
                .path
                .file_stem()
                .unwrap_or_default()
                .to_string_lossy();
            frames.push(FrameErrors {
                clip: clip_of(sample),
                frame: stem.parse().unwrap_or_default(),
                people: all_errors,
                poses,
            });
        }
        Ok(frames)
    }
}

/// Returns the predicted joints of each person; not found ones are all zero.
fn find(
    network: &mut Network,
    sample: &Sample,
    people: &[(&Annotation, f64)],
) -> Result<Vec<Vec<Keypoint>>> {
    let frame = picture::of_sample(sample)?;
    let (input, approach) = (*network.input(), network.spec().approach);
    let mut run = |roi: &Roi| {
        let (none, mut timings) = (RequestedMaps::default(), Timings::default());
        let result = network.infer_region(&frame, roi, none, &mut timings)?;
        let found = result.people.into_iter().map(|found| found.joints);
        Ok::<Vec<Vec<Keypoint>>, Error>(found.collect())
    };
    match approach {
        Approach::TopDown => {
            let one = |(person, _): &(&Annotation, f64)| match input.roi_of(person, sample.size) {
                Some(roi) => Ok(run(&roi)?.into_iter().next().unwrap_or_default()),
                None => Ok(Vec::new()),
            };
            people.iter().map(one).collect()
        }
        Approach::BottomUp => {
            let all = run(&Roi::whole(frame.size(), input.size.aspect()))?;
            let closeness = people.iter().map(|(person, torso)| {
                let labels = labels(person, sample);
                let mean = |found: &Vec<Keypoint>| {
                    let errors = errors(&labels, found, *torso);
                    let capped = errors.iter().map(|error| error.min(MISSED));
                    -capped.sum::<f64>() / errors.len().max(1) as f64
                };
                all.iter().map(mean).collect()
            });
            let closeness: Vec<Vec<f64>> = closeness.collect();
            let owners = assign(&closeness, -MISSED);
            let of = |owner: Option<usize>| owner.map_or_else(Vec::new, |i| all[i].clone());
            Ok(owners.into_iter().map(of).collect())
        }
    }
}

fn is_found(joint: &Keypoint) -> bool {
    *joint != Keypoint::default()
}

/// Returns the error of every labelled joint.
fn errors(labels: &[Option<Point>], found: &[Keypoint], torso: f64) -> Vec<f64> {
    let joints = labels.iter().enumerate();
    let joint = |(j, label): (usize, &Option<Point>)| {
        let label = (*label)?;
        Some(match found.get(j).filter(|k| is_found(k)) {
            Some(found) => found.point().distance(label) / torso,
            None => MISSED,
        })
    };
    joints.filter_map(joint).collect()
}

#[cfg(test)]
mod tests;
