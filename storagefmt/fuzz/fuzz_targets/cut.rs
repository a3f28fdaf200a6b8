//! Any bytes as a content that is cut.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| c2b_storagefmt::fuzzing::cut(input));
