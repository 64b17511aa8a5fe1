//! Why a name is answered as it is.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::dns::ResolveReply;

/// `GET /api/v1/dns/why?name=&type=&client=&ask=`: how an answer comes about.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct WhyReply {
    /// The name as it is looked up: in lower case, without the last dot.
    pub name: String,
    /// Of the question, such as `A`.
    #[serde(rename = "type")]
    pub record_type: String,
    /// For whom it is explained.
    pub client: String,
    /// What is looked at, in order.
    pub steps: Vec<WhyStep>,
    /// What comes of it.
    pub answer: WhyAnswer,
    /// What our own listener answered when it was asked; absent when it was not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asked: Option<ResolveReply>,
}

/// One thing that is looked at.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct WhyStep {
    /// What it is: `name`, `domain`, `not_ours`, `zone`, `service`, `passed_over`, `record`, `alias`,
    /// `alias_ends`, `wildcard`, `automatic`, `reverse`, `no_data`, `missing`, `access`, `hosts` (a hosts file has the
    /// name), `list` (a list does), `discovery`, `no_forwarder`, `special`, `route`, `rebind`, `dnssec`, `cache` or
    /// `screened` (a list knows what the answer leads to).
    pub step: String,
    /// What was found, in a sentence.
    pub text: String,
    /// The service it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<String>,
    /// Where a record comes from: `record` (added by hand), `config` or `hosts` (a hosts file).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// The entries of lists or hosts files that it is about: `ads, line 12: ads.example`, `/etc/hosts, line 3`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    pub lists: Vec<String>,
    /// Who registered the service or added the record, when that is among the newest entries of the record.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub added_by: Option<String>,
    /// When it was registered or added.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(format = DateTime)]
    pub added_at: Option<String>,
    /// Addresses or data that the name has.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    pub data: Vec<String>,
    /// What an alias leads to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    /// Whether the client may ask for others' names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allowed: Option<bool>,
    /// The servers that are asked.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    pub servers: Vec<WhyServer>,
    /// Of the cache: `none`, `fresh`, `negative` (a fresh absence or failure) or `stale`. Of `dnssec`: `secure`,
    /// `insecure`, `bogus`, `unknown` (nothing is kept yet) or `exempt`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<String>,
    /// For how many seconds more that holds; of a record, how long it may be kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seconds: Option<u64>,
}

/// One server that is asked.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct WhyServer {
    /// Where it is.
    pub address: String,
    /// Whether it answers, as far as is known.
    pub up: bool,
    /// How long it takes; `null` until it has answered.
    #[serde(default)]
    #[schema(required)]
    pub latency_ms: Option<f64>,
}

/// What a client that asks now gets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct WhyAnswer {
    /// In a sentence.
    pub text: String,
    /// The response code; absent when somebody has to be asked first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<String>,
    /// Whether it is from our own zone.
    pub authoritative: bool,
    /// The records, as a zone file has them.
    pub records: Vec<String>,
}
