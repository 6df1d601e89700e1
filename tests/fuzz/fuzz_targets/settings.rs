//! libFuzzer calls [`poselens_tests::fuzz::settings`].
#![no_main]

use poselens_tests::fuzz;

libfuzzer_sys::fuzz_target!(init: fuzz::plant("settings"), |data: &[u8]| fuzz::settings(data));
