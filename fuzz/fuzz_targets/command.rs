//! See `zre_fuzz::command`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| zre_fuzz::command(data));
