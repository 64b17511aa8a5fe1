//! The property is stated where the door is: `conduit_dns::fuzzing::dns_list`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| conduit_dns::fuzzing::dns_list(data));
