//! How a refusal or a failure travels.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The body of every answer that is not a success: `{"error": {"code", "message", "hint"}}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(example = json!({ "error": {
    "code": "name_taken",
    "message": "wiki is registered already: wiki.internal → 127.0.0.1:3300",
    "hint": "change it with --replace (\"replace\": true in the API), or deregister it first"
} }))]
pub struct ErrorBody {
    /// What went wrong.
    pub error: ErrorDetail,
}

/// What went wrong, for programs (`code`) and for people (`message`, `hint`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ErrorDetail {
    /// A stable word, such as `name_taken`.
    pub code: String,
    /// A sentence that names the thing.
    pub message: String,
    /// The mend, when there is one.
    #[serde(default)]
    #[schema(required)]
    pub hint: Option<String>,
}

impl ErrorBody {
    /// A body with these parts.
    pub fn new(code: impl Into<String>, message: impl Into<String>, hint: Option<String>) -> Self {
        Self { error: ErrorDetail { code: code.into(), message: message.into(), hint } }
    }
}
