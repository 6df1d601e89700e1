//! The measurement that a run has to pass before its weights are used.
//!
//! The weights after the last epoch are measured, not those of the epoch that was best on the
//! hold-out: a choice by the hold-out would make its figures too good.

use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::bootstrap::{Comparison, Figures, Interval, MIN_FRAMES, compare};
use super::errors::{FrameErrors, MeasuredPose, MeasuringSet};
use super::plan::{Use, round_name};
use super::sets;
use crate::concurrency::StopFlag;
use crate::disk::replace;
use crate::error::{Error, Result};
use crate::estimator::{Network, NetworkOptions};
use crate::geometry::Point;
use crate::model::model;
use crate::project::{Contents, FrameKey, Role};
use crate::train::checkpoint::LAST;
use crate::train::runs::RunEntry;
use crate::train::{Hardware, InitialWeights};
use crate::words::counted;

/// File with the measurement in the folder of a run.
const FILE: &str = "gate.json";
/// Version of its format.
const VERSION: u32 = 1;
/// With fewer frames a remark says so.
const FEW_FRAMES: usize = 10;
/// Smaller changes of the old behaviour are not a loss: in torso lengths, and as a share of joints.
/// The labels of the retention set are the old network's own predictions, from which every other
/// network differs a little.
pub const TOLERANCE: [f64; 2] = [0.02, 0.01];

/// Outcome of a measurement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Verdict {
    /// The mean error on the hold-out has fallen beyond its interval.
    #[serde(rename = "better")]
    Better,
    /// It has risen beyond its interval.
    #[serde(rename = "worse")]
    Worse,
    /// Neither.
    #[serde(rename = "no clear difference")]
    NoClearDifference,
}

impl Verdict {
    /// Returns the verdict on a comparison.
    pub fn of(compared: &Comparison) -> Self {
        let [low, high] = compared.difference.intervals.error_torso;
        if compared.frames < MIN_FRAMES {
            Self::NoClearDifference
        } else if high < 0.0 {
            Self::Better
        } else if low > 0.0 {
            Self::Worse
        } else {
            Self::NoClearDifference
        }
    }

    /// Returns `better`, `worse` or `no clear difference`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Better => "better",
            Self::Worse => "worse",
            Self::NoClearDifference => "no clear difference",
        }
    }
}

/// Joints of a person in pixels, by the joints of the model; `None` where there is none.
pub type MeasuredJoints = Vec<Option<[f64; 2]>>;

/// A held-out person.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PersonResult {
    /// As labelled.
    pub labels: MeasuredJoints,
    /// As predicted by the old network.
    pub before: MeasuredJoints,
    /// As predicted by the new network.
    pub after: MeasuredJoints,
}

/// Mean error in one held-out frame, in torso lengths.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FrameResult {
    /// Name of the clip.
    pub clip: String,
    /// Index of the frame.
    pub frame: u32,
    /// Of the old network.
    pub before: f64,
    /// Of the new network.
    pub after: f64,
    /// The measured people.
    pub people: Vec<PersonResult>,
}

/// Measurement of a run: contents of `gate.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Gate {
    version: u32,
    /// Whether the new weights are better on the hold-out.
    pub verdict: Verdict,
    /// What has become worse beyond its interval, in plain words, one line each.
    pub losses: Vec<String>,
    /// Further remarks, one line each.
    pub remarks: Vec<String>,
    /// Confirmed people in held-out frames.
    pub holdout: Comparison,
    /// The same for each round of the hold-out, if there are several.
    pub rounds: Vec<Comparison>,
    /// Numbers of these rounds, from 1: one without a measured person is left out. Missing in
    /// measurements of earlier versions, in which none was.
    #[serde(default)]
    pub round_numbers: Vec<usize>,
    /// Predictions of the old network in frames that were neither labelled nor trained on. `None`
    /// if there are no such frames.
    pub retention: Option<Comparison>,
    /// Held-out frames, those with the largest error of the new network first.
    pub frames: Vec<FrameResult>,
}

impl Gate {
    /// Returns the comparison of each round with its name.
    pub fn named_rounds(&self) -> impl Iterator<Item = (String, &Comparison)> {
        self.rounds.iter().enumerate().map(|(i, compared)| {
            let number = self.round_numbers.get(i).copied().unwrap_or(i + 1);
            (round_name(number), compared)
        })
    }

