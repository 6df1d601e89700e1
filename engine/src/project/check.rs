//! Looks for mistakes in the confirmed labels before they are trained on.
//!
//! [`check`] needs the labels alone; [`far_from_model`] compares them with a model's predictions.
//! A [`Finding`] is a hint: unusual poses exist.

use std::collections::BTreeMap;

use serde::Serialize;

use super::holdout::Role;
use super::labels::FrameLabels;
use super::measures::{MIN_DEVIATION, bones, flip, median};
use super::open::Contents;
use super::person::{FrameKey, Joint, Person};
use super::propose::Progress;
use crate::error::{Error, Result};
use crate::estimator::{Infer, RequestedMaps};
use crate::eval::pck::torso;
use crate::geometry::{BBox, Point, Size};
use crate::pose::{Keypoint, Pose};
use crate::skeleton::Skeleton;
use crate::words::joint_words;

/// Fewest people from whom usual bone lengths are computed.
const MIN_PEOPLE: usize = 8;
/// Least deviation of an unusual bone in usual deviations of its logarithmic length.
const UNUSUAL: f64 = 6.0;
/// Least factor between an unusually long bone and the usual one.
const TOO_LONG: f64 = 1.8;
/// Least factor between the usual bone and an unusually short one: bones that point at the camera are
/// short.
const TOO_SHORT: f64 = 4.0;
/// Least share of the distance to neighbours that swapping sides saves.
const SWAPPED: f64 = 0.3;
/// Largest time between neighbours in seconds.
const NEIGHBOUR_SECS: f64 = 1.0;
/// Joints closer than this share of the person's size coincide.
const COINCIDENT: f64 = 0.01;
/// Distance from the prediction in torso lengths from which on a joint is far from it.
pub const FAR: f64 = 0.5;
/// Torso length as a share of the person's size, where the torso is not labelled.
const TORSO_SHARE: f64 = 0.35;
/// Least score of predictions that are compared with.
const CERTAIN: f32 = 0.5;
/// Least share of the joints with such a score of a person who is probably missing.
const PRESENT: f64 = 0.5;

/// Kind of a finding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum FindingKind {
    /// A bone is much longer or shorter than usual.
    BoneLength,
    /// Left and right are probably swapped.
    SwappedSides,
    /// Two joints are at the same place.
    CoincidentJoints,
    /// A joint is far from the model's prediction.
    FarFromModel,
    /// The model finds a person in a frame that was accepted without people.
    MissedPerson,
    /// A joint lies outside of the image.
    OutsideImage,
    /// The frame is too close in time to held-out frames, so that it is not trained on.
    NearHoldOut,
}

/// A possible mistake.
#[derive(Debug, Clone, PartialEq)]
pub struct Finding {
    /// The frame.
    pub at: FrameKey,
    /// Id of the person; `None` if the frame is meant.
    pub person: Option<u64>,
    /// Index of the joint; `None` if the person is meant.
    pub joint: Option<usize>,
    /// Kind of mistake.
    pub kind: FindingKind,
    /// Explanation for display, which follows the name of the joint if there is one.
    pub text: String,
}

/// A confirmed person.
struct Checked<'a> {
    at: FrameKey,
    person: &'a Person,
    /// Joints with score 1 where they are labelled, else 0.
    joints: Vec<Keypoint>,
    bbox: BBox,
}

impl Checked<'_> {
    fn finding(&self, joint: Option<usize>, kind: FindingKind, text: String) -> Finding {
        Finding {
            at: self.at,
            person: Some(self.person.id),
            joint,
            kind,
            text,
        }
    }

    fn size(&self) -> f64 {
        self.bbox.w.max(self.bbox.h)
    }

    /// Returns the labelled torso length, else an estimate from the size.
    fn torso(&self, skeleton: &Skeleton) -> f64 {
        let labels: Vec<Option<Point>> = self.person.joints.iter().map(Joint::labelled).collect();
        torso(skeleton, &labels).unwrap_or(TORSO_SHARE * self.size())
    }
}

