//! Where a secret is kept: a file, or a variable of the environment. Never in the configuration.
//!
//! **Invariant:** the secret itself is never part of anything that is shown or logged. It is read
//! each time it is needed, so that one that was replaced is used at once.

use std::fmt;
use std::io::{self, Read};
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
        let text = match self {
            Self::Variable(name) => self.variable(name)?,
            Self::File(path) => {
                let read = async {
                    let mut text = String::new();
                    let file = tokio::fs::File::open(path).await?;
                    file.take(READ_BYTES_MAX).read_to_string(&mut text).await?;
                    Ok(text)
                };
                read.await.map_err(|error: io::Error| self.unread(&error))?
            }
        };
        self.judge(&text)
    }

    /// The same where nothing else waits meanwhile: at start, and when the configuration is read.
    ///
    /// # Errors
    /// As [`SecretFrom::read`].
    pub fn read_now(&self) -> Result<Secret, SecretError> {
        let text = match self {
            Self::Variable(name) => self.variable(name)?,
            Self::File(path) => {
                let read = || {
                    let mut text = String::new();
                    std::fs::File::open(path)?.take(READ_BYTES_MAX).read_to_string(&mut text)?;
                    Ok(text)
                };
                read().map_err(|error: io::Error| self.unread(&error))?
            }
        };
        self.judge(&text)
    }

    fn variable(&self, name: &str) -> Result<String, SecretError> {
        std::env::var(name).map_err(|_| self.wrong("is not set, or is no text"))
    }

    fn unread(&self, error: &io::Error) -> SecretError {
        self.wrong(&format!("cannot be read: {error}"))
    }

    fn wrong(&self, problem: &str) -> SecretError {
        SecretError(format!("{self} {problem}"))
    }

    fn judge(&self, text: &str) -> Result<Secret, SecretError> {
        let text = text.trim();
        if text.is_empty() {
            return Err(self.wrong("is empty"));
        }
        if text.len() > SECRET_BYTES_MAX || text.chars().any(char::is_control) {
            let problem = format!("is not one line of at most {SECRET_BYTES_MAX} bytes");
            return Err(self.wrong(&problem));
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
/// One byte more shows that a file is too long.
const READ_BYTES_MAX: u64 = 4_097;
