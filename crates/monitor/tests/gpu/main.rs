//! This machine's GPUs as a source, against a library and a program that the tests make.

mod bench;
mod nvml;
mod smi;
