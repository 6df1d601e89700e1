//! A progress bar on standard error, shown only on terminals.

use std::io::IsTerminal;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// Progress of a run in frames.
pub(super) struct Progress {
    bar: ProgressBar,
    limit: Option<u64>,
}

impl Progress {
    /// Creates a bar on a terminal, a no-op elsewhere. `limit` caps the expected number of frames.
    pub(super) fn new(limit: Option<u64>) -> Self {
        let bar = ProgressBar::new_spinner();
        if !std::io::stderr().is_terminal() {
            bar.set_draw_target(ProgressDrawTarget::hidden());
        }
        let this = Self { bar, limit };
        this.expect(None);
        this
    }

    /// Sets the expected number of frames, if known.
    pub(super) fn expect(&self, n_frames: Option<u64>) {
        let total = match (n_frames, self.limit) {
            (Some(n), Some(limit)) => Some(n.min(limit)),
            (n, limit) => n.or(limit),
        };
        let template = match total {
            Some(total) => {
                self.bar.set_length(total);
                "{bar:30} {pos}/{len} frames, {per_sec}, {eta} left"
            }
            None => "{spinner} {pos} frames, {per_sec}",
        };
        if let Ok(style) = ProgressStyle::with_template(template) {
            self.bar.set_style(style);
        }
    }

    /// Sets the number of processed frames.
    pub(super) fn set(&self, n: u64) {
        self.bar.set_position(n);
    }

    /// Shows a line above the bar.
    pub(super) fn say(&self, line: &str) {
        self.bar.println(format!("poselens: {line}"));
    }

    /// Removes the bar.
    pub(super) fn finish(&self) {
        self.bar.finish_and_clear();
    }
}
