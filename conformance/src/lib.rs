//! Conformance: Conduit against the written specifications, by clause. The tests are in one folder
//! per specification; this library finds what they share.
//!
//! **Invariant:** a test that cannot run because a tool is missing prints a line that begins with
//! `SKIPPED:`, so that a log tells how much was really tried.

use std::ffi::OsStr;
use std::io::Write as _;
use std::path::{Path, PathBuf};

/// Where the folder of a specification is.
pub fn folder(specification: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(specification)
}

/// A tool that is not ours: the file that the environment variable names, else the first of that
/// name on `PATH`.
///
/// # Panics
/// When the variable names something that is not a file: a wish that is silently not granted
/// would look like a pass.
pub fn tool(variable: &str, name: &str) -> Option<PathBuf> {
    if let Some(path) = std::env::var_os(variable).filter(|path| !path.is_empty()) {
        let path = PathBuf::from(path);
        assert!(path.is_file(), "{variable} names no file: {path:?}");
        return Some(path);
    }
    on_path(&std::env::var_os("PATH")?, name)
}

/// Says on standard error that something could not be tried.
pub fn skipped(what: &str) {
    // Not by `eprintln`, which test harnesses keep to themselves while tests pass.
    drop(writeln!(std::io::stderr(), "SKIPPED: {what}"));
}

fn on_path(path: &OsStr, name: &str) -> Option<PathBuf> {
    std::env::split_paths(path).map(|dir| dir.join(name)).find(|candidate| candidate.is_file())
}
