//! A search for frames worth labelling, on its own thread.

use std::path::PathBuf;
use std::sync::Arc;

use crossbeam::channel::Sender;
use poselens_engine::concurrency::{StopFlag, Worker};
use poselens_engine::project::{Project, Survey};
use poselens_engine::{Error, Result};

use crate::gui::context::MakeByName;
use crate::gui::views::label::published::SearchProgress;
use crate::gui::views::label::thread::{Found, Numbered, Request};
use crate::gui::waker::Waker;

/// A running search. Its result is a request to the thread that owns the project.
pub(super) struct Search {
    progress: Arc<SearchProgress>,
    stop: StopFlag,
    worker: Option<Worker>,
}

impl Search {
    /// Starts to search for `n` frames with a model.
    ///
    /// # Errors
    /// When the hold-out cannot be chosen, or the operating system cannot create a thread.
    pub(super) fn start(
        project: &mut Project,
        (make, model): (MakeByName, String),
        n: usize,
        waker: Waker,
        requests: Sender<Numbered>,
    ) -> Result<Self> {
        let survey = Survey::plan(project, n)?;
        let progress = Arc::new(SearchProgress::default());
        let (shown, failed) = (Arc::clone(&progress), requests.clone());
        let folder = project.contents().folder().to_owned();
        let searched = folder.clone();
        let search = move |stop: &StopFlag| {
            let mut infer = make(&model)?;
            let found = survey.run(&mut *infer, &mut |examined, total| {
                shown.set(examined, total);
                waker.wake();
                if stop.is_stopped() {
                    let text = "the search for frames was cancelled";
                    return Err(Error::Cancelled(text.to_owned()));
                }
                Ok(())
            });
            answer(&requests, searched, found);
            Ok(())
        };
        let stop = StopFlag::new();
        let worker = Worker::spawn("suggestions", stop.clone(), search, move |error| {
            answer(&failed, folder, Err(error));
        })?;
        Ok(Self {
            progress,
            stop,
            worker: Some(worker),
        })
    }

    /// Ends the search after the current frame.
    pub(super) fn cancel(&self) {
        self.stop.stop();
    }

    pub(super) fn progress(&self) -> Arc<SearchProgress> {
        Arc::clone(&self.progress)
    }
}

impl Drop for Search {
    fn drop(&mut self) {
        // Joining could wait for a thread that waits for this one to take its result.
        if let Some(worker) = self.worker.take() {
            worker.detach();
        }
    }
}

fn answer(requests: &Sender<Numbered>, folder: PathBuf, found: Found) {
    let request = Request::Suggested { folder, found };
    let number = 0;
    // The project was closed meanwhile.
    let _ = requests.send(Numbered { number, request });
}
