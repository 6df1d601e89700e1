//! libFuzzer calls [`poselens_tests::fuzz::sps`].
#![no_main]

use poselens_tests::fuzz;

libfuzzer_sys::fuzz_target!(init: fuzz::plant("sps"), |data: &[u8]| fuzz::sps(data));
