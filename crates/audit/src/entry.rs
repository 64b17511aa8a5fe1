//! One line of the record: before it is sealed, and after.

use conduit_core::actor::Actor;
use conduit_core::clock::Timestamp;
use serde_json::{Map, Value};

use crate::action::Action;
use crate::canonical;

/// What is to be recorded; it has no place in the chain yet.
#[derive(Debug, Clone, PartialEq)]
pub struct Draft {
    /// When it was decided or observed.
    pub at: Timestamp,
    /// Who asked, or which part of Conduit acted.
    pub actor: Actor,
    /// What it is about.
    pub action: Action,
    /// How it ended.
    pub status: Status,
    /// One sentence for people.
    pub message: String,
    /// The facts for programs.
    pub details: Map<String, Value>,
}

/// How a recorded action ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Status {
    /// It was refused, or it failed.
    Failure,
    /// It was done.
    Success,
}

impl Status {
    /// The word that is recorded.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Failure => "failure",
            Self::Success => "success",
        }
    }

    /// The status that this word means.
    pub fn parse(word: &str) -> Option<Self> {
        [Self::Failure, Self::Success].into_iter().find(|status| status.as_str() == word)
    }
}

/// One durable line: a draft that has been sealed at a place in the chain.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// Its place in the chain, from 0.
    pub sequence: u64,
    /// The capsule's UUID.
    pub id: String,
    /// SHA3-256 of the capsule, in lower-case hexadecimal.
    pub hash: String,
    /// The hash of the entry before; none for the first.
    pub previous_hash: Option<String>,
    /// When it was decided or observed.
    pub at: Timestamp,
    /// One of the words of [`Action`].
    pub action: String,
    /// How it ended.
    pub status: Status,
    /// One sentence for people.
    pub message: String,
    /// Who asked.
    pub user: String,
    /// The facts for programs.
    pub details: Map<String, Value>,
}

impl Entry {
    /// Writes the line of `audit.log`, without the newline: the seeds' six fields in their order,
    /// then the sequence.
    pub fn to_line(&self) -> String {
        let mut line = format!(r#"{{"timestamp":"{}","action":"#, self.at);
        canonical::write_string(&self.action, &mut line);
        line.push_str(r#","status":"#);
        canonical::write_string(self.status.as_str(), &mut line);
        line.push_str(r#","message":"#);
        canonical::write_string(&self.message, &mut line);
        line.push_str(r#","user":"#);
        canonical::write_string(&self.user, &mut line);
        line.push_str(r#","details":"#);
        canonical::write_object(&self.details, &mut line);
        line.push_str(r#","sequence":"#);
        line.push_str(&self.sequence.to_string());
        line.push('}');
        line
    }
}

/// The chain's tip: how many entries there are, and the hash of the last.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Head {
    /// How many entries the chain has; also the sequence of the next one.
    pub count: u64,
    /// The last entry's hash; none when the chain is empty.
    pub hash: Option<String>,
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_line_has_the_seeds_fields_in_their_order_and_then_the_sequence() {
        let entry = Entry {
            sequence: 7,
            id: String::new(),
            hash: String::new(),
            previous_hash: None,
            at: Timestamp::from_micros(1_775_304_000_250_000),
            action: "service_register".into(),
            status: Status::Success,
            message: "Registered \"grafana\"\n".into(),
            user: "ops".into(),
            details: json!({"port": 3000, "name": "grafana"})
                .as_object()
                .expect("an object")
                .clone(),
        };
        assert_eq!(
            entry.to_line(),
            r#"{"timestamp":"2026-04-04T12:00:00Z","action":"service_register","status":"success","message":"Registered \"grafana\"\n","user":"ops","details":{"name":"grafana","port":3000},"sequence":7}"#
        );
    }
}
