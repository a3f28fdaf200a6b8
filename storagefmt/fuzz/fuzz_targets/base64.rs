//! Any bytes as a base64 body.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| c2b_storagefmt::fuzzing::base64(input));
