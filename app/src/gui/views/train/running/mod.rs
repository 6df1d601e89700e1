//! A running training: its threads, its progress and the bar that controls it.

pub mod bar;
pub mod control;
mod in_use;
pub mod progress;
pub mod run;
pub mod series;
pub mod shared;
