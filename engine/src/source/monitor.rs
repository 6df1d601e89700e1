//! State of a source that other threads can observe while one thread waits in it.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde::Serialize;

use super::camera::CameraFormat;
use super::indexing::{Extent, Indexing};
use crate::concurrency::StopFlag;

/// State of a source's device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SourceStatus {
    /// Frames arrive, or the source has no device that could fail.
    #[default]
    Ok,
    /// The device has been silent for longer than expected.
    Stalled {
        /// Time when the last frame arrived.
        since: Instant,
    },
    /// The device was abandoned; a new connection is being attempted.
    Reconnecting {
        /// Number of the attempt, from 1.
        attempt: u32,
    },
    /// Reconnecting failed within the time limit: the source has ended with an error.
    Lost,
}

/// A handle to a source that outlives it and does not block it; clones share the state.
///
/// The thread that reads frames owns the source; the window keeps the monitor.
#[derive(Debug, Clone, Default)]
pub struct SourceMonitor(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    /// The flag that the source checks while it waits.
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

/// Formats that a camera reported when it was opened.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct CameraFormats {
    /// The current format.
    pub current: Option<CameraFormat>,
    /// All available formats, best first.
    pub offered: Vec<CameraFormat>,
}

/// Number and duration of a camera's outages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Outages {
    pub(super) n: u64,
    pub(super) time: Duration,
}

/// Counts of delivered and lost camera frames.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CameraReport {
    /// Name of the camera.
    pub name: String,
    /// The current format.
    pub format: String,
    /// Number of frames that arrived damaged and were skipped.
    pub damaged: u64,
    /// Number of complete frames skipped for newer ones.
    pub passed_over: u64,
    /// Number of outages: unplugged, silent or restarted.
    pub outages: u64,
    /// Total duration of the outages in seconds.
    pub away_secs: f64,
}

impl SourceMonitor {
    /// Creates the monitor of a source that stops waiting when `stop` is raised.
    pub fn new(stop: StopFlag) -> Self {
        Self(Arc::new(Shared {
            stop,
            ..Shared::default()
        }))
    }

    /// Like [`SourceMonitor::new`], for a file whose index reports its progress to `indexing`.
    pub(super) fn of_file(stop: StopFlag, indexing: Indexing) -> Self {
        Self(Arc::new(Shared {
            stop,
            indexing,
            ..Shared::default()
        }))
    }

    /// Returns the length of the file as far as its index is known; `None` without one.
    pub fn extent(&self) -> Option<Extent> {
        self.0.indexing.extent()
    }

    /// Returns the formats of the camera; empty for other sources.
    pub fn formats(&self) -> CameraFormats {
        self.lock_formats().clone()
    }

    /// Sets the current and the available formats of the camera.
    pub fn set_formats(&self, current: CameraFormat, offered: Vec<CameraFormat>) {
        *self.lock_formats() = CameraFormats {
            current: Some(current),
            offered,
        };
    }

    /// Returns the frame counts of a camera called `name`; `None` for other sources.
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

    /// Returns the persistent problem of the arriving frames, if any.
    pub fn trouble(&self) -> Option<String> {
        locked(&self.0.trouble).clone()
    }

    /// Sets or clears the problem of the arriving frames.
    pub(super) fn set_trouble(&self, trouble: Option<String>) {
        *locked(&self.0.trouble) = trouble;
    }

    /// Counts an outage.
    pub(super) fn add_outage(&self, time: Duration) {
        let mut outages = locked(&self.0.outages);
        outages.n += 1;
        outages.time += time;
    }

    /// Returns number and duration of the device's outages.
    pub(super) fn outages(&self) -> Outages {
        *locked(&self.0.outages)
    }

    fn lock_formats(&self) -> std::sync::MutexGuard<'_, CameraFormats> {
        locked(&self.0.formats)
    }

    /// Ends the source's waiting for a device permanently: its reader soon receives `None`. A
    /// source that never waits for a device continues.
    pub fn interrupt(&self) {
        self.0.stop.stop();
    }

    /// Sets whether the frames are currently not displayed: the source may then deliver just enough
    /// to show that its device works, at least two per second.
    pub fn set_resting(&self, is_resting: bool) {
        self.0.is_resting.store(is_resting, Ordering::Relaxed);
    }

    /// Returns whether the frames are currently not displayed.
    pub(super) fn is_resting(&self) -> bool {
        self.0.is_resting.load(Ordering::Relaxed)
    }

    /// Returns the state of the device.
    pub fn status(&self) -> SourceStatus {
        *self.lock()
    }

    /// Returns the number of frames replaced by newer ones before they were read.
    pub fn n_dropped(&self) -> u64 {
        self.0.n_dropped.load(Ordering::Relaxed)
    }

    /// Returns the number of frames that arrived damaged and were skipped.
    pub fn n_damaged(&self) -> u64 {
        self.0.n_damaged.load(Ordering::Relaxed)
    }

    /// Sets the status; returns whether it has changed.
    pub fn set_status(&self, status: SourceStatus) -> bool {
        std::mem::replace(&mut *self.lock(), status) != status
    }

    /// Counts replaced frames; returns the total.
    pub(super) fn add_dropped(&self, n: u64) -> u64 {
        self.0.n_dropped.fetch_add(n, Ordering::Relaxed) + n
    }

    /// Counts one damaged frame; returns the total.
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
