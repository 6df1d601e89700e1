//! `holdout.toml`: the frames that are never trained on.
//!
//! A hold-out is chosen once, at random, before the first frame is suggested, and never changes:
//! adding clips does not add to it. With at least three clips it consists of whole clips, otherwise
//! of contiguous segments. Frames within [`GUARD_SECS`] of a segment resemble its frames and are
//! neither trained on nor suggested. Later clips may get a hold-out of their own, a further round.

use std::fs;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::file::{VERSION, check_version};
use super::person::FrameKey;
use crate::augment::Rng;
use crate::disk::replace;
use crate::error::{Error, Result};

/// File name of the hold-out.
pub const HOLDOUT: &str = "holdout.toml";

/// Frames this close to a held-out segment of their clip are guarded, in seconds.
pub(super) const GUARD_SECS: f64 = 1.0;

/// Number of clips from which on whole clips are held out.
const WHOLE_CLIPS: usize = 3;
/// Share of clips or of a clip's duration that is held out.
const SHARE: f64 = 0.2;
/// A clip has one held-out segment for each of these many seconds, at least one.
const SEGMENT_EVERY_SECS: f64 = 30.0;
/// Largest number of segments in a clip.
const MAX_SEGMENTS: usize = 5;
/// Shortest clip that is divided: with 20 % held out and one second guarded on each side, 30 %
/// remain for training.
const MIN_SECS: f64 = 4.0;
/// Guards against rounding of times: far below the distance between frames.
const SLACK_SECS: f64 = 1e-6;

/// What a frame may be used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Training.
    Train,
    /// Measuring, in the round with this index.
    HoldOut(usize),
    /// Nothing: too similar to a held-out frame.
    Guard,
}

/// Contents of `holdout.toml`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Holdout {
    version: u32,
    /// Rounds in the order in which they were chosen.
    #[serde(default, rename = "round", skip_serializing_if = "Vec::is_empty")]
    rounds: Vec<Round>,
}

/// Frames chosen at one time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Round {
    /// Seed of the random choice.
    seed: u64,
    /// The newest clip at that time. Later clips may be held out by further rounds.
    newest_clip: u32,
    /// Clips that are held out as a whole.
    #[serde(default)]
    clips: Vec<u32>,
    /// Parts of clips that are held out.
    #[serde(default, rename = "segment", skip_serializing_if = "Vec::is_empty")]
    segments: Vec<Segment>,
}

/// A held-out part of a clip with the guarded frames around it, as frame indices including the
/// last.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Segment {
    clip: u32,
    first: u32,
    last: u32,
    guard_first: u32,
    guard_last: u32,
}

/// A clip to choose from.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct ClipTimes {
    pub id: u32,
    /// Time of each frame in seconds, never decreasing.
    pub times: Vec<f64>,
}

impl Default for Holdout {
    fn default() -> Self {
        Self {
            version: VERSION,
            rounds: Vec::new(),
        }
    }
}

