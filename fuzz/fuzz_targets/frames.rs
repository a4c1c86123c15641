//! See `zre_fuzz::frames`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| zre_fuzz::frames(data));
