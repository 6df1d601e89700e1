//! Suggests frames of the clips and fills them with a model's poses.

use std::hash::{BuildHasher, RandomState};

use super::descriptions::Descriptions;
use super::edit::{Edit, FrameProposal};
use super::holdout::Role;
use super::open::{Contents, Project};
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
/// if there is none. `progress` receives the number of examined frames and of those to examine.
///
/// # Errors
/// When the hold-out cannot be chosen, no clip can be opened, the model fails or finds other joints,
/// or the project cannot be written.
pub fn propose(
    project: &mut Project,
    infer: &mut dyn Infer,
    n: usize,
    progress: &mut dyn FnMut(usize, usize),
) -> Result<Proposed> {
    let mut proposed = Proposed::default();
    if let Some(reason) = project.ensure_holdout()? {
        let remark = format!("there is no hold-out to measure training with: {reason}");
        proposed.left_out.push(remark);
    }
    let contents = project.contents();
    let mut clips = open_clips(contents, &mut proposed.left_out)?;
    let n_candidates: usize = clips.iter().map(|clip| clip.candidates.len()).sum();
    let n_limit = MAX_EXAMINED.max(EXAMINED_PER_FRAME * n);
    let every = n_candidates.div_ceil(n_limit).max(1);
    for clip in &mut clips {
        let kept = std::mem::take(&mut clip.candidates);
        clip.candidates = kept.into_iter().step_by(every).collect();
    }
    let n_total: usize = clips.iter().map(|clip| clip.candidates.len()).sum();

    let mut descriptions = Descriptions::read(contents.folder(), infer)?;
    let known = contents
        .labels()
        .frames()
        .filter(|(_, frame)| frame.suggestion.is_some());
    let known = known.filter_map(|(at, _)| Some(descriptions.known(at)?.to_vec()));
    let known: Vec<Vec<f32>> = known.collect();
    let mut measured = Vec::new();
    let mut examined = Vec::new();
    for clip in &mut clips {
        let n_before = examined.len();
        let mut progress = |n| progress(n_before + n, n_total);
        let left_out = &mut proposed.left_out;
        let mut model = Model {
            infer: &mut *infer,
            descriptions: &mut descriptions,
        };
        let seen = examine(clip, contents, &mut model, left_out, &mut progress)?;
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
    project.apply(&Edit::Propose { frames })?;
    Ok(proposed)
}

/// What examines frames.
struct Model<'a> {
    infer: &'a mut dyn Infer,
    descriptions: &'a mut Descriptions,
}

/// Runs the model on the candidates of a clip. Frames that cannot be decoded are named in
/// `left_out`.
fn examine(
    clip: &mut OpenClip,
    contents: &Contents,
    Model {
        infer,
        descriptions,
    }: &mut Model<'_>,
    left_out: &mut Vec<String>,
    progress: &mut dyn FnMut(usize),
) -> Result<Vec<(Measured, Examined)>> {
    let skeleton = contents.labels().skeleton();
    let mut seen = Vec::new();
    let mut meter: Option<Meter> = None;
    for i in std::mem::take(&mut clip.candidates) {
        progress(seen.len());
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
        seen.push((at, description, people(&output, skeleton)?));
    }
    let values = meter.map(Meter::finish).unwrap_or_default();
    let seen = seen.into_iter().zip(values);
    let seen = seen.map(|((at, description, people), values)| {
        let secs = clip.secs(at.frame);
        let measured = Measured {
            at,
            secs: (!clip.has_pictures).then_some(secs),
            is_held_out: matches!(contents.holdout().role(at), Role::HoldOut(_)),
            values,
            description,
        };
        (measured, Examined { secs, people })
    });
    Ok(seen.collect())
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
    fn find_candidates(&mut self, contents: &Contents) {
        let (labels, holdout) = (contents.labels(), contents.holdout());
        for (at, frame) in labels.frames_of(self.id) {
            if frame.suggestion.is_some() {
                self.taken.push(self.secs(at.frame));
            }
        }
        let mut next = f64::NEG_INFINITY;
        let n = self.scrub.n_frames() as u32;
        for i in 0..n {
            let (at, secs) = (FrameKey::new(self.id, i), self.secs(i));
            if secs < next && !self.has_pictures {
                continue;
            }
            let known = labels.frame(at);
            let is_done = known.is_some_and(|f| f.suggestion.is_some() || f.is_confirmed());
            let is_near = |taken: &f64| (taken - secs).abs() < APART_SECS;
            let is_close = !self.has_pictures && self.taken.iter().any(is_near);
            if !is_done && !is_close && holdout.role(at) != Role::Guard {
                self.candidates.push(i);
                next = secs + STEP_SECS;
            }
        }
    }
}

/// Opens every clip that is there; the others are named in `left_out`.
fn open_clips(contents: &Contents, left_out: &mut Vec<String>) -> Result<Vec<OpenClip>> {
    let mut clips = Vec::new();
    for clip in &contents.file().clips {
        match clip.open(contents.folder()) {
            Ok(scrub) => {
                let mut open = OpenClip {
                    id: clip.id,
                    has_pictures: clip.has_pictures(),
                    scrub,
                    candidates: Vec::new(),
                    taken: Vec::new(),
                };
                open.find_candidates(contents);
                clips.push(open);
            }
            Err(error) => left_out.push(error.to_string()),
        }
    }
    if clips.is_empty() {
        let reason = left_out.last().map_or("there are no clips", String::as_str);
        return Err(Error::data(contents.folder(), reason));
    }
    Ok(clips)
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
