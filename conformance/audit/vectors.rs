//! Reading the vectors.

use conduit_audit::{Action, Draft, Status};
use conduit_conformance::folder;
use conduit_core::actor::Actor;
use conduit_core::clock::Timestamp;
use rusqlite::{Connection, params_from_iter, types};
use serde_json::Value;

/// One file of vectors.
pub(crate) fn load(name: &str) -> Value {
    let path = folder("audit").join("vectors").join(name);
    let text = std::fs::read_to_string(&path).expect("the vectors are there");
    serde_json::from_str(&text).expect("the vectors are JSON")
}

/// The vectors under a key; an empty list would pass without having tried anything.
pub(crate) fn list<'a>(vectors: &'a Value, key: &str) -> &'a [Value] {
    let list = vectors[key].as_array().expect("a list");
    assert!(!list.is_empty(), "no vectors under {key}");
    list
}

pub(crate) fn text<'a>(vector: &'a Value, key: &str) -> &'a str {
    vector[key].as_str().unwrap_or_else(|| panic!("{key} is not a text in {vector}"))
}

pub(crate) fn seed(hex_digits: &str) -> [u8; 32] {
    let mut seed = [0; 32];
    hex::decode_to_slice(hex_digits, &mut seed).expect("64 digits");
    seed
}

/// The draft that a vector describes.
pub(crate) fn draft(vector: &Value) -> Draft {
    let at = Timestamp::parse(text(vector, "timestamp")).expect("a time");
    let micros = vector["micros"].as_i64().unwrap_or(0);
    Draft {
        at: Timestamp::from_micros(i128::from(at.micros() + micros)),
        actor: actor(&vector["actor"]),
        action: action(text(vector, "action")),
        status: Status::parse(text(vector, "status")).expect("a status"),
        message: text(vector, "message").to_owned(),
        details: vector["details"].as_object().expect("details").clone(),
    }
}

/// Puts a row as it is into the table, right or wrong.
pub(crate) fn insert(connection: &Connection, row: &Value) {
    let columns = COLUMNS.map(|name| match &row[name] {
        Value::Null => types::Value::Null,
        Value::Number(number) => types::Value::Integer(number.as_i64().expect("an integer")),
        other => types::Value::Text(other.as_str().expect("a text").to_owned()),
    });
    let sql = format!(
        "INSERT INTO capsules ({}) VALUES ({})",
        COLUMNS.join(","),
        ["?"; COLUMNS.len()].join(",")
    );
    connection.execute(&sql, params_from_iter(columns)).expect("inserted");
}

fn actor(vector: &Value) -> Actor {
    if let Some(uid) = vector["local"].as_u64() {
        let uid = u32::try_from(uid).expect("a user id");
        let user = vector["user"].as_str().map(str::to_owned);
        return Actor::Local { uid, user };
    }
    if let Some(part) = vector["system"].as_str() {
        assert_eq!(part, "prober", "add this part of the system here");
        return Actor::System("prober");
    }
    Actor::Token { id: text(vector, "token").to_owned(), name: text(vector, "name").to_owned() }
}

fn action(word: &str) -> Action {
    Action::ALL
        .iter()
        .copied()
        .chain([Action::CommandError("register")])
        .find(|action| action.as_str() == word)
        .expect("an action of the list")
}

const COLUMNS: [&str; 11] = [
    "id",
    "type",
    "sequence",
    "previous_hash",
    "data",
    "hash",
    "signature",
    "signature_pq",
    "signed_at",
    "signed_by",
    "session_id",
];
