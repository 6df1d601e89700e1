//! Setup of a training: data, network, hyperparameters.

pub(super) mod check;
pub(super) mod data;
pub(super) mod findings;
pub(super) mod options;
