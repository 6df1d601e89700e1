//! Cameras that stop delivering, return or are closed.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam::channel::bounded;

use super::tests::{FakeSource, model, source, start, wait_for_event};
use super::*;
use crate::frame::Frame;
use crate::source::{SourceInfo, SourceMonitor, SourceStatus};
use crate::test_wait::{ends, quickly, timed, until, wait_for};

/// An unplugged camera: blocks until it is interrupted.
struct Unplugged {
    info: SourceInfo,
    stop: StopFlag,
}

impl FrameSource for Unplugged {
    fn info(&self) -> &SourceInfo {
        &self.info
    }

    fn next_frame(&mut self) -> Result<Option<Frame>> {
        while !self.stop.is_stopped() {
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(None)
    }

    fn monitor(&self) -> SourceMonitor {
        SourceMonitor::new(self.stop.clone())
    }
}

/// Fails when a camera that waits for its device prevents changing the source, closing it or ending
/// the program.
#[test]
fn a_waiting_camera_is_left_at_once() {
    let unplugged: OpenSource = Arc::new(|| {
        Ok(Box::new(Unplugged {
            info: FakeSource::new(true, 0, 1).info,
            stop: StopFlag::new(),
        }))
    });
    let is_ready = |e| matches!(e, Event::SourceReady(_)).then_some(());
    quickly(Duration::from_secs(2), || {
        let mut pipeline = start(Pacing::Live);
        pipeline.switch_source("gone", unplugged.clone()).unwrap();
        wait_for_event(&pipeline, is_ready);
        let begin = Instant::now();
        pipeline
            .switch_source("next", source(true, 1000, 5))
            .unwrap();
        wait_for(|| pipeline.take());
        pipeline.switch_source("gone", unplugged.clone()).unwrap();
        wait_for_event(&pipeline, is_ready);
        ends(|| drop(pipeline));
        begin.elapsed()
    });
}

/// Fails when closing the window or unplugging hangs on a slow camera.
#[test]
fn stop_joins_within_a_second() {
    // A loader that is still busy does not delay the end either.
    let (_never, wait) = bounded::<()>(0);
    let hanging: OpenSource = Arc::new(move || {
        let _ = wait.recv();
        Err(Error::source("slow", "gone"))
    });
    quickly(Duration::from_secs(1), || {
        let mut pipeline = start(Pacing::Live);
        pipeline
            .switch_source("fake", source(true, 10_000, 200))
            .unwrap();
        pipeline.switch_model("m", model("m", 200, None)).unwrap();
        wait_for(|| pipeline.take());
        pipeline.switch_source("slow", hanging.clone()).unwrap();
        timed(|| drop(pipeline))
    });

    // Nor does a full queue before a model that is never loaded.
    quickly(Duration::from_secs(1), || {
        let mut pipeline = start(Pacing::EveryFrame);
        pipeline
            .switch_source("fake", source(false, 100, 1))
            .unwrap();
        until(|| pipeline.stats().frames >= 2);
        timed(|| drop(pipeline))
    });
}

/// A camera that is unplugged after its first frame and plugged in again.
struct Replugged {
    inner: FakeSource,
    monitor: SourceMonitor,
    n: u64,
    /// A state was seen, the next one may follow.
    seen: Receiver<()>,
}

impl FrameSource for Replugged {
    fn info(&self) -> &SourceInfo {
        &self.inner.info
    }

    fn next_frame(&mut self) -> Result<Option<Frame>> {
        self.n += 1;
        if self.n == 2 {
            let since = Instant::now();
            for status in [
                SourceStatus::Stalled { since },
                SourceStatus::Reconnecting { attempt: 1 },
                SourceStatus::Reconnecting { attempt: 2 },
            ] {
                self.monitor.set_status(status);
                let _ = self.seen.recv();
            }
            self.monitor.set_status(SourceStatus::Ok);
        }
        self.inner.next_frame()
    }

    fn monitor(&self) -> SourceMonitor {
        self.monitor.clone()
    }
}

/// Fails when the window is not told that a camera stopped delivering, which reconnection attempt
/// is running, and that it is back; or is told the same state twice.
#[test]
fn the_state_of_a_camera_becomes_events() {
    let mut pipeline = start(Pacing::Live);
    let (go_on, was_seen) = bounded(100);
    let open: OpenSource = Arc::new(move || {
        Ok(Box::new(Replugged {
            inner: FakeSource::new(true, 1000, 10),
            monitor: SourceMonitor::default(),
            n: 0,
            seen: was_seen.clone(),
        }))
    });
    pipeline.switch_source("fake", open).unwrap();
    let mut seen = Vec::new();
    wait_for(|| {
        if let Some(Event::SourceStatus { name, status }) = pipeline.try_event() {
            assert_eq!(name, "fake");
            seen.push(status);
            go_on.send(()).unwrap();
        }
        (seen.last() == Some(&SourceStatus::Ok)).then_some(())
    });
    assert!(matches!(seen[0], SourceStatus::Stalled { .. }), "{seen:?}");
    assert_eq!(
        seen[1..],
        [
            SourceStatus::Reconnecting { attempt: 1 },
            SourceStatus::Reconnecting { attempt: 2 },
            SourceStatus::Ok
        ]
    );
}
