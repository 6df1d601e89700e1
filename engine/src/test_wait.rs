//! Waiting in unit tests.
//!
//! A machine that runs other things may hold a thread up for seconds. No test may fail for that:
//! what must not be waited for is made to last for ever, what must be quick has to be so once in
//! many tries, and every wait has the same limit, far beyond what the busiest machine needs.

use std::time::{Duration, Instant};

/// A test that waits this long waits in vain.
pub const PATIENCE: Duration = Duration::from_mins(2);

/// Waits for what `look` finds.
#[track_caller]
pub fn wait_for<T>(mut look: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(start.elapsed() < PATIENCE, "nothing came");
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// Waits for `condition`.
#[track_caller]
pub fn until(condition: impl Fn() -> bool) {
    wait_for(|| condition().then_some(()));
}

/// Does `what` on another thread, to see that it ends.
#[track_caller]
pub fn ends<T: Send + 'static>(what: impl FnOnce() -> T + Send + 'static) -> T {
    let doer = std::thread::spawn(what);
    until(|| doer.is_finished());
    doer.join().unwrap()
}

/// Has `what` done until it takes less than `limit` once; it says how long it took.
#[track_caller]
pub fn quickly(limit: Duration, mut what: impl FnMut() -> Duration) {
    wait_for(|| (what() < limit).then_some(()));
}

/// How long `what` takes, which ends.
#[track_caller]
pub fn timed(what: impl FnOnce() + Send + 'static) -> Duration {
    let start = Instant::now();
    ends(what);
    start.elapsed()
}

/// Gives other threads `time` to do what they must not. Many short sleeps: a pause of the whole
/// machine swallows one of them.
pub fn idle(time: Duration) {
    for _ in 0..time.as_millis() / 10 {
        std::thread::sleep(Duration::from_millis(10));
    }
}
