//! A look at the whole gateway, with the mend of what is wrong.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::v1::wire_words;

wire_words! {
    /// What was found.
    FindingStatus {
        /// It must be mended.
        Fail => "fail",
        /// It is as it should be.
        Ok => "ok",
        /// It was not looked at, or does not apply here.
        Skipped => "skipped",
        /// It works, and may not for long, or not for everybody.
        Warn => "warn",
    }
}

/// `GET /api/v1/doctor`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DoctorReply {
    /// When the look began.
    pub checked_at: String,
    /// By check, in a fixed order, and within one the gravest first.
    pub findings: Vec<Finding>,
}

/// What was found about one thing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Finding {
    /// What was looked at, such as `ports`; more of them may come.
    pub check: String,
    /// Which one, when there are several: a service, an address, a file.
    #[serde(default)]
    #[schema(required)]
    pub subject: Option<String>,
    /// How it is.
    pub status: FindingStatus,
    /// What was found, in words for people.
    pub message: String,
    /// What to do about it.
    #[serde(default)]
    #[schema(required)]
    pub hint: Option<String>,
}
