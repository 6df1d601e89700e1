//! libFuzzer calls [`poselens_tests::fuzz::spec`].
#![no_main]

use poselens_tests::fuzz;

libfuzzer_sys::fuzz_target!(init: fuzz::plant("spec"), |data: &[u8]| fuzz::spec(data));
