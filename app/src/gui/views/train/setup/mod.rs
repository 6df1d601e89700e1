//! Before a training: the data, the network, the options.

pub mod check;
pub mod data;
pub mod findings;
pub mod options;
