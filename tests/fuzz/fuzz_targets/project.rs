//! libFuzzer calls [`poselens_tests::fuzz::project`].
#![no_main]

use poselens_tests::fuzz;

libfuzzer_sys::fuzz_target!(init: fuzz::plant("project"), |data: &[u8]| fuzz::project(data));
