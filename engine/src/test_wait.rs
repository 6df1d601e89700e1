//! Waiting in unit tests.
//!
//! A busy machine may delay a thread by seconds. No test may fail for that reason: operations that
//! must not be waited for never finish in the test, operations that must be fast have to be so once
//! in many attempts, and every wait has the same limit, far beyond the need of the busiest machine.

use std::time::{Duration, Instant};

/// Time limit of every wait in tests.
pub(crate) const WAIT_LIMIT: Duration = Duration::from_mins(2);

/// Waits until `look` returns a value.
#[track_caller]
pub(crate) fn wait_for<T>(mut look: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(start.elapsed() < WAIT_LIMIT, "nothing came");
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// Waits until `condition` is true.
#[track_caller]
pub(crate) fn until(condition: impl Fn() -> bool) {
    wait_for(|| condition().then_some(()));
}

/// Runs `what` on another thread and checks that it ends.
#[track_caller]
pub(crate) fn ends<T: Send + 'static>(what: impl FnOnce() -> T + Send + 'static) -> T {
    let doer = std::thread::spawn(what);
    until(|| doer.is_finished());
    doer.join().unwrap()
}

/// Repeats `what` until it takes less than `limit` once; `what` returns the time taken.
#[track_caller]
pub(crate) fn quickly(limit: Duration, mut what: impl FnMut() -> Duration) {
    wait_for(|| (what() < limit).then_some(()));
}

/// Returns the time that `what` takes, and checks that it ends.
#[track_caller]
pub(crate) fn timed(what: impl FnOnce() + Send + 'static) -> Duration {
    let start = Instant::now();
    ends(what);
    start.elapsed()
}

/// Gives other threads `time` to do something wrong. Many short sleeps: a pause of the whole
/// machine covers only one of them.
pub(crate) fn idle(time: Duration) {
    for _ in 0..time.as_millis() / 10 {
        std::thread::sleep(Duration::from_millis(10));
    }
}
