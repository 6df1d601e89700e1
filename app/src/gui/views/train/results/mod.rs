//! Results of a training: curves, held-out people, the decision, earlier trainings.

pub(super) mod curves;
pub(super) mod earlier;
pub(super) mod outcome;
pub(super) mod people;
mod verdict;
