//! Work that must not hold up the window: dialogs, lists of cameras, pictures to disk.

use std::future::Future;
use std::path::PathBuf;
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Wake};
use std::thread::Thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crossbeam::channel::Sender;
use eframe::egui;
use poselens_engine::concurrency::{StopFlag, Worker};
use poselens_engine::{Error, Result};

use super::SourceChoice;

/// A dialog that is gone this quickly was never seen: there is no dialog service.
const UNSEEN: Duration = Duration::from_millis(300);

/// What a task of the window has found out.
pub enum News {
    Cameras(Result<Vec<SourceChoice>>),
    Picked(Option<PathBuf>),
    /// The system has no file dialog.
    NoDialog,
    Saved(Result<PathBuf>),
    DeviceLost(String),
}

/// Wakes the window. The context is exchanged when the window is built anew on another device.
#[derive(Clone, Default)]
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
fn block_on<T>(future: impl Future<Output = T>) -> T {
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

/// `2026-03-01_14-05-59.250` in universal time, for names that sort by age and do not collide.
pub fn stamp(now: SystemTime) -> String {
    let since = now.duration_since(UNIX_EPOCH).unwrap_or_default();
    let (days, secs) = (since.as_secs() / 86_400, since.as_secs() % 86_400);
    // Civil date from days (H. Hinnant, "chrono-compatible low-level date algorithms"): years
    // begin in March, eras have 400 years = 146097 days; 719468 days lie before 1970.
    let z = days + 719_468;
    let (era, day_of_era) = (z / 146_097, z % 146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = (month_from_march + 2) % 12 + 1;
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    format!(
        "{year:04}-{month:02}-{day:02}_{:02}-{:02}-{:02}.{:03}",
        secs / 3600,
        secs / 60 % 60,
        secs % 60,
        since.subsec_millis()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Fails when recordings get a wrong date, above all around leap days and new year.
    #[test]
    fn stamps_are_dates() {
        let at = |secs| stamp(UNIX_EPOCH + Duration::from_secs(secs));
        assert_eq!(at(0), "1970-01-01_00-00-00.000");
        assert_eq!(at(951_782_399), "2000-02-28_23-59-59.000");
        assert_eq!(at(951_782_400), "2000-02-29_00-00-00.000");
        assert_eq!(at(1_767_225_599), "2025-12-31_23-59-59.000");
        assert_eq!(at(1_772_374_000), "2026-03-01_14-06-40.000");
    }
}