    /// Returns the path of the measurement of the run in `folder`.
    pub fn path(folder: &Path) -> PathBuf {
        folder.join(FILE)
    }

    /// Reads the measurement of the run in `folder`.
    ///
    /// # Errors
    /// When there is none, or it is damaged or of another version.
    pub fn read(folder: &Path) -> Result<Self> {
        #[derive(Deserialize)]
        struct Version {
            version: u32,
        }
        let path = Self::path(folder);
        let text = match fs::read_to_string(&path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                let reason = "has not been measured: its training is not finished; `poselens train \
                              --project DIR --resume` goes on with it";
                return Err(Error::data(folder, reason));
            }
            other => other.map_err(Error::io("read", &path))?,
        };
        let damaged = |e: serde_json::Error| Error::data(&path, format!("damaged: {e}"));
        let version = serde_json::from_str::<Version>(&text)
            .map_err(damaged)?
            .version;
        if version != VERSION {
            let reason = format!("of format {version}, this program knows {VERSION}");
            return Err(Error::data(&path, reason));
        }
        serde_json::from_str(&text).map_err(damaged)
    }

    fn write(&self, folder: &Path) -> Result<()> {
        let path = Self::path(folder);
        let text = serde_json::to_string_pretty(self);
        let text = text.map_err(|e| Error::data(&path, format!("cannot be written: {e}")))?;
        replace(&path, text.as_bytes())
    }
}

/// Measures the old and the new weights of the run in `folder`, and writes the result there.
/// `progress` receives the number of measured images and of all.
///
/// # Errors
/// When the run is not finished, its images or weights cannot be read, no hold-out person can be
/// measured, or a stop is requested.
pub fn measure(
    contents: &Contents,
    folder: &Path,
    hardware: Hardware,
    progress: &mut dyn FnMut(usize, usize),
    stop: &StopFlag,
) -> Result<Gate> {
    let config = RunEntry::read(folder)?.config;
    let load = |weights: Option<PathBuf>| {
        Network::load(&NetworkOptions {
            model: model(&config.model)?,
            weights,
            device: hardware.device,
            codec: None,
            threads: hardware.threads,
        })
    };
    let old = match &config.init {
        InitialWeights::File(path) => Some(path.clone()),
        _ => None,
    };
    let mut networks = [load(old)?, load(Some(folder.join(LAST)))?];
    let skeleton = networks[0].skeleton();
    let images = sets::images(folder);
    let read = |what: Use| MeasuringSet::read(&sets::labels(folder, what), &images, skeleton);
    let holdout = read(Use::HoldOut)?;
    let has_retention = sets::labels(folder, Use::Retention).is_file();
    let retention = has_retention.then(|| read(Use::Retention)).transpose()?;
    let n_images = holdout.n_images() + retention.as_ref().map_or(0, MeasuringSet::n_images);
    let mut n_done = 0;
    let mut step = || {
        // Both networks see every image.
        progress(n_done, 2 * n_images);
        n_done += 1;
    };
    let mut run = |set: &MeasuringSet| {
        let [old, new] = &mut networks;
        let before = set.measure(old, &mut step, stop)?;
        Ok::<_, Error>((before, set.measure(new, &mut step, stop)?))
    };
    let (before, after) = run(&holdout)?;
    let compared = compare(&before, &after, holdout.n_left_out()).ok_or_else(|| {
        let reason = "no held-out person can be measured: shoulders and hips are not labelled";
        Error::data(folder, reason)
    })?;
    let retention = match &retention {
        None => None,
        Some(set) => {
            let (before, after) = run(set)?;
            compare(&before, &after, set.n_left_out())
        }
    };
    let (round_numbers, rounds) = rounds(contents, &before, &after).into_iter().unzip();
    let gate = Gate {
        version: VERSION,
        verdict: Verdict::of(&compared),
        losses: losses(&compared, retention.as_ref()),
        remarks: remarks(&compared, retention.is_some()),
        rounds,
        round_numbers,
        holdout: compared,
        retention,
        frames: worst_first(&before, &after),
    };
    gate.write(folder)?;
    Ok(gate)
}

