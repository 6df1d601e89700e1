//! What the program reports, for people who have no terminal: the log panel reads a [`LogBook`].

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam::queue::ArrayQueue;
pub use tracing::Level;
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;

/// Lines that are kept.
pub const N_LINES: usize = 1000;
/// Characters of a line that are kept.
const MAX_CHARS: usize = 2000;

/// One report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogLine {
    /// Since the program started.
    pub since_start: Duration,
    /// How severe it is.
    pub level: Level,
    /// The module that reports.
    pub target: String,
    /// What it reports.
    pub text: String,
}

impl std::fmt::Display for LogLine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self {
            since_start,
            level,
            target,
            text,
        } = self;
        let secs = since_start.as_secs_f64();
        write!(f, "{secs:9.3} {level:5} {target}: {text}")
    }
}

/// The newest reports that nobody has read yet; clones share them. Writing never waits: threads
/// that capture and compute report too.
#[derive(Debug, Clone)]
pub struct LogBook {
    lines: Arc<ArrayQueue<LogLine>>,
    start: Instant,
}

impl Default for LogBook {
    fn default() -> Self {
        Self {
            lines: Arc::new(ArrayQueue::new(N_LINES)),
            start: Instant::now(),
        }
    }
}

impl LogBook {
    /// The oldest line not read yet.
    pub fn take(&self) -> Option<LogLine> {
        self.lines.pop()
    }

    /// Writes a line; the oldest goes when there is no room.
    pub fn write(&self, level: Level, target: &str, text: String) {
        self.lines.force_push(LogLine {
            since_start: self.start.elapsed(),
            level,
            target: target.to_owned(),
            text,
        });
    }
}

impl<S: Subscriber> Layer<S> for LogBook {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut text = Text::default();
        event.record(&mut text);
        let Text { mut message, rest } = text;
        message.push_str(&rest);
        if let Some((end, _)) = message.char_indices().nth(MAX_CHARS) {
            message.truncate(end);
        }
        let metadata = event.metadata();
        self.write(*metadata.level(), metadata.target(), message);
    }
}

/// The message, then everything else as `name=value`.
#[derive(Default)]
struct Text {
    message: String,
    rest: String,
}

impl Visit for Text {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        // Writing to a string cannot fail.
        let _ = if field.name() == "message" {
            write!(self.message, "{value:?}")
        } else {
            write!(self.rest, " {}={value:?}", field.name())
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tracing_subscriber::layer::SubscriberExt as _;

    /// Fails when the log panel stays empty, lines lose their words, or old ones displace new ones.
    #[test]
    fn reports_are_collected_and_the_newest_are_kept() {
        let book = LogBook::default();
        let subscriber = tracing_subscriber::registry().with(book.clone());
        tracing::subscriber::with_default(subscriber, || {
            tracing::warn!(camera = "Desk", n = 3, "a frame was {}", "torn");
            for i in 0..N_LINES + 5 {
                tracing::info!("line {i}");
            }
        });
        let first = book.take().unwrap();
        assert_eq!((first.level, first.text.as_str()), (Level::INFO, "line 5"));
        assert_eq!(std::iter::from_fn(|| book.take()).count(), N_LINES - 1);
        let subscriber = tracing_subscriber::registry().with(book.clone());
        tracing::subscriber::with_default(subscriber, || {
            tracing::warn!(camera = "Desk", n = 3, "a frame was {}", "torn");
        });
        let line = book.take().unwrap();
        assert_eq!(line.text, "a frame was torn camera=\"Desk\" n=3");
        assert!(line.to_string().contains("WARN"), "{line}");
    }
}
