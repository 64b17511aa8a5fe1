//! The property is stated where the door is: `conduit_registry::fuzzing::services_import`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| conduit_registry::fuzzing::services_import(data));
