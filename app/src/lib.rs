//! The PoseLens window and command line.

pub mod gui;
