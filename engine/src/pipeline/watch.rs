//! Shared view of the source being read: its device's state, and a way to interrupt waiting.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::source::{CameraReport, SourceMonitor, SourceStatus};

use super::event::Event;

/// Shared by the capture thread, which waits in the source, and the threads that observe it.
#[derive(Debug, Clone, Default)]
pub(super) struct Watched(Arc<Mutex<Source>>);

#[derive(Debug, Default)]
struct Source {
    /// Changes with every source, so that an event of one is not attributed to the next.
    serial: u64,
    name: String,
    monitor: SourceMonitor,
}

impl Watched {
    /// Sets the source that is now being read.
    pub(super) fn set(&self, name: &str, monitor: SourceMonitor) {
        let mut source = self.lock();
        source.serial += 1;
        name.clone_into(&mut source.name);
        source.monitor = monitor;
    }

    /// Returns the monitor of the source being read.
    pub(super) fn monitor(&self) -> SourceMonitor {
        self.lock().monitor.clone()
    }

    /// Returns the frame counts of the camera being read; `None` for other sources.
    pub(super) fn camera(&self) -> Option<CameraReport> {
        let source = self.lock();
        source.monitor.camera(&source.name)
    }

    fn lock(&self) -> MutexGuard<'_, Source> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Reports changes of the device's state, each once.
#[derive(Debug, Default)]
pub(super) struct Watcher {
    serial: u64,
    last: SourceStatus,
    is_troubled: bool,
}

impl Watcher {
    /// Returns the change since the previous call, if any.
    pub(super) fn news(&mut self, watched: &Watched) -> Option<Event> {
        let source = watched.lock();
        if self.serial != source.serial {
            self.serial = source.serial;
            (self.last, self.is_troubled) = (SourceStatus::Ok, false);
        }
        let trouble = source.monitor.trouble();
        let was_troubled = std::mem::replace(&mut self.is_troubled, trouble.is_some());
        if let (Some(warning), false) = (trouble, was_troubled) {
            let name = source.name.clone();
            return Some(Event::SourceWarning {
                name,
                warning,
                is_damage: false,
            });
        }
        let status = source.monitor.status();
        let is_new = std::mem::replace(&mut self.last, status) != status;
        is_new.then(|| Event::SourceStatus {
            name: source.name.clone(),
            status,
        })
    }
}
