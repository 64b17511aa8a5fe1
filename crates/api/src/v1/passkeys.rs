//! Passkeys: keys of people's devices, by which they log in (WebAuthn Level 3).
//!
//! What a device is asked and what it says are the JSON of that standard, as
//! `PublicKeyCredential.parseCreationOptionsFromJSON()` takes it and `toJSON()` gives it.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

/// `GET /api/v1/users/{name}/passkeys`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PasskeyList {
    /// Oldest first.
    pub passkeys: Vec<Passkey>,
}

/// One passkey, without anything secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Passkey {
    /// What tells it from all others.
    pub id: String,
    /// What its owner calls it.
    pub label: String,
    /// The host that it is for.
    pub host: String,
    /// When it was added.
    #[schema(format = DateTime)]
    pub created_at: String,
    /// When somebody logged in with it last; null when nobody did.
    #[serde(default)]
    #[schema(required, format = DateTime)]
    pub used_at: Option<String>,
}

/// The answer to whatever begins a ceremony.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct PasskeyOptions {
    /// What the browser is to ask its device.
    #[schema(value_type = Object)]
    pub options: Value,
}

/// `POST /api/v1/users/{name}/passkeys/begin`. Unknown fields are refused.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct BeginPasskey {
    /// One's own password, when one has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password: Option<String>,
}

impl fmt::Debug for BeginPasskey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BeginPasskey").finish_non_exhaustive()
    }
}

/// `POST /api/v1/users/{name}/passkeys`. Unknown fields are refused.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AddPasskey {
    /// What it is to be called.
    pub label: String,
    /// What the device said.
    #[schema(value_type = Object)]
    pub credential: Value,
}
