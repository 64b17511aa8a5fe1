//! A new process takes over from the one that serves.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// `POST /api/v1/upgrade`. Unknown fields are refused.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct UpgradeRequest {
    /// The program to start, on the gateway's machine: an absolute path, over the Unix socket only.
    /// None is the gateway's own, as it lies on the disk now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub binary: Option<String>,
    /// Seconds until it must serve; 60 when none are given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout_s: Option<u64>,
}

/// The answer to [`UpgradeRequest`], from the process that finishes what it has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct UpgradeReply {
    /// The process that serves now.
    pub pid: u32,
    /// The one that finishes what it has.
    pub previous_pid: u32,
    /// The version of the program that serves now.
    pub version: String,
    /// Where that program is.
    pub binary: String,
}
