//! Identity figures of tracked poses on labelled video.
//!
//! A label and a prediction of the same frame *can match* if their object keypoint similarity
//! ([`oks`]) is at least 0.5. From this follow, per clip and for all clips together:
//!
//! * **CLEAR MOT** (Bernardin and Stiefelhagen, "Evaluating Multiple Object Tracking Performance",
//!   EURASIP Journal on Image and Video Processing 2008). Frame by frame, a person keeps the
//!   prediction of its last match as long as the two can match; the others are assigned so that the
//!   sum of similarities is greatest. A person matched to another track than in its last match is an
//!   identity *switch*; a label without a match is a *miss*, a prediction without one a *false
//!   positive*. `MOTA = 1 - (misses + false positives + switches) / labels`, from 1 down to any
//!   negative value. In place of MOTP, a distance, the mean similarity of the matches is given.
//! * **IDF1** (Ristani et al., "Performance Measures and a Data Set for Multi-Target, Multi-Camera
//!   Tracking", ECCV Workshops 2016, [arXiv:1609.01775](https://arxiv.org/abs/1609.01775)). Each
//!   labelled track is assigned to at most one predicted track of its clip, for the whole clip, such
//!   that the fewest labels and predictions are left unexplained. `IDTP` is the number of frames in
//!   which assigned tracks can match, `IDP = IDTP / predictions`, `IDR = IDTP / labels`, and `IDF1 =
//!   2 IDTP / (labels + predictions)`.
//!
//! As in COCO's evaluation, crowds and people without labelled joints are neither matched nor
//! missed, nor are people without a track id. A prediction that finds no other label in its frame
//! but can match one of these is ignored.

mod counts;
mod frames;
mod heaviest;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

pub use counts::{IdentityCounts, IdentityFigures};
pub use frames::{Clip, FrameOrder, PredictedFrame, clips, pair_frames};

use super::oks::oks;
use super::tally::{NOWHERE, points};
use crate::error::{Error, Result};
use crate::geometry::Point;
use crate::pose::Keypoint;
use crate::sample::{Annotation, Sample};
use crate::skeleton::Skeleton;
use counts::{ClipCounts, Encounter};
use heaviest::heaviest;

/// Minimum similarity of a label and a prediction that can match.
const LEAST: f64 = 0.5;

/// A predicted person in one frame.
#[derive(Debug, Clone, PartialEq)]
pub struct TrackedPose {
    /// Id of the track; `None` counts as a track of a single frame.
    track_id: Option<u64>,
    /// Joints in the skeleton of the labels, in image pixels.
    points: Vec<Point>,
}

impl TrackedPose {
    /// Creates a pose from its joints in the skeleton of the labels; those with a score of 0 were
    /// not found. A pose without an id counts as a track of a single frame.
    pub fn new(track_id: Option<u64>, joints: &[Keypoint]) -> Self {
        Self {
            track_id,
            points: points(joints, NOWHERE),
        }
    }
}

/// Figures of one clip.
#[derive(Debug, Clone, PartialEq)]
pub struct ClipFigures {
    /// Name of the clip.
    pub name: String,
    /// Its figures.
    pub counts: IdentityCounts,
}

/// Collects the frames of labelled clips, one clip after the other, each in order.
#[derive(Debug)]
pub struct IdentityTally {
    sigmas: Vec<f64>,
    clips: Vec<(String, ClipCounts)>,
}

impl IdentityTally {
    /// Creates an empty tally for labels of this skeleton. Where it defines no OKS sigmas, COCO's
    /// median is used.
    pub fn new(skeleton: &Skeleton) -> Self {
        Self {
            sigmas: (0..skeleton.n_joints())
                .map(|j| skeleton.sigma(j))
                .collect(),
            clips: Vec::new(),
        }
    }

    /// Starts the next clip.
    pub fn begin_clip(&mut self, name: &str) {
        self.clips.push((name.to_owned(), ClipCounts::default()));
    }

    /// Adds the next frame of the clip; none of the people in it were predicted if `found` is
    /// empty.
    ///
    /// # Errors
    /// If a track is in the frame twice, among the labels or the predictions.
    pub fn add_frame(&mut self, sample: &Sample, found: &[TrackedPose]) -> Result<()> {
        let encounter = self.encounter(sample, found)?;
        if self.clips.is_empty() {
            self.begin_clip("");
        }
        if let Some((_, clip)) = self.clips.last_mut() {
            clip.add(&encounter);
        }
        Ok(())
    }

    /// Returns the figures of every clip.
    pub fn clips(&self) -> Vec<ClipFigures> {
        let clips = self.clips.iter();
        clips
            .map(|(name, clip)| ClipFigures {
                name: name.clone(),
                counts: clip.counts(),
            })
            .collect()
    }

    /// Returns the labels that count and the predictions that are not ignored, with their
    /// similarities where they can match.
    fn encounter(&self, sample: &Sample, found: &[TrackedPose]) -> Result<Encounter> {
        let twice = |whose: &str, id: u64| {
            let path = sample.path.display();
            Error::Invalid(format!(
                "{path}: {whose} have two people of track {id} in one frame"
            ))
        };
        let people = sample.annotations.iter();
        let (counting, ignored): (Vec<_>, Vec<_>) = people.partition(|person| is_evaluated(person));
        let mut seen = BTreeSet::new();
        for id in counting.iter().filter_map(|person| person.track_id) {
            if !seen.insert(id) {
                return Err(twice("the labels", id));
            }
        }
        seen.clear();
        for id in found.iter().filter_map(|pose| pose.track_id) {
            if !seen.insert(id) {
                return Err(twice("the predictions", id));
            }
        }
        let similarity = |person: &Annotation, pose: &TrackedPose| {
            let similarity = oks(&pose.points, person, &self.sigmas);
            if similarity >= LEAST { similarity } else { 0.0 }
        };
        let of_person = |person: &&Annotation| {
            let row = found.iter().map(|pose| similarity(person, pose));
            row.collect::<Vec<_>>()
        };
        let mut similarities: Vec<Vec<f64>> = counting.iter().map(of_person).collect();
        let explained: BTreeSet<usize> = heaviest(&similarities).into_iter().flatten().collect();
        let is_kept: Vec<bool> = found
            .iter()
            .enumerate()
            .map(|(i, pose)| {
                let is_ignored = |person: &&Annotation| similarity(person, pose) > 0.0;
                explained.contains(&i) || !ignored.iter().any(is_ignored)
            })
            .collect();
        for row in &mut similarities {
            let mut kept = is_kept.iter();
            row.retain(|_| kept.next().is_none_or(|kept| *kept));
        }
        let found = found.iter().zip(&is_kept).filter(|(_, kept)| **kept);
        Ok(Encounter {
            people: counting.iter().filter_map(|p| p.track_id).collect(),
            tracks: found.map(|(pose, _)| pose.track_id).collect(),
            similarities,
        })
    }
}

/// Returns whether a labelled person is evaluated.
fn is_evaluated(person: &Annotation) -> bool {
    person.track_id.is_some()
        && !person.is_crowd
        && person.n_keypoints > 0
        && person.joints.iter().any(|j| j.labelled().is_some())
}
