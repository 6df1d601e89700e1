//! A comparison of the labels with a model's predictions, on its own thread.

use std::sync::Arc;

use crossbeam::channel::Sender;
use poselens_engine::concurrency::{StopFlag, Worker};
use poselens_engine::project::Contents;
use poselens_engine::project::check::far_from_model;
use poselens_engine::{Error, Result};

use crate::gui::views::label::model::Model;
use crate::gui::views::label::published::SearchProgress;
use crate::gui::views::label::thread::{Answering, Numbered, Request, answer};
use crate::gui::waker::Waker;

/// A running comparison. Its result is a request to the thread that owns the project.
pub struct Comparing {
    progress: Arc<SearchProgress>,
    stop: StopFlag,
    _worker: Answering,
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
            let folder = compared;
            answer(&requests, Request::Compared { folder, found });
            Ok(())
        };
        let stop = StopFlag::new();
        let worker = Worker::spawn("label comparison", stop.clone(), compare, move |error| {
            let found = Err(error);
            answer(&failed, Request::Compared { folder, found });
        })?;
        Ok(Self {
            progress,
            stop,
            _worker: Answering::new(worker),
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
