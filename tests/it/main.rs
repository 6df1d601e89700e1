//! The only integration test binary.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[cfg(target_os = "linux")]
mod camera;
mod cli;
mod clip;
mod driving;
mod eval;
mod faults;
mod inspect;
mod inspect_fakes;
mod inspect_window;
mod label_window;
mod licences;
mod mca;
mod mpii;
mod onnx;
mod people;
mod project;
mod sfm;
mod shaders;
mod ssa;
mod tidy;
mod train;
mod train_window;
mod transpose;
mod window;
mod window_fakes;
