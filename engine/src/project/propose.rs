//! Suggests frames of the clips and fills them with a model's poses.

use std::collections::HashSet;
use std::hash::{BuildHasher, RandomState};
use std::path::PathBuf;

use super::clip::Clip;
use super::descriptions::Descriptions;
use super::edit::{Edit, FrameProposal};
use super::holdout::{Holdout, Role};
use super::open::Project;
use super::person::{FrameKey, Joint};
use super::reason::Suggestion;
use super::suggest::{APART_SECS, Measured, Meter, Taken, choose};
use crate::augment::Rng;
use crate::error::{Error, Result};
use crate::estimator::{Infer, RequestedMaps};
use crate::output::PoseOutput;
use crate::skeleton::Skeleton;
use crate::source::scrub::Scrub;

/// Usual time between examined frames in seconds.
const STEP_SECS: f64 = 0.25;
/// Largest number of examined frames, unless more are requested.
const MAX_EXAMINED: usize = 400;
/// Number of frames examined for each one requested, at least.
const EXAMINED_PER_FRAME: usize = 4;

/// Frames that were suggested.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Proposed {
    /// The frames, by clip and index.
    pub frames: Vec<ProposedFrame>,
    /// Number of frames that the model examined.
    pub n_examined: usize,
    /// What was left out, one line each.
    pub left_out: Vec<String>,
}

/// A suggested frame.
#[derive(Debug, Clone, PartialEq)]
pub struct ProposedFrame {
    /// The frame.
    pub at: FrameKey,
    /// Time of the frame in its clip in seconds.
    pub secs: f64,
    /// Why it was chosen.
    pub suggestion: Suggestion,
    /// Number of people that were proposed in it.
    pub n_people: usize,
}

/// A frame that was examined.
struct Examined {
    secs: f64,
    people: Vec<Vec<Joint>>,
}

/// Suggests up to `n` frames and proposes the poses that `infer` finds in them. Frames that are
/// suggested or confirmed already, and guarded ones, are not suggested. Chooses the hold-out first
/// if there is none. `progress` receives the number of examined frames and of those to examine; an
/// error that it returns ends the examination, and nothing is suggested.
///
/// # Errors
/// When the hold-out cannot be chosen, no clip can be opened, the model fails or finds other joints,
/// or the project cannot be written.
pub fn propose(
    project: &mut Project,
    infer: &mut dyn Infer,
    n: usize,
    progress: Progress<'_>,
) -> Result<Proposed> {
    let survey = Survey::plan(project, n)?;
    let (proposed, edit) = survey.run(infer, progress)?;
    project.apply(&edit)?;
    Ok(proposed)
}

/// Receives the number of examined frames and of those to examine.
pub type Progress<'a> = &'a mut dyn FnMut(usize, usize) -> Result<()>;

/// An examination of the clips as they are labelled at one moment. It needs no access to the
/// project, which can be labelled meanwhile.
#[derive(Debug)]
pub struct Survey {
    folder: PathBuf,
    clips: Vec<LabelledClip>,
    holdout: Holdout,
    skeleton: &'static Skeleton,
    n: usize,
    left_out: Vec<String>,
}

/// A clip with the frames that are labelled or suggested already.
#[derive(Debug)]
struct LabelledClip {
    clip: Clip,
    suggested: Vec<u32>,
    confirmed: HashSet<u32>,
}

impl Survey {
    /// Plans to suggest up to `n` frames; chooses the hold-out first if there is none.
    ///
    /// # Errors
    /// When the hold-out cannot be chosen.
    pub fn plan(project: &mut Project, n: usize) -> Result<Self> {
        let reason = project.ensure_holdout()?;
        let remark = |reason| format!("there is no hold-out to measure training with: {reason}");
        let contents = project.contents();
        let labelled = |clip: &Clip| {
            let mut labelled = LabelledClip {
                clip: clip.clone(),
                suggested: Vec::new(),
                confirmed: HashSet::new(),
            };
            for (at, frame) in contents.labels().frames_of(clip.id) {
                if frame.suggestion.is_some() {
                    labelled.suggested.push(at.frame);
                } else if frame.is_confirmed() {
                    labelled.confirmed.insert(at.frame);
                }
            }
            labelled
        };
        Ok(Self {
            folder: contents.folder().to_owned(),
            clips: contents.file().clips.iter().map(labelled).collect(),
            holdout: contents.holdout().clone(),
            skeleton: contents.labels().skeleton(),
            n,
            left_out: reason.map(remark).into_iter().collect(),
        })
    }

