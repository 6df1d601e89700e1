//! libFuzzer calls [`poselens_tests::fuzz::labels`].
#![no_main]

use poselens_tests::fuzz;

libfuzzer_sys::fuzz_target!(init: fuzz::plant("labels"), |data: &[u8]| fuzz::labels(data));