fn checked(contents: &Contents) -> Vec<Checked<'_>> {
    let mut all = Vec::new();
    for (at, frame) in contents.labels().frames() {
        for person in frame.people.iter().filter(|p| p.is_confirmed) {
            let labelled = person.joints.iter().filter_map(Joint::labelled);
            let Some(bbox) = BBox::around(labelled) else {
                continue;
            };
            let joints = person.joints.iter().map(|joint| {
                let [x, y] = joint.xy();
                let score = f32::from(u8::from(joint.labelled().is_some()));
                Keypoint::from([x, y, score])
            });
            all.push(Checked {
                at,
                person,
                joints: joints.collect(),
                bbox,
            });
        }
    }
    all
}

/// Looks for mistakes in the confirmed labels; findings are in the order of the frames.
pub fn check(contents: &Contents) -> Vec<Finding> {
    let skeleton = contents.labels().skeleton();
    let people = checked(contents);
    let mut findings = unusual_bones(skeleton, &people);
    findings.extend(swapped_sides(contents, skeleton, &people));
    findings.extend(people.iter().flat_map(|one| coincident(skeleton, one)));
    let size_of = |at: FrameKey| contents.file().clip(at.clip)?.size;
    let sized = people
        .iter()
        .filter_map(|one| Some((one, size_of(one.at)?)));
    findings.extend(sized.flat_map(|(one, size)| outside(one, size)));
    let guarded = |(at, frame): &(FrameKey, &FrameLabels)| {
        frame.is_confirmed() && contents.holdout().role(*at) == Role::Guard
    };
    let frames = contents.labels().frames().filter(guarded);
    findings.extend(frames.map(|(at, _)| Finding {
        at,
        person: None,
        joint: None,
        kind: FindingKind::NearHoldOut,
        text: "within a second of held-out frames: not trained on".to_owned(),
    }));
    findings.sort_by_key(|finding| (finding.at, finding.person, finding.joint));
    findings
}

