//! Wakes the window when a thread has new results.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use eframe::egui;

/// Poll interval of a hidden window: nothing needs drawing, but recordings must be closed and
/// failures noticed.
const HIDDEN: Duration = Duration::from_millis(500);

/// A delay of zero would draw every frame twice: egui then adds a pass for widgets to settle, which
/// results from worker threads do not need.
const AT_ONCE: Duration = Duration::from_nanos(1);

/// Wakes the window. The context is replaced when the window is rebuilt on another GPU device.
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

    /// Sets whether the window is hidden; a hidden window is woken rarely.
    pub fn set_hidden(&self, is_hidden: bool) {
        self.lock().is_hidden = is_hidden;
    }

    /// Makes the window close without a question: recordings are finalised.
    pub fn ask_to_close(&self) {
        self.lock().is_asked_to_close = true;
        self.wake();
    }

    /// Returns whether closing was requested.
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

#[cfg(test)]
mod tests {
    use super::*;
    use eframe::egui::{Context, RawInput, ViewportId};

    /// Fails when every frame is drawn twice, or a hidden window is woken immediately.
    #[test]
    fn results_wake_the_window_once_and_a_hidden_one_rarely() {
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
        // A new context needs a few passes to settle.
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
