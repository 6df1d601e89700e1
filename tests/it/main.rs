//! The one integration binary.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod cli;
mod clip;
mod inspect;
mod sfm;
mod tidy;
mod window;
mod window_fakes;
