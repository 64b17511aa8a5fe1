//! Appending and reading.

use conduit_audit::{Action, Anchor, AuditError, Draft, Entry, Head, Keyring, SealKey, Status};
use conduit_audit::{capsule, store, verify};
use conduit_core::actor::Actor;
use conduit_core::clock::Timestamp;
use rusqlite::Connection;
use serde_json::{Value, json};

fn database() -> Connection {
    let connection = Connection::open_in_memory().expect("opened");
    store::create_schema(&connection).expect("created");
    connection
}

fn key() -> SealKey {
    SealKey::from_seed(&[3; 32])
}

fn draft(message: &str, details: Value) -> Draft {
    Draft {
        at: Timestamp::from_micros(1_775_304_000_123_456),
        actor: Actor::Token { id: "t1".into(), name: "ci".into() },
        action: Action::ServiceRegister,
        status: Status::Success,
        message: message.into(),
        details: details.as_object().expect("an object").clone(),
    }
}

fn append(connection: &mut Connection, head: &Head, draft: &Draft) -> (Head, Entry) {
    let transaction = connection.transaction().expect("begun");
    let appended = store::append(&transaction, &key(), head, draft).expect("appended");
    transaction.commit().expect("committed");
    appended
}

fn fill(connection: &mut Connection, count: u64) -> Vec<Entry> {
    let mut head = store::head(connection).expect("read");
    let mut entries = Vec::new();
    for number in 0..count {
        let (next, entry) =
            append(connection, &head, &draft("Registered service", json!({ "number": number })));
        head = next;
        entries.push(entry);
    }
    entries
}

#[test]
fn entries_read_back_as_they_were_appended() {
    let mut connection = database();
    let entries = fill(&mut connection, 5);
    assert_eq!(store::from(&connection, 0, 100).expect("read"), entries, "all, oldest first");
    assert_eq!(store::from(&connection, 3, 1).expect("read"), entries[3..4]);
    let newest = store::newest(&connection, 2, None).expect("read");
    assert_eq!(newest, [entries[4].clone(), entries[3].clone()]);
    let older = store::newest(&connection, 2, Some(3)).expect("read");
    assert_eq!(older, [entries[2].clone(), entries[1].clone()]);
    assert!(store::newest(&connection, 9, Some(0)).expect("read").is_empty());
}

#[test]
fn every_entry_follows_the_one_before() {
    let mut connection = database();
    assert_eq!(store::head(&connection).expect("read"), Head::default());
    let entries = fill(&mut connection, 3);
    assert_eq!(entries[0].previous_hash, None);
    for pair in entries.windows(2) {
        assert_eq!(pair[1].previous_hash.as_ref(), Some(&pair[0].hash));
        assert_eq!(pair[1].sequence, pair[0].sequence + 1);
    }
    let head = store::head(&connection).expect("read");
    assert_eq!(head.count, 3);
    assert_eq!(head.hash.as_ref(), Some(&entries[2].hash));
    let report = verify(&connection, &Keyring::of(&key()), Anchor::of(&head).as_ref());
    assert!(report.expect("read").valid());
}

#[test]
fn a_draft_that_was_rolled_back_leaves_no_trace() {
    let mut connection = database();
    fill(&mut connection, 1);
    let head = store::head(&connection).expect("read");
    let transaction = connection.transaction().expect("begun");
    store::append(&transaction, &key(), &head, &draft("never", json!({}))).expect("appended");
    transaction.rollback().expect("rolled back");
    assert_eq!(store::head(&connection).expect("read"), head);
}

#[test]
fn a_stale_head_is_refused() {
    let mut connection = database();
    let stale = store::head(&connection).expect("read");
    fill(&mut connection, 1);
    let transaction = connection.transaction().expect("begun");
    let refused = store::append(&transaction, &key(), &stale, &draft("fork", json!({})));
    assert!(matches!(refused, Err(AuditError::Append(_))), "{refused:?}");
}

#[test]
fn a_full_disk_is_told_from_other_failures() {
    let mut connection = database();
    fill(&mut connection, 1);
    connection.pragma_update(None, "max_page_count", 1).expect("set");
    let head = store::head(&connection).expect("read");
    let transaction = connection.transaction().expect("begun");
    let large = draft("x", json!({ "text": "y".repeat(100_000) }));
    let error = store::append(&transaction, &key(), &head, &large).expect_err("full");
    assert_eq!(
        error.sqlite().and_then(rusqlite::Error::sqlite_error_code),
        Some(rusqlite::ErrorCode::DiskFull)
    );
}

#[test]
fn what_could_not_be_read_back_is_refused() {
    let mut connection = database();
    let transaction = connection.transaction().expect("begun");
    let head = Head::default();
    let mut deep = json!({});
    for _ in 0..capsule::DEPTH_MAX {
        deep = json!({ "deeper": deep });
    }
    let refused = store::append(&transaction, &key(), &head, &draft("deep", deep));
    assert!(matches!(refused, Err(AuditError::TooDeep { .. })));
    let large = "x".repeat(store::ENTRY_BYTES_MAX);
    let refused = store::append(&transaction, &key(), &head, &draft(&large, json!({})));
    assert!(matches!(refused, Err(AuditError::TooLarge { .. })));
}

#[test]
fn a_row_that_is_not_ours_is_an_error_that_names_it() {
    let mut connection = database();
    fill(&mut connection, 2);
    connection.execute("UPDATE capsules SET data = '{}' WHERE sequence = 1", []).expect("updated");
    assert!(store::from(&connection, 0, 1).is_ok());
    let error = store::newest(&connection, 1, None).expect_err("malformed");
    assert!(error.to_string().contains("entry 1"), "{error}");
}

#[test]
fn the_schema_can_be_created_twice() {
    let mut connection = database();
    fill(&mut connection, 1);
    store::create_schema(&connection).expect("again");
    assert_eq!(store::head(&connection).expect("read").count, 1);
}
