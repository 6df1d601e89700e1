//! Validation of the driver's time stamps.

use std::time::{Duration, Instant};

/// Maximum plausible age of a frame when it is read, unless reading was suspended that long.
const MAX_AGE: Duration = Duration::from_secs(2);

/// Time stamps of one stream. After the first implausible stamp, the read time is used for all
/// later frames: it is later than all before, so that time never runs backwards.
#[derive(Debug)]
pub(super) struct Clock {
    is_trusted: bool,
    /// Stamp and read time of the last frame; initially no stamp and the start of the stream.
    last: (Option<Duration>, Instant),
}

impl Clock {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            is_trusted: true,
            last: (None, now),
        }
    }

    /// Returns the capture time of a frame that is read `now`. `stamp` is its time on the monotonic
    /// clock, if available, and `clock` the current reading of that clock.
    pub(super) fn captured(
        &mut self,
        stamp: Option<Duration>,
        clock: Duration,
        now: Instant,
    ) -> Instant {
        let (last_stamp, last_read) = self.last;
        let age = stamp.and_then(|stamp| clock.checked_sub(stamp));
        let is_true = stamp > last_stamp
            && age.is_some_and(|age| age < MAX_AGE + now.duration_since(last_read));
        if self.is_trusted && !is_true {
            tracing::debug!(?stamp, ?clock, "a camera's time stamps are not used");
            self.is_trusted = false;
        }
        self.last = (stamp, now);
        let age = age.filter(|_| self.is_trusted).unwrap_or_default();
        now.checked_sub(age).unwrap_or(now)
    }
}

/// Reads the monotonic clock, which [`Instant`] and drivers' time stamps use.
pub(super) fn monotonic() -> Duration {
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: the structure is written to, and nothing else.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &raw mut time) };
    Duration::new(
        time.tv_sec.unsigned_abs(),
        time.tv_nsec.unsigned_abs() as u32,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const FRAME: Duration = Duration::from_millis(33);

    /// Returns the frame ages computed for these stamps if frames are read 33 ms apart.
    fn ages(stamps: &[Option<f64>]) -> Vec<Duration> {
        let start = Instant::now();
        let mut clock = Clock::new(start);
        let mut ages = Vec::new();
        for (i, stamp) in stamps.iter().enumerate() {
            let passed = FRAME * (i as u32 + 1);
            let (shown, now) = (Duration::from_secs(100) + passed, start + passed);
            let stamp = stamp.map(Duration::from_secs_f64);
            ages.push(now - clock.captured(stamp, shown, now));
        }
        ages
    }

    /// Fails when the time that a frame has waited is not part of its latency.
    #[test]
    fn a_plausible_stamp_is_used() {
        let ages = ages(&[Some(100.013), Some(100.026)]);
        assert_eq!(ages, [20, 40].map(Duration::from_millis));
    }

    /// Fails when wall-clock stamps, a clock that stands still or runs backwards, zeros or missing
    /// stamps give frames the wrong time, or time runs backwards when the stamps are abandoned.
    #[test]
    fn implausible_stamps_are_not_used() {
        let none = Duration::ZERO;
        for stamps in [
            [None, None],
            [Some(0.0), Some(0.033)],
            [Some(1.7e9), Some(1.7e9 + 0.033)],
            [Some(50.0), Some(50.033)],
        ] {
            assert_eq!(ages(&stamps), [none, none], "{stamps:?}");
        }
        for second in [Some(100.013), Some(100.001), None] {
            let late = Duration::from_millis(20);
            assert_eq!(ages(&[Some(100.013), second]), [late, none], "{second:?}");
        }
    }

    /// Fails when the clock is distrusted after the program was suspended for a while.
    #[test]
    fn old_frames_after_a_pause_are_accepted() {
        let start = Instant::now();
        let mut clock = Clock::new(start);
        let pause = Duration::from_secs(20);
        let stamp = Some(Duration::from_secs(100));
        let captured = clock.captured(stamp, Duration::from_secs(119), start + pause);
        assert_eq!(captured, start + Duration::from_secs(1));
    }

    /// Fails when frames are stamped by another clock than the one they are compared with.
    #[test]
    fn the_monotonic_clock_is_that_of_instants() {
        let (clock, now) = (monotonic(), Instant::now());
        std::thread::sleep(Duration::from_millis(5));
        let passed = monotonic().saturating_sub(clock).as_secs_f64();
        assert!((passed - now.elapsed().as_secs_f64()).abs() < 60.0);
        assert!(passed >= 0.005);
    }
}
