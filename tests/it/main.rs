//! The one integration binary.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#![allow(
    clippy::unwrap_used,
    reason = "a failed step of a test is a failed test"
)]

mod sfm;
mod tidy;
mod window;
mod window_fakes;
