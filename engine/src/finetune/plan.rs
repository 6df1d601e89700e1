//! Which frames of the clips a run uses, and for what.

use std::collections::BTreeMap;

use super::options::FinetuneOptions;
use crate::error::{Error, Result};
use crate::model::sha256_of;
use crate::project::{Clip, Contents, FrameKey, FrameLabels, Role};
use crate::source::SAMPLE_CLIP;
use crate::words::counted;

/// Replayed frames are this far from labelled ones in seconds: there the old network's prediction
/// would contradict the correction.
const APART_SECS: f64 = 0.5;
/// Smallest and largest number of replayed frames. Fewer are shown in an epoch of a small project,
/// other ones in each.
const REPLAYED: (usize, usize) = (16, 300);
/// At least one in this many replayed frames comes from the bundled sample.
const SAMPLE_ONE_IN: usize = 4;
/// Largest number of frames of the clips and of the sample in the retention set.
const RETAINED: [usize; 2] = [24, 16];

/// Returns the name of a round of the hold-out; they are counted from 1.
pub fn round_name(number: usize) -> String {
    format!("round {number}")
}

/// What a frame is used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Use {
    /// Its confirmed people are trained on.
    Train,
    /// Its confirmed people are measured with.
    HoldOut,
    /// The old network's prediction is trained on.
    Replay,
    /// The old network's prediction is compared with the new one's.
    Retention,
}

impl Use {
    /// Every use.
    pub const ALL: [Self; 4] = [Self::Train, Self::HoldOut, Self::Replay, Self::Retention];

    /// Returns the name of the label file without its extension.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Train => "train",
            Self::HoldOut => "holdout",
            Self::Replay => "replay",
            Self::Retention => "retention",
        }
    }
}

/// Frames by index, each with its use.
pub type Uses = BTreeMap<u32, Use>;

/// The frames of a run.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Plan {
    /// Frames of each clip, by its id.
    pub clips: BTreeMap<u32, Uses>,
    /// Frames of the bundled sample.
    pub sample: Uses,
    /// Remarks, one line each.
    pub remarks: Vec<String>,
}

/// Returns whether a frame has confirmed people with at least one labelled joint.
fn is_labelled(frame: &FrameLabels) -> bool {
    let mut confirmed = frame.people.iter().filter(|person| person.is_confirmed);
    confirmed.any(|person| person.joints.iter().any(|joint| joint.labelled().is_some()))
}

impl Plan {
    /// Chooses the frames of a run. Nothing held out, and nothing near it, is trained on.
    ///
    /// # Errors
    /// When there is no hold-out, or no confirmed person in it or outside of it.
    pub fn of(contents: &Contents, options: &FinetuneOptions) -> Result<Self> {
        let mut plan = Self::default();
        plan.take_labelled(contents)?;
        let confirmed = |at: FrameKey| {
            let people = contents.labels().people(at).iter();
            people.filter(|person| person.is_confirmed).count()
        };
        let n_people: usize = plan.frames_of(Use::Train).map(confirmed).sum();
        // In a clip of the project, the sample may be held out.
        let is_free = {
            let sample = sha256_of(SAMPLE_CLIP);
            !contents
                .file()
                .clips
                .iter()
                .any(|clip| clip.sha256 == sample)
        };
        let n_shown = options.n_replayed(n_people);
        if n_shown > 0 {
            let n = n_shown.clamp(REPLAYED.0, REPLAYED.1);
            let frames = plan.unlabelled(contents, Role::Train);
            let n_sample = if is_free { n / SAMPLE_ONE_IN } else { 0 };
            let frames = evenly(&frames, n - n_sample);
            plan.add(&frames, Use::Replay);
            if is_free {
                // Also in place of frames that the clips do not have.
                plan.add_sample(n - frames.len(), Use::Replay);
            }
            if plan.count(Use::Replay) == 0 {
                let remark = "there are no unlabelled frames to replay: what the network knew before \
                              is not protected";
                plan.remarks.push(remark.to_owned());
            }
        }
        let frames: Vec<FrameKey> = contents
            .file()
            .clips
            .iter()
            .flat_map(|clip| (0..clip.n_frames).map(|frame| FrameKey::new(clip.id, frame)))
            .filter(|at| matches!(contents.holdout().role(*at), Role::HoldOut(_)))
            .filter(|at| !contents.labels().frame(*at).is_some_and(is_labelled))
            .collect();
        plan.add(&evenly(&frames, RETAINED[0]), Use::Retention);
        if is_free {
            plan.add_sample(RETAINED[1], Use::Retention);
        }
        Ok(plan)
    }

    /// Takes the frames with confirmed people.
    fn take_labelled(&mut self, contents: &Contents) -> Result<()> {
        let folder = contents.folder();
        let holdout = contents.holdout();
        if holdout.n_rounds() == 0 {
            let reason = "has no hold-out to measure the training with; it is chosen when frames \
                          are suggested (`poselens label --propose`), from two clips or more, or \
                          one of at least 4 seconds";
            return Err(Error::data(folder, reason));
        }
        let mut n_guarded = 0usize;
        for (at, _) in contents
            .labels()
            .frames()
            .filter(|(_, frame)| is_labelled(frame))
        {
            match holdout.role(at) {
                Role::Train => self.put(at, Use::Train),
                Role::HoldOut(_) => self.put(at, Use::HoldOut),
                Role::Guard => n_guarded += 1,
            }
        }
        if n_guarded > 0 {
            let frames = counted(n_guarded, "confirmed frame");
            let remark = format!(
                "{frames} within a second of the hold-out: neither trained on nor measured"
            );
            self.remarks.push(remark);
        }
        if self.count(Use::Train) == 0 {
            let reason = "there is nothing to train on: no person is confirmed outside of the \
                          hold-out";
            return Err(Error::data(folder, reason));
        }
        if self.count(Use::HoldOut) == 0 {
            let reason = "there is nothing to measure the training with: no person is confirmed in \
                          the held-out frames, of which some are among the suggested ones";
            return Err(Error::data(folder, reason));
        }
        Ok(())
    }

