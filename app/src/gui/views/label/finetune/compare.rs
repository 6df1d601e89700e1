//! A comparison of the labels with a model's predictions, on its own thread.

use std::path::PathBuf;
use std::sync::Arc;

use crossbeam::channel::Sender;
use poselens_engine::concurrency::{StopFlag, Worker};
use poselens_engine::project::Contents;
use poselens_engine::project::check::{Finding, far_from_model};
use poselens_engine::{Error, Result};

use crate::gui::views::label::model::Model;
use crate::gui::views::label::published::SearchProgress;
use crate::gui::views::label::thread::{Numbered, Request};
use crate::gui::waker::Waker;

/// A running comparison. Its result is a request to the thread that owns the project.
pub struct Comparing {
    progress: Arc<SearchProgress>,
    stop: StopFlag,
    worker: Option<Worker>,
}

impl Comparing {
    /// Starts to compare the confirmed labels of `contents` with a model.
    ///
    /// # Errors
    /// If the operating system cannot create a thread.
    pub(in crate::gui::views::label) fn start(
        contents: Contents,
        model: Model,
        waker: Waker,
        requests: Sender<Numbered>,
    ) -> Result<Self> {
        let progress = Arc::new(SearchProgress::default());
        let (shown, failed) = (Arc::clone(&progress), requests.clone());
        let folder = contents.folder().to_owned();
        let compared = folder.clone();
        let compare = move |stop: &StopFlag| {
            let mut infer = (model.make)(&model.name)?;
            let found = far_from_model(&contents, &mut *infer, &mut |done, all| {
                shown.set(done, all);
                waker.wake();
                if stop.is_stopped() {
                    return Err(Error::Cancelled("the comparison was cancelled".to_owned()));
                }
                Ok(())
            });
            answer(&requests, compared, found);
            Ok(())
        };
        let stop = StopFlag::new();
        let worker = Worker::spawn("label comparison", stop.clone(), compare, move |error| {
            answer(&failed, folder, Err(error));
        })?;
        Ok(Self {
            progress,
            stop,
            worker: Some(worker),
        })
    }

    /// Ends the comparison after the current frame.
    pub fn cancel(&self) {
        self.stop.stop();
    }

    /// Returns the progress, which is shared with the thread.
    pub fn progress(&self) -> Arc<SearchProgress> {
        Arc::clone(&self.progress)
    }
}

impl Drop for Comparing {
    fn drop(&mut self) {
        // Joining could wait for a thread that waits for this one to take its result.
        if let Some(worker) = self.worker.take() {
            worker.detach();
        }
    }
}

fn answer(requests: &Sender<Numbered>, folder: PathBuf, found: Result<Vec<Finding>>) {
    let request = Request::Compared { folder, found };
    let number = 0;
    // The project was closed meanwhile.
    let _ = requests.send(Numbered { number, request });
}
