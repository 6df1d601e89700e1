//! Suggests frames of the clips and fills them with a model's poses.
//!
//! A [`Survey`] is planned with the project and then examines frames without it, coarse to fine, so
//! that at any time an [`Examination`] has seen frames from everywhere. A choice among those seen so
//! far can be made at once and improved when more have been seen.

use std::collections::HashSet;
use std::hash::{BuildHasher, RandomState};
use std::path::PathBuf;
use std::sync::Arc;

use super::clip::Clip;
use super::examination::{Examination, ExaminedClip, Proposed};
use super::examined::{Examined, Examiner};
use super::holdout::{Holdout, Role};
use super::open::Project;
use super::order::interleaved;
use super::person::FrameKey;
use super::suggest::APART_SECS;
use crate::error::{Error, Result};
use crate::estimator::Infer;
use crate::skeleton::Skeleton;
use crate::source::scrub::Scrub;

/// Usual time between examined frames in seconds.
const STEP_SECS: f64 = 0.25;
/// Largest number of examined frames, unless more are requested.
const MAX_EXAMINED: usize = 400;
/// Number of frames examined for each one requested, at least.
const EXAMINED_PER_FRAME: usize = 4;

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
    let follow =
        &mut |examination: &Examination| progress(examination.n_examined(), examination.n_total());
    let examination = survey.run(infer, follow)?;
    let (proposed, edit) = examination.suggest(project.labels());
    project.apply(&edit)?;
    Ok(proposed)
}

/// Receives the number of examined frames and of those to examine.
pub type Progress<'a> = &'a mut dyn FnMut(usize, usize) -> Result<()>;