impl Holdout {
    /// Reads the hold-out of the project in `folder`; without rounds if none has been chosen.
    ///
    /// # Errors
    /// When the file is damaged or of a newer version.
    pub fn read(folder: &Path) -> Result<Self> {
        let path = folder.join(HOLDOUT);
        let text = match fs::read_to_string(&path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Ok(Self::default());
            }
            other => other.map_err(Error::io("read", &path))?,
        };
        check_version(&path, &text)?;
        toml::from_str(&text).map_err(|e| {
            let what = e.message().to_owned();
            Error::data(&path, format!("not the hold-out of a project: {what}"))
        })
    }

    /// Writes it atomically.
    pub(super) fn write(&self, folder: &Path) -> Result<()> {
        let path = folder.join(HOLDOUT);
        let text = toml::to_string(self);
        let text = text.map_err(|e| Error::data(&path, format!("cannot be written: {e}")))?;
        replace(&path, text.as_bytes())
    }

    /// Returns the number of rounds; 0 before the first choice.
    pub fn n_rounds(&self) -> usize {
        self.rounds.len()
    }

    /// Returns what a frame may be used for.
    pub fn role(&self, at: FrameKey) -> Role {
        let mut is_guarded = false;
        for (n, round) in self.rounds.iter().enumerate() {
            if round.clips.contains(&at.clip) {
                return Role::HoldOut(n);
            }
            for segment in round.segments.iter().filter(|s| s.clip == at.clip) {
                if (segment.first..=segment.last).contains(&at.frame) {
                    return Role::HoldOut(n);
                }
                is_guarded |= (segment.guard_first..=segment.guard_last).contains(&at.frame);
            }
        }
        if is_guarded { Role::Guard } else { Role::Train }
    }

    /// Returns the number of held-out frames; `n_frames` returns that of a clip.
    pub fn n_frames(&self, n_frames: impl Fn(u32) -> u32) -> u64 {
        let clips = self.rounds.iter().flat_map(|round| &round.clips);
        let clips: u64 = clips.map(|clip| u64::from(n_frames(*clip))).sum();
        let segments = self.rounds.iter().flat_map(|round| &round.segments);
        let length = |s: &Segment| u64::from(s.last.saturating_sub(s.first)) + 1;
        clips + segments.map(length).sum::<u64>()
    }

    /// Returns the clips that no round has considered yet.
    pub(super) fn undecided(&self, clips: impl IntoIterator<Item = u32>) -> Vec<u32> {
        let newest = self.rounds.iter().map(|round| round.newest_clip).max();
        let clips = clips.into_iter();
        clips
            .filter(|clip| newest.is_none_or(|newest| *clip > newest))
            .collect()
    }

    /// Chooses a further round from `clips`; earlier rounds stay as they are.
    ///
    /// # Errors
    /// The reason why these clips cannot be divided.
    pub(super) fn add_round(&mut self, seed: u64, clips: &[ClipTimes]) -> Result<(), String> {
        // A TOML integer has 63 bits.
        let seed = seed >> 1;
        let mut rng = Rng::new(&[seed]);
        let newest_clip = clips.iter().map(|clip| clip.id).max().ok_or(NO_CLIPS)?;
        let mut round = Round {
            seed,
            newest_clip,
            clips: Vec::new(),
            segments: Vec::new(),
        };
        if clips.len() >= WHOLE_CLIPS {
            let n = (SHARE * clips.len() as f64).round() as usize;
            round.clips = whole(&mut rng, clips, n.max(1));
        } else {
            for clip in clips {
                round.segments.extend(segments(&mut rng, clip));
            }
            if round.segments.is_empty() {
                if clips.len() < 2 {
                    return Err(TOO_SHORT.to_owned());
                }
                round.clips = whole(&mut rng, clips, 1);
            }
        }
        self.rounds.push(round);
        Ok(())
    }
}

const NO_CLIPS: &str = "there are no clips that a hold-out could be chosen from; add some first";
const TOO_SHORT: &str = "the clip is shorter than 4 seconds, too short to hold a part out with a \
                         second of distance on each side; add another clip";

/// Chooses `n` whole clips, none of which has more than half of all frames, if possible.
fn whole(rng: &mut Rng, clips: &[ClipTimes], n: usize) -> Vec<u32> {
    let total: usize = clips.iter().map(|clip| clip.times.len()).sum();
    let mut ids: Vec<(bool, u32)> = clips
        .iter()
        .map(|clip| (2 * clip.times.len() > total, clip.id))
        .collect();
    rng.shuffle(&mut ids);
    // The sort is stable: the random order stays among the small ones.
    ids.sort_by_key(|(is_large, _)| *is_large);
    let mut chosen: Vec<u32> = ids.into_iter().take(n).map(|(_, id)| id).collect();
    chosen.sort_unstable();
    chosen
}

/// Chooses segments of a clip: one at a random place in each of several equal parts.
fn segments(rng: &mut Rng, clip: &ClipTimes) -> Vec<Segment> {
    let times = &clip.times;
    let (Some(&start), Some(&end)) = (times.first(), times.last()) else {
        return Vec::new();
    };
    let duration = end - start;
    if duration < MIN_SECS {
        return Vec::new();
    }
    let n = ((duration / SEGMENT_EVERY_SECS) as usize).clamp(1, MAX_SEGMENTS);
    let part = duration / n as f64;
    let length = SHARE * part;
    let index = |secs: f64| times.partition_point(|time| *time < secs - SLACK_SECS);
    let after = |secs: f64| times.partition_point(|time| *time <= secs + SLACK_SECS);
    let mut segments = Vec::new();
    for i in 0..n {
        let begin = start + i as f64 * part + rng.range(0.0, part - length);
        let (first, behind) = (index(begin), after(begin + length));
        // With very few frames a second there may be none in it.
        let Some(last) = behind.checked_sub(1).filter(|last| *last >= first) else {
            continue;
        };
        let guard_last = after(times[last] + GUARD_SECS).saturating_sub(1);
        segments.push(Segment {
            clip: clip.id,
            first: first as u32,
            last: last as u32,
            guard_first: index(times[first] - GUARD_SECS) as u32,
            guard_last: guard_last as u32,
        });
    }
    segments
}
