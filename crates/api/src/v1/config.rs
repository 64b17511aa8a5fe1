//! The effective configuration, its reload, and backups.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

/// `GET /api/v1/config`: what the gateway runs with; secrets are left out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ConfigReply {
    /// The file it was read from.
    #[serde(default)]
    #[schema(required)]
    pub file: Option<String>,
    /// The effective values as TOML.
    pub toml: String,
    /// The same as JSON.
    #[schema(value_type = Object)]
    pub config: Value,
}

/// `POST /api/v1/config/reload`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ReloadReply {
    /// Keys that changed and hold from now on.
    pub applied: Vec<String>,
    /// Keys that changed in the file and need a restart.
    pub needs_restart: Vec<String>,
}

/// `POST /api/v1/backup`. Unknown fields are refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct BackupRequest {
    /// Where to write, on the gateway's machine: an absolute path that does not exist yet.
    pub path: String,
}

/// The answer to [`BackupRequest`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct BackupReply {
    /// What was written.
    pub path: String,
    /// How big it is.
    pub bytes: u64,
}
