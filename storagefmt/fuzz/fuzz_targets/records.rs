//! Any bytes as a frame of records.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| c2b_storagefmt::fuzzing::records(input));
