//! API tokens. A secret is shown once, when the token is made, and is stored nowhere.

use std::fmt;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::v1::wire_words;

wire_words! {
    /// What a user or the holder of a token may do.
    Role {
        /// Reads everything that is not secret.
        Viewer => "viewer",
        /// Also registers, deregisters, rotates and flushes.
        Operator => "operator",
        /// A viewer who also rotates and issues certificates.
        CaOfficer => "ca-officer",
        /// A viewer who also sees who gets in: tokens and users.
        Auditor => "auditor",
        /// May do everything.
        Admin => "admin",
    }
}

/// `GET /api/v1/tokens`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TokenList {
    /// Every token that was made, revoked ones included.
    pub tokens: Vec<Token>,
}

/// One token, without its secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Token {
    /// How to name it when revoking.
    pub id: String,
    /// What it is called.
    pub name: String,
    /// What it may do.
    pub role: Role,
    /// Of which parts of the API, such as `metrics` or `services:web-*`; none is all.
    #[serde(default)]
    #[schema(required)]
    pub scopes: Vec<String>,
    /// When it was made.
    #[schema(format = DateTime)]
    pub created_at: String,
    /// When it ends.
    #[serde(default)]
    #[schema(required, format = DateTime)]
    pub expires_at: Option<String>,
    /// When it was revoked.
    #[serde(default)]
    #[schema(required, format = DateTime)]
    pub revoked_at: Option<String>,
}

/// `POST /api/v1/tokens`. Unknown fields are refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateToken {
    /// What it is to be called.
    pub name: String,
    /// What it may do.
    pub role: Role,
    /// Of which parts of the API: `access`, `alerts`, `audit`, `dns`, `events`, `gateway`, `metrics`, `nodes`,
    /// `services`, `tls`; of `services` and `tls` also with a pattern of the services that may be
    /// changed, such as `services:web-*`. None is all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub scopes: Vec<String>,
    /// How long it is good, in seconds; for ever when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_in_seconds: Option<u64>,
}

/// The answer to [`CreateToken`].
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct NewToken {
    /// How to name it when revoking.
    pub id: String,
    /// What it is called.
    pub name: String,
    /// What it may do.
    pub role: Role,
    /// Of which parts of the API; none is all.
    #[serde(default)]
    #[schema(required)]
    pub scopes: Vec<String>,
    /// When it ends.
    #[serde(default)]
    #[schema(required, format = DateTime)]
    pub expires_at: Option<String>,
    /// What to send as `Authorization: Bearer …`; shown this once.
    pub secret: String,
}

impl fmt::Debug for NewToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NewToken")
            .field("id", &self.id)
            .field("name", &self.name)
            .field("role", &self.role)
            .field("expires_at", &self.expires_at)
            .finish_non_exhaustive()
    }
}

/// The answer to a revocation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RevokeReply {
    /// The token that is no longer good.
    pub id: String,
}
