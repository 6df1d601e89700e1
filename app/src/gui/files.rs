//! Work that must not hold up the window: dialogs, lists of cameras, pictures to disk.

use std::collections::BTreeSet;
use std::future::Future;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake};
use std::thread::Thread;
use std::time::{Duration, Instant};

use crossbeam::channel::Sender;
use eframe::egui;
use poselens_engine::concurrency::{StopFlag, Worker};
use poselens_engine::pipeline::session::SessionEntry;
use poselens_engine::source::{image, video};
use poselens_engine::{Error, Result};

use super::SourceChoice;
use super::action::RecordAsk;
use super::queue::Listing;
use super::train::Ask;

/// A dialog that is gone this quickly was never seen: there is no dialog service.
pub const UNSEEN: Duration = Duration::from_millis(300);

/// What a task of the window has found out.
pub enum News {
    Cameras(Result<Vec<SourceChoice>>),
    Picked(Option<PathBuf>),
    /// A dialog of the training was answered.
    TrainPicked(Ask, PathBuf),
    /// The system has no file dialog.
    NoDialog,
    Saved(Result<PathBuf>),
    Recordings(Result<Vec<SessionEntry>>),
    /// A dialog about recordings was answered.
    RecordPicked(RecordAsk, Vec<PathBuf>),
    /// What is to be recorded one after the other.
    Queue(Listing),
    /// A recording's folder was renamed, moved to the bin or shown.
    Changed(std::result::Result<Option<String>, String>),
    /// Files that were opened before and are gone.
    Missing(BTreeSet<String>),
    DeviceLost(String),
}

/// How often a hidden window looks for news: nobody sees it, but recordings must be closed and
/// failures taken note of.
const HIDDEN: Duration = Duration::from_millis(500);

/// No time at all would draw every picture twice: egui then adds a pass for controls to settle,
/// which news from workers do not need.
const AT_ONCE: Duration = Duration::from_nanos(1);

/// Wakes the window. The context is exchanged when the window is built anew on another device.
#[derive(Debug, Clone, Default)]
pub struct Waker(Arc<Mutex<Window>>);

#[derive(Debug, Default)]
struct Window {
    ctx: Option<egui::Context>,
    is_hidden: bool,
    is_asked_to_close: bool,
}

impl Waker {
    pub fn attach(&self, ctx: egui::Context) {
        self.lock().ctx = Some(ctx);
    }

    /// Whether the window can be seen at all; it is woken rarely while it cannot.
    pub fn set_hidden(&self, is_hidden: bool) {
        self.lock().is_hidden = is_hidden;
    }

    /// Asks the window to close, in the way of its close button: recordings are finished.
    pub fn ask_to_close(&self) {
        self.lock().is_asked_to_close = true;
        self.wake();
    }

    /// Whether somebody has asked so.
    pub fn is_asked_to_close(&self) -> bool {
        self.lock().is_asked_to_close
    }

    pub fn wake(&self) {
        let (ctx, is_hidden) = {
            let window = self.lock();
            (window.ctx.clone(), window.is_hidden)
        };
        match ctx {
            Some(ctx) if is_hidden => ctx.request_repaint_after(HIDDEN),
            Some(ctx) => ctx.request_repaint_after(AT_ONCE),
            None => {}
        }
    }

    fn lock(&self) -> MutexGuard<'_, Window> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Endings of names that videos and pictures usually have.
fn media_extensions() -> Vec<&'static str> {
    let all = video::EXTENSIONS.iter().chain(image::EXTENSIONS);
    all.copied().collect()
}

/// Where tasks leave their news.
#[derive(Clone)]
pub struct Desk {
    pub news: Sender<News>,
    pub waker: Waker,
}

impl Desk {
    pub fn tell(&self, news: News) {
        if self.news.try_send(news).is_err() {
            tracing::debug!("a message of a task has no reader");
        }
        self.waker.wake();
    }

    /// Runs `work` on a thread of its own and tells what it found.
    pub fn task(&self, name: &str, work: impl FnOnce() -> News + Send + 'static) -> Result<Worker> {
        let desk = self.clone();
        let run = move |_: &StopFlag| {
            desk.tell(work());
            Ok(())
        };
        let failed = |error: Error| tracing::error!(%error, "a task of the window failed");
        Worker::spawn(name, StopFlag::new(), run, failed)
    }

