//! The query log: who asked our DNS for what.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// `GET /api/v1/dns/queries`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct QueryList {
    /// What is told: `off`, `errors` or `all` (`dns.query_log`).
    pub logged: String,
    /// The share of it, from 0 to 1 (`dns.query_log_sample`).
    pub sample: f64,
    /// What is told of clients: `full`, `network` or `hidden` (`dns.query_log_clients`).
    pub clients: String,
    /// Where lines go beside memory: `memory` (nowhere), `log`, `stdout`, `syslog` or a path
    /// (`query_log.output`).
    pub output: String,
    /// Lines that found no room, or could not be written, since the start.
    pub lost: u64,
    /// What `after` takes to get what comes next.
    pub last: u64,
    /// The newest first.
    pub queries: Vec<DnsQuery>,
}

/// One query, as a line of the log has it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct DnsQuery {
    /// Counts lines since the gateway started; files do not have it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sequence: Option<u64>,
    /// When it came.
    #[schema(format = DateTime)]
    pub time: String,
    /// Who asked; absent when that is not told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client: Option<String>,
    /// `udp` or `tcp`.
    pub transport: String,
    /// The name in lower case, without the last dot; absent when it could not be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Such as `A`, with the class in front when it is not IN.
    #[serde(rename = "type", default, skip_serializing_if = "Option::is_none")]
    pub record_type: Option<String>,
    /// What was said, such as `records`, `nodata` or `nxdomain`; of one that got no reply the reason, such as
    /// `short`.
    pub outcome: String,
    /// The response code, such as `NOERROR`; absent for one that got no reply.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rcode: Option<String>,
    /// Where that comes from: `service`, `record`, `automatic`, `gateway` or `zone` for our own names; `hosts` (a
    /// hosts file) for both; `list`, `cache`, `forwarder`, `stale`, `special` or `nobody` for others'; `policy` or
    /// `request` for what was refused.
    pub source: String,
    /// The entry of the list or hosts file that it comes from: `ads, line 12: ads.example`. Beside a forwarder,
    /// the entry that led to the name it was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub list: Option<String>,
    /// The service whose host it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<String>,
    /// The forwarder that said it, now or before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub forwarder: Option<String>,
    /// The first records of the answer, each its type and data, shortened.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    pub answers: Vec<String>,
    /// How many more records there are.
    #[serde(default, skip_serializing_if = "is_zero")]
    #[schema(required = false)]
    pub more: u64,
    /// How long the answer took.
    pub duration_ms: f64,
    /// Whether signatures were wanted (DO).
    #[serde(default, skip_serializing_if = "is_not")]
    #[schema(required = false)]
    pub dnssec_ok: bool,
    /// Whether the client checks them itself (CD).
    #[serde(default, skip_serializing_if = "is_not")]
    #[schema(required = false)]
    pub checking_disabled: bool,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
fn is_zero(count: &u64) -> bool {
    *count == 0
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
fn is_not(flag: &bool) -> bool {
    !*flag
}
