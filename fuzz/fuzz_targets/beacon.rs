//! See `zre_fuzz::beacon`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| zre_fuzz::beacon(data));
