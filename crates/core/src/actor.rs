//! Who asked for something.

use std::fmt;
use std::str::FromStr;

use crate::service::{UnknownWord, words};
use crate::user::UserName;

/// Who asked; every entry of the record names one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Actor {
    /// The holder of a key of `dns.keys`.
    Key {
        /// What the key is called.
        name: String,
    },
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
    /// A person whom the provider of identities vouched for.
    Oidc {
        /// What the provider calls them; unlike the names of users, anything that fits on a line.
        name: String,
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
    /// A person who logged in with a name of their own.
    User {
        /// What they are called.
        name: UserName,
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
            Self::Key { name } => write!(f, "key:{name}"),
            Self::Local { user: Some(user), .. } => f.write_str(user),
            Self::Local { uid, user: None } => write!(f, "uid:{uid}"),
            Self::Login { by } => write!(f, "login:{by}"),
            Self::Oidc { name } => write!(f, "oidc:{name}"),
            Self::System(part) => write!(f, "conduit:{part}"),
            Self::Token { name, .. } => write!(f, "token:{name}"),
            Self::User { name } => write!(f, "user:{name}"),
        }
    }
}

/// What an actor is; what it may do is [`Role::may`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Role {
    /// Reads everything that is not secret.
    Viewer,
    /// Also registers, deregisters, rotates and flushes.
    Operator,
    /// A viewer who also rotates and issues certificates.
    CaOfficer,
    /// A viewer who also sees who gets in: tokens and users.
    Auditor,
    /// May do everything.
    Admin,
}

words!(Role, "role", "viewer, operator, ca-officer, auditor, admin",
    "admin" => Admin, "auditor" => Auditor, "ca-officer" => CaOfficer, "operator" => Operator,
    "viewer" => Viewer);

/// One kind of thing that a request does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Permission {
    /// Reads what is not secret.
    Read,
    /// Reads who gets in: tokens and users, without their secrets.
    Review,
    /// Reads what people on the network do: the query log.
    Observe,
    /// Changes what is served and watched.
    Change,
    /// Changes certificates.
    Certify,
    /// Changes who gets in and how the gateway runs, and reads secrets of policies.
    Administer,
}

impl Permission {
    /// The role with the fewest rights that has it.
    pub fn least(self) -> Role {
        match self {
            Self::Read => Role::Viewer,
            Self::Review | Self::Observe => Role::Auditor,
            Self::Change => Role::Operator,
            Self::Certify => Role::CaOfficer,
            Self::Administer => Role::Admin,
        }
    }
}

impl Role {
    /// Whether whoever has this role may do that.
    pub fn may(self, permission: Permission) -> bool {
        match permission {
            Permission::Read => true,
            Permission::Review => matches!(self, Self::Admin | Self::Auditor),
            Permission::Observe => matches!(self, Self::Admin | Self::Auditor | Self::Operator),
            Permission::Change => matches!(self, Self::Admin | Self::Operator),
            Permission::Certify => matches!(self, Self::Admin | Self::CaOfficer | Self::Operator),
            Permission::Administer => self == Self::Admin,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_role_may_what_it_is_for() {
        use Permission::{Administer, Certify, Change, Observe, Read, Review};
        for (role, may) in [
            (Role::Viewer, &[Read][..]),
            (Role::Operator, &[Read, Observe, Change, Certify]),
            (Role::CaOfficer, &[Read, Certify]),
            (Role::Auditor, &[Read, Review, Observe]),
            (Role::Admin, &[Read, Review, Observe, Change, Certify, Administer]),
        ] {
            for permission in [Read, Review, Observe, Change, Certify, Administer] {
                assert_eq!(
                    role.may(permission),
                    may.contains(&permission),
                    "{role} {permission:?}"
                );
                assert!(permission.least().may(permission));
            }
            assert_eq!(role.as_str().parse::<Role>().ok(), Some(role));
        }
    }
}