    fn put(&mut self, at: FrameKey, what: Use) {
        self.clips
            .entry(at.clip)
            .or_default()
            .insert(at.frame, what);
    }

    fn add(&mut self, frames: &[FrameKey], what: Use) {
        for at in frames {
            self.put(*at, what);
        }
    }

    /// Adds frames of the sample: its first half is replayed, the end of the second half retained,
    /// so that they are apart.
    fn add_sample(&mut self, n: usize, what: Use) {
        let frames: Vec<u32> = match what {
            Use::Retention => (SAMPLE_FRAMES * 2 / 3..SAMPLE_FRAMES).collect(),
            _ => (0..SAMPLE_FRAMES / 2).collect(),
        };
        for frame in evenly(&frames, n) {
            self.sample.insert(frame, what);
        }
    }

    /// Returns the unlabelled frames of a role that are apart from the labelled ones.
    fn unlabelled(&self, contents: &Contents, role: Role) -> Vec<FrameKey> {
        let mut frames = Vec::new();
        for clip in &contents.file().clips {
            let near = n_near(clip);
            let used = self.clips.get(&clip.id);
            let mut frame = 0;
            while frame < clip.n_frames {
                let at = FrameKey::new(clip.id, frame);
                let around = frame.saturating_sub(near)..=frame.saturating_add(near);
                let nearest = used.and_then(|used| used.range(around).next_back());
                if let Some((labelled, _)) = nearest {
                    // The next frame that is far enough from this one.
                    frame = labelled
                        .saturating_add(near)
                        .saturating_add(1)
                        .max(frame + 1);
                    continue;
                }
                if contents.holdout().role(at) == role {
                    frames.push(at);
                }
                frame += 1;
            }
        }
        frames
    }

    fn uses(&self) -> impl Iterator<Item = (Option<u32>, &Uses)> {
        let clips = self.clips.iter().map(|(clip, uses)| (Some(*clip), uses));
        clips.chain([(None, &self.sample)])
    }

    /// Returns the number of frames for one use.
    pub fn count(&self, what: Use) -> usize {
        let uses = self.uses().flat_map(|(_, uses)| uses.values());
        uses.filter(|other| **other == what).count()
    }

    /// Returns the clips with labelled frames.
    pub fn labelled_clips<'a>(&'a self, contents: &'a Contents) -> impl Iterator<Item = &'a Clip> {
        let is_labelled = |what: &Use| matches!(what, Use::Train | Use::HoldOut);
        let clips = self.clips.iter();
        let labelled = clips.filter(move |(_, uses)| uses.values().any(is_labelled));
        labelled.filter_map(move |(id, _)| contents.file().clip(*id))
    }

    /// Returns the clips of each round of the hold-out that has labelled frames, by name; empty if
    /// there is only one such round.
    pub fn rounds(&self, contents: &Contents) -> BTreeMap<String, Vec<String>> {
        let mut rounds: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for at in self.frames_of(Use::HoldOut) {
            let clip = contents.file().clip(at.clip);
            if let (Role::HoldOut(round), Some(clip)) = (contents.holdout().role(at), clip) {
                let clips = rounds.entry(round_name(round + 1)).or_default();
                if !clips.contains(&clip.name) {
                    clips.push(clip.name.clone());
                }
            }
        }
        if rounds.len() < 2 {
            rounds.clear();
        }
        rounds
    }

    /// Returns the frames of clips for one use.
    pub fn frames_of(&self, what: Use) -> impl Iterator<Item = FrameKey> {
        let frame = move |(clip, uses): (&u32, &Uses)| {
            let of = |(frame, other): (&u32, &Use)| (*other == what).then_some(*frame);
            let frames: Vec<u32> = uses.iter().filter_map(of).collect();
            let clip = *clip;
            frames
                .into_iter()
                .map(move |frame| FrameKey::new(clip, frame))
        };
        self.clips.iter().flat_map(frame)
    }
}

/// Number of frames of the bundled sample.
const SAMPLE_FRAMES: u32 = 87;

/// Returns how many frames on either side of a frame of the clip are near it. Images of a folder
/// have no times.
fn n_near(clip: &Clip) -> u32 {
    if clip.has_pictures() || clip.n_frames < 2 || clip.seconds <= 0.0 {
        return 0;
    }
    let rate = f64::from(clip.n_frames - 1) / clip.seconds;
    (APART_SECS * rate).floor() as u32
}

/// Returns up to `n` of the items, evenly spread.
fn evenly<T: Copy>(items: &[T], n: usize) -> Vec<T> {
    let n = n.min(items.len());
    let at = |i: usize| items[(2 * i + 1) * items.len() / (2 * n)];
    (0..n).map(at).collect()
}

#[cfg(test)]
mod tests;