/// Sees the examination before the first frame and after each. An error that it returns ends the
/// examination.
pub type Follow<'a> = &'a mut dyn FnMut(&Examination) -> Result<()>;

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
    /// Frames with people.
    peopled: HashSet<u32>,
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
                peopled: HashSet::new(),
            };
            for (at, frame) in contents.labels().frames_of(clip.id) {
                if frame.suggestion.is_some() {
                    labelled.suggested.push(at.frame);
                } else if frame.is_confirmed() {
                    labelled.confirmed.insert(at.frame);
                } else if !frame.people.is_empty() {
                    labelled.peopled.insert(at.frame);
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

    /// Examines frames of all clips, coarse to fine. Those that the network has examined before are
    /// neither decoded nor examined again, also if the examination was ended early.
    ///
    /// # Errors
    /// When no clip can be opened, the model fails or finds other joints, or `follow` returns an
    /// error.
    pub fn run(self, infer: &mut dyn Infer, follow: Follow<'_>) -> Result<Examination> {
        let mut left_out = self.left_out.clone();
        let mut clips = self.open_clips(&mut left_out)?;
        let n_candidates: usize = clips.iter().map(|clip| clip.candidates.len()).sum();
        let n_limit = MAX_EXAMINED.max(EXAMINED_PER_FRAME * self.n);
        let every = n_candidates.div_ceil(n_limit).max(1);
        for clip in &mut clips {
            let kept = std::mem::take(&mut clip.candidates);
            clip.candidates = kept.into_iter().step_by(every).collect();
        }
        let mut examiner = Examiner::new(&self.folder, infer, self.skeleton)?;
        let lists: Vec<&[(usize, u32)]> = clips.iter().map(|clip| &clip.candidates[..]).collect();
        // Frames after a jump are cheap to decode near a key frame.
        let order = interleaved(&lists, |(place, i)| {
            clips[*place].scrub.n_before(*i as usize)
        });
        let mut examination = Examination {
            n: self.n,
            seed: RandomState::new().hash_one(0),
            skeleton: examiner.model_skeleton,
            holdout: Arc::new(self.holdout.clone()),
            clips: clips.iter().map(OpenClip::times).collect(),
            suggested: self.described(&examiner).into(),
            frames: Vec::new(),
            n_examined: 0,
            n_total: order.len(),
            left_out,
        };
        let walked = walk(&mut clips, &order, &mut examiner, &mut examination, follow);
        examiner.save();
        walked?;
        Ok(examination)
    }

    /// Returns the known descriptions of frames that are suggested already.
    fn described(&self, examiner: &Examiner<'_>) -> Vec<Vec<f32>> {
        let all = self.clips.iter().flat_map(|labelled| {
            let clip = &labelled.clip;
            let frames = labelled.suggested.iter();
            frames.filter_map(|frame| examiner.known(&clip.sha256, *frame))
        });
        all.map(|examined| examined.description.clone()).collect()
    }

    /// Opens every clip that is there; the others are named in `left_out`.
    fn open_clips(&self, left_out: &mut Vec<String>) -> Result<Vec<OpenClip>> {
        let mut clips = Vec::new();
        for labelled in &self.clips {
            let clip = &labelled.clip;
            match clip.open(&self.folder) {
                Ok(mut scrub) => {
                    // Frames are far apart: those between are not worth keeping.
                    scrub.limit_cache(0);
                    let mut open = OpenClip {
                        clip: clip.clone(),
                        peopled: Arc::new(labelled.peopled.clone()),
                        scrub,
                        candidates: Vec::new(),
                    };
                    open.find_candidates(labelled, &self.holdout, clips.len());
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

/// Examines frames in the given order. Frames that cannot be decoded are named in `left_out`.
fn walk(
    clips: &mut [OpenClip],
    order: &[(usize, u32)],
    examiner: &mut Examiner<'_>,
    examination: &mut Examination,
    follow: Follow<'_>,
) -> Result<()> {
    follow(examination)?;
    for &(place, frame) in order {
        let clip = &mut clips[place];
        match clip.examined(frame, examiner)? {
            Ok(examined) => {
                let at = FrameKey::new(clip.clip.id, frame);
                examination.frames.push((at, examined));
            }
            Err(reason) => examination.left_out.push(reason),
        }
        examination.n_examined += 1;
        follow(examination)?;
    }
    Ok(())
}

/// A clip with the frames that may be suggested.
struct OpenClip {
    clip: Clip,
    peopled: Arc<HashSet<u32>>,
    scrub: Scrub,
    /// Frames to examine in order of time, each with the index of this clip among those open.
    candidates: Vec<(usize, u32)>,
}

impl OpenClip {
    fn secs(&self, frame: u32) -> f64 {
        let times = self.scrub.times();
        times.get(frame as usize).copied().unwrap_or_default()
    }

    fn times(&self) -> ExaminedClip {
        ExaminedClip {
            id: self.clip.id,
            times: self.scrub.times().into(),
            has_pictures: self.clip.has_pictures(),
            peopled: Arc::clone(&self.peopled),
        }
    }

    /// Lists frames a quarter of a second apart, or all images of a folder, which may be examined.
    fn find_candidates(&mut self, labelled: &LabelledClip, holdout: &Holdout, place: usize) {
        let has_pictures = self.clip.has_pictures();
        let suggested = labelled.suggested.iter();
        let taken: Vec<f64> = suggested.map(|frame| self.secs(*frame)).collect();
        let mut next = f64::NEG_INFINITY;
        let n = self.scrub.n_frames() as u32;
        for i in 0..n {
            let (at, secs) = (FrameKey::new(self.clip.id, i), self.secs(i));
            if secs < next && !has_pictures {
                continue;
            }
            // In order, because the labels are.
            let is_suggested = labelled.suggested.binary_search(&i).is_ok();
            let is_done = is_suggested || labelled.confirmed.contains(&i);
            let is_near = |taken: &f64| (taken - secs).abs() < APART_SECS;
            let is_close = !has_pictures && taken.iter().any(is_near);
            if !is_done && !is_close && holdout.role(at) != Role::Guard {
                self.candidates.push((place, i));
                next = secs + STEP_SECS;
            }
        }
    }

    /// Returns what is found in a frame; the inner error is the reason why it cannot be decoded.
    fn examined(
        &mut self,
        frame: u32,
        examiner: &mut Examiner<'_>,
    ) -> Result<Result<Arc<Examined>, String>> {
        let clip = &self.clip.sha256;
        if let Some(known) = examiner.known(clip, frame) {
            return Ok(Ok(known));
        }
        match self.scrub.frame(frame as usize) {
            Ok(decoded) => Ok(Ok(examiner.examine(clip, frame, &decoded)?)),
            Err(error) => Ok(Err(error.to_string())),
        }
    }
}

#[cfg(test)]
mod tests;
