//! What a session began with, and what that is still good for.

use conduit_api::v1::sessions::Way;
use conduit_core::actor::{Actor, Role};
use conduit_core::clock::Timestamp;
use conduit_core::passkey::PasskeyId;
use conduit_core::user::{User, UserName};
use conduit_registry::{Grant, Registry};

use crate::oidc::{Person, Subject};

/// Whose session it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Holder {
    /// Of whoever used a one-time code.
    Login {
        /// Who made the code.
        by: String,
        /// What they may do.
        role: Role,
    },
    /// Of a token's holder.
    Token {
        /// The token's id.
        id: String,
        /// What it is called.
        name: String,
    },
    /// Of a person who came with a passkey.
    Passkey {
        /// What they are called.
        name: UserName,
        /// When they were added: another person may get the name later.
        created_at: Timestamp,
        /// The passkey with which they logged in.
        id: PasskeyId,
    },
    /// Of a person whom the provider of identities vouches for.
    Oidc {
        /// Who they are to the provider.
        subject: Subject,
        /// What they were called at the login.
        name: String,
        /// What their groups gave them at the login.
        role: Role,
    },
    /// Of a person with a name of their own, who came with their password.
    User {
        /// What they are called.
        name: UserName,
        /// When they were added: another person may get the name later.
        created_at: Timestamp,
        /// When the password was set with which they logged in.
        password_set_at: Option<Timestamp>,
    },
}

impl Holder {
    /// The holder of a token, as the registry knows them.
    pub(crate) fn of_token(actor: Actor) -> Option<Self> {
        match actor {
            Actor::Token { id, name } => Some(Self::Token { id, name }),
            _ => None,
        }
    }

    /// A person who logged in by password.
    pub(crate) fn of_user(user: &User) -> Self {
        Self::User {
            name: user.name.clone(),
            created_at: user.created_at,
            password_set_at: user.password_set_at,
        }
    }

    /// A person whom the provider vouches for.
    pub(crate) fn of_person(person: Person) -> Self {
        Self::Oidc { subject: person.subject, name: person.name, role: person.role }
    }

    /// A person who logged in with a passkey.
    pub(crate) fn of_passkey(user: &User, id: &PasskeyId) -> Self {
        Self::Passkey { name: user.name.clone(), created_at: user.created_at, id: id.clone() }
    }

    /// What they may do now; `None` when what the session began with is worthless.
    pub(crate) fn grant(&self, registry: &Registry, now: Timestamp) -> Option<Grant> {
        match self {
            Self::Login { role, .. } | Self::Oidc { role, .. } => {
                Some(Grant { role: *role, ends: None })
            }
            Self::Token { id, .. } => registry.token_grant(id, now),
            Self::Passkey { name, created_at, id } => {
                let users = registry.users().load_full();
                let user = users.get(name).filter(|user| user.created_at == *created_at)?;
                let is_there = user.passkeys.iter().any(|passkey| passkey.id == *id);
                is_there.then_some(Grant { role: user.role, ends: None })
            }
            Self::User { name, created_at, password_set_at } => {
                let users = registry.users().load_full();
                let user = users.get(name)?;
                let is_same =
                    user.created_at == *created_at && user.password_set_at == *password_set_at;
                is_same.then_some(Grant { role: user.role, ends: None })
            }
        }
    }

    /// Who, for the record.
    pub(crate) fn actor(&self) -> Actor {
        match self {
            Self::Login { by, .. } => Actor::Login { by: by.clone() },
            Self::Token { id, name } => Actor::Token { id: id.clone(), name: name.clone() },
            Self::Oidc { name, .. } => Actor::Oidc { name: name.clone() },
            Self::Passkey { name, .. } | Self::User { name, .. } => {
                Actor::User { name: name.clone() }
            }
        }
    }

    /// What they are called on screen.
    pub(crate) fn name(&self) -> &str {
        match self {
            Self::Login { by, .. } => by,
            Self::Token { name, .. } | Self::Oidc { name, .. } => name,
            Self::Passkey { name, .. } | Self::User { name, .. } => name.as_str(),
        }
    }

    /// How they got in.
    pub(crate) fn way(&self) -> Way {
        match self {
            Self::Login { .. } => Way::Code,
            Self::Token { .. } => Way::Token,
            Self::Oidc { .. } => Way::Oidc,
            Self::Passkey { .. } => Way::Passkey,
            Self::User { .. } => Way::Password,
        }
    }

    /// Whether both are of one person or token.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Login { by, .. }, Self::Login { by: other, .. }) => by == other,
            (Self::Token { id, .. }, Self::Token { id: other, .. }) => id == other,
            (Self::Oidc { subject, .. }, Self::Oidc { subject: other, .. }) => subject == other,
            (
                Self::Passkey { name, .. } | Self::User { name, .. },
                Self::Passkey { name: other, .. } | Self::User { name: other, .. },
            ) => name == other,
            _ => false,
        }
    }
}
