//! The property is stated where the door is: `conduit_audit::fuzzing::audit_entry`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| conduit_audit::fuzzing::audit_entry(data));
