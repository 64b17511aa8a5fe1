//! The property is stated where the door is: `conduit_admin::fuzzing::api_body`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| conduit_admin::fuzzing::api_body(data));
