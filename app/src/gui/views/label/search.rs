//! A search for frames worth labelling, on its own thread.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam::channel::Sender;
use poselens_engine::concurrency::{StopFlag, Worker};
use poselens_engine::project::{FrameKey, Project, Proposed, Survey};
use poselens_engine::{Error, Result};

use crate::gui::views::label::model::Model;
use crate::gui::views::label::published::SearchProgress;
use crate::gui::views::label::thread::{Answering, Found, Numbered, Request, answer};
use crate::gui::waker::Waker;

/// Time after which the first choice is made among the frames examined so far.
pub(super) const FIRST_AFTER: Duration = Duration::from_millis(1100);

/// Shortest time between two displays of the progress.
const WAKE_EVERY: Duration = Duration::from_millis(250);

/// Returns the number of frames to examine before `n` of them are chosen: of those held out, only a
/// share is chosen.
fn n_for_first(n: usize) -> usize {
    n + n / 10
}

/// A running search. Its results are requests to the thread that owns the project.
pub(super) struct Search {
    progress: Arc<SearchProgress>,
    stop: StopFlag,
    _worker: Answering,
    /// The first choice, once it is part of the project.
    pub first: Option<Proposed>,
    /// Frames that were shown since then.
    pub seen: HashSet<FrameKey>,
}

impl Search {
    /// Starts to search for `n` frames with a model. The first choice is made once `first_after` has
    /// passed and there are enough frames to choose from.
    ///
    /// # Errors
    /// When the hold-out cannot be chosen, or the operating system cannot create a thread.
    pub(super) fn start(
        project: &mut Project,
        model: Model,
        (n, first_after): (usize, Duration),
        waker: Waker,
        requests: Sender<Numbered>,
    ) -> Result<Self> {
        let begin = Instant::now();
        let survey = Survey::plan(project, n)?;
        let progress = Arc::new(SearchProgress::default());
        let (shown, failed) = (Arc::clone(&progress), requests.clone());
        let folder = project.contents().folder().to_owned();
        let searched = folder.clone();
        let search = move |stop: &StopFlag| {
            let mut infer = (model.make)(&model.name)?;
            let (mut has_first, mut woken) = (false, Instant::now());
            let found = survey.run(&mut *infer, &mut |examination| {
                let n_examined = examination.n_examined();
                shown.set(n_examined, examination.n_total());
                // Drawing the window takes time from the search where the processor draws it.
                if woken.elapsed() >= WAKE_EVERY {
                    woken = Instant::now();
                    waker.wake();
                }
                if stop.is_stopped() {
                    let text = "the search for frames was cancelled";
                    return Err(Error::Cancelled(text.to_owned()));
                }
                let is_done = n_examined == examination.n_total();
                let is_enough = n_examined >= n_for_first(n) && begin.elapsed() >= first_after;
                if !has_first && !is_done && is_enough {
                    has_first = true;
                    let found = Found::First(examination.clone());
                    let folder = searched.clone();
                    answer(&requests, Request::Suggested { folder, found });
                }
                Ok(())
            });
            let (folder, found) = (searched, Found::All(found));
            answer(&requests, Request::Suggested { folder, found });
            Ok(())
        };
        let stop = StopFlag::new();
        let worker = Worker::spawn("suggestions", stop.clone(), search, move |error| {
            let found = Found::All(Err(error));
            answer(&failed, Request::Suggested { folder, found });
        })?;
        Ok(Self {
            progress,
            stop,
            _worker: Answering::new(worker),
            first: None,
            seen: HashSet::new(),
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
