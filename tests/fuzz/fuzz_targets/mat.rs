//! libFuzzer calls [`poselens_tests::fuzz::mat`].
#![no_main]

use poselens_tests::fuzz;

libfuzzer_sys::fuzz_target!(init: fuzz::plant("mat"), |data: &[u8]| fuzz::mat(data));
