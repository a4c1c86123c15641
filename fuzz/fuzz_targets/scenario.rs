//! See `zre_fuzz::scenario`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| zre_fuzz::scenario(data));
