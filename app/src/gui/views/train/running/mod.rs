//! The thread of a training, and the bar that controls it.

pub(super) mod bar;
mod in_use;
pub(super) mod job;
