//! The thread that reads recorded poses and edits their tracks.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crossbeam::channel::{Receiver, Sender, bounded};
use poselens_engine::concurrency::{Slot, StopFlag, Worker};
use poselens_engine::error::{Error, Result};
use poselens_engine::pipeline::session::RecordedPoses;
use poselens_engine::record::tracks::{At, RecordedFrame, Track, TrackEdit, Tracks};
use poselens_engine::source::SourceSpec;

use crate::gui::waker::Waker;

/// Number of edits that may wait until they are written.
const N_REQUESTS: usize = 64;

/// A request to the thread; all are answered in order.
#[derive(Debug)]
pub(super) enum Request {
    /// Read the people in the frame that was put into the slot last.
    Look,
    Edit(TrackEdit),
    Undo,
    Redo,
}

/// The tracks of a recording with all edits that are on disk.
#[derive(Debug, Clone)]
pub(in crate::gui) struct Summary {
    /// Every track, by id.
    pub(in crate::gui) tracks: Arc<[Track]>,
    /// The edit that can be undone, in words.
    pub(in crate::gui) undo: Option<String>,
    /// The edit that can be made again, in words.
    pub(in crate::gui) redo: Option<String>,
    /// Where the poses with all edits are; `None` before the first edit.
    pub(in crate::gui) written: Option<PathBuf>,
    /// Why edits are not accepted, if they are not.
    pub(in crate::gui) obstacle: Option<String>,
}

impl Summary {
    fn of(tracks: &Tracks) -> Self {
        let is_edited = tracks.depth() != (0, 0);
        Self {
            tracks: tracks.tracks().into(),
            undo: tracks.last_done().map(ToString::to_string),
            redo: tracks.last_undone().map(ToString::to_string),
            written: is_edited.then(|| tracks.edited_path()),
            obstacle: tracks.obstacle().map(str::to_owned),
        }
    }
}

/// The people in a frame.
#[derive(Debug, Clone)]
pub(in crate::gui) struct FramePeople {
    /// Number of the frame in the video.
    pub(super) id: u64,
    /// Number of the frame in the recording, which differs in an annotated video; `None` if no
    /// poses of it were recorded there.
    pub(super) number: Option<u64>,
    /// Its people; `None` if no poses were recorded for it.
    pub(super) recorded: Option<RecordedFrame>,
}

/// What the thread has published since the last look.
#[derive(Debug, Default)]
pub(super) struct News {
    /// Whether there are recorded poses.
    pub(super) is_found: bool,
    /// Whether the thread has ended.
    pub(super) is_over: bool,
    pub(super) summary: Option<Summary>,
    pub(super) frame: Option<FramePeople>,
    /// Number of edits that were made or refused.
    pub(super) n_done: usize,
    /// Messages for the user.
    pub(super) complaints: Vec<String>,
}

#[derive(Debug)]
struct Shared {
    news: Mutex<News>,
    /// Number and time, in its video, of the frame whose people are wanted.
    wanted: Slot<(u64, f64)>,
    n_read: AtomicU64,
    n_bytes: AtomicU64,
    waker: Waker,
}

/// The handle of the thread. Edits that were requested are made even after it is dropped.
#[derive(Debug)]
pub(super) struct TrackThread {
    requests: Option<Sender<Request>>,
    shared: Arc<Shared>,
    worker: Option<Worker>,
}

impl TrackThread {
    /// Looks for recorded poses of a source.
    ///
    /// # Errors
    /// If the operating system cannot create a thread.
    pub(super) fn start(spec: &str, waker: &Waker) -> Result<Self> {
        let (sender, requests) = bounded(N_REQUESTS);
        let shared = Arc::new(Shared {
            news: Mutex::default(),
            wanted: Slot::new(),
            n_read: AtomicU64::new(0),
            n_bytes: AtomicU64::new(0),
            waker: waker.clone(),
        });
        let (ours, failed, spec) = (Arc::clone(&shared), Arc::clone(&shared), spec.to_owned());
        let worker = Worker::spawn(
            "recorded tracks",
            StopFlag::new(),
            move |stop| ours.run(&spec, &requests, stop),
            move |error| {
                failed.tell(|news| {
                    news.is_over = true;
                    if !error.is_cancelled() {
                        news.complaints.push(error.to_string());
                    }
                });
            },
        )?;
        Ok(Self {
            requests: Some(sender),
            shared,
            worker: Some(worker),
        })
    }

