//! When the finder runs, and how many people are looked at in a frame.

use std::time::{Duration, Instant};

/// Time in seconds between frames that the finder processes while all people are followed. People who
/// come in are noticed after this time at most; at walking speed they have moved by a step of 15 cm.
/// With a shorter time, files take longer: the finder costs as much as looking at two or three people.
const PERIOD_SECS: f64 = 0.1;

/// The same, at most, if time is short.
const MAX_PERIOD_SECS: f64 = 0.5;

/// Time stamps are rounded: a period that is shorter by this fraction is complete.
const TOLERANCE: f64 = 0.05;

/// Weight of a new measurement in the average times.
const RATE: f64 = 0.2;

/// Fraction of the available time that the finder may take, on average, if the rest does not suffice.
const FINDER_SHARE: f64 = 0.25;

/// Average measured times in seconds.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Costs {
    finder: Option<f64>,
    /// Per person.
    closer: Option<f64>,
}

impl Costs {
    /// Runs the finder and measures its time.
    pub(super) fn time_finder<T>(&mut self, work: impl FnOnce() -> T) -> T {
        timed(&mut self.finder, 1, work)
    }

    /// Looks at `n` people and measures the time.
    pub(super) fn time_closer<T>(&mut self, n: usize, work: impl FnOnce() -> T) -> T {
        timed(&mut self.closer, n, work)
    }

    /// Returns the time available per frame with the times measured so far.
    pub(super) fn budget(self, available: Duration) -> Budget {
        Budget {
            available: available.as_secs_f64(),
            finder: self.finder.unwrap_or_default(),
            closer: self.closer.unwrap_or_default(),
        }
    }
}

fn timed<T>(average: &mut Option<f64>, n: usize, work: impl FnOnce() -> T) -> T {
    let start = Instant::now();
    let result = work();
    if n > 0 {
        let new = start.elapsed().as_secs_f64() / n as f64;
        *average = Some(average.map_or(new, |old| old + RATE * (new - old)));
    }
    result
}

/// The time available for a frame, and what takes time, in seconds.
#[derive(Debug, Clone, Copy)]
pub(super) struct Budget {
    available: f64,
    finder: f64,
    closer: f64,
}

/// When the finder has run and has to run again.
#[derive(Debug, Clone, Copy)]
pub(super) struct Schedule {
    /// Time of the last frame that the finder has processed.
    found_secs: f64,
    /// Number of frames since then.
    n_since: u32,
    /// Whether it has to run in the next frame.
    is_wanted: bool,
}

impl Default for Schedule {
    fn default() -> Self {
        Self {
            found_secs: f64::NEG_INFINITY,
            n_since: 0,
            is_wanted: true,
        }
    }
}

impl Schedule {
    /// Returns whether the finder runs in the frame at `time_secs`, in which `n_people` are to be
    /// looked at. Without a budget this depends on the time stamps only.
    pub(super) fn is_due(&self, time_secs: f64, n_people: usize, budget: Option<Budget>) -> bool {
        let since = time_secs - self.found_secs;
        // A NaN is due.
        let is_over = |secs: f64| !(0.0..secs * (1.0 - TOLERANCE)).contains(&since);
        if self.is_wanted || is_over(MAX_PERIOD_SECS) {
            return true;
        }
        let Some(Budget {
            available,
            finder,
            closer,
        }) = budget
        else {
            return is_over(PERIOD_SECS);
        };
        let spare = (available - n_people as f64 * closer).max(FINDER_SHARE * available);
        f64::from(self.n_since + 1) * spare >= finder
    }

    /// Returns how many of up to `most` people are looked at in a frame.
    pub(super) fn n_looks(most: usize, with_finder: bool, budget: Option<Budget>) -> usize {
        let Some(budget) = budget.filter(|b| b.closer > 0.0) else {
            return most;
        };
        let finder = if with_finder { budget.finder } else { 0.0 };
        let n = (budget.available - finder) / budget.closer;
        // The cast takes negative values to 0.
        (n as usize).clamp(1, most.max(1))
    }

    /// Notes that a frame was processed. `is_wanted` says that people were missed or not looked at:
    /// only the finder sees them in the next frame.
    pub(super) fn done(&mut self, time_secs: f64, with_finder: bool, is_wanted: bool) {
        self.is_wanted = is_wanted;
        if with_finder {
            self.found_secs = time_secs;
            self.n_since = 0;
        } else {
            self.n_since += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn due(rate: f64, n: u32, budget: Option<Budget>, n_people: usize) -> Vec<u32> {
        let mut schedule = Schedule::default();
        let is_due = |i: &u32| {
            let t = f64::from(*i) / rate;
            let is_due = schedule.is_due(t, n_people, budget);
            schedule.done(t, is_due, false);
            is_due
        };
        (0..n).filter(is_due).collect()
    }

    fn budget(millis: f64, finder: f64, closer: f64) -> Budget {
        let [available, finder, closer] = [millis, finder, closer].map(|ms| ms / 1000.0);
        Budget {
            available,
            finder,
            closer,
        }
    }

    /// Fails when the finder does not run about every tenth of a second of a file at any frame rate,
    /// or the clock has a say.
    #[test]
    fn files_are_searched_ten_times_a_second() {
        assert_eq!(due(30.0, 10, None, 3), [0, 3, 6, 9]);
        assert_eq!(due(25.0, 10, None, 3), [0, 3, 6, 9]);
        assert_eq!(due(60.0, 13, None, 3), [0, 6, 12]);
        assert_eq!(due(10.0, 4, None, 3), [0, 1, 2, 3]);
        assert_eq!(due(1.0, 3, None, 3), [0, 1, 2]);
        let mut schedule = Schedule::default();
        schedule.done(5.0, true, false);
        assert!(schedule.is_due(f64::NAN, 1, None) && schedule.is_due(4.0, 1, None));
        assert!(!schedule.is_due(5.0, 1, None));
        schedule.done(5.03, false, true);
        assert!(schedule.is_due(5.06, 1, None), "somebody was missed");
    }

    /// Fails when a fast finder does not run in each frame, a slow one takes all the time, or it
    /// never runs.
    #[test]
    fn live_the_finder_takes_the_time_that_is_left() {
        assert_eq!(due(30.0, 4, Some(budget(66.0, 22.0, 9.0)), 3), [0, 1, 2, 3]);
        assert_eq!(
            due(30.0, 7, Some(budget(66.0, 40.0, 15.0)), 3),
            [0, 2, 4, 6]
        );
        assert_eq!(
            due(30.0, 32, Some(budget(66.0, 900.0, 60.0)), 8),
            [0, 15, 30]
        );
        assert_eq!(due(30.0, 3, Some(budget(66.0, 0.0, 0.0)), 8), [0, 1, 2]);
    }

    /// Fails when more people are looked at than time or the limit allows, or nobody is.
    #[test]
    fn the_number_of_looks_is_bounded() {
        assert_eq!(Schedule::n_looks(8, true, None), 8);
        assert_eq!(Schedule::n_looks(8, true, Some(budget(66.0, 0.0, 0.0))), 8);
        assert_eq!(Schedule::n_looks(8, true, Some(budget(66.0, 22.0, 9.0))), 4);
        assert_eq!(
            Schedule::n_looks(8, false, Some(budget(66.0, 22.0, 9.0))),
            7
        );
        assert_eq!(
            Schedule::n_looks(3, false, Some(budget(66.0, 22.0, 9.0))),
            3
        );
        assert_eq!(Schedule::n_looks(8, true, Some(budget(50.0, 80.0, 9.0))), 1);
    }
}
