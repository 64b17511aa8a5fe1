//! What validation is set up with.
//!
//! **Invariant:** plain values; two that are equal judge alike.

use super::anchors::Anchors;
use crate::forward::{Suffix, special};

/// What is believed, and where nothing is judged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Validation {
    /// Where chains of keys begin.
    pub anchors: Anchors,
    /// Names that are not judged, with everything below them.
    pub insecure: Vec<Suffix>,
}

impl Default for Validation {
    fn default() -> Self {
        Self { anchors: Anchors::root(), insecure: Vec::new() }
    }
}

impl Validation {
    /// Whether a folded name is believed as it comes; nobody can sign names that no DNS server may know.
    pub(crate) fn is_exempt(&self, name: &[u8]) -> bool {
        self.insecure.iter().any(|suffix| suffix.covers(name)) || special::of(name, false).is_some()
    }
}
