//! DNS: what we answer, and a real query against the running server.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// `GET /api/v1/dns`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DnsList {
    /// Of the zone that answers now.
    pub version: String,
    /// The configured suffixes; the first is the default.
    pub domains: Vec<String>,
    /// Where the server listens; empty when DNS is off.
    pub listen: Vec<String>,
    /// One entry for each host of each service and one for each record, by name.
    pub entries: Vec<DnsEntry>,
    /// What `after` takes to go on; absent at the end, and when no limit was given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_after: Option<String>,
    /// How many records of hosts files are not among the entries: more than 100,000 are told in parts alone, with a
    /// limit.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub hosts_left_out: u64,
}

fn is_zero(count: &u64) -> bool {
    *count == 0
}

/// What one host resolves to, or one record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DnsEntry {
    /// The service it belongs to; empty for a record.
    pub name: String,
    /// The host, or the record's name.
    pub domain: String,
    /// The first of `addresses`, as in the original; `null` when it is the address asked on.
    #[serde(default)]
    #[schema(required)]
    pub ip: Option<String>,
    /// What it resolves to; empty means the address on which the query arrives, and for a record that it
    /// holds none.
    #[serde(default)]
    #[schema(required)]
    pub addresses: Vec<String>,
    /// `gateway`, `direct` or `record`.
    pub mode: String,
    /// Where it comes from: `service`, `record` (added by hand), `config` or `hosts` (a hosts file).
    pub source: String,
    /// Of a record, such as `TXT`.
    #[serde(rename = "type", default, skip_serializing_if = "Option::is_none")]
    pub record_type: Option<String>,
    /// Of a record, as a zone file has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data: Option<String>,
    /// Seconds that a record may be kept, when they are its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ttl: Option<u32>,
    /// When its service was registered or its record added; for one of the configuration, when the
    /// gateway started; for one of a hosts file, when such files were read last.
    #[schema(format = DateTime)]
    pub created_at: String,
    /// Links on which another machine has the name on multicast DNS, and it is not answered there.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub mdns_conflicts: Vec<MdnsConflict>,
}

/// Another machine that has a name of ours on one link.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct MdnsConflict {
    /// The gateway's interface on the link.
    #[schema(example = "eth0")]
    pub interface: String,
    /// Where the other machine speaks from.
    #[schema(example = "10.0.0.9")]
    pub from: String,
    /// What it says of the name.
    #[schema(example = "A 10.0.0.9")]
    pub says: String,
}

/// `GET /api/v1/dns/resolve?name=&type=`: what our own server answers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ResolveReply {
    /// What was asked.
    pub name: String,
    /// Of the question, such as `A`.
    #[serde(rename = "type")]
    pub record_type: String,
    /// The response code, such as `NOERROR` or `NXDOMAIN`.
    pub status: String,
    /// Whether the answer is from our own zone.
    pub authoritative: bool,
    /// The records of the answer.
    pub answers: Vec<ResolvedRecord>,
    /// The list and the line that answered: `ads, line 12: ads.example`; absent when none did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub list: Option<String>,
    /// The listener that was asked.
    pub server: String,
    /// From question to answer.
    pub elapsed_ms: f64,
}

/// One record of an answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ResolvedRecord {
    /// Its owner.
    pub name: String,
    /// Such as `A`.
    #[serde(rename = "type")]
    pub record_type: String,
    /// Seconds it may be kept.
    pub ttl: u32,
    /// Its data in presentation form.
    pub value: String,
}

/// `GET /api/v1/dns/cache`: others' answers, and who gives them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct DnsCacheReply {
    /// Answers that are kept, those past their time included.
    pub entries: u64,
    /// What they take.
    pub bytes: u64,
    /// What they may take; 0 when nothing is forwarded.
    pub size: u64,
    /// Questions answered from the cache, since the start.
    pub hits: u64,
    /// Questions that were not in it.
    pub misses: u64,
    /// Of those, the ones that somebody was asking already.
    pub joined: u64,
    /// Questions answered with what was good once, since nobody could be asked.
    pub stale: u64,
    /// Questions asked again before their answer ended.
    pub prefetches: u64,
    /// Answers that made room for others before their time.
    pub evicted: u64,
    /// Records left out since they led inside.
    pub rebind_dropped: u64,
    /// Questions that could not be asked, for too many were under way.
    pub overflows: u64,
    /// What came of judging answers by their owners' signatures.
    #[serde(default)]
    #[schema(required)]
    pub dnssec: DnssecCounts,
    /// Questions being asked now.
    pub in_flight: u64,
    /// Who is asked, as configured.
    pub forwarders: Vec<DnsForwarder>,
}

