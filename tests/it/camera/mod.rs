//! The real program with simulated cameras: the library `v4l2-standin` replaces the system calls
//! and plays each scenario.

mod choice;
mod faults;
mod formats;
mod standin;
mod window;
