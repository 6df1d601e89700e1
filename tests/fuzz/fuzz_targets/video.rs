//! libFuzzer calls [`poselens_tests::fuzz::video`].
#![no_main]

use poselens_tests::fuzz;

libfuzzer_sys::fuzz_target!(init: fuzz::plant("video"), |data: &[u8]| fuzz::video(data));