fn unusual_bones(skeleton: &Skeleton, people: &[Checked<'_>]) -> Vec<Finding> {
    let lengths: Vec<_> = people
        .iter()
        .map(|one| bones(skeleton, &one.joints))
        .collect();
    let mut findings = Vec::new();
    for (limb, [a, b]) in skeleton.limbs.iter().enumerate() {
        let known: Vec<f64> = lengths.iter().filter_map(|of| *of.get(limb)?).collect();
        let n = known.len();
        let Some(usual) = median(known.clone()).filter(|_| n >= MIN_PEOPLE) else {
            continue;
        };
        let deviations = known.iter().map(|length| (length - usual).abs()).collect();
        let deviation = median(deviations).unwrap_or_default().max(MIN_DEVIATION);
        let least = UNUSUAL * deviation;
        for (one, lengths) in people.iter().zip(&lengths) {
            let Some(Some(length)) = lengths.get(limb) else {
                continue;
            };
            let off = length - usual;
            if off > least.max(TOO_LONG.ln()) || -off > least.max(TOO_SHORT.ln()) {
                let [a, b] = [*a, *b].map(|j| joint_words(&skeleton.joints[j]));
                let text = format!(
                    "the bone from {a} to {b} is {:.1} times as long as usual, relative to the \
                     person's other bones",
                    off.exp()
                );
                findings.push(one.finding(
                    Some(skeleton.limbs[limb][1]),
                    FindingKind::BoneLength,
                    text,
                ));
            }
        }
    }
    findings
}

/// Compares shoulders with hips, and people with the nearest ones in neighbouring frames.
fn swapped_sides(contents: &Contents, skeleton: &Skeleton, people: &[Checked<'_>]) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut by_frame: BTreeMap<FrameKey, Vec<&Checked<'_>>> = BTreeMap::new();
    for one in people {
        by_frame.entry(one.at).or_default().push(one);
    }
    for one in people {
        if is_twisted(skeleton, one) {
            let text = "left and right of the shoulders are opposite to those of the hips";
            let joint = skeleton.joint("l_shoulder");
            findings.push(one.finding(joint, FindingKind::SwappedSides, text.to_owned()));
            continue;
        }
        let clip = contents.file().clip(one.at.clip);
        // Images of a folder have no times.
        let clip = clip.filter(|clip| !clip.has_pictures() && clip.n_frames > 1);
        let Some(secs) = clip.map(|clip| clip.seconds / f64::from(clip.n_frames - 1)) else {
            continue;
        };
        let first = FrameKey::new(one.at.clip, 0);
        let before = by_frame.range(first..one.at).next_back();
        let last = FrameKey::new(one.at.clip, u32::MAX);
        let after = (one.at.frame < u32::MAX)
            .then(|| FrameKey::new(one.at.clip, one.at.frame + 1))
            .and_then(|next| by_frame.range(next..=last).next());
        let is_near =
            |at: &FrameKey| f64::from(at.frame.abs_diff(one.at.frame)) * secs <= NEIGHBOUR_SECS;
        let neighbours = [before, after].into_iter().flatten();
        let saved = neighbours
            .filter(|(at, _)| is_near(at))
            .filter_map(|(_, others)| {
                let distance =
                    |other: &&&Checked<'_>| other.bbox.center().distance(one.bbox.center());
                let nearest = others
                    .iter()
                    .min_by(|a, b| distance(a).total_cmp(&distance(b)))?;
                flip(skeleton, &one.joints, &nearest.joints)
            });
        // A swapped person differs from both neighbours, those from one only.
        let saved = saved.reduce(f64::min).unwrap_or_default();
        if saved >= SWAPPED {
            let text = format!(
                "left and right are probably swapped: the other way round, the joints would be \
                 {:.0} % closer to the labelled frames before and after",
                100.0 * saved
            );
            findings.push(one.finding(None, FindingKind::SwappedSides, text));
        }
    }
    findings
}

/// Returns whether shoulders and hips are clearly in opposite order.
fn is_twisted(skeleton: &Skeleton, one: &Checked<'_>) -> bool {
    let width = |part: &str| {
        let at = |side: &str| {
            let joint = one.joints.get(skeleton.joint(&format!("{side}_{part}"))?)?;
            (joint.score > 0.0).then(|| joint.point().x)
        };
        Some(at("l")? - at("r")?)
    };
    let (Some(shoulders), Some(hips)) = (width("shoulder"), width("hip")) else {
        return false;
    };
    let least = 0.1 * one.size();
    shoulders * hips < 0.0 && shoulders.abs() > least && hips.abs() > least
}

fn coincident(skeleton: &Skeleton, one: &Checked<'_>) -> Vec<Finding> {
    let least = (COINCIDENT * one.size()).max(1.0);
    let mut findings = Vec::new();
    let labelled = one
        .joints
        .iter()
        .enumerate()
        .filter(|(_, joint)| joint.score > 0.0);
    let labelled: Vec<(usize, &Keypoint)> = labelled.collect();
    for (i, (a, first)) in labelled.iter().enumerate() {
        for (b, second) in &labelled[i + 1..] {
            if first.point().distance(second.point()) < least {
                let other = joint_words(&skeleton.joints[*a]);
                let text = format!("at the same place as the {other}");
                findings.push(one.finding(Some(*b), FindingKind::CoincidentJoints, text));
            }
        }
    }
    findings
}

fn outside(one: &Checked<'_>, image: Size) -> Vec<Finding> {
    let joints = one.person.joints.iter().enumerate();
    let is_outside =
        |(_, joint): &(usize, &Joint)| joint.labelled().is_some() && joint.inside(image).is_none();
    let finding = |(j, _): (usize, &Joint)| {
        let text = "lies outside of the image: it is trained as absent, and not exported";
        one.finding(Some(j), FindingKind::OutsideImage, text.to_owned())
    };
    joints.filter(is_outside).map(finding).collect()
}

/// Result of a comparison with a model.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ModelComparison {
    /// Number of compared frames.
    pub frames: usize,
    /// Where labels and predictions differ.
    pub findings: Vec<Finding>,
}

/// Compares the confirmed labels with the predictions of `infer` around them, and looks for people
/// in frames that were accepted without. `progress` receives the number of compared frames and of
/// all; an error that it returns ends the comparison.
///
/// # Errors
/// When a clip with such frames cannot be read, the model fails or finds other joints, or
/// `progress` returns an error.
pub fn far_from_model(
    contents: &Contents,
    infer: &mut dyn Infer,
    progress: Progress<'_>,
) -> Result<ModelComparison> {
    let skeleton = contents.labels().skeleton();
    let people = checked(contents);
    let all = contents.labels().frames();
    let empty = all.filter(|(_, frame)| frame.is_without_people());
    let mut frames: Vec<FrameKey> = people.iter().map(|one| one.at).collect();
    frames.extend(empty.map(|(at, _)| at));
    frames.sort_unstable();
    frames.dedup();
    let (n_all, mut n_done) = (frames.len(), 0);
    let mut findings = Vec::new();
    for clip in &contents.file().clips {
        let mut scrub = None;
        for at in frames.iter().filter(|at| at.clip == clip.id) {
            progress(n_done, n_all)?;
            n_done += 1;
            let scrub = match &mut scrub {
                Some(scrub) => scrub,
                none => none.insert(clip.open(contents.folder())?),
            };
            let frame = scrub.frame(at.frame as usize)?;
            if contents.labels().people(*at).is_empty() {
                let output = infer.inspect(&frame, &[], RequestedMaps::default())?;
                findings.extend(missed(*at, &output.poses));
            }
            for one in people.iter().filter(|one| one.at == *at) {
                if clip.has_pictures() {
                    // Each has its own size, which is known only now.
                    findings.extend(outside(one, frame.size()));
                }
                let near = [Pose::from_keypoints(one.joints.clone())];
                let output = infer.inspect(&frame, &near, RequestedMaps::default())?;
                let map = output.skeleton.map_to(&skeleton.name).ok_or_else(|| {
                    let name = &output.skeleton.name;
                    Error::Failed(format!(
                        "the model finds the joints of {name}, not the project's"
                    ))
                })?;
                let found = output.poses.iter().map(|pose| {
                    let origins = map.iter();
                    let joint = |o: &Option<crate::skeleton::JointOrigin>| {
                        o.map_or_else(Keypoint::default, |o| o.pick(&pose.keypoints_raw))
                    };
                    origins.map(joint).collect::<Vec<_>>()
                });
                findings.extend(far(skeleton, one, found));
            }
        }
    }
    Ok(ModelComparison {
        frames: n_all,
        findings,
    })
}

/// Names a frame without people in which somebody is found: most of the joints are certain.
fn missed(at: FrameKey, poses: &[Pose]) -> Option<Finding> {
    let share = |pose: &Pose| {
        let joints = &pose.keypoints_raw;
        let certain = joints.iter().filter(|k| k.score >= CERTAIN).count();
        certain as f64 / joints.len().max(1) as f64
    };
    let best = poses.iter().map(share).reduce(f64::max)?;
    (best >= PRESENT).then(|| Finding {
        at,
        person: None,
        joint: None,
        kind: FindingKind::MissedPerson,
        text: format!(
            "accepted without people, but the model sees somebody ({:.0} % of the joints)",
            100.0 * best
        ),
    })
}

/// Compares a person with the nearest prediction.
fn far(
    skeleton: &Skeleton,
    one: &Checked<'_>,
    found: impl Iterator<Item = Vec<Keypoint>>,
) -> Vec<Finding> {
    let torso = one.torso(skeleton);
    let distances = |found: &Vec<Keypoint>| {
        let pairs = one.joints.iter().zip(found).enumerate();
        let counting = pairs.filter(|(_, (label, k))| label.score > 0.0 && k.score >= CERTAIN);
        let distance = |(j, (label, k)): (usize, (&Keypoint, &Keypoint))| {
            (j, label.point().distance(k.point()) / torso.max(1e-9))
        };
        counting.map(distance).collect::<Vec<(usize, f64)>>()
    };
    let mean = |of: &Vec<(usize, f64)>| {
        of.iter().map(|(_, d)| d.min(1.0)).sum::<f64>() / of.len().max(1) as f64
    };
    let all = found
        .map(|found| distances(&found))
        .filter(|of| !of.is_empty());
    let nearest = all.min_by(|a, b| mean(a).total_cmp(&mean(b)));
    let far = nearest.into_iter().flatten().filter(|(_, d)| *d > FAR);
    let finding = |(j, distance): (usize, f64)| {
        let text = format!("{distance:.1} torso lengths away from where the model sees it");
        one.finding(Some(j), FindingKind::FarFromModel, text)
    };
    far.map(finding).collect()
}

#[cfg(test)]
mod tests;
