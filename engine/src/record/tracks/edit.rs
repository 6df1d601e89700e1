//! Corrections of tracks.

use std::fmt;
use std::ops::RangeInclusive;

use serde::{Deserialize, Serialize};

/// A correction of the tracks in a range of frames, by the numbers of the frames.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum TrackEdit {
    /// Each of two people gets the id of the other.
    Swap {
        /// Id of one person.
        a: u64,
        /// Id of the other person.
        b: u64,
        /// Frames in which this applies.
        frames: RangeInclusive<u64>,
    },
    /// A person gets the id of another one that is not in the same frames: both are one.
    Join {
        /// The id that is replaced.
        from: u64,
        /// The id that replaces it.
        into: u64,
        /// Frames in which this applies.
        frames: RangeInclusive<u64>,
    },
    /// A false detection is left out.
    Remove {
        /// Its id.
        id: u64,
        /// Frames in which this applies.
        frames: RangeInclusive<u64>,
    },
}

impl TrackEdit {
    /// Returns the frames in which the edit applies.
    pub fn frames(&self) -> &RangeInclusive<u64> {
        match self {
            Self::Swap { frames, .. } | Self::Join { frames, .. } | Self::Remove { frames, .. } => {
                frames
            }
        }
    }

    /// Returns the ids that must exist: one, or two different ones.
    pub(super) fn ids(&self) -> (u64, Option<u64>) {
        match *self {
            Self::Swap { a, b, .. } => (a, Some(b)),
            Self::Join { from, into, .. } => (from, Some(into)),
            Self::Remove { id, .. } => (id, None),
        }
    }
}

impl fmt::Display for TrackEdit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Swap { a, b, .. } => write!(f, "swap #{a} and #{b}"),
            Self::Join { from, into, .. } => write!(f, "join #{from} into #{into}"),
            Self::Remove { id, .. } => write!(f, "remove #{id}"),
        }
    }
}
