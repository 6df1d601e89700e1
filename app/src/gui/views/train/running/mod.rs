//! A training at work: its threads, how it goes, and the bar that starts and stops it.

pub mod bar;
pub mod control;
mod in_use;
pub mod progress;
pub mod run;
pub mod series;
pub mod shared;
