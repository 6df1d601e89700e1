//! What damage cost a video, in words.

/// Gaps that are described one by one; more are counted.
const MAX_TOLD: usize = 4;

/// The places at which a video is damaged.
#[derive(Debug, Default)]
pub(super) struct Losses {
    gaps: Vec<Gap>,
}

#[derive(Debug)]
struct Gap {
    reason: String,
    /// Frames read before it.
    n_before: u64,
    before_secs: f64,
    /// First and last lost frame, and how many.
    lost: Option<(u64, u64, u64)>,
    first_secs: f64,
    /// Nothing can be read behind it.
    is_end: bool,
}

impl Losses {
    pub(super) fn is_empty(&self) -> bool {
        self.gaps.is_empty()
    }

    /// Notes damage behind `n_before` frames.
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

    /// Notes a frame that the damage begun last has cost.
    pub(super) fn lost(&mut self, id: u64, secs: f64) {
        let Some(gap) = self.gaps.last_mut() else {
            return;
        };
        match &mut gap.lost {
            Some((_, last, n)) => (*last, *n) = (id, *n + 1),
            None => (gap.lost, gap.first_secs) = (Some((id, id, 1)), secs),
        }
    }

    /// Notes that nothing more can be read.
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

    /// All of it in one line; `None` when the video is whole.
    pub(super) fn text(&self) -> Option<String> {
        let n_lost: u64 = self.gaps.iter().filter_map(|g| g.lost).map(|l| l.2).sum();
        let mut told: Vec<String> = self.gaps.iter().take(MAX_TOLD).map(Gap::text).collect();
        if self.gaps.len() > MAX_TOLD {
            let n = self.gaps.len() - MAX_TOLD;
            told.push(format!("and {n} more places, {n_lost} lost frames in all"));
        }
        (!told.is_empty()).then(|| told.join("; "))
    }
}

impl Gap {
    fn text(&self) -> String {
        let reason = &self.reason;
        match self.lost {
            Some((first, last, n)) => {
                let frames = match n {
                    1 => format!("frame {first} is lost"),
                    n => format!("{n} frames are lost ({first} to {last})"),
                };
                format!("damaged at {:.2} s, {frames}: {reason}", self.first_secs)
            }
            None => {
                let (n, secs) = (self.n_before, self.before_secs);
                let what = if self.is_end || reason == super::stream::CUT_OFF {
                    "ends"
                } else {
                    "damaged"
                };
                format!("{what} after {n} frames, at {secs:.2} s: {reason}")
            }
        }
    }
}
