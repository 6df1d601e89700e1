//! Work that must not hold up the window: dialogs, lists of cameras, pictures to disk.

use std::future::Future;
use std::path::PathBuf;
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Wake};
use std::thread::Thread;
use std::time::{Duration, Instant};

use crossbeam::channel::Sender;
use eframe::egui;
use poselens_engine::concurrency::{StopFlag, Worker};
use poselens_engine::pipeline::session::SessionEntry;
use poselens_engine::{Error, Result};

use super::SourceChoice;
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
    DeviceLost(String),
}

/// Wakes the window. The context is exchanged when the window is built anew on another device.
#[derive(Debug, Clone, Default)]
pub struct Waker(Arc<Mutex<Option<egui::Context>>>);

impl Waker {
    pub fn attach(&self, ctx: egui::Context) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(ctx);
    }

    pub fn wake(&self) {
        let ctx = self
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        if let Some(ctx) = ctx {
            ctx.request_repaint();
        }
    }
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
            tracing::error!("the window reads no news; a message is lost");
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
    pub fn choose_file(&self) -> Result<Worker> {
        let dialog = rfd::AsyncFileDialog::new()
            .set_title("Open a video or picture")
            .add_filter(
                "Videos and pictures",
                &[
                    "mp4", "m4v", "mov", "mkv", "webm", "avi", "png", "jpg", "jpeg", "bmp", "webp",
                ],
            )
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
