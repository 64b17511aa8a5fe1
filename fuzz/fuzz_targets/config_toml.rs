//! The property is stated where the door is: `conduit::fuzzing::config_toml`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| conduit::fuzzing::config_toml(data));
