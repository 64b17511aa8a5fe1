//! Section 3: canonical JSON, and the texts that no verifier should read.

use conduit_audit::{canonical, capsule};

use crate::vectors::{list, load, text};

#[test]
fn section_3_canonical_text_and_its_hash() {
    let vectors = load("canonical.json");
    for vector in list(&vectors, "accept") {
        let name = text(vector, "name");
        let value = canonical::parse(text(vector, "input"))
            .unwrap_or_else(|error| panic!("{name}: {error}"));
        let written = canonical::to_string(&value);
        assert_eq!(written, text(vector, "canonical"), "{name}");
        assert_eq!(capsule::hash(&written), text(vector, "sha3_256"), "{name}");
        let again = canonical::parse(&written).expect("canonical text is JSON");
        assert_eq!(canonical::to_string(&again), written, "{name}, again");
    }
}

#[test]
fn section_1_1_ambiguous_and_malformed_texts_are_refused() {
    let vectors = load("canonical.json");
    for vector in list(&vectors, "refuse") {
        let parsed = canonical::parse(text(vector, "input"));
        assert!(parsed.is_err(), "{}: {parsed:?}", text(vector, "name"));
    }
}
