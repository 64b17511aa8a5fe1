//! A monitored machine: what it is called, and how it is reached.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use crate::clock::Timestamp;
use crate::destination::Destination;

/// What a node is called on screen, in rules and in labels: a label, or the address; cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeName(Arc<str>);

impl NodeName {
    /// Parses a name: 1 to 64 characters, letters, digits and `. _ : -`, no `-` in front.
    ///
    /// # Errors
    /// When it is something else.
    pub fn parse(text: &str) -> Result<Self, InvalidNodeName> {
        let legal = |c: char| c.is_ascii_alphanumeric() || "._:-".contains(c);
        let fits = (1..=NAME_CHARS_MAX).contains(&text.len());
        let is_relative = text.chars().all(|c| c == '.');
        if !fits || is_relative || text.starts_with('-') || !text.chars().all(legal) {
            return Err(InvalidNodeName(text.chars().take(NAME_CHARS_MAX).collect()));
        }
        Ok(Self(text.into()))
    }

    /// As text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for NodeName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// A text that cannot be the name of a node.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is not a node's name; use 1 to 64 letters, digits and any of . _ : -, no - in front"
)]
pub struct InvalidNodeName(String);

/// A machine that an operator added.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// What it is called.
    pub name: NodeName,
    /// Where it is.
    pub destination: Destination,
    /// The file of the private key; the agent or the usual files when absent.
    pub key: Option<PathBuf>,
    /// A machine to go through.
    pub jump: Option<Destination>,
    /// The file with known host keys; the gateway's own when absent.
    pub known_hosts: Option<PathBuf>,
    /// The host key that was accepted, `SHA256:…`; `None` when a file of known host keys had it.
    pub fingerprint: Option<String>,
    /// Words to group it by.
    pub tags: Vec<String>,
    /// When it was added.
    pub added_at: Timestamp,
    /// When it was removed; `None` while it is watched.
    pub removed_at: Option<Timestamp>,
}

/// The longest name, in characters.
const NAME_CHARS_MAX: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_words_that_no_option_looks_like() {
        for good in ["gpu-server", "10.0.1.20", "fd00::1", "a", "rack_3.node-1"] {
            assert_eq!(NodeName::parse(good).expect("a name").as_str(), good);
        }
        for bad in ["", "..", "-oProxyCommand=x", "a b", "ü", "a/b", &"x".repeat(65)] {
            assert!(NodeName::parse(bad).is_err(), "{bad}");
        }
    }
}
