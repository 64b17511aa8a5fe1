//! Files of other programs, taken over.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::v1::dns::{AddRecord, DnsRecord};
use crate::v1::services::{Outcome, RegisterService};

/// `POST /api/v1/import`: what a file asks for, as one decision. Unknown fields are refused.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ImportRequest {
    /// What kind of file it is, such as `dnsmasq`.
    pub kind: String,
    /// Which file, for the record.
    pub source: String,
    /// Services: all of them, or nothing at all; `replace`, `dry_run` and `wait_healthy` of an element are
    /// not allowed.
    #[serde(default)]
    pub services: Vec<RegisterService>,
    /// Records of the zone; those that cannot be are left out and told.
    #[serde(default)]
    pub records: Vec<AddRecord>,
    /// Replace active services of these names.
    #[serde(default)]
    pub replace: bool,
    /// Say what would happen, and change nothing.
    #[serde(default)]
    pub dry_run: bool,
}

/// The answer to an import.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ImportReply {
    /// After it; the one before it when nothing changed.
    pub generation: u64,
    /// Whether a generation was made.
    pub changed: bool,
    /// Whether it was only asked what would happen.
    pub dry_run: bool,
    /// What became of each service, in the order of the request.
    pub services: Vec<Outcome>,
    /// The records that are there now; after a dry run, that would be.
    pub records: Vec<DnsRecord>,
    /// The records that cannot be.
    pub refused: Vec<RefusedRecord>,
}

/// A record that cannot be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RefusedRecord {
    /// Its place in the request, from 0.
    pub index: u64,
    /// A word for programs, such as `record_conflict`.
    pub code: String,
    /// What is wrong.
    pub message: String,
}
