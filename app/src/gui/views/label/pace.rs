//! How long a frame takes to label.

use std::time::{Duration, Instant};

/// A longer time at one frame is a break.
const LONGEST: Duration = Duration::from_mins(2);

/// Time at the frames accepted since the project was opened.
#[derive(Debug, Clone, Default)]
pub struct Pace {
    since: Option<Instant>,
    /// The next frame is shown because the project was opened.
    is_first: bool,
    n_frames: u32,
    total: Duration,
}

impl Pace {
    /// A project was opened. The frame that it shows first does not count: it may have been labelled
    /// in part before, and when the work on it begins is not known.
    pub(super) fn opened(&mut self) {
        *self = Self {
            is_first: true,
            ..Self::default()
        };
    }

    /// A frame is shown from now on, or again after something else.
    pub(super) fn shown(&mut self, now: Instant) {
        if !std::mem::take(&mut self.is_first) {
            self.since = Some(now);
        }
    }

    /// The view is shown again: the time in other views is not spent on the frame.
    pub(super) fn returned(&mut self, now: Instant) {
        if self.since.is_some() {
            self.since = Some(now);
        }
    }

    /// The shown frame was accepted.
    pub(super) fn accepted(&mut self, now: Instant) {
        let Some(since) = self.since.take() else {
            return;
        };
        self.total += now.saturating_duration_since(since).min(LONGEST);
        self.n_frames += 1;
    }

    /// Returns the mean time per accepted frame in seconds; `None` before the first.
    pub fn secs_per_frame(&self) -> Option<f64> {
        let n = self.n_frames;
        (n > 0).then(|| self.total.as_secs_f64() / f64::from(n))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Fails when a break counts as labelling, or accepting a frame twice counts it twice.
    #[test]
    fn breaks_do_not_count() {
        let begin = Instant::now();
        let mut pace = Pace::default();
        let after = |secs| begin + Duration::from_secs(secs);
        pace.accepted(after(0));
        assert_eq!(pace.secs_per_frame(), None);
        pace.shown(after(0));
        pace.accepted(after(10));
        pace.accepted(after(20));
        assert_eq!(pace.secs_per_frame(), Some(10.0));
        pace.shown(after(30));
        pace.accepted(after(10_000));
        assert_eq!(pace.secs_per_frame(), Some(65.0));
    }

    /// Fails when the time before a project was opened again, or in another view, counts as
    /// labelling, or the mean of one project continues in the next.
    #[test]
    fn the_time_between_two_sessions_does_not_count() {
        let begin = Instant::now();
        let after = |secs| begin + Duration::from_secs(secs);
        let mut pace = Pace::default();
        pace.opened();
        pace.shown(after(0));
        pace.returned(after(50));
        pace.accepted(after(60));
        assert_eq!(pace.secs_per_frame(), None);
        pace.shown(after(60));
        pace.returned(after(90));
        pace.accepted(after(94));
        assert_eq!(pace.secs_per_frame(), Some(4.0));
        pace.opened();
        assert_eq!(pace.secs_per_frame(), None);
    }
}
