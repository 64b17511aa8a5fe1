//! Verifying a database file: in every state that a daemon can leave it in, and without a trace.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use conduit_audit::{
    Action, Anchor, AuditError, Draft, Fault, SealKey, Status, store, verify_file,
};
use conduit_core::actor::Actor;
use conduit_core::clock::Timestamp;
use rusqlite::Connection;
use serde_json::Map;
use tempfile::TempDir;

/// A state directory with a sealed chain in it.
struct State {
    dir: TempDir,
    key: SealKey,
}

impl State {
    fn new() -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let (key, _) = SealKey::open_or_create(&dir.path().join("seal")).expect("made");
        Self { dir, key }
    }

    fn db(&self) -> PathBuf {
        // A name that would mean something else in a URI.
        self.dir.path().join("a ?b#c%20.db")
    }

    fn seal(&self) -> PathBuf {
        self.dir.path().join("seal")
    }

    fn open(&self, journal: &str) -> Connection {
        let connection = Connection::open(self.db()).expect("opened");
        connection.pragma_update(None, "journal_mode", journal).expect("set");
        store::create_schema(&connection).expect("created");
        connection
    }

    fn append(&self, connection: &mut Connection, count: u64) {
        let transaction = connection.transaction().expect("begun");
        let mut head = store::head(&transaction).expect("read");
        for _ in 0..count {
            let draft = Draft {
                at: Timestamp::from_seconds(1_775_304_000),
                actor: Actor::System("prober"),
                action: Action::HealthChange,
                status: Status::Failure,
                message: "grafana is down".into(),
                details: Map::new(),
            };
            head = store::append(&transaction, &self.key, &head, &draft).expect("appended").0;
        }
        transaction.commit().expect("committed");
        let anchor = Anchor::of(&head).expect("not empty");
        anchor.write(&self.seal()).expect("written");
    }

    /// Every file with its content.
    fn files(&self) -> BTreeMap<PathBuf, Vec<u8>> {
        fn walk(dir: &Path, into: &mut BTreeMap<PathBuf, Vec<u8>>) {
            for file in std::fs::read_dir(dir).expect("listed") {
                let path = file.expect("listed").path();
                if path.is_dir() {
                    walk(&path, into);
                } else {
                    into.insert(path.clone(), std::fs::read(&path).expect("read"));
                }
            }
        }
        let mut files = BTreeMap::new();
        walk(self.dir.path(), &mut files);
        files
    }

    fn assert_valid(&self, entries: u64) {
        let report = verify_file(&self.db(), &self.seal()).expect("read");
        assert!(report.valid(), "{:?}", report.failures);
        assert_eq!(report.entries, entries);
    }

    fn assert_valid_without_a_trace(&self, entries: u64) {
        let before = self.files();
        self.assert_valid(entries);
        let after = self.files();
        assert!(before == after, "{:?}", after.keys());
    }
}

#[test]
fn a_database_with_a_rollback_journal() {
    let state = State::new();
    let mut connection = state.open("delete");
    state.append(&mut connection, 3);
    state.assert_valid_without_a_trace(3);
}

#[test]
fn a_wal_database_whose_daemon_stopped() {
    let state = State::new();
    let mut connection = state.open("wal");
    state.append(&mut connection, 3);
    connection.close().expect("closed");
    assert_eq!(state.files().len(), 4, "db, key, keyring, anchor");
    state.assert_valid_without_a_trace(3);
}

#[test]
fn a_wal_database_whose_daemon_runs() {
    let state = State::new();
    let mut connection = state.open("wal");
    state.append(&mut connection, 3);
    let before = state.files();
    state.assert_valid(3);
    assert!(before.keys().eq(state.files().keys()));
    state.append(&mut connection, 2);
    state.assert_valid(5);
}

#[test]
fn a_copy_of_a_running_wal_database_with_and_without_its_index() {
    let running = State::new();
    let mut connection = running.open("wal");
    running.append(&mut connection, 3);
    for suffixes in [&["", "-wal", "-shm"][..], &["", "-wal"]] {
        let copy = State::new();
        for suffix in suffixes {
            let of = |state: &State| {
                let mut name = state.db().into_os_string();
                name.push(suffix);
                name
            };
            std::fs::copy(of(&running), of(&copy)).expect("copied");
        }
        for file in ["key", "keyring.json", "head.json"] {
            std::fs::copy(running.seal().join(file), copy.seal().join(file)).expect("copied");
        }
        let before: Vec<_> = copy.files().into_keys().collect();
        copy.assert_valid(3);
        let after: Vec<_> = copy.files().into_keys().collect();
        assert_eq!(before, after);
    }
}

#[test]
fn a_missing_file_is_an_error_and_stays_missing() {
    let state = State::new();
    let before = state.files();
    let missing = verify_file(&state.db(), &state.seal());
    assert!(matches!(missing, Err(AuditError::MissingDatabase { .. })));
    assert!(before == state.files());
}

#[test]
fn without_a_keyring_nothing_is_verified_and_no_key_is_made() {
    let state = State::new();
    state.append(&mut state.open("wal"), 1);
    std::fs::remove_file(state.seal().join("keyring.json")).expect("removed");
    // The key alone will do.
    state.assert_valid_without_a_trace(1);
    std::fs::remove_file(state.seal().join("key")).expect("removed");
    let refused = verify_file(&state.db(), &state.seal());
    assert!(matches!(refused, Err(AuditError::MissingKeyring { .. })));
    assert_eq!(state.files().len(), 2, "db, anchor");
}

#[test]
fn the_keyring_without_the_private_key_is_enough() {
    let state = State::new();
    state.append(&mut state.open("wal"), 1);
    std::fs::remove_file(state.seal().join("key")).expect("removed");
    state.assert_valid_without_a_trace(1);
}

#[test]
fn a_chain_shorter_than_its_anchor_is_truncated() {
    let state = State::new();
    let mut connection = state.open("wal");
    state.append(&mut connection, 3);
    connection.execute("DELETE FROM capsules WHERE sequence = 2", []).expect("deleted");
    let report = verify_file(&state.db(), &state.seal()).expect("read");
    let faults: Vec<_> = report.failures.into_iter().map(|f| f.fault).collect();
    assert_eq!(faults, [Fault::Truncated { anchored: 3 }]);
}

#[test]
fn a_file_that_is_no_database_or_has_no_record_is_an_error() {
    let state = State::new();
    std::fs::write(state.db(), "not a database, but long enough to have a header").expect("made");
    assert!(verify_file(&state.db(), &state.seal()).is_err());
    std::fs::write(state.db(), "").expect("made");
    assert!(verify_file(&state.db(), &state.seal()).is_err());
    assert!(verify_file(state.dir.path(), &state.seal()).is_err());
}

#[test]
fn entries_are_read_from_the_file_in_pages() {
    let state = State::new();
    let mut connection = state.open("wal");
    state.append(&mut connection, 5);
    connection.close().expect("closed");
    let before = state.files();
    let sequences = |from| -> Vec<u64> {
        let page = store::from_file(&state.db(), from, 2).expect("read");
        page.iter().map(|entry| entry.sequence).collect()
    };
    assert_eq!([sequences(0), sequences(2), sequences(4)], [vec![0, 1], vec![2, 3], vec![4]]);
    assert!(sequences(5).is_empty());
    assert!(state.files() == before, "a reader leaves no trace");
}
