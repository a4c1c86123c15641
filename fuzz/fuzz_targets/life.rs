//! See `zre_fuzz::life`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| zre_fuzz::life(data));
