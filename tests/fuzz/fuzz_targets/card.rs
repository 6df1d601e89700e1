//! libFuzzer calls [`poselens_tests::fuzz::card`].
#![no_main]

use poselens_tests::fuzz;

libfuzzer_sys::fuzz_target!(init: fuzz::plant("card"), |data: &[u8]| fuzz::card(data));
