//! The seeds' two files, for people and `jq`: `services.json` and `audit.log`.
//!
//! **Invariant:** nothing reads them back to decide anything; they are written after a commit and
//! rebuilt when missing or behind.

pub mod audit_log;
mod file;
pub mod services;

pub use audit_log::AuditLog;
pub use services::RowHealth;
