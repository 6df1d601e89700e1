//! Counts of one target.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::Serialize;

use crate::words::counted;

/// What was sent to one target.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Tally {
    /// The target as it was given.
    pub target: String,
    /// Number of frames sent; those of a WebSocket are counted per client.
    pub sent: u64,
    /// Number of frames that were not sent, because the receiver was too slow or absent; those of a
    /// WebSocket are counted per client.
    pub dropped: u64,
    /// Number of clients of a WebSocket that are connected; `None` for other targets.
    pub clients: Option<usize>,
    /// Number of clients that were refused: pages of other computers, and too many.
    pub refused: u64,
    /// Why the last frame was not sent; `None` if it was.
    pub trouble: Option<String>,
}

impl Tally {
    /// Describes the counts in one line.
    pub fn text(&self) -> String {
        let dropped = match self.dropped {
            0 => String::new(),
            n => format!(", {n} dropped"),
        };
        let refused = match self.refused {
            0 => String::new(),
            n => format!(", {} refused", counted(n, "client")),
        };
        let trouble = self.trouble.iter().map(|t| format!(" ({t})"));
        format!(
            "{}: {} sent{dropped}{refused}{}",
            self.target,
            counted(self.sent, "frame"),
            trouble.collect::<String>()
        )
    }
}

/// A [`Tally`] that the thread of a target updates.
#[derive(Debug, Clone, Default)]
pub(super) struct SharedTally(Arc<Mutex<Tally>>);

impl SharedTally {
    pub(super) fn new(tally: Tally) -> Self {
        Self(Arc::new(Mutex::new(tally)))
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Tally> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn dropped(&self, n: u64) {
        self.lock().dropped += n;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Fails when a line hides drops, or reports none.
    #[test]
    fn counts_are_told_in_one_line() {
        let tally = Tally {
            target: "udp:127.0.0.1:9000".to_owned(),
            sent: 1,
            ..Tally::default()
        };
        assert_eq!(tally.text(), "udp:127.0.0.1:9000: 1 frame sent");
        let tally = Tally {
            dropped: 2,
            refused: 3,
            trouble: Some("no receiver".to_owned()),
            ..tally
        };
        assert_eq!(
            tally.text(),
            "udp:127.0.0.1:9000: 1 frame sent, 2 dropped, 3 clients refused (no receiver)"
        );
    }
}
