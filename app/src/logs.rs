//! Collects log lines for the log sheet, which reads a [`LogBook`].

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam::queue::ArrayQueue;
pub use tracing::Level;
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;

/// Maximum number of lines kept.
pub const N_LINES: usize = 1000;
/// Maximum number of characters kept per line.
const MAX_CHARS: usize = 2000;

/// A log line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogLine {
    /// Time since program start.
    pub since_start: Duration,
    /// Severity.
    pub level: Level,
    /// Module that logged it.
    pub target: String,
    /// Message and fields.
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

/// A bounded queue of unread log lines; clones share it. Writing never blocks, because capture and
/// compute threads log too.
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
    /// Returns the oldest unread line.
    pub fn take(&self) -> Option<LogLine> {
        self.lines.pop()
    }

    /// Appends a line, dropping the oldest if the queue is full.
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

/// Formats the message, then all other fields as `name=value`.
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

    /// Fails when the log sheet stays empty, lines lose fields, or old lines displace new ones.
    #[test]
    fn log_lines_are_collected_and_the_newest_are_kept() {
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
