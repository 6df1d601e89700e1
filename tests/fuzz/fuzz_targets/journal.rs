//! libFuzzer calls [`poselens_tests::fuzz::journal`].
#![no_main]

use poselens_tests::fuzz;

libfuzzer_sys::fuzz_target!(init: fuzz::plant("journal"), |data: &[u8]| fuzz::journal(data));
