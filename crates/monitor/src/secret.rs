//! Where a secret is kept: a file, or a variable of the environment. Never in the configuration.
//!
//! **Invariant:** the secret itself is never part of anything that is shown or logged. It is read
//! each time it is needed, so that one that was replaced is used at once.

use std::fmt;
use std::path::PathBuf;

use tokio::io::AsyncReadExt;

/// Where a secret is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SecretFrom {
    /// This file, which holds nothing else.
    File(PathBuf),
    /// This variable of the environment.
    Variable(String),
}

/// A secret; shows as dots.
pub struct Secret(String);

impl SecretFrom {
    /// Reads it, without white space around it.
    ///
    /// # Errors
    /// When it is not there, or is not one line of at most [`SECRET_BYTES_MAX`] bytes.
    pub async fn read(&self) -> Result<Secret, SecretError> {
        let wrong = |problem: String| SecretError(format!("{self} {problem}"));
        let text = match self {
            Self::Variable(name) => {
                std::env::var(name).map_err(|_| wrong("is not set, or is no text".into()))?
            }
            Self::File(path) => {
                let file = tokio::fs::File::open(path).await;
                let mut text = String::new();
                let mut file = file.map_err(|error| wrong(format!("cannot be read: {error}")))?;
                let limit = u64::try_from(SECRET_BYTES_MAX + 1).unwrap_or(u64::MAX);
                let read = (&mut file).take(limit).read_to_string(&mut text).await;
                read.map_err(|error| wrong(format!("cannot be read: {error}")))?;
                text
            }
        };
        let text = text.trim();
        if text.is_empty() {
            return Err(wrong("is empty".into()));
        }
        if text.len() > SECRET_BYTES_MAX || text.chars().any(char::is_control) {
            return Err(wrong(format!("is not one line of at most {SECRET_BYTES_MAX} bytes")));
        }
        Ok(Secret(text.to_owned()))
    }
}

impl fmt::Display for SecretFrom {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(f, "secret_file {}", path.display()),
            Self::Variable(name) => write!(f, "secret_env {name}"),
        }
    }
}

impl Secret {
    /// The secret itself.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("…")
    }
}

/// A secret that cannot be had; the message says where it should be and what to mend.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct SecretError(String);

/// The longest secret, in bytes.
pub const SECRET_BYTES_MAX: usize = 4_096;
