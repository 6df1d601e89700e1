//! Going to another frame: requests of which only the sum counts.

use std::sync::{Arc, Mutex, PoisonError};

use crate::source::SeekTo;

/// Where to go, from where the picture stands.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(super) struct Move {
    /// First to this place, if any.
    pub(super) seek: Option<SeekTo>,
    /// Then so many frames on, or back.
    pub(super) steps: i64,
    /// Then on with the live picture.
    pub(super) follow: bool,
}

/// Requests that wait for a worker, merged into one: a slider that is dragged asks faster than a
/// file can be decoded, and only its last place matters; steps add up.
#[derive(Debug, Clone, Default)]
pub(super) struct Moves(Arc<Mutex<Option<Move>>>);

impl Moves {
    /// Goes so many frames on, or back.
    pub(super) fn step(&self, n: i64) {
        self.change(|waiting| Move {
            steps: waiting.steps.saturating_add(n),
            follow: false,
            ..waiting
        });
    }

    /// Goes to a place; whatever was asked for before does not matter any more.
    pub(super) fn seek(&self, to: SeekTo) {
        self.change(|_| Move {
            seek: Some(to),
            ..Move::default()
        });
    }

    /// Goes on with the live picture.
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

    /// Fails when quick key presses are lost, or a dragged slider plays its whole way back.
    #[test]
    fn steps_add_up_and_the_last_place_wins() {
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
