//! libFuzzer calls [`poselens_tests::fuzz::checkpoint`].
#![no_main]

use poselens_tests::fuzz;

libfuzzer_sys::fuzz_target!(init: fuzz::plant("checkpoint"), |data: &[u8]| fuzz::checkpoint(data));
