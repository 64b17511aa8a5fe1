//! The property is stated where the door is: `conduit_tls::fuzzing::certificate`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| conduit_tls::fuzzing::certificate(data));
