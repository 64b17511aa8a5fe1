//! What a session began with, and what that is still good for.

use conduit_core::actor::{Actor, Role};
use conduit_core::clock::Timestamp;
use conduit_registry::{Grant, Registry};

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
}

impl Holder {
    /// The holder of a token, as the registry knows them.
    pub(crate) fn of_token(actor: Actor) -> Option<Self> {
        match actor {
            Actor::Token { id, name } => Some(Self::Token { id, name }),
            _ => None,
        }
    }

    /// What they may do now; `None` when what the session began with is worthless.
    pub(crate) fn grant(&self, registry: &Registry, now: Timestamp) -> Option<Grant> {
        match self {
            Self::Login { role, .. } => Some(Grant { role: *role, ends: None }),
            Self::Token { id, .. } => registry.token_grant(id, now),
        }
    }

    /// Who, for the record.
    pub(crate) fn actor(&self) -> Actor {
        match self {
            Self::Login { by, .. } => Actor::Login { by: by.clone() },
            Self::Token { id, name } => Actor::Token { id: id.clone(), name: name.clone() },
        }
    }

    /// What they are called on screen.
    pub(crate) fn name(&self) -> &str {
        match self {
            Self::Login { by, .. } => by,
            Self::Token { name, .. } => name,
        }
    }

    /// How they got in, for the record.
    pub(crate) fn way(&self) -> &'static str {
        match self {
            Self::Login { .. } => "code",
            Self::Token { .. } => "token",
        }
    }

    /// Whether both are of one person or token.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Login { by, .. }, Self::Login { by: other, .. }) => by == other,
            (Self::Token { id, .. }, Self::Token { id: other, .. }) => id == other,
            _ => false,
        }
    }
}