    /// Asks for the people in the frame with this number and time in its video. A newer frame
    /// replaces an older one.
    pub(super) fn look(&self, id: u64, secs: f64) {
        self.shared.wanted.put((id, secs));
        if let Some(requests) = &self.requests {
            // After any request, the thread looks at the frame that is wanted.
            let _ = requests.try_send(Request::Look);
        }
    }

    /// Requests an edit.
    ///
    /// # Errors
    /// If too many edits are waiting, or the thread has ended.
    pub(super) fn send(&self, request: Request) -> Result<()> {
        let sent = self.requests.as_ref().map(|r| r.try_send(request));
        let reason = "the last edits of tracks are still being written; try again in a moment";
        match sent {
            Some(Ok(())) => Ok(()),
            Some(Err(_)) | None => Err(Error::Failed(reason.to_owned())),
        }
    }

    /// Takes what was published since the last call.
    pub(super) fn take(&self) -> News {
        std::mem::take(&mut *self.shared.lock())
    }

    /// Returns how much of the file is read, 0 to 1.
    pub(super) fn share_read(&self) -> f32 {
        let total = self.shared.n_bytes.load(Ordering::Relaxed).max(1);
        (self.shared.n_read.load(Ordering::Relaxed) as f64 / total as f64) as f32
    }

    /// Waits until all edits that were requested are on disk.
    pub(super) fn finish(mut self) {
        self.requests = None;
        if let Some(worker) = self.worker.take() {
            worker.stop();
            worker.join();
        }
    }
}

impl Drop for TrackThread {
    fn drop(&mut self) {
        // It ends by itself after the last request.
        if let Some(worker) = self.worker.take() {
            worker.detach();
        }
    }
}

impl Shared {
    fn run(&self, spec: &str, requests: &Receiver<Request>, stop: &StopFlag) -> Result<()> {
        let Some(poses) = find(spec) else {
            self.tell(|news| news.is_over = true);
            return Ok(());
        };
        self.tell(|news| news.is_found = true);
        let mut tracks = Tracks::open(&poses.path, stop, &mut |read, total| {
            self.n_read.store(read, Ordering::Relaxed);
            self.n_bytes.store(total, Ordering::Relaxed);
        })?;
        self.tell(|news| {
            news.complaints.extend_from_slice(tracks.remarks());
            news.summary = Some(Summary::of(&tracks));
        });
        let mut place = None;
        // Ends when the handle is dropped, after the last request.
        while let Ok(request) = requests.recv() {
            let edited = match request {
                Request::Look => None,
                Request::Edit(edit) => Some(tracks.edit(edit)),
                Request::Undo => Some(tracks.undo().map(|_| ())),
                Request::Redo => Some(tracks.redo().map(|_| ())),
            };
            place = self.wanted.try_take().or(place);
            let summary = edited.as_ref().map(|_| Summary::of(&tracks));
            let people = place.map(|(id, secs)| people(&tracks, id, poses.at(id, secs)));
            self.tell(|news| {
                news.n_done += usize::from(edited.is_some());
                let refused = edited.and_then(Result::err);
                news.complaints.extend(refused.map(|e| e.to_string()));
                news.summary = summary.or(news.summary.take());
                match people {
                    Some(Ok(people)) => news.frame = Some(people),
                    Some(Err(error)) => news.complaints.push(error.to_string()),
                    None => {}
                }
            });
        }
        Ok(())
    }

    fn tell(&self, what: impl FnOnce(&mut News)) {
        what(&mut self.lock());
        self.waker.wake();
    }

    fn lock(&self) -> MutexGuard<'_, News> {
        self.news.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Returns the recorded poses of a source. A source that cannot be opened is reported by the reader
/// of its frames.
fn find(spec: &str) -> Option<RecordedPoses> {
    let spec = SourceSpec::parse(spec).ok()?;
    let path = Path::new(spec.argument());
    let is_file = spec.kind().scrub.is_some() && !path.as_os_str().is_empty();
    RecordedPoses::of(path).filter(|_| is_file)
}

fn people(tracks: &Tracks, id: u64, at: At) -> Result<FramePeople> {
    let recorded = tracks.at(at)?;
    let number = match at {
        At::Frame(number) => Some(number),
        At::Secs(_) => recorded.as_ref().map(|frame| frame.frame),
    };
    Ok(FramePeople {
        id,
        number,
        recorded,
    })
}
