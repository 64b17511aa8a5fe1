//! The property is stated where the door is: `conduit_proxy::fuzzing::h3_stream`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| conduit_proxy::fuzzing::h3_stream(data));
