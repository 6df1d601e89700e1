//! libFuzzer calls [`poselens_tests::fuzz::picture`].
#![no_main]

use poselens_tests::fuzz;

libfuzzer_sys::fuzz_target!(init: fuzz::plant("picture"), |data: &[u8]| fuzz::picture(data));
