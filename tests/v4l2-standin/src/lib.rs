//! Simulated cameras: loaded with `LD_PRELOAD`, this library handles a program's calls on
//! `/dev/videoN` according to the scenario in the file `V4L2_STANDIN`. All other calls go to the
//! system. The calls are logged, one per line, to the file `V4L2_STANDIN_LOG`.
//!
//! `calls` replaces functions of libc, `driver` and `requests` play the kernel, and `scenario`
//! defines the connected cameras and their faults. The buffers of a camera are in a memory file
//! whose descriptor is also that of the camera, so mapping and unmapping is left to the system.
#![cfg(target_os = "linux")]

mod calls;
mod driver;
mod open;
mod requests;
mod scenario;
