//! Passkeys: keys of people's devices, by which they log in without a password (WebAuthn).
//!
//! What a device sent is kept as it was encoded; who understands it is the door where people log in.

use std::fmt;
use std::sync::Arc;

use crate::clock::Timestamp;

/// A credential's id, as base64url without padding.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PasskeyId(Arc<str>);

impl PasskeyId {
    /// Takes what WebAuthn calls the credential's id: 16 to 1,023 bytes of it.
    ///
    /// # Errors
    /// When it is shorter or longer, or not base64url.
    pub fn parse(text: &str) -> Result<Self, InvalidPasskey> {
        let is_plain = text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
        if !(ID_CHARS_MIN..=ID_CHARS_MAX).contains(&text.len()) || !is_plain {
            return Err(InvalidPasskey::Id);
        }
        Ok(Self(text.into()))
    }

    /// As text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for PasskeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What its owner calls a passkey, such as `phone`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PasskeyLabel(Arc<str>);

impl PasskeyLabel {
    /// Takes 1 to 64 characters without control characters; white space at the ends is dropped.
    ///
    /// # Errors
    /// When it is something else.
    pub fn parse(text: &str) -> Result<Self, InvalidPasskey> {
        let text = text.trim();
        let length = text.chars().count();
        if !(1..=LABEL_CHARS_MAX).contains(&length) || text.chars().any(char::is_control) {
            return Err(InvalidPasskey::Label);
        }
        Ok(Self(text.into()))
    }

    /// As text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Why a text is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidPasskey {
    /// It is no id.
    #[error("a passkey's id is 16 to 1,023 bytes in base64url")]
    Id,
    /// It is no label.
    #[error("a passkey's label is 1 to {LABEL_CHARS_MAX} characters, without control characters")]
    Label,
}

/// One key of one device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Passkey {
    /// What tells it from all others.
    pub id: PasskeyId,
    /// What its owner calls it.
    pub label: PasskeyLabel,
    /// The host that it is for (WebAuthn's relying party id): devices use it nowhere else.
    pub host: Arc<str>,
    /// Whom the device takes its owner for: random, the same for all passkeys of a person.
    pub handle: [u8; HANDLE_BYTES],
    /// Its public key and what does not change with it, encoded.
    pub key: Arc<[u8]>,
    /// Its counter and what else changes with its use, encoded.
    pub state: Arc<[u8]>,
    /// When it was added.
    pub created_at: Timestamp,
    /// When somebody logged in with it last.
    pub used_at: Option<Timestamp>,
}

/// The bytes of a handle: as many as WebAuthn allows.
pub const HANDLE_BYTES: usize = 64;
/// The most passkeys of a person.
pub const PASSKEYS_MAX: usize = 20;
const ID_CHARS_MIN: usize = 22;
const ID_CHARS_MAX: usize = 1_364;
const LABEL_CHARS_MAX: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_and_labels_are_bounded_and_plain() {
        assert!(PasskeyId::parse(&"aZ0-_".repeat(5)).is_ok());
        for bad in [
            "",
            "short",
            &"a".repeat(1_365),
            &format!("{}=", "a".repeat(22)),
            "a/b+aaaaaaaaaaaaaaaaaaaaaaaa",
        ] {
            assert_eq!(PasskeyId::parse(bad), Err(InvalidPasskey::Id), "{bad}");
        }
        assert_eq!(PasskeyLabel::parse(" my phone ").expect("a label").as_str(), "my phone");
        for bad in ["", "  ", "a\nb", &"x".repeat(65)] {
            assert_eq!(PasskeyLabel::parse(bad), Err(InvalidPasskey::Label), "{bad}");
        }
    }
}
