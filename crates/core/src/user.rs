//! People who log in with a name of their own.

use std::fmt;
use std::sync::Arc;

use crate::actor::Role;
use crate::clock::Timestamp;
use crate::passkey::Passkey;

/// What a person is called; cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UserName(Arc<str>);

impl UserName {
    /// Parses a name: 1 to 64 letters, digits and `. _ - @`, folded to lower case, a letter or digit
    /// in front.
    ///
    /// # Errors
    /// When it is something else.
    pub fn parse(text: &str) -> Result<Self, InvalidUserName> {
        let legal = |c: char| c.is_ascii_alphanumeric() || "._-@".contains(c);
        let fits = (1..=NAME_CHARS_MAX).contains(&text.len());
        let begins = text.starts_with(|c: char| c.is_ascii_alphanumeric());
        if !fits || !begins || !text.chars().all(legal) {
            return Err(InvalidUserName(text.chars().take(NAME_CHARS_MAX).collect()));
        }
        Ok(Self(text.to_ascii_lowercase().into()))
    }

    /// As text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for UserName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// A text that cannot be the name of a user.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is not a user's name; use 1 to 64 letters, digits and any of . _ - @, a letter or digit in front"
)]
pub struct InvalidUserName(String);

/// What is kept of a password: a PHC string, such as `$argon2id$v=19$…`; cheap to clone.
#[derive(Clone, PartialEq, Eq)]
pub struct PasswordHash(Arc<str>);

impl PasswordHash {
    /// Takes a hash of Argon2id.
    ///
    /// # Errors
    /// When it is something else.
    pub fn parse(text: &str) -> Result<Self, InvalidPasswordHash> {
        let is_hash = text.starts_with("$argon2id$") && text.is_ascii();
        if !is_hash || text.len() > HASH_BYTES_MAX {
            return Err(InvalidPasswordHash);
        }
        Ok(Self(text.into()))
    }

    /// As text; for checking and storing, never for showing.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PasswordHash")
    }
}

/// A text that is no hash of a password.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("this is not a password hashed with Argon2id")]
pub struct InvalidPasswordHash;

/// A person who may log in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// What they are called.
    pub name: UserName,
    /// What they may do.
    pub role: Role,
    /// Their password's hash; without one they cannot log in by password.
    pub password: Option<PasswordHash>,
    /// When the password was set last.
    pub password_set_at: Option<Timestamp>,
    /// The keys of their devices, oldest first.
    pub passkeys: Arc<[Passkey]>,
    /// When they were added.
    pub created_at: Timestamp,
    /// When they were removed; `None` while they may log in.
    pub removed_at: Option<Timestamp>,
}

/// The longest name, in characters.
const NAME_CHARS_MAX: usize = 64;
/// The longest hash, in bytes.
const HASH_BYTES_MAX: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_folded_and_plain() {
        for (text, name) in
            [("ada", "ada"), ("Ada.Lovelace", "ada.lovelace"), ("a@b.c", "a@b.c"), ("7", "7")]
        {
            assert_eq!(UserName::parse(text).expect("a name").as_str(), name);
        }
        for bad in ["", ".a", "-a", "@a", "a b", "a:b", "a/b", "ü", "a\n", &"x".repeat(65)] {
            assert!(UserName::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_hash_is_never_shown() {
        let hash = PasswordHash::parse("$argon2id$v=19$m=1,t=1,p=1$c2FsdA$aGFzaA").expect("a hash");
        assert_eq!(format!("{hash:?}"), "PasswordHash");
        for bad in ["", "secret", "$2b$12$x", &format!("$argon2id${}", "x".repeat(300))] {
            assert!(PasswordHash::parse(bad).is_err(), "{bad}");
        }
    }
}
