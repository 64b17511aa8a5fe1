//! The property is stated where the door is: `conduit::fuzzing::import_file`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| conduit::fuzzing::import_file(data));
