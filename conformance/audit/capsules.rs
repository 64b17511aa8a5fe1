//! Sections 1, 2, 8 and 9: from an entry to its document, its hash and its signature.

use conduit_audit::capsule::{self, Document};
use conduit_audit::{Entry, SealKey};
use serde_json::Value;

use crate::vectors::{draft, list, load, seed, text};

/// The document of a vector, made by us.
fn document(vector: &Value) -> Document {
    let row = &vector["row"];
    Document::new(
        text(row, "id"),
        row["sequence"].as_u64().expect("a sequence"),
        row["previous_hash"].as_str(),
        &draft(&vector["draft"]),
    )
    .expect("within the limits")
}

#[test]
fn section_9_the_document_of_an_entry() {
    for vector in list(&load("capsules.json"), "capsules") {
        let canonical = document(vector).canonical();
        assert_eq!(canonical, text(&vector["row"], "data"));
    }
}

#[test]
fn section_2_hash_and_signature() {
    let vectors = load("capsules.json");
    let key = SealKey::from_seed(&seed(text(&vectors, "seed")));
    assert_eq!(key.public_key_hex(), text(&vectors, "public_key"));
    for vector in list(&vectors, "capsules") {
        let hash = capsule::hash(text(&vector["row"], "data"));
        assert_eq!(hash, text(&vector["row"], "hash"));
        assert_eq!(key.sign(&hash), text(&vector["row"], "signature"));
        assert_eq!(key.fingerprint(), text(&vector["row"], "signed_by"));
    }
}

#[test]
fn section_8_the_worked_example() {
    let vectors = load("capsules.json");
    let key = SealKey::from_seed(&std::array::from_fn(|i| u8::try_from(i).unwrap_or(0)));
    let canonical = document(&list(&vectors, "capsules")[0]).canonical();
    assert_eq!(canonical.len(), 1254);
    let hash = capsule::hash(&canonical);
    assert_eq!(hash, "60b7a88afeefdeef4ff95ad8efb7ab047adf6619cc2b622a80f7fa1d989a622a");
    assert_eq!(
        key.sign(&hash),
        "301494f38ce86d0e7128967784caa02b4ef9980860f6839d133550c09ef3ba91d0c85576547abd9356b2b69b679af0446c19e80227f605e1d4f8dde3930f580f"
    );
}

#[test]
fn a_document_gives_its_entry_back() {
    for vector in list(&load("capsules.json"), "capsules") {
        let row = &vector["row"];
        let draft = draft(&vector["draft"]);
        let parsed = Document::parse(text(row, "data")).expect("JSON");
        let sequence = row["sequence"].as_u64().expect("a sequence");
        let entry = parsed.to_entry(sequence, text(row, "hash")).expect("ours");
        assert_eq!(
            entry,
            Entry {
                sequence,
                id: text(row, "id").to_owned(),
                hash: text(row, "hash").to_owned(),
                previous_hash: row["previous_hash"].as_str().map(str::to_owned),
                at: draft.at,
                action: draft.action.to_string(),
                status: draft.status,
                message: draft.message,
                user: draft.actor.to_string(),
                details: draft.details,
            }
        );
    }
}
