//! Seek requests, merged into one.

use std::sync::{Arc, Mutex, PoisonError};

use crate::source::SeekTo;

/// Target of a seek, relative to the current frame.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(super) struct Move {
    /// Position to seek to first, if any.
    pub(super) seek: Option<SeekTo>,
    /// Number of frames to move afterwards, negative for backwards.
    pub(super) steps: i64,
    /// Whether to return to the live frame afterwards.
    pub(super) follow: bool,
}

/// Pending requests to a worker, merged into one: dragging a slider sends requests faster than a
/// file can be decoded, and only its last position matters; steps add up.
#[derive(Debug, Clone, Default)]
pub(super) struct Moves(Arc<Mutex<Option<Move>>>);

impl Moves {
    /// Moves `n` frames forward, backward if negative.
    pub(super) fn step(&self, n: i64) {
        self.change(|waiting| Move {
            steps: waiting.steps.saturating_add(n),
            follow: false,
            ..waiting
        });
    }

    /// Seeks to a position and discards earlier requests.
    pub(super) fn seek(&self, to: SeekTo) {
        self.change(|_| Move {
            seek: Some(to),
            ..Move::default()
        });
    }

    /// Returns to the live frame.
    pub(super) fn follow(&self) {
        self.change(|_| Move {
            follow: true,
            ..Move::default()
        });
    }

    pub(super) fn take(&self) -> Option<Move> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    fn change(&self, merge: impl FnOnce(Move) -> Move) {
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *waiting = Some(merge(waiting.unwrap_or_default()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Fails when quick key presses are lost, or a dragged slider visits every position on its way.
    #[test]
    fn steps_add_up_and_the_last_seek_wins() {
        let moves = Moves::default();
        assert_eq!(moves.take(), None);
        moves.seek(SeekTo::Frame(4));
        moves.step(-2);
        moves.seek(SeekTo::Secs(1.5));
        moves.step(3);
        moves.step(-1);
        let wanted = Move {
            seek: Some(SeekTo::Secs(1.5)),
            steps: 2,
            follow: false,
        };
        assert_eq!(moves.take(), Some(wanted));
        moves.step(1);
        moves.follow();
        let taken = moves.take().unwrap();
        assert!(taken.follow && taken.steps == 0 && taken.seek.is_none());
        assert_eq!(moves.take(), None);
    }
}
