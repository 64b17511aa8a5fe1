//! One binary for the inside of an on-premises network: names, certificates, routes, health, record.
//!
//! This crate wires the rooms together and is the command line. It decides nothing that a room
//! could decide: it parses the configuration and the flags, builds, runs, and turns the outcome
//! into an exit code.
//!
//! **Invariant:** the composition is one straight line, [`app`]; nothing below this crate knows more
//! than one plane.

pub mod app;
pub mod cli;
pub mod config;
pub mod error;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
pub mod privilege;
mod query_log;
pub mod readiness;
pub mod reload;
pub mod run;
pub mod serve;
pub mod signals;
pub mod telemetry;
pub mod upgrade;

mod access_log;
mod api;
mod archive;
mod backup;
mod builtin;
mod control;
mod decisions;
mod doctor;
mod encrypted_dns;
mod fetch;
mod forwarding;
mod holder;
mod leaves;
mod memory;
mod metrics;
mod monitor;
mod oidc;
mod peers;
mod planes;
mod publish;
mod record;
mod records;
mod renew;
mod restore;
mod roots;
mod selfcheck;
mod serial;
mod sockets;
mod state;
mod traces;
mod updates;
mod views;

use std::process::ExitCode;

/// Runs the command line of this process.
pub fn main() -> ExitCode {
    cli::main()
}
