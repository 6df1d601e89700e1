//! The thread that owns the project, and its handle.
//!
//! Requests are answered in order. An edit is on disk before its effect is published, so the window
//! never shows a label that could be lost.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crossbeam::channel::{Receiver, RecvTimeoutError, Sender, TrySendError, bounded};
use poselens_engine::concurrency::{StopFlag, Worker};
use poselens_engine::finetune::FinetuneOptions;
use poselens_engine::frame::Frame;
use poselens_engine::geometry::Point;
use poselens_engine::project::check::ModelComparison;
use poselens_engine::project::{Clip, Examination, FrameKey, Joint};
use poselens_engine::train::Hardware;
use poselens_engine::{Error, Result};

use crate::gui::action::label::{FramePlace, LabelFormat};
use crate::gui::state::label::Listed;
use crate::gui::ui_state::Level;
use crate::gui::views::label::finetune::job::Job;
use crate::gui::views::label::gesture::Gesture;
use crate::gui::views::label::model::{Loaded, Model};
use crate::gui::views::label::published::News;
use crate::gui::waker::Waker;

/// Capacity for pending requests. A held-down key sends 30 a second, and a slow disk writes more
/// than 10.
const N_REQUESTS: usize = 256;
/// How often the thread checks whether it should stop.
const POLL: Duration = Duration::from_millis(100);

/// What is asked of the thread.
pub(super) enum Request {
    /// Open the project in this folder.
    Open(PathBuf),
    /// Close the project.
    Close,
    /// Open a project, or add a clip; without a project, create one in a new folder of `parent`.
    OpenPath {
        path: PathBuf,
        parent: PathBuf,
        model: String,
    },
    /// Import labels or predictions.
    Import(PathBuf),
    /// Export the confirmed labels.
    Export(LabelFormat, PathBuf),
    /// Suggest the frame that another view shows.
    AddFrame(FramePlace),
    /// Show a frame.
    Show(FrameKey),
    /// Show the next listed frame, or the previous one.
    Next {
        is_forward: bool,
    },
    /// Make an edit.
    Make(FrameKey, Gesture),
    /// Accept a frame; go on to the next one that is not confirmed.
    Accept {
        at: FrameKey,
        goes_on: bool,
    },
    Undo,
    Redo,
    /// List other frames.
    List(Listed),
    /// Publish these rows of the list: the first one and their number.
    Rows(usize, usize),
    /// Suggest frames with a model.
    Suggest {
        model: Model,
        n: usize,
    },
    CancelSuggest,
    /// Publish a review for a training with these options from now on; `None` ends that.
    Review(Option<Box<FinetuneOptions>>),
    /// A request of the page Train.
    Finetune(FinetuneRequest),
    /// The comparison of the project in `folder` has ended.
    Compared {
        folder: PathBuf,
        found: Result<ModelComparison>,
    },
    /// The search for frames of the project in `folder` has found some.
    Suggested {
        folder: PathBuf,
        found: Found,
    },
    /// Call the project by this name.
    Rename(String),
    /// Copy the clip with this id into the project.
    CopyClip(u32),
    CancelCopy,
    /// The copy of a clip of the project in `folder` has ended, at this place.
    ClipCopied {
        folder: PathBuf,
        clip: Box<Clip>,
        copied: Result<PathBuf>,
    },
    /// Add a person where a model finds one.
    AddPerson(Box<NewPerson>, Model),
    /// The search for a person of the project in `folder` has ended.
    PersonFound {
        folder: PathBuf,
        found: FoundPerson,
    },
}

/// Returns whether a file has labels, by its name.
pub(super) fn is_labels(path: &Path) -> bool {
    let extension = path.extension();
    extension.is_some_and(|e| {
        ["json", "csv"]
            .iter()
            .any(|known| e.eq_ignore_ascii_case(known))
    })
}

/// A request of the page Train.
pub(super) enum FinetuneRequest {
    /// Train on the labels.
    Train { job: Job, hardware: Hardware },
    /// Use the weights of this run from now on.
    Accept(String),
    /// Delete this run for good.
    Remove(String),
    /// Use this version from now on.
    UseVersion(u32),
    /// Use the version before the present one.
    RollBack,
    /// Choose a further round of the hold-out.
    AddHoldout,
    /// Compare the labels with the predictions of a model.
    Compare(Model),
    /// Cancel the comparison.
    CancelCompare,
}

/// Kind of a request whose failure ends when another one of the kind is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Opens a project, or adds a clip.
    Open,
    /// Edits labels.
    Edit,
}

impl Request {
    /// Returns its kind, if it has one.
    pub(super) fn kind(&self) -> Option<Kind> {
        match self {
            Self::Open(_) | Self::OpenPath { .. } => Some(Kind::Open),
            request => request.is_edit().then_some(Kind::Edit),
        }
    }

    /// Returns whether it edits labels.
    pub(super) fn is_edit(&self) -> bool {
        matches!(
            self,
            Self::Make(..) | Self::Accept { .. } | Self::Undo | Self::Redo
        )
    }
}

impl Request {
    /// Returns whether it begins a change of the project's files.
    pub(super) fn changes_project(&self) -> bool {
        match self {
            Self::OpenPath { .. }
            | Self::Import(_)
            | Self::AddFrame(_)
            | Self::Suggest { .. }
            | Self::Rename(_)
            | Self::CopyClip(_)
            | Self::AddPerson(..) => true,
            Self::Finetune(request) => !matches!(
                request,
                FinetuneRequest::Compare(_) | FinetuneRequest::CancelCompare
            ),
            request => request.is_edit(),
        }
    }
}

