//! The capsule: the document that is hashed, made from a draft and read back as an entry.
//!
//! **Invariant:** every key of the protocol is present in a document made here, and the lists of
//! options are empty, since the reference tool refuses anything else that is odd.

use conduit_core::actor::Actor;
use conduit_core::clock::Timestamp;
use serde_json::{Map, Value, json};
use sha3::{Digest, Sha3_256};

use crate::canonical;
use crate::entry::{Draft, Entry, Status};
use crate::error::AuditError;

/// A capsule's content: what its hash and its signature cover.
#[derive(Debug, Clone, PartialEq)]
pub struct Document(Value);

impl Document {
    /// The document of a draft at its place in the chain.
    ///
    /// # Errors
    /// When the details are nested deeper than [`DEPTH_MAX`].
    pub fn new(
        id: &str,
        sequence: u64,
        previous_hash: Option<&str>,
        draft: &Draft,
    ) -> Result<Self, AuditError> {
        let details = Value::Object(draft.details.clone());
        if canonical::depth(&details) > DEPTH_MAX {
            return Err(AuditError::TooDeep { max: DEPTH_MAX });
        }
        let user = draft.actor.to_string();
        Ok(Self(json!({
            "authority": authority(&draft.actor, &user),
            "context": {
                "agent_id": "conduit",
                "environment": environment(&draft.actor),
                "session_id": null,
            },
            "domain": "conduit",
            "execution": execution(draft, &details),
            "id": id,
            "outcome": outcome(draft, &user, details),
            "parent_id": null,
            "previous_hash": previous_hash,
            "reasoning": {
                "analysis": "",
                "confidence": 0.0,
                "model": null,
                "options": [],
                "options_considered": [],
                "prompt_hash": null,
                "reasoning": "",
                "selected_option": "",
            },
            "sequence": sequence,
            "spec_version": SPEC_VERSION,
            "trigger": trigger(draft, &user),
            "type": KIND,
        })))
    }

    /// Parses a stored document, ours or another writer's.
    ///
    /// # Errors
    /// When it is not one JSON object, or an object in it names a key twice.
    pub fn parse(text: &str) -> Result<Self, serde_json::Error> {
        match canonical::parse(text)? {
            object @ Value::Object(_) => Ok(Self(object)),
            _ => Err(serde::de::Error::custom("not a JSON object")),
        }
    }

    /// The text that is hashed and stored.
    pub fn canonical(&self) -> String {
        canonical::to_string(&self.0)
    }

    /// One of the document's values; null when it is absent.
    pub fn get(&self, key: &str) -> &Value {
        self.0.get(key).unwrap_or(&Value::Null)
    }

    /// The entry that this capsule holds; its row gives the place in the chain and the hash.
    ///
    /// # Errors
    /// When it is not a capsule of ours.
    pub fn to_entry(&self, sequence: u64, hash: &str) -> Result<Entry, AuditError> {
        self.entry(sequence, hash).map_err(|field| AuditError::MalformedEntry {
            sequence,
            reason: format!("{field} is missing or of the wrong type"),
        })
    }

    /// The entry, or the name of the field that prevents it.
    fn entry(&self, sequence: u64, hash: &str) -> Result<Entry, &'static str> {
        let recorded =
            self.get("outcome").get("result").and_then(Value::as_object).ok_or("outcome.result")?;
        let text = |key: &'static str| {
            let value = recorded.get(key).and_then(Value::as_str);
            value.map(str::to_owned).ok_or(key)
        };
        let at = self.get("trigger").get("timestamp").and_then(Value::as_str);
        Ok(Entry {
            sequence,
            id: self.get("id").as_str().ok_or("id")?.to_owned(),
            hash: hash.to_owned(),
            previous_hash: self.get("previous_hash").as_str().map(str::to_owned),
            at: at.and_then(|text| Timestamp::parse(text).ok()).ok_or("trigger.timestamp")?,
            action: text("action")?,
            status: Status::parse(&text("status")?).ok_or("status")?,
            message: text("message")?,
            user: text("user")?,
            details: recorded
                .get("details")
                .and_then(Value::as_object)
                .cloned()
                .ok_or("details")?,
        })
    }
}

/// The hash of a canonical text: SHA3-256 in lower-case hexadecimal.
pub fn hash(canonical: &str) -> String {
    hex::encode(Sha3_256::digest(canonical.as_bytes()))
}

/// A time as the protocol wants it: Python's ISO form, with microseconds only when there are any.
pub(crate) fn iso(at: Timestamp) -> String {
    let seconds = at.to_string();
    let seconds = seconds.trim_end_matches('Z');
    match at.micros().rem_euclid(1_000_000) {
        0 => format!("{seconds}+00:00"),
        micros => format!("{seconds}.{micros:06}+00:00"),
    }
}

fn authority(actor: &Actor, user: &str) -> Value {
    let (kind, approver) =
        if actor.is_human() { ("human_approved", Some(user)) } else { ("autonomous", None) };
    json!({
        "approver": approver,
        "chain": [],
        "escalation_reason": null,
        "policy_reference": null,
        "type": kind,
    })
}

/// What the shown name of an actor does not tell: a token's name can be given again, its id not.
fn environment(actor: &Actor) -> Value {
    match actor {
        Actor::Token { id, .. } => json!({ "token_id": id }),
        Actor::Key { .. }
        | Actor::Local { .. }
        | Actor::Login { .. }
        | Actor::Oidc { .. }
        | Actor::System(_)
        | Actor::User { .. } => Value::Object(Map::new()),
    }
}

fn execution(draft: &Draft, details: &Value) -> Value {
    json!({
        "duration_ms": 0,
        "resources_used": {},
        "tool_calls": [{
            "arguments": details,
            "duration_ms": 0,
            "error": error_of(draft),
            "result": null,
            "success": draft.status == Status::Success,
            "tool": draft.action.as_str(),
        }],
    })
}

fn outcome(draft: &Draft, user: &str, details: Value) -> Value {
    let status = draft.status.as_str();
    json!({
        "error": error_of(draft),
        "metrics": {},
        "result": {
            "action": draft.action.as_str(),
            "details": details,
            "message": draft.message,
            "status": status,
            "timestamp": draft.at.to_string(),
            "user": user,
        },
        "side_effects": [],
        "status": status,
        "summary": draft.message,
    })
}

fn trigger(draft: &Draft, user: &str) -> Value {
    let kind = if draft.actor.is_human() { "user_request" } else { "system" };
    json!({
        "correlation_id": null,
        "request": draft.action.as_str(),
        "source": user,
        "timestamp": iso(draft.at),
        "type": kind,
        "user_id": user,
    })
}

fn error_of(draft: &Draft) -> Option<&str> {
    (draft.status == Status::Failure).then_some(draft.message.as_str())
}

/// The protocol's capsule type of everything that Conduit records.
pub const KIND: &str = "system";
/// The version of the protocol that we write.
pub const SPEC_VERSION: &str = "1.0";
/// Levels of nesting in an entry's details; readers elsewhere give up at 128 for the whole.
pub const DEPTH_MAX: usize = 64;
