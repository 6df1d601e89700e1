//! libFuzzer calls [`poselens_tests::fuzz::recording`].
#![no_main]

use poselens_tests::fuzz;

libfuzzer_sys::fuzz_target!(init: fuzz::plant("recording"), |data: &[u8]| fuzz::recording(data));
