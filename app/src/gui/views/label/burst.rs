//! Keys pressed in quick succession. When one of them is refused, those that follow at once are
//! refused as well: they were meant for what the refused one would have done.

use std::time::{Duration, Instant};

use poselens_engine::{Error, Result};

/// Time without a key after which editing keys are accepted again.
const PAUSE: Duration = Duration::from_millis(600);

/// The refused key of a burst, until the burst is over.
#[derive(Debug, Default)]
pub(super) struct Burst {
    /// When the last key was pressed, and why one was refused.
    refused: Option<(Instant, String)>,
}

impl Burst {
    /// An editing key was refused for this reason.
    pub(super) fn refuse(&mut self, now: Instant, reason: &str) {
        self.refused = Some((now, reason.to_owned()));
    }

    /// A key was pressed, which may edit.
    ///
    /// # Errors
    /// When it edits and belongs to a burst of which a key was refused.
    pub(super) fn press(&mut self, now: Instant, is_edit: bool) -> Result<()> {
        self.refused
            .take_if(|(last, _)| now.saturating_duration_since(*last) >= PAUSE);
        let Some((last, reason)) = &mut self.refused else {
            return Ok(());
        };
        *last = now;
        if is_edit {
            let text = format!("{reason}; the keys pressed right after it are refused too");
            return Err(Error::Failed(text));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Fails when a key that follows a refused one edits, keys that go on do not prolong the burst, or
    /// edits are refused after a pause.
    #[test]
    fn a_burst_ends_with_a_pause() {
        let begin = Instant::now();
        let after = |millis| begin + Duration::from_millis(millis);
        let mut burst = Burst::default();
        assert!(burst.press(after(0), true).is_ok());
        burst.refuse(after(0), "frame 43 is not shown yet");
        for millis in [0, 500, 1000] {
            let error = burst.press(after(millis), true).unwrap_err().to_string();
            assert!(
                error.starts_with("frame 43 is not shown yet; the keys"),
                "{error}"
            );
        }
        assert!(burst.press(after(1500), false).is_ok(), "it shows a frame");
        assert!(
            burst.press(after(2000), true).is_err(),
            "it prolonged the burst"
        );
        assert!(burst.press(after(2600), true).is_ok());
        assert!(burst.press(after(2600), true).is_ok());
    }
}
