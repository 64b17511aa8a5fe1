//! Sessions of the dashboard, and the one-time codes that begin them.
//!
//! A session travels in the cookie `__Host-conduit`; whatever changes something within it repeats the
//! session's `csrf` as `x-conduit-csrf`.

use std::fmt;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::v1::tokens::Role;

/// `POST /api/v1/session`: a token, a user with the password, a passkey, what a provider of identities
/// sent back, or a code of `conduit login`; exactly one of them. Unknown fields are refused.
#[derive(Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct BeginSession {
    /// The secret of an API token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<String>,
    /// A one-time code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// The name of a user.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// That user's password.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password: Option<String>,
    /// What a device said that was asked with `POST /api/v1/session/passkey`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub passkey: Option<serde_json::Value>,
    /// What the provider of identities sent the page back with, after `POST /api/v1/session/oidc`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub oidc: Option<OidcReturn>,
}

/// What a page comes back with from the provider of identities, and what it kept meanwhile.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct OidcReturn {
    /// `code` of the URL.
    pub code: String,
    /// `state` of the URL.
    pub state: String,
    /// `iss` of the URL, when it has one (RFC 9207).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub issuer: Option<String>,
    /// The key that came with the URL of the provider.
    pub key: String,
}

impl fmt::Debug for OidcReturn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OidcReturn").field("issuer", &self.issuer).finish_non_exhaustive()
    }
}

/// The answer to `GET /api/v1/session/ways`: how one gets in here, beside tokens, users, passkeys
/// and codes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Ways {
    /// The provider of identities; `None` when there is none.
    #[schema(required)]
    pub oidc: Option<OidcWay>,
}

/// A provider of identities.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct OidcWay {
    /// What people here call it.
    pub label: String,
}

/// The answer to `POST /api/v1/session/oidc`.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct OidcDeparture {
    /// Where the page is to go: the provider, which sends it back to `/login/oidc` here.
    pub url: String,
    /// What the page keeps, and brings when it is back; never part of a URL.
    pub key: String,
}

impl fmt::Debug for OidcDeparture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OidcDeparture")
    }
}

impl fmt::Debug for BeginSession {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BeginSession").field("user", &self.user).finish_non_exhaustive()
    }
}

/// The session that was begun, or that a request shows.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Session {
    /// Whose it is: the user, the token, or who made the code.
    pub name: String,
    /// What they may do.
    pub role: Role,
    /// How they got in.
    pub way: Way,
    /// When it is over at the latest.
    #[schema(format = DateTime)]
    pub expires_at: String,
    /// What to send as `x-conduit-csrf` with each change.
    pub csrf: String,
}

/// How a session was begun.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Way {
    /// With a one-time code.
    Code,
    /// As a user, with their password.
    Password,
    /// As a user, with a passkey of theirs.
    Passkey,
    /// Through the provider of identities (OpenID Connect).
    Oidc,
    /// With the secret of a token.
    Token,
}

impl Way {
    /// The word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Code => "code",
            Self::Password => "password",
            Self::Passkey => "passkey",
            Self::Oidc => "oidc",
            Self::Token => "token",
        }
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session")
            .field("name", &self.name)
            .field("role", &self.role)
            .field("expires_at", &self.expires_at)
            .finish_non_exhaustive()
    }
}

/// The answer to `DELETE /api/v1/session`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct EndedSession {
    /// Whose it was.
    pub name: String,
}

/// The answer to `POST /api/v1/login-codes`.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LoginCode {
    /// What the page trades for a session, once.
    pub code: String,
    /// What its session may do.
    pub role: Role,
    /// When it is worthless.
    #[schema(format = DateTime)]
    pub expires_at: String,
    /// The link of the dashboard with the code; `None` when nothing serves it.
    #[schema(required)]
    pub url: Option<String>,
    /// The same on the gateway's own machine, without TLS; `None` without `admin.listen`.
    #[schema(required)]
    pub local_url: Option<String>,
}

impl fmt::Debug for LoginCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LoginCode")
            .field("role", &self.role)
            .field("expires_at", &self.expires_at)
            .finish_non_exhaustive()
    }
}
