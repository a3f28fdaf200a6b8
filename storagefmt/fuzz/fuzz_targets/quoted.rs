//! Any bytes as a quoted-printable body.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| c2b_storagefmt::fuzzing::quoted(input));