    /// Examines the clips; returns the suggested frames and the edit that adds them to the project.
    ///
    /// # Errors
    /// When no clip can be opened, the model fails or finds other joints, or `progress` returns an
    /// error.
    pub fn run(self, infer: &mut dyn Infer, progress: Progress<'_>) -> Result<(Proposed, Edit)> {
        let n = self.n;
        let mut proposed = Proposed {
            left_out: self.left_out.clone(),
            ..Proposed::default()
        };
        let mut clips = self.open_clips(&mut proposed.left_out)?;
        let n_candidates: usize = clips.iter().map(|clip| clip.candidates.len()).sum();
        let n_limit = MAX_EXAMINED.max(EXAMINED_PER_FRAME * n);
        let every = n_candidates.div_ceil(n_limit).max(1);
        for clip in &mut clips {
            let kept = std::mem::take(&mut clip.candidates);
            clip.candidates = kept.into_iter().step_by(every).collect();
        }
        let n_total: usize = clips.iter().map(|clip| clip.candidates.len()).sum();

        let mut descriptions = Descriptions::read(&self.folder, infer)?;
        let known = self.suggested().filter_map(|at| descriptions.known(at));
        let known: Vec<Vec<f32>> = known.map(<[f32]>::to_vec).collect();
        let mut measured = Vec::new();
        let mut examined = Vec::new();
        for clip in &mut clips {
            let n_before = examined.len();
            let mut progress = |n| progress(n_before + n, n_total);
            let mut model = Model {
                infer: &mut *infer,
                descriptions: &mut descriptions,
            };
            let seen = self.examine(clip, &mut model, &mut proposed.left_out, &mut progress)?;
            for (measures, frame) in seen {
                measured.push(measures);
                examined.push(frame);
            }
        }
        descriptions.save();
        proposed.n_examined = examined.len();
        let taken = clips.iter().map(|clip| (clip.id, clip.taken.clone()));
        let mut rng = Rng::new(&[RandomState::new().hash_one(0)]);
        let taken = Taken {
            times: taken.collect(),
            descriptions: known,
        };
        let chosen = choose(&measured, taken, n, &mut rng);
        let mut frames = Vec::new();
        for (i, suggestion) in chosen {
            let (at, Examined { secs, people }) = (measured[i].at, &examined[i]);
            proposed.frames.push(ProposedFrame {
                at,
                secs: *secs,
                suggestion,
                n_people: people.len(),
            });
            frames.push(FrameProposal {
                at,
                suggestion: Some(suggestion),
                people: people.clone(),
                is_confirmed: false,
            });
        }
        proposed.frames.sort_by_key(|frame| frame.at);
        Ok((proposed, Edit::Propose { frames }))
    }

    /// Returns the frames that are suggested already.
    fn suggested(&self) -> impl Iterator<Item = FrameKey> {
        self.clips.iter().flat_map(
            |LabelledClip {
                 clip, suggested, ..
             }| { suggested.iter().map(|frame| FrameKey::new(clip.id, *frame)) },
        )
    }

