//! Section 2 and 4: whole chains, right ones and tampered ones.

use conduit_audit::keyring::KEYRING_FILE;
use conduit_audit::{Anchor, Failure, Fault, Keyring, store, verify};
use rusqlite::Connection;
use serde_json::Value;

use crate::vectors::{insert, list, load, text};

#[test]
fn every_chain_is_judged_as_the_vectors_say() {
    let vectors = load("chains.json");
    let keyring = keyring(&vectors["keyring"]);
    let pool = list(&vectors, "pool");
    for case in list(&vectors, "cases") {
        let name = text(case, "name");
        let rows = case["rows"].as_array().expect("rows");
        let connection = Connection::open_in_memory().expect("opened");
        store::create_schema(&connection).expect("created");
        for row in rows {
            let index = row.as_u64().and_then(|index| usize::try_from(index).ok());
            insert(&connection, &pool[index.expect("an index")]);
        }
        let report = verify(&connection, &keyring, anchor(&case["anchor"]).as_ref())
            .unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(report.entries, rows.len() as u64, "{name}");
        let found: Vec<_> = report.failures.iter().map(summary).collect();
        let expected: Vec<_> = list_of_texts(&case["faults"]);
        if expected == ["*"] {
            assert!(!report.valid(), "{name}: accepted");
        } else {
            assert_eq!(found, expected, "{name}");
            assert_eq!(report.valid(), expected.is_empty(), "{name}");
        }
    }
}

fn keyring(file: &Value) -> Keyring {
    let dir = tempfile::tempdir().expect("a directory");
    std::fs::write(dir.path().join(KEYRING_FILE), file.to_string()).expect("written");
    Keyring::read(dir.path()).expect("valid").expect("there")
}

fn anchor(vector: &Value) -> Option<Anchor> {
    vector.is_object().then(|| Anchor {
        count: vector["count"].as_u64().expect("a count"),
        hash: text(vector, "hash").to_owned(),
    })
}

fn list_of_texts(vector: &Value) -> Vec<String> {
    let list = vector.as_array().expect("a list");
    list.iter().map(|item| item.as_str().expect("a text").to_owned()).collect()
}

/// `1 hash`, `chain truncated`: what the vectors say about a failure.
fn summary(failure: &Failure) -> String {
    let word = match &failure.fault {
        Fault::Anchor => "anchor",
        Fault::Column(_) => "column",
        Fault::Document(_) => "document",
        Fault::Hash => "hash",
        Fault::Link => "link",
        Fault::Sequence { .. } => "sequence",
        Fault::Signature => "signature",
        Fault::Truncated { .. } => "truncated",
        Fault::UnknownKey(_) => "unknown_key",
        other => panic!("the vectors have no word for {other:?}"),
    };
    let place = failure.index.map(|index| index.to_string());
    format!("{} {word}", place.as_deref().unwrap_or("chain"))
}
