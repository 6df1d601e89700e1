//! Results of a training: curves, held-out people, the decision, earlier trainings.

pub mod curves;
pub mod earlier;
pub mod outcome;
pub mod people;
