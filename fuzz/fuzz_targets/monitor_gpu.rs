//! The property is stated where the door is: `conduit_monitor::fuzzing::monitor_gpu`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| conduit_monitor::fuzzing::monitor_gpu(data));