    /// Asks for a file. The dialog is created here, as macOS wants it, and awaited elsewhere.
    pub fn choose_file(&self, folder: Option<&Path>) -> Result<Worker> {
        let dialog = in_folder(rfd::AsyncFileDialog::new(), folder)
            .set_title("Open a video or picture")
            .add_filter("Videos and pictures", &media_extensions())
            .add_filter("All files", &["*"])
            .pick_file();
        self.task("file dialog", move || {
            let start = Instant::now();
            match block_on(dialog) {
                Some(file) => News::Picked(Some(file.path().to_owned())),
                None if start.elapsed() < UNSEEN => News::NoDialog,
                None => News::Picked(None),
            }
        })
    }
}

impl Desk {
    /// Asks for files to be recorded, their folder, or the place of recordings.
    pub fn ask_recording(&self, ask: RecordAsk, folder: Option<&Path>) -> Result<Worker> {
        let dialog = in_folder(rfd::AsyncFileDialog::new(), folder);
        let (files, folder) = match ask {
            RecordAsk::Files => {
                let dialog = dialog
                    .set_title("Videos to be recorded")
                    .add_filter("Videos", video::EXTENSIONS)
                    .add_filter("All files", &["*"]);
                (Some(dialog.pick_files()), None)
            }
            RecordAsk::Folder => {
                let dialog = dialog.set_title("Folder of videos to be recorded");
                (None, Some(dialog.pick_folder()))
            }
            RecordAsk::Place => {
                let dialog = dialog.set_title("Where recordings go");
                (None, Some(dialog.pick_folder()))
            }
        };
        self.task("recordings dialog", move || {
            let start = Instant::now();
            let picked = match (files, folder) {
                (Some(files), _) => block_on(files),
                (_, Some(folder)) => block_on(folder).map(|folder| vec![folder]),
                _ => None,
            };
            match picked {
                Some(files) => {
                    let paths = files.iter().map(|f| f.path().to_owned()).collect();
                    News::RecordPicked(ask, paths)
                }
                None if start.elapsed() < UNSEEN => News::NoDialog,
                None => News::Picked(None),
            }
        })
    }
}

/// The dialog, beginning where a file was last chosen.
pub fn in_folder(dialog: rfd::AsyncFileDialog, folder: Option<&Path>) -> rfd::AsyncFileDialog {
    match folder {
        Some(folder) => dialog.set_directory(folder),
        None => dialog,
    }
}

/// Waits for one future on this thread.
pub fn block_on<T>(future: impl Future<Output = T>) -> T {
    struct Unpark(Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Arc::new(Unpark(std::thread::current())).into();
    let mut context = Context::from_waker(&waker);
    let mut future = pin!(future);
    loop {
        match future.as_mut().poll(&mut context) {
            Poll::Ready(value) => return value,
            Poll::Pending => std::thread::park(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use eframe::egui::{Context, RawInput, ViewportId};

    /// Fails when every picture is drawn twice, or a window that nobody sees is woken at once.
    #[test]
    fn news_wake_the_window_once_and_a_hidden_one_seldom() {
        let ctx = Context::default();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&asked);
        ctx.set_request_repaint_callback(move |info| seen.lock().unwrap().push(info.delay));
        let waker = Waker::default();
        waker.attach(ctx.clone());
        let pass = || {
            let output = ctx.run_ui(RawInput::default(), |_| {});
            let delay = output.viewport_output[&ViewportId::ROOT].repaint_delay;
            output.drop_without_applying_deltas();
            delay
        };
        // A new context settles.
        while pass() == Duration::ZERO {}
        asked.lock().unwrap().clear();
        waker.wake();
        assert!(asked.lock().unwrap()[0] < Duration::from_millis(1));
        assert!(pass() > Duration::from_secs(1), "one pass is enough");
        waker.set_hidden(true);
        asked.lock().unwrap().clear();
        waker.wake();
        assert!(asked.lock().unwrap()[0] > Duration::from_millis(400));
    }
}