    /// Runs the model on the candidates of a clip. Frames that cannot be decoded are named in
    /// `left_out`.
    fn examine(
        &self,
        clip: &mut OpenClip,
        Model {
            infer,
            descriptions,
        }: &mut Model<'_>,
        left_out: &mut Vec<String>,
        progress: &mut dyn FnMut(usize) -> Result<()>,
    ) -> Result<Vec<(Measured, Examined)>> {
        let mut seen = Vec::new();
        let mut meter: Option<Meter> = None;
        for i in std::mem::take(&mut clip.candidates) {
            progress(seen.len())?;
            let frame = match clip.scrub.frame(i as usize) {
                Ok(frame) => frame,
                Err(error) => {
                    left_out.push(error.to_string());
                    continue;
                }
            };
            let requested = RequestedMaps {
                heatmaps: true,
                ..RequestedMaps::default()
            };
            // Without poses nearby, so that the result depends on this frame alone.
            let output = infer.inspect(&frame, &[], requested)?;
            let meter = meter.get_or_insert_with(|| Meter::new(output.skeleton));
            meter.push(&output);
            let at = FrameKey::new(clip.id, i);
            let description = descriptions.of(at, &frame, output.poses.first(), *infer)?;
            seen.push((at, description, people(&output, self.skeleton)?));
        }
        let values = meter.map(Meter::finish).unwrap_or_default();
        let seen = seen.into_iter().zip(values);
        let seen = seen.map(|((at, description, people), values)| {
            let secs = clip.secs(at.frame);
            let measured = Measured {
                at,
                secs: (!clip.has_pictures).then_some(secs),
                is_held_out: matches!(self.holdout.role(at), Role::HoldOut(_)),
                values,
                description,
            };
            (measured, Examined { secs, people })
        });
        Ok(seen.collect())
    }

    /// Opens every clip that is there; the others are named in `left_out`.
    fn open_clips(&self, left_out: &mut Vec<String>) -> Result<Vec<OpenClip>> {
        let mut clips = Vec::new();
        for labelled in &self.clips {
            let clip = &labelled.clip;
            match clip.open(&self.folder) {
                Ok(scrub) => {
                    let mut open = OpenClip {
                        id: clip.id,
                        has_pictures: clip.has_pictures(),
                        scrub,
                        candidates: Vec::new(),
                        taken: Vec::new(),
                    };
                    open.find_candidates(labelled, &self.holdout);
                    clips.push(open);
                }
                Err(error) => left_out.push(error.to_string()),
            }
        }
        if clips.is_empty() {
            let reason = left_out.last().map_or("there are no clips", String::as_str);
            return Err(Error::data(&self.folder, reason));
        }
        Ok(clips)
    }
}

/// What examines frames.
struct Model<'a> {
    infer: &'a mut dyn Infer,
    descriptions: &'a mut Descriptions,
}

/// A clip with the frames that may be suggested.
struct OpenClip {
    id: u32,
    has_pictures: bool,
    scrub: Scrub,
    /// Indices of frames to examine, ascending.
    candidates: Vec<u32>,
    /// Times of frames that are suggested already.
    taken: Vec<f64>,
}

impl OpenClip {
    fn secs(&self, frame: u32) -> f64 {
        let times = self.scrub.times();
        times.get(frame as usize).copied().unwrap_or_default()
    }

    /// Lists frames a quarter of a second apart, or all images of a folder, which may be examined.
    fn find_candidates(&mut self, labelled: &LabelledClip, holdout: &Holdout) {
        let suggested = labelled.suggested.iter();
        self.taken = suggested.map(|frame| self.secs(*frame)).collect();
        let mut next = f64::NEG_INFINITY;
        let n = self.scrub.n_frames() as u32;
        for i in 0..n {
            let (at, secs) = (FrameKey::new(self.id, i), self.secs(i));
            if secs < next && !self.has_pictures {
                continue;
            }
            // In order, because the labels are.
            let is_suggested = labelled.suggested.binary_search(&i).is_ok();
            let is_done = is_suggested || labelled.confirmed.contains(&i);
            let is_near = |taken: &f64| (taken - secs).abs() < APART_SECS;
            let is_close = !self.has_pictures && self.taken.iter().any(is_near);
            if !is_done && !is_close && holdout.role(at) != Role::Guard {
                self.candidates.push(i);
                next = secs + STEP_SECS;
            }
        }
    }
}

/// Returns the joints of everybody found, as proposals in the project's skeleton.
fn people(output: &PoseOutput, skeleton: &'static Skeleton) -> Result<Vec<Vec<Joint>>> {
    let map = output.skeleton.map_to(&skeleton.name).ok_or_else(|| {
        let found = &output.skeleton.name;
        let reason = format!(
            "the model {} finds the joints of {found}, the project has those of {}",
            output.model, skeleton.name
        );
        Error::Failed(reason)
    })?;
    // A pose without a counting joint means that nobody was found.
    let found = output.poses.iter().filter(|pose| pose.score > 0.0);
    Ok(found
        .map(|pose| Joint::all_predicted(&pose.keypoints_raw, &map))
        .collect())
}