fn remarks(holdout: &Comparison, has_retention: bool) -> Vec<String> {
    let mut remarks = Vec::new();
    if holdout.frames < FEW_FRAMES {
        remarks.push(format!(
            "the hold-out has only {} with confirmed people: label more of it for a reliable verdict",
            counted(holdout.frames, "frame")
        ));
    }
    if holdout.left_out > 0 {
        let people = counted(holdout.left_out, "held-out person");
        remarks.push(format!(
            "{people} not measured: no shoulder and opposite hip are labelled"
        ));
    }
    if !has_retention {
        let remark = "there are no unlabelled frames on which the old behaviour could be compared";
        remarks.push(remark.to_owned());
    }
    remarks
}

/// Compares the frames of each round, with its number; empty if there is only one.
fn rounds(
    contents: &Contents,
    before: &[FrameErrors],
    after: &[FrameErrors],
) -> Vec<(usize, Comparison)> {
    let n_rounds = contents.holdout().n_rounds();
    if n_rounds < 2 {
        return Vec::new();
    }
    let clips = &contents.file().clips;
    let role = |frame: &FrameErrors| {
        let clip = clips.iter().find(|clip| clip.name == frame.clip)?;
        Some(contents.holdout().role(FrameKey::new(clip.id, frame.frame)))
    };
    let of = |round: usize, frames: &[FrameErrors]| {
        let is_of = |frame: &&FrameErrors| role(frame) == Some(Role::HoldOut(round));
        frames.iter().filter(is_of).cloned().collect::<Vec<_>>()
    };
    let compared =
        (0..n_rounds).filter_map(|n| Some((n + 1, compare(&of(n, before), &of(n, after), 0)?)));
    compared.collect()
}

fn worst_first(before: &[FrameErrors], after: &[FrameErrors]) -> Vec<FrameResult> {
    let mean = |frame: &FrameErrors| {
        let errors = frame.people.iter().flatten();
        errors.clone().sum::<f64>() / errors.count().max(1) as f64
    };
    let joints = |joints: &[Option<Point>]| {
        // A hundredth of a pixel is far below any error.
        let rounded = |v: f64| (100.0 * v).round() / 100.0;
        let joint = |joint: &Option<Point>| joint.map(|p| [rounded(p.x), rounded(p.y)]);
        joints.iter().map(joint).collect::<MeasuredJoints>()
    };
    let person = |(old, new): (&MeasuredPose, &MeasuredPose)| PersonResult {
        labels: joints(&old.labels),
        before: joints(&old.found),
        after: joints(&new.found),
    };
    let result = |(old, new): (&FrameErrors, &FrameErrors)| FrameResult {
        clip: old.clip.clone(),
        frame: old.frame,
        before: mean(old),
        after: mean(new),
        people: old.poses.iter().zip(&new.poses).map(person).collect(),
    };
    let mut frames: Vec<FrameResult> = before.iter().zip(after).map(result).collect();
    frames.sort_by(|a, b| b.after.total_cmp(&a.after));
    frames
}

/// Returns a figure with its interval.
type Get = fn(&Figures) -> (f64, Interval);

/// Says what has become worse beyond its interval.
fn losses(holdout: &Comparison, retention: Option<&Comparison>) -> Vec<String> {
    let mut losses = Vec::new();
    let of_retention = retention.map(|r| ("On frames that were not labelled", r, TOLERANCE));
    for (place, compared, [error, share]) in [("On the hold-out", holdout, [0.0; 2])]
        .into_iter()
        .chain(of_retention)
    {
        if compared.frames < MIN_FRAMES {
            continue;
        }
        let Comparison {
            before,
            after,
            difference,
            ..
        } = compared;
        let [low, high] = difference.intervals.error_torso;
        if low > 0.0 && difference.error_torso > error {
            losses.push(format!(
                "{place} the mean error rose from {:.3} to {:.3} torso lengths (by {low:.3} to \
                 {high:.3})",
                before.error_torso, after.error_torso
            ));
        }
        let figures: [(&str, Get); 2] = [
            ("PCK@0.1", |f| (f.pck_0_1, f.intervals.pck_0_1)),
            ("PCK@0.2", |f| (f.pck_0_2, f.intervals.pck_0_2)),
        ];
        for (name, get) in figures {
            let (by, [low, high]) = get(difference);
            if high < 0.0 && -by > share {
                losses.push(format!(
                    "{place} {name} fell from {:.1} to {:.1} % (by {:.1} to {:.1} points)",
                    100.0 * get(before).0,
                    100.0 * get(after).0,
                    -100.0 * high,
                    -100.0 * low
                ));
            }
        }
    }
    losses
}

#[cfg(test)]
mod tests;
