//! libFuzzer calls [`poselens_tests::fuzz::camera`].
#![no_main]

use poselens_tests::fuzz;

libfuzzer_sys::fuzz_target!(init: fuzz::plant("camera"), |data: &[u8]| fuzz::camera(data));
