//! The real program with cameras that are not there: every scenario is answered by the library
//! `v4l2-standin` in the place of the system's calls.

mod choice;
mod faults;
mod formats;
mod standin;
mod window;