/// What a search for frames has found.
pub(super) enum Found {
    /// Enough frames were examined for a first choice.
    First(Examination),
    /// All frames were examined, or the search has ended early.
    All(Result<Examination>),
}

/// A person to add at a point of a frame.
pub(super) struct NewPerson {
    pub at: FrameKey,
    /// The image of the frame.
    pub frame: Frame,
    pub point: Point,
    /// Joints of the person if the model finds none.
    pub template: Vec<Joint>,
}

/// The joints that the model has found, and the model.
pub(super) type FoundPerson = Result<(Option<Vec<Joint>>, Loaded)>;

/// A request with its number.
pub(super) struct Numbered {
    pub number: u64,
    pub request: Request,
}

/// Sends the result of another thread to the one that owns the project.
pub(super) fn answer(requests: &Sender<Numbered>, request: Request) {
    let number = 0;
    // The project was closed meanwhile.
    let _ = requests.send(Numbered { number, request });
}

/// A thread that sends its result with [`answer`]. Dropping it does not join: it may be waiting for
/// the dropping thread to take the result.
pub(super) struct Answering(Option<Worker>);

impl Answering {
    pub(super) const fn new(worker: Worker) -> Self {
        Self(Some(worker))
    }
}

impl Drop for Answering {
    fn drop(&mut self) {
        if let Some(worker) = self.0.take() {
            worker.detach();
        }
    }
}

/// Where the thread leaves its news.
#[derive(Clone)]
pub(super) struct Outbox {
    news: Arc<Mutex<News>>,
    pub waker: Waker,
}

impl Outbox {
    pub(super) fn tell(&self, change: impl FnOnce(&mut News)) {
        change(&mut self.lock());
        self.waker.wake();
    }

    pub(super) fn say(&self, level: Level, text: impl Into<String>) {
        let text = text.into();
        self.tell(|news| news.messages.push((level, text)));
    }

    fn lock(&self) -> MutexGuard<'_, News> {
        self.news.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Handle of the thread. Dropping it waits until everything that was asked is on disk.
pub(super) struct ProjectThread {
    requests: Sender<Numbered>,
    outbox: Outbox,
    /// Number of the last request.
    n_sent: u64,
    worker: Worker,
}

impl ProjectThread {
    /// Starts the thread, which runs `answer` on each request until it is stopped and none is left.
    ///
    /// # Errors
    /// If the operating system cannot create a thread.
    pub(super) fn start<S: Send + 'static>(
        waker: &Waker,
        make: impl FnOnce(Outbox, Sender<Numbered>) -> S,
        answer: impl Fn(&mut S, Option<Request>) + Send + 'static,
    ) -> Result<Self> {
        let (requests, received) = bounded(N_REQUESTS);
        let outbox = Outbox {
            news: Arc::default(),
            waker: waker.clone(),
        };
        let mut session = make(outbox.clone(), requests.clone());
        let (ended, failed) = (outbox.clone(), outbox.clone());
        let run = move |stop: &StopFlag| {
            loop {
                match next(&received, stop) {
                    Next::Answer(Numbered { number, request }) => {
                        answer(&mut session, Some(request));
                        // Those of other threads are not counted.
                        ended.tell(|news| news.answered = news.answered.max(number));
                    }
                    Next::Idle => answer(&mut session, None),
                    Next::End => return Ok(()),
                }
            }
        };
        let worker = Worker::spawn("label project", StopFlag::new(), run, move |error| {
            let text = format!("{error}; everything up to the last edit is saved");
            failed.tell(|news| {
                (news.is_changed, news.state) = (true, None);
                news.messages.push((Level::Error, text));
            });
        })?;
        Ok(Self {
            requests,
            outbox,
            n_sent: 0,
            worker,
        })
    }

    /// Sends a request; returns its number. Does not wait.
    ///
    /// # Errors
    /// When the disk does not keep up, or the thread has ended.
    pub(super) fn send(&mut self, request: Request) -> Result<u64> {
        let number = self.n_sent + 1;
        let sent = self.requests.try_send(Numbered { number, request });
        sent.map_err(|error| {
            let text = match error {
                TrySendError::Full(_) => "the disk does not keep up: this was not done",
                TrySendError::Disconnected(_) => "the project was closed by a failure",
            };
            Error::Failed(text.to_owned())
        })?;
        self.n_sent = number;
        Ok(number)
    }

    /// Returns whether the thread has ended by a failure: nothing can be sent to it any more.
    pub(super) fn has_failed(&self) -> bool {
        self.worker.is_finished()
    }

    /// Returns the news since the last call.
    pub(super) fn take_news(&self) -> News {
        let mut news = self.outbox.lock();
        let answered = news.answered;
        std::mem::replace(
            &mut news,
            News {
                answered,
                ..News::default()
            },
        )
    }
}

/// What the thread does next.
enum Next {
    /// Answer a request.
    Answer(Numbered),
    /// Use the time: there was no request for a while.
    Idle,
    /// End: it was told to stop, and everything was answered.
    End,
}

fn next(received: &Receiver<Numbered>, stop: &StopFlag) -> Next {
    match received.recv_timeout(POLL) {
        Ok(numbered) => Next::Answer(numbered),
        Err(RecvTimeoutError::Timeout) if !stop.is_stopped() => Next::Idle,
        Err(_) => Next::End,
    }
}
