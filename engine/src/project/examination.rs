//! The choice among examined frames, and its improvement once more have been examined.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use super::edit::{Edit, FrameProposal};
use super::examined::Examined;
use super::holdout::{Holdout, Role};
use super::labels::{FrameLabels, Labels};
use super::measures::measures;
use super::person::FrameKey;
use super::reason::{Reason, Suggestion};
use super::suggest::{Measured, Taken, choose};
use crate::augment::Rng;
use crate::skeleton::Skeleton;

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

/// A clip of an examination.
#[derive(Debug, Clone)]
pub(super) struct ExaminedClip {
    pub id: u32,
    /// Time of each frame in seconds.
    pub times: Arc<[f64]>,
    /// Whether the frames are images, which may be as close as they like.
    pub has_pictures: bool,
    /// Frames that had people before the examination.
    pub peopled: Arc<HashSet<u32>>,
}

impl ExaminedClip {
    fn secs(&self, frame: u32) -> f64 {
        self.times.get(frame as usize).copied().unwrap_or_default()
    }
}

/// The frames that were examined so far. A clone shares them.
#[derive(Debug, Clone)]
pub struct Examination {
    /// Number of frames to suggest.
    pub(super) n: usize,
    /// Seed of the random choices.
    pub(super) seed: u64,
    /// Skeleton of the network.
    pub(super) skeleton: &'static Skeleton,
    pub(super) holdout: Arc<Holdout>,
    pub(super) clips: Arc<[ExaminedClip]>,
    /// Descriptions of frames that were suggested before.
    pub(super) suggested: Arc<[Vec<f32>]>,
    /// In the order of the examination.
    pub(super) frames: Vec<(FrameKey, Arc<Examined>)>,
    pub(super) n_examined: usize,
    pub(super) n_total: usize,
    pub(super) left_out: Vec<String>,
}

impl Examination {
    /// Returns the number of examined frames, including those that cannot be decoded.
    pub fn n_examined(&self) -> usize {
        self.n_examined
    }

    /// Returns the number of frames to examine.
    pub fn n_total(&self) -> usize {
        self.n_total
    }

    /// Chooses among the frames seen so far; returns the suggested frames and the edit that adds
    /// them to the project, whose labels are `labels`. Frames that are suggested or confirmed already
    /// are not suggested.
    pub fn suggest(&self, labels: &Labels) -> (Proposed, Edit) {
        let frames = self.choose(labels, &[], &HashSet::new());
        let edit = Edit::Propose {
            frames: frames.iter().map(Chosen::proposal).collect(),
        };
        (self.proposed(&frames), edit)
    }

    /// Improves an `earlier` choice of this examination: returns all frames suggested then, and the
    /// edit that replaces those of the earlier choice that are neither held out nor drawn at random,
    /// nor labelled in any way since, nor `is_seen`. No frame is suggested if the earlier choice was
    /// undone.
    pub fn improve(
        &self,
        labels: &Labels,
        earlier: &Proposed,
        is_seen: &dyn Fn(FrameKey) -> bool,
    ) -> (Proposed, Edit) {
        let is_there = |frame: &&ProposedFrame| {
            let labels = labels.frame(frame.at);
            labels.is_some_and(|labels| labels.suggestion == Some(frame.suggestion))
        };
        let there = earlier.frames.iter().filter(is_there);
        let (kept, open): (Vec<_>, Vec<_>) = there.partition(|frame| {
            let is_drawn = matches!(frame.suggestion.reason, Reason::HoldOut | Reason::Random);
            is_drawn || is_seen(frame.at) || !self.is_as_proposed(labels, frame.at)
        });
        if kept.is_empty() && open.is_empty() && !earlier.frames.is_empty() {
            let (withdrawn, frames) = (Vec::new(), Vec::new());
            return (self.proposed(&[]), Edit::Repropose { withdrawn, frames });
        }
        let kept: Vec<(FrameKey, Suggestion)> = kept
            .iter()
            .map(|frame| (frame.at, frame.suggestion))
            .collect();
        let open: HashSet<FrameKey> = open.iter().map(|frame| frame.at).collect();
        let chosen = self.choose(labels, &kept, &open);
        let mut withdrawn: Vec<FrameKey> = open.iter().copied().collect();
        withdrawn.retain(|at| chosen.iter().all(|chosen| chosen.at != *at));
        withdrawn.sort_unstable();
        let is_kept = |at: FrameKey| kept.iter().any(|(kept, _)| *kept == at);
        let new = chosen.iter().filter(|chosen| !is_kept(chosen.at));
        let frames = new.map(|chosen| {
            let proposal = chosen.proposal();
            if open.contains(&chosen.at) {
                // Its people are there.
                let people = Vec::new();
                FrameProposal { people, ..proposal }
            } else {
                proposal
            }
        });
        let frames = frames.collect();
        (
            self.proposed(&chosen),
            Edit::Repropose { withdrawn, frames },
        )
    }

    fn clip(&self, at: FrameKey) -> Option<&ExaminedClip> {
        self.clips.iter().find(|clip| clip.id == at.clip)
    }

