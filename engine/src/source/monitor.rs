//! What other threads may see of a source while one thread waits in it.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde::Serialize;

use super::camera::CameraFormat;
use super::indexing::{Extent, Indexing};
use crate::concurrency::StopFlag;

/// How a source's device does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SourceStatus {
    /// Frames come, or the source has no device that could fail.
    #[default]
    Ok,
    /// The device has been silent for longer than a camera should be.
    Stalled {
        /// When the last frame came.
        since: Instant,
    },
    /// The device was given up; a new connection is being tried.
    Reconnecting {
        /// Number of the try, from 1.
        attempt: u32,
    },
    /// No connection came about in time: the source has ended with an error.
    Lost,
}

/// A view of a source that outlives and does not block it; clones share the view.
///
/// The thread that reads frames keeps the source; a window keeps the monitor.
#[derive(Debug, Clone, Default)]
pub struct SourceMonitor(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    /// The flag that the source looks at while it waits.
    stop: StopFlag,
    status: Mutex<SourceStatus>,
    n_dropped: AtomicU64,
    n_damaged: AtomicU64,
    outages: Mutex<Outages>,
    trouble: Mutex<Option<String>>,
    is_resting: AtomicBool,
    indexing: Indexing,
    formats: Mutex<CameraFormats>,
}

/// What a camera can deliver, as it said when it was opened.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct CameraFormats {
    /// The format it delivers now.
    pub current: Option<CameraFormat>,
    /// All on offer, best first.
    pub offered: Vec<CameraFormat>,
}

/// Times when a camera was away.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Outages {
    pub(super) n: u64,
    pub(super) time: Duration,
}

/// What a camera delivered and what was lost of it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CameraReport {
    /// Its name.
    pub name: String,
    /// The format it delivers.
    pub format: String,
    /// Frames that came damaged and were skipped.
    pub damaged: u64,
    /// Whole frames that were passed over for newer ones.
    pub passed_over: u64,
    /// How often it was away: unplugged, silent or restarted.
    pub outages: u64,
    /// Seconds that it was away.
    pub away_secs: f64,
}

impl SourceMonitor {
    /// The monitor of a source that stops waiting when `stop` is raised.
    pub fn new(stop: StopFlag) -> Self {
        Self(Arc::new(Shared {
            stop,
            ..Shared::default()
        }))
    }

    /// As [`SourceMonitor::new`], for a file whose index is made as `indexing` tells.
    pub(super) fn of_file(stop: StopFlag, indexing: Indexing) -> Self {
        Self(Arc::new(Shared {
            stop,
            indexing,
            ..Shared::default()
        }))
    }

    /// How long the file is, as far as its index has told; `None` without one.
    pub fn extent(&self) -> Option<Extent> {
        self.0.indexing.extent()
    }

    /// What the camera can deliver; nothing for other sources.
    pub fn formats(&self) -> CameraFormats {
        self.lock_formats().clone()
    }

    /// Says what the camera delivers and could deliver.
    pub fn set_formats(&self, current: CameraFormat, offered: Vec<CameraFormat>) {
        *self.lock_formats() = CameraFormats {
            current: Some(current),
            offered,
        };
    }

    /// What a camera called `name` delivered so far; `None` for other sources.
    pub fn camera(&self, name: &str) -> Option<CameraReport> {
        let format = self.formats().current?;
        let Outages { n, time } = self.outages();
        Some(CameraReport {
            name: name.to_owned(),
            format: format.to_string(),
            damaged: self.n_damaged(),
            passed_over: self.n_dropped(),
            outages: n,
            away_secs: (time.as_secs_f64() * 1e3).round() / 1e3,
        })
    }

    /// What is wrong with the frames that come, while it goes on.
    pub fn trouble(&self) -> Option<String> {
        locked(&self.0.trouble).clone()
    }

    /// Says what is wrong with the frames that come, or that it is over.
    pub(super) fn set_trouble(&self, trouble: Option<String>) {
        *locked(&self.0.trouble) = trouble;
    }

    /// Counts an outage.
    pub(super) fn add_outage(&self, time: Duration) {
        let mut outages = locked(&self.0.outages);
        outages.n += 1;
        outages.time += time;
    }

    /// How often and how long the device was away.
    pub(super) fn outages(&self) -> Outages {
        *locked(&self.0.outages)
    }

    fn lock_formats(&self) -> std::sync::MutexGuard<'_, CameraFormats> {
        locked(&self.0.formats)
    }

    /// Ends the source's waiting for a device, for good: its reader is told `None` soon. A source
    /// that never waits for a device goes on.
    pub fn interrupt(&self) {
        self.0.stop.stop();
    }

    /// Says that nobody looks at the frames for now: a source may deliver as few as show that its
    /// device lives, two a second or more.
    pub fn set_resting(&self, is_resting: bool) {
        self.0.is_resting.store(is_resting, Ordering::Relaxed);
    }

    /// Whether nobody looks.
    pub(super) fn is_resting(&self) -> bool {
        self.0.is_resting.load(Ordering::Relaxed)
    }

    /// How the device does.
    pub fn status(&self) -> SourceStatus {
        *self.lock()
    }

    /// Frames that were displaced by newer ones before anybody asked for them.
    pub fn n_dropped(&self) -> u64 {
        self.0.n_dropped.load(Ordering::Relaxed)
    }

    /// Frames that came damaged and were skipped.
    pub fn n_damaged(&self) -> u64 {
        self.0.n_damaged.load(Ordering::Relaxed)
    }

    /// Sets the status; says whether it is another one than before.
    pub fn set_status(&self, status: SourceStatus) -> bool {
        std::mem::replace(&mut *self.lock(), status) != status
    }

    /// Counts displaced frames; returns the sum so far.
    pub(super) fn add_dropped(&self, n: u64) -> u64 {
        self.0.n_dropped.fetch_add(n, Ordering::Relaxed) + n
    }

    /// Counts one damaged frame; returns the sum so far.
    pub(super) fn add_damaged(&self) -> u64 {
        self.0.n_damaged.fetch_add(1, Ordering::Relaxed) + 1
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, SourceStatus> {
        locked(&self.0.status)
    }
}

fn locked<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