/// Answers judged by their owners' signatures (DNSSEC), since the start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DnssecCounts {
    /// Whether answers are judged (`dns.dnssec`).
    pub enabled: bool,
    /// Answers that their owners signed.
    pub secure: u64,
    /// Answers that nobody signs, or nobody can verify.
    pub insecure: u64,
    /// Answers that are not believed: clients get SERVFAIL.
    pub bogus: u64,
    /// Of those, the ones that would have taken too much work to judge.
    pub overworked: u64,
    /// Names whose keys, or the lack of them, are known now.
    pub zones: u64,
}

/// One forwarder.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct DnsForwarder {
    /// Where it is.
    pub address: String,
    /// The names it is asked about; empty is all others.
    pub domains: Vec<String>,
    /// Whether it answers, as far as is known; one that does not is asked last.
    pub up: bool,
    /// How often it was asked, since the start.
    pub queries: u64,
    /// How often it did not answer, or declined.
    pub failures: u64,
    /// How long it takes; `null` until it has answered.
    #[serde(default)]
    #[schema(required)]
    pub latency_ms: Option<f64>,
}

/// `GET /api/v1/dns/lists`: hosts files, and lists of names that are blocked, allowed or given data.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DnsListsReply {
    /// In the order of their strength: hosts files, then lists as configured.
    pub lists: Vec<DnsListStatus>,
    /// Names of ours in hosts files that a service or a record stands in place of; the first hundred.
    pub passed_over: Vec<String>,
}

/// One list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DnsListStatus {
    /// What it is called; a hosts file by its path.
    pub name: String,
    /// `hosts`, `block` or `allow`.
    pub kind: String,
    /// Its file; `null` when its lines are in the configuration.
    #[serde(default)]
    #[schema(required)]
    pub file: Option<String>,
    /// How it is read: `auto`, `hosts`, `domains`, `dnsmasq` or `rpz`.
    #[serde(default)]
    #[schema(required)]
    pub format: String,
    /// Names and networks in it.
    pub entries: u64,
    /// Addresses of names of ours in it, which the zone answers.
    pub own: u64,
    /// What its names take in memory.
    pub bytes: u64,
    /// Questions and answers that it had a say in, since the start.
    pub hits: u64,
    /// Lines that could not be read.
    pub skipped: u64,
    /// The first of them.
    pub skipped_lines: Vec<DnsSkippedLine>,
    /// When it was read; `null` when it never was.
    #[serde(default)]
    #[schema(required, format = DateTime)]
    pub loaded_at: Option<String>,
    /// Why it is not what its file holds now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// A line that could not be read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DnsSkippedLine {
    /// Its number.
    pub line: u32,
    /// What it says, shortened.
    pub text: String,
    /// What is wrong with it.
    pub reason: String,
}

/// `POST /api/v1/dns/records`: a record that is to be answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AddRecord {
    /// Under a configured domain, perhaps a wildcard such as `*.apps.internal`; or the reverse name of an
    /// address.
    pub name: String,
    /// `A`, `AAAA`, `CAA`, `CNAME`, `HTTPS`, `MX`, `PTR`, `SRV`, `SVCB` or `TXT`.
    #[serde(rename = "type")]
    pub record_type: String,
    /// As a zone file has it: `10 mail.internal`, or `"v=spf1 -all"` with its quotes.
    pub data: String,
    /// Seconds that it may be kept, up to a week; the zone's own time when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(maximum = 604_800)]
    pub ttl: Option<u32>,
}

/// One record of our zone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DnsRecord {
    /// Whose.
    pub name: String,
    /// Such as `A`.
    #[serde(rename = "type")]
    pub record_type: String,
    /// As a zone file has it.
    pub data: String,
    /// Seconds that it may be kept; `null` is the zone's own time.
    #[serde(default)]
    #[schema(required)]
    pub ttl: Option<u32>,
    /// When it was added.
    #[schema(format = DateTime)]
    pub created_at: String,
}

/// The answer to a record that was added.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AddRecordReply {
    /// After it; the one before it when nothing changed.
    pub generation: u64,
    /// Whether a generation was made.
    pub changed: bool,
    /// The record as it is now.
    pub record: DnsRecord,
}

/// `DELETE /api/v1/dns/records`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RemoveRecordsReply {
    /// After it.
    pub generation: u64,
    /// What is answered no more.
    pub removed: Vec<DnsRecord>,
}

/// `POST /api/v1/dns/flush`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FlushReply {
    /// The servers whose answers were dropped; none when nothing is forwarded.
    pub forwarders: Vec<String>,
}