    fn secs(&self, at: FrameKey) -> f64 {
        self.clip(at).map_or(0.0, |clip| clip.secs(at.frame))
    }

    /// Returns whether a frame has exactly the people proposed by this examination. Earlier people
    /// were replaced by them and cannot be brought back.
    fn is_as_proposed(&self, labels: &Labels, at: FrameKey) -> bool {
        let Some((_, examined)) = self.frames.iter().find(|(frame, _)| *frame == at) else {
            return false;
        };
        let clip = self.clip(at);
        let had_people = clip.is_some_and(|clip| clip.peopled.contains(&at.frame));
        let frame = labels.frame(at);
        let is_confirmed = frame.is_some_and(FrameLabels::is_confirmed);
        let joints = labels.people(at).iter().map(|person| &person.joints);
        !had_people && !is_confirmed && joints.eq(&examined.people)
    }

    /// Completes the choice of `kept` frames; the suggestions of `open` frames do not count.
    fn choose(
        &self,
        labels: &Labels,
        kept: &[(FrameKey, Suggestion)],
        open: &HashSet<FrameKey>,
    ) -> Vec<Chosen<'_>> {
        let is_kept = |at: FrameKey| kept.iter().any(|(kept, _)| *kept == at);
        let may_be_chosen = |at: FrameKey| {
            let labels = labels.frame(at);
            let is_done = labels.is_some_and(|l| l.suggestion.is_some() || l.is_confirmed());
            !is_done || is_kept(at) || open.contains(&at)
        };
        let mut frames = self.measured();
        frames.retain(|(frame, _)| may_be_chosen(frame.at));
        let (measured, examined): (Vec<Measured>, Vec<&Examined>) = frames.into_iter().unzip();
        let kept: Vec<(usize, Suggestion)> = kept
            .iter()
            .filter_map(|(at, suggestion)| {
                let place = measured.binary_search_by_key(at, |frame| frame.at).ok()?;
                Some((place, *suggestion))
            })
            .collect();
        let taken = Taken {
            times: self.taken(labels, open),
            descriptions: self.suggested.to_vec(),
        };
        let mut rng = Rng::new(&[self.seed]);
        let chosen = choose(&measured, &kept, taken, self.n, &mut rng);
        let mut chosen: Vec<Chosen<'_>> = chosen
            .into_iter()
            .map(|(i, suggestion)| Chosen {
                at: measured[i].at,
                secs: self.secs(measured[i].at),
                suggestion,
                examined: examined[i],
            })
            .collect();
        chosen.sort_by_key(|chosen| chosen.at);
        chosen
    }

    /// Returns the times of the suggested frames by clip, without those of `open` ones.
    fn taken(&self, labels: &Labels, open: &HashSet<FrameKey>) -> BTreeMap<u32, Vec<f64>> {
        let clips = self.clips.iter().map(|clip| {
            let frames = labels.frames_of(clip.id);
            let suggested =
                frames.filter(|(at, frame)| frame.suggestion.is_some() && !open.contains(at));
            let times = suggested.map(|(at, _)| clip.secs(at.frame));
            (clip.id, times.collect())
        });
        clips.collect()
    }

    /// Measures the frames seen so far, each against its neighbours in time.
    fn measured(&self) -> Vec<(Measured, &Examined)> {
        let mut frames: Vec<(FrameKey, &Examined)> = self
            .frames
            .iter()
            .map(|(at, seen)| (*at, &**seen))
            .collect();
        frames.sort_by_key(|(at, _)| *at);
        let mut measured = Vec::new();
        for clip in &*self.clips {
            let of_clip: Vec<_> = frames.iter().filter(|(at, _)| at.clip == clip.id).collect();
            let predictions: Vec<_> = of_clip.iter().map(|(_, e)| e.prediction.as_ref()).collect();
            let values = measures(self.skeleton, &predictions);
            for (&(at, examined), values) in of_clip.into_iter().zip(values) {
                let one = Measured {
                    at,
                    secs: (!clip.has_pictures).then(|| clip.secs(at.frame)),
                    is_held_out: matches!(self.holdout.role(at), Role::HoldOut(_)),
                    values,
                    description: examined.description.clone(),
                };
                measured.push((one, examined));
            }
        }
        measured.sort_by_key(|(one, _)| one.at);
        measured
    }

    fn proposed(&self, chosen: &[Chosen<'_>]) -> Proposed {
        let frames = chosen.iter().map(|chosen| ProposedFrame {
            at: chosen.at,
            secs: chosen.secs,
            suggestion: chosen.suggestion,
            n_people: chosen.examined.people.len(),
        });
        Proposed {
            frames: frames.collect(),
            n_examined: self.frames.len(),
            left_out: self.left_out.clone(),
        }
    }
}

/// A chosen frame.
struct Chosen<'a> {
    at: FrameKey,
    secs: f64,
    suggestion: Suggestion,
    examined: &'a Examined,
}

impl Chosen<'_> {
    fn proposal(&self) -> FrameProposal {
        FrameProposal {
            at: self.at,
            suggestion: Some(self.suggestion),
            people: self.examined.people.clone(),
            is_confirmed: false,
        }
    }
}
