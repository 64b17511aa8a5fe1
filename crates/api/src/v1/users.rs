//! People who may log in.

use std::fmt;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::v1::tokens::Role;

/// `GET /api/v1/users`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct UserList {
    /// Every user; removed ones only when asked for.
    pub users: Vec<User>,
}

/// One user, without anything secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct User {
    /// What they are called.
    pub name: String,
    /// What they may do.
    pub role: Role,
    /// Whether they can log in by password.
    pub has_password: bool,
    /// When the password was set last.
    #[serde(default)]
    #[schema(required, format = DateTime)]
    pub password_set_at: Option<String>,
    /// How many passkeys they have.
    #[serde(default)]
    #[schema(required)]
    pub passkeys: u32,
    /// When they were added.
    #[schema(format = DateTime)]
    pub created_at: String,
    /// When they were removed.
    #[serde(default)]
    #[schema(required, format = DateTime)]
    pub removed_at: Option<String>,
}

/// `POST /api/v1/users`. Unknown fields are refused.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AddUser {
    /// What they are to be called.
    pub name: String,
    /// What they may do.
    pub role: Role,
    /// Their password; none when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password: Option<String>,
}

impl fmt::Debug for AddUser {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AddUser")
            .field("name", &self.name)
            .field("role", &self.role)
            .finish_non_exhaustive()
    }
}

/// `POST /api/v1/users/{name}/password`. Unknown fields are refused.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SetPassword {
    /// The new password.
    pub password: String,
    /// The one before; needed by whoever is no admin.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub old_password: Option<String>,
}

impl fmt::Debug for SetPassword {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SetPassword").finish_non_exhaustive()
    }
}

/// `POST /api/v1/users/{name}/role`. Unknown fields are refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SetRole {
    /// What they may do from now on.
    pub role: Role,
}

/// The answer to `DELETE /api/v1/users/{name}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RemovedUser {
    /// Who may not log in any more.
    pub name: String,
}
