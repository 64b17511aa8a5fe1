//! How long the chain was when we last looked, kept beside it.
//!
//! A chain proves nothing about entries cut off its end; a count and a hash kept elsewhere do.
//! The anchor may lag behind the chain (it is written after the commit), never run ahead of it.

use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::entry::Head;
use crate::error::AuditError;
use crate::file;

/// A tip that the chain once had, and must still contain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Anchor {
    /// How many entries there were.
    pub count: u64,
    /// The hash of the last of them.
    pub hash: String,
}

impl Anchor {
    /// The anchor of a tip; none for an empty chain.
    pub fn of(head: &Head) -> Option<Self> {
        head.hash.clone().map(|hash| Self { count: head.count, hash })
    }

    /// Reads the anchor of a directory; none when it was never written.
    ///
    /// # Errors
    /// When the file cannot be read or is damaged.
    pub fn read(dir: &Path) -> Result<Option<Self>, AuditError> {
        let path = dir.join(ANCHOR_FILE);
        let Some(text) = file::read(&path)? else {
            return Ok(None);
        };
        let parsed: Result<Self, _> = serde_json::from_slice(&text);
        match parsed {
            Ok(anchor) if anchor.count > 0 => Ok(Some(anchor)),
            Ok(_) => Err(AuditError::ParseSeal { path, reason: "its count is 0".into() }),
            Err(error) => Err(AuditError::ParseSeal { path, reason: error.to_string() }),
        }
    }

    /// Writes the anchor of a directory, durably and whole.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn write(&self, dir: &Path) -> Result<(), AuditError> {
        let hash = &self.hash;
        let text = format!("{{\"count\":{},\"hash\":\"{hash}\"}}\n", self.count);
        file::write(&dir.join(ANCHOR_FILE), text.as_bytes())
    }
}

/// The anchor's file.
pub const ANCHOR_FILE: &str = "head.json";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_anchor_is_read_as_it_was_written() {
        let dir = tempfile::tempdir().expect("a directory");
        assert_eq!(Anchor::read(dir.path()).expect("readable"), None);
        for count in [1, 2] {
            let anchor = Anchor { count, hash: "ab".repeat(32) };
            anchor.write(dir.path()).expect("written");
            assert_eq!(Anchor::read(dir.path()).expect("readable"), Some(anchor));
        }
        let files = std::fs::read_dir(dir.path()).expect("listed").count();
        assert_eq!(files, 1, "a temporary file stayed");
    }

    #[test]
    fn a_damaged_anchor_is_an_error_not_an_absence() {
        let dir = tempfile::tempdir().expect("a directory");
        for text in ["", "{}", "{\"count\":0,\"hash\":\"\"}", "{\"count\":1}"] {
            std::fs::write(dir.path().join(ANCHOR_FILE), text).expect("written");
            assert!(Anchor::read(dir.path()).is_err(), "{text}");
        }
    }

    #[test]
    fn an_empty_chain_has_no_anchor() {
        assert_eq!(Anchor::of(&Head::default()), None);
    }
}
