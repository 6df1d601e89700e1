//! Cameras that are not there: loaded with `LD_PRELOAD`, this library answers what a program asks
//! of `/dev/videoN`, as the scenario in the file `V4L2_STANDIN` says. Everything else goes to the
//! system. What was asked is written, a line each, to the file `V4L2_STANDIN_LOG`.
//!
//! `calls` stands in for functions of libc, `driver` and `requests` for the kernel, `scenario` says what is
//! plugged in and what goes wrong. The memory of a camera's buffers is a file in memory, and its
//! descriptor the camera's: mapping and unmapping it is left to the system.
#![cfg(target_os = "linux")]

mod calls;
mod driver;
mod open;
mod requests;
mod scenario;
