//! Fields of requests and responses (RFC 9110 §5).

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::shown::{self, HIDDEN};
use super::text::{InvalidText, written};

/// The name of a field or a cookie: a token (RFC 9110 §5.6.2), at most 128 bytes, in lower case.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FieldName(Box<str>);

impl FieldName {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for FieldName {
    type Err = InvalidText;

    fn from_str(text: &str) -> Result<Self, InvalidText> {
        let is_token = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
        if !text.is_empty() && text.len() <= NAME_BYTES_MAX && text.bytes().all(is_token) {
            Ok(Self(text.to_ascii_lowercase().into()))
        } else {
            Err(InvalidText::new(text, "the name of a header or cookie"))
        }
    }
}

impl fmt::Display for FieldName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The value of a field: visible ASCII and spaces, at most 4 KiB.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldValue(Box<str>);

impl FieldValue {
    /// The value.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for FieldValue {
    type Err = InvalidText;

    fn from_str(text: &str) -> Result<Self, InvalidText> {
        if text == HIDDEN {
            return Err(shown::hidden());
        }
        let visible = |b: u8| (0x20..0x7f).contains(&b) || b == b'\t';
        if text.len() <= VALUE_BYTES_MAX && text.bytes().all(visible) && text.trim() == text {
            Ok(Self(text.into()))
        } else {
            Err(InvalidText::new(text, "the value of a header: visible ASCII without line breaks"))
        }
    }
}

impl fmt::Display for FieldValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

written!(FieldName, FieldValue);

/// What is changed in a head: removed first, then set.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Fields {
    /// Fields with their new values.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub set: BTreeMap<FieldName, FieldValue>,
    /// Fields that go.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub remove: Vec<FieldName>,
}

impl Fields {
    /// Whether nothing is changed.
    pub fn is_empty(&self) -> bool {
        self.set.is_empty() && self.remove.is_empty()
    }

    pub(super) fn over(&self, below: Self) -> Self {
        if self.is_empty() { below } else { self.clone() }
    }
}

const NAME_BYTES_MAX: usize = 128;
const VALUE_BYTES_MAX: usize = 4 * 1024;
