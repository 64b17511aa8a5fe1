//! The record: entries, and whether they still verify.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

/// `GET /api/v1/audit?limit=&before=`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct AuditList {
    /// Newest first.
    pub entries: Vec<AuditEntry>,
    /// What to give as `before` for the next page; absent on the last.
    #[serde(default)]
    #[schema(required)]
    pub next_before: Option<u64>,
}

/// One entry of the record: the seeds' six fields, and its place in the chain.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct AuditEntry {
    /// When.
    #[schema(format = DateTime)]
    pub timestamp: String,
    /// What was decided or seen.
    pub action: String,
    /// `success` or `failure`.
    pub status: String,
    /// A sentence.
    pub message: String,
    /// Who.
    pub user: String,
    /// The particulars.
    #[serde(default)]
    #[schema(required, value_type = Object)]
    pub details: Map<String, Value>,
    /// Its place in the chain, from 0.
    pub sequence: u64,
    /// Of the capsule.
    pub id: String,
    /// Of the capsule, in hexadecimal.
    pub hash: String,
    /// Of the capsule before it.
    #[serde(default)]
    #[schema(required)]
    pub previous_hash: Option<String>,
}

/// `GET /api/v1/audit/verify`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AuditReport {
    /// Whether nothing was found.
    pub valid: bool,
    /// How many entries there are.
    pub entries: u64,
    /// The hash of the newest.
    #[serde(default)]
    #[schema(required)]
    pub head: Option<String>,
    /// What was found.
    pub failures: Vec<AuditFailure>,
}

/// One thing that does not verify.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AuditFailure {
    /// The entry, when it is about one.
    #[serde(default)]
    #[schema(required)]
    pub sequence: Option<u64>,
    /// What is wrong.
    pub message: String,
}

/// `GET /api/v1/audit/{sequence}/proof`: an entry with everything that shows it was sealed, to be kept
/// and judged elsewhere (`conduit audit verify --proof FILE`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AuditProof {
    /// The entry.
    pub entry: SealedEntry,
    /// The entry after it, whose document holds the hash of this one; null while it is the newest.
    #[serde(default)]
    #[schema(required)]
    pub next: Option<SealedEntry>,
    /// Whether it holds: its own hash and signature, and how the next one follows.
    pub valid: bool,
    /// What is wrong.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<String>,
}

/// An entry as it was sealed: a capsule (Capsule Protocol 1.0).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SealedEntry {
    /// The document, as it is stored.
    pub document: String,
    /// SHA3-256 of its canonical form, in hexadecimal.
    pub hash: String,
    /// Ed25519, over the digits of the hash, in hexadecimal.
    pub signature: String,
    /// The key that made it, in hexadecimal.
    pub public_key: String,
}

/// The most entries that one page has, and its largest `limit`.
pub const PAGE_MAX: u32 = 500;
