//! The part of `linux/videodev2.h` that the `v4l` crate names, as bindgen 0.72 writes it.
//!
//! The original crate runs bindgen in every build and therefore needs libclang on every machine.
//! The header is a stable kernel interface; the bindings for x86_64 and aarch64 Linux are
//! identical (compared when they were made), so one file serves both.
#![allow(
    clippy::all,
    non_camel_case_types,
    non_snake_case,
    non_upper_case_globals,
    missing_docs
)]
include!("bindings.rs");
