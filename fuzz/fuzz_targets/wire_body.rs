//! The property is stated where the door is: `conduit_api::fuzzing::wire_body`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| conduit_api::fuzzing::wire_body(data));
