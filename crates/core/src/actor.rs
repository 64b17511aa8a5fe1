//! Who asked for something.

use std::fmt;
use std::str::FromStr;

use crate::service::{UnknownWord, words};

/// Who asked; every entry of the record names one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Actor {
    /// A process on this machine, known by its peer credentials on the Unix socket.
    Local {
        /// Its user id.
        uid: u32,
        /// That user's name, when the system knows one.
        user: Option<String>,
    },
    /// Whoever used a one-time code of `conduit login`.
    Login {
        /// Who made the code, as the Unix socket knew them.
        by: String,
    },
    /// A part of Conduit itself.
    System(&'static str),
    /// The holder of an API token.
    Token {
        /// The token's id, never its secret.
        id: String,
        /// What the token is called.
        name: String,
    },
}

impl Actor {
    /// Whether a person (or their script) asked, rather than Conduit itself.
    pub fn is_human(&self) -> bool {
        !matches!(self, Self::System(_))
    }
}

impl fmt::Display for Actor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Local { user: Some(user), .. } => f.write_str(user),
            Self::Local { uid, user: None } => write!(f, "uid:{uid}"),
            Self::Login { by } => write!(f, "login:{by}"),
            Self::System(part) => write!(f, "conduit:{part}"),
            Self::Token { name, .. } => write!(f, "token:{name}"),
        }
    }
}

/// What an actor may do; each role includes the ones before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// Reads everything that is not secret.
    Viewer,
    /// Also registers, deregisters, rotates and flushes.
    Operator,
    /// Also makes and revokes tokens, and takes backups.
    Admin,
}

words!(Role, "role", "viewer, operator, admin",
    "admin" => Admin, "operator" => Operator, "viewer" => Viewer);
