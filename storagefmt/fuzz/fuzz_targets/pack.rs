//! Any bytes as a pack.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| c2b_storagefmt::fuzzing::pack(input));
