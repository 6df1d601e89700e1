//! A clip that is being copied into the project, on its own thread.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam::channel::Sender;
use poselens_engine::concurrency::{StopFlag, Worker};
use poselens_engine::project::Clip;
use poselens_engine::{Error, Result};

use crate::gui::views::label::published::{ClipCopy, SearchProgress};
use crate::gui::views::label::thread::{Answering, Numbered, Request, answer};
use crate::gui::waker::Waker;

/// Shortest time between two displays of the progress.
const WAKE_EVERY: Duration = Duration::from_millis(250);

/// A running copy. Its result is a request to the thread that owns the project.
pub(super) struct Copying {
    shown: ClipCopy,
    stop: StopFlag,
    _worker: Answering,
}

impl Copying {
    /// Starts to copy `clip` into the project in `folder`.
    ///
    /// # Errors
    /// When the operating system cannot create a thread.
    pub(super) fn start(
        clip: Clip,
        folder: &Path,
        waker: Waker,
        requests: Sender<Numbered>,
    ) -> Result<Self> {
        let shown = ClipCopy {
            name: clip.name.clone(),
            progress: Arc::new(SearchProgress::default()),
        };
        let progress = Arc::clone(&shown.progress);
        let (failed, failed_clip) = (requests.clone(), clip.clone());
        let (folder, failed_in) = (folder.to_owned(), folder.to_owned());
        let copy = move |stop: &StopFlag| {
            let mut woken = Instant::now();
            let copied = clip.copy_to_project(&folder, &mut |done, all| {
                progress.set(done as usize, all as usize);
                if woken.elapsed() >= WAKE_EVERY {
                    woken = Instant::now();
                    waker.wake();
                }
                if stop.is_stopped() {
                    let text = format!("the copy of {} was cancelled", clip.name);
                    return Err(Error::Cancelled(text));
                }
                Ok(())
            });
            let clip = Box::new(clip);
            let request = Request::ClipCopied {
                folder,
                clip,
                copied,
            };
            answer(&requests, request);
            Ok(())
        };
        let stop = StopFlag::new();
        let worker = Worker::spawn("clip copy", stop.clone(), copy, move |error| {
            let request = Request::ClipCopied {
                folder: failed_in,
                clip: Box::new(failed_clip),
                copied: Err(error),
            };
            answer(&failed, request);
        })?;
        Ok(Self {
            shown,
            stop,
            _worker: Answering::new(worker),
        })
    }

    /// Ends the copy; nothing of it is left.
    pub(super) fn cancel(&self) {
        self.stop.stop();
    }

    /// Returns what is shown of it.
    pub(super) fn shown(&self) -> ClipCopy {
        self.shown.clone()
    }
}
