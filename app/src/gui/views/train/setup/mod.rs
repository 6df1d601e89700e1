//! Setup of a training: data, network, hyperparameters.

pub mod check;
pub mod data;
pub mod findings;
pub mod options;
