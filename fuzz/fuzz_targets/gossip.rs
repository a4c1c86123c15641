//! See `zre_fuzz::gossip`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| zre_fuzz::gossip(data));
