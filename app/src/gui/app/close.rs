//! Closing the window: the user is asked first while something is running.

use eframe::egui::{Context, ViewportCommand};

use crate::gui::action::Sheet;
use crate::gui::app::App;

impl App {
    /// Asks the user who closes the window while something is running. A second request closes it,
    /// as do signals and the loss of the GPU device.
    pub(super) fn ask_before_closing(&mut self, ctx: &Context) {
        let is_signalled = self.core.tasks.waker.is_asked_to_close();
        if is_signalled {
            ctx.send_viewport_cmd(ViewportCommand::Close);
        }
        let is_asking = self.core.ui_state.sheet == Some(Sheet::Quit);
        let is_requested = ctx.input(|i| i.viewport().close_requested());
        if !is_requested && !is_asking {
            return;
        }
        let is_forced = is_signalled || self.core.device_lost.is_some();
        self.core.ui_state.busy = self.busy();
        if is_requested && !is_asking && !is_forced && !self.core.ui_state.busy.is_empty() {
            self.core.ui_state.sheet = Some(Sheet::Quit);
            ctx.send_viewport_cmd(ViewportCommand::CancelClose);
            if ctx.input(|i| i.viewport().minimized == Some(true)) {
                ctx.send_viewport_cmd(ViewportCommand::Minimized(false));
            }
            ctx.send_viewport_cmd(ViewportCommand::Focus);
        }
    }

    /// Returns what is running, one line each.
    fn busy(&self) -> Vec<String> {
        let mut busy = self.core.busy();
        busy.extend(self.views.iter().filter_map(|view| view.busy()));
        busy
    }
}
