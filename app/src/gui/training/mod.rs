//! A training in the background, for every view that trains: its threads ([`run`]), what it has
//! reached ([`progress`]), how it is paused and stopped ([`control`]), and its curves ([`plots`]).

pub mod bar;
pub mod control;
pub mod plots;
pub mod progress;
pub mod run;
pub mod series;
pub mod shared;
mod ticks;

pub use ticks::Unit;
