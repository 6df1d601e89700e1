//! libFuzzer calls [`poselens_tests::fuzz::training`].
#![no_main]

use poselens_tests::fuzz;

libfuzzer_sys::fuzz_target!(init: fuzz::plant("training"), |data: &[u8]| fuzz::training(data));
