//! Reports on damage in a video.

use crate::words::{are, counted};

/// Number of gaps described individually; more are counted.
const MAX_TOLD: usize = 4;

/// The damaged places of a video.
#[derive(Debug, Default)]
pub(super) struct Losses {
    gaps: Vec<Gap>,
}

#[derive(Debug)]
struct Gap {
    reason: String,
    /// Number of frames read before it.
    n_before: u64,
    before_secs: f64,
    /// First and last lost frame, and their number.
    lost: Option<(u64, u64, u64)>,
    first_secs: f64,
    /// Whether nothing can be read after it.
    is_end: bool,
}

impl Losses {
    /// Returns whether there is more damage than an early end: a truncated file is intact up to
    /// there, like a recording that was not closed.
    pub(super) fn is_damage(&self) -> bool {
        let is_cut = |gap: &Gap| gap.lost.is_none() && gap.reason == super::stream::CUT_OFF;
        !self.gaps.iter().all(is_cut)
    }

    /// Records damage after `n_before` frames.
    pub(super) fn begin(&mut self, reason: String, n_before: u64, before_secs: f64) {
        self.gaps.push(Gap {
            reason,
            n_before,
            before_secs,
            lost: None,
            first_secs: before_secs,
            is_end: false,
        });
    }

    /// Records a frame lost to the latest damage.
    pub(super) fn lost(&mut self, id: u64, secs: f64) {
        let Some(gap) = self.gaps.last_mut() else {
            return;
        };
        if let Some((_, last, n)) = &mut gap.lost {
            (*last, *n) = (id, *n + 1);
        } else {
            (gap.lost, gap.first_secs) = (Some((id, id, 1)), secs);
        }
    }

    /// Records that nothing more can be read.
    pub(super) fn note_end(&mut self, reason: String) {
        let (n_before, secs) = self
            .gaps
            .last()
            .map_or((0, 0.0), |gap| (gap.n_before, gap.before_secs));
        self.begin(reason, n_before, secs);
        if let Some(gap) = self.gaps.last_mut() {
            gap.is_end = true;
        }
    }

    /// Describes all damage in one line; `None` if there is none.
    pub(super) fn text(&self) -> Option<String> {
        let n_lost: u64 = self.gaps.iter().filter_map(|g| g.lost).map(|l| l.2).sum();
        let mut told: Vec<String> = self.gaps.iter().take(MAX_TOLD).map(Gap::text).collect();
        if self.gaps.len() > MAX_TOLD {
            let places = counted(self.gaps.len() - MAX_TOLD, "more place");
            let frames = counted(n_lost, "lost frame");
            told.push(format!("and {places}, {frames} in all"));
        }
        (!told.is_empty()).then(|| told.join("; "))
    }
}

impl Gap {
    fn text(&self) -> String {
        let reason = &self.reason;
        if let Some((first, last, n)) = self.lost {
            let frames = match n {
                1 => format!("frame {first} is lost"),
                n => format!("{} lost ({first} to {last})", are(n, "frame")),
            };
            format!("damaged at {:.2} s, {frames}: {reason}", self.first_secs)
        } else {
            let (n, secs) = (self.n_before, self.before_secs);
            let what = if self.is_end || reason.starts_with(super::stream::CUT_OFF) {
                "ends"
            } else {
                "damaged"
            };
            let frames = counted(n, "frame");
            format!("{what} after {frames}, at {secs:.2} s: {reason}")
        }
    }
}
