//! Opening, refusing and committing.

use std::collections::BTreeMap;
use std::fs;

use conduit_audit::{Action, Draft, Status};
use conduit_core::actor::Actor;
use conduit_core::clock::Timestamp;

use super::*;

fn open(dir: &Path) -> Result<Store, RegistryError> {
    let (key, _) = SealKey::open_or_create(&dir.join(SEAL_DIR)).expect("a key");
    Store::open(dir, key)
}

/// Every file of a directory with its bytes.
fn files(dir: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let entries = fs::read_dir(dir).expect("listed");
    let paths = entries.map(|entry| entry.expect("an entry").path());
    let files = paths.filter(|path| path.is_file());
    files.map(|path| (path.clone(), fs::read(&path).expect("read"))).collect()
}

fn refused(dir: &Path) -> RegistryError {
    let before = files(dir);
    let error = open(dir).expect_err("refused");
    let after = files(dir);
    assert_eq!(before.keys().collect::<Vec<_>>(), after.keys().collect::<Vec<_>>(), "{error}");
    assert!(before == after, "bytes changed: {error}");
    error
}

fn draft(bytes: usize) -> Draft {
    Draft {
        at: Timestamp::from_seconds(1),
        actor: Actor::System("test"),
        action: Action::DnsFlush,
        status: Status::Success,
        message: "x".repeat(bytes),
        details: serde_json::Map::new(),
    }
}

fn commit(store: &mut Store, drafts: &[Draft]) -> Result<(), CommitError> {
    store.commit(&Writes::of_drafts(drafts, Timestamp::from_seconds(1)))
}

#[test]
fn a_new_database_is_private_durable_and_empty() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().expect("a directory");
    let mut store = open(dir.path()).expect("made");
    assert!(store.is_new() && store.catalog().is_empty());
    let pragma = |name: &str| {
        let read = |row: &rusqlite::Row<'_>| row.get::<_, rusqlite::types::Value>(0);
        store.connection.pragma_query_value(None, name, read).expect("read")
    };
    assert_eq!(pragma("journal_mode"), "wal".to_owned().into());
    assert_eq!(pragma("synchronous"), 2.into());
    assert_eq!(pragma("foreign_keys"), 1.into());
    assert_eq!(pragma("busy_timeout"), 5_000.into());
    commit(&mut store, &[draft(1)]).expect("written");
    for (path, _) in files(dir.path()) {
        let mode = fs::metadata(&path).expect("there").permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{}", path.display());
    }
    drop(store);
    let store = open(dir.path()).expect("opened");
    assert!(!store.is_new());
    assert_eq!(store.head().count, 1);
}

#[test]
fn rows_of_services_cannot_be_deleted() {
    let dir = tempfile::tempdir().expect("a directory");
    let store = open(dir.path()).expect("made");
    let insert = "INSERT INTO services VALUES
        (1, 'a', '[]', '[]', '', '', '', '', '', '', 'active', 1, 1, NULL, '{}', '[]', NULL)";
    store.connection.execute_batch(insert).expect("inserted");
    let error = store.connection.execute_batch("DELETE FROM services").expect_err("refused");
    assert!(error.to_string().contains("never deleted"), "{error}");
}

#[test]
fn a_newer_database_is_refused_and_untouched() {
    let dir = tempfile::tempdir().expect("a directory");
    drop(open(dir.path()).expect("made"));
    let path = dir.path().join(DATABASE_FILE);
    let newer = Connection::open(&path).expect("opened");
    newer.pragma_update(None, "user_version", 99).expect("set");
    // The new version is in the log only while this connection lives.
    let error = open(dir.path()).expect_err("refused");
    assert!(matches!(error, RegistryError::NewerDatabase { found: 99, .. }), "{error}");
    drop(newer);
    let error = refused(dir.path());
    assert!(matches!(error, RegistryError::NewerDatabase { found: 99, .. }), "{error}");
}

#[test]
fn what_is_not_ours_is_refused_and_untouched() {
    let dir = tempfile::tempdir().expect("a directory");
    SealKey::open_or_create(&dir.path().join(SEAL_DIR)).expect("a key");
    let path = dir.path().join(DATABASE_FILE);
    for content in [&b"hello"[..], &[0; 4096], &b"SQLite format 3\0"[..]] {
        fs::write(&path, content).expect("written");
        let error = refused(dir.path());
        assert!(matches!(error, RegistryError::NotOurs { .. }), "{error}");
    }
    fs::remove_file(&path).expect("removed");
    let other = Connection::open(&path).expect("opened");
    other.execute_batch("CREATE TABLE t (x); INSERT INTO t VALUES (1)").expect("filled");
    drop(other);
    let error = refused(dir.path());
    assert!(matches!(error, RegistryError::NotOurs { .. }), "{error}");
}

#[test]
fn a_damaged_database_is_refused_and_untouched() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut store = open(dir.path()).expect("made");
    commit(&mut store, &[draft(20_000), draft(20_000)]).expect("written");
    drop(store);
    let path = dir.path().join(DATABASE_FILE);
    let whole = fs::read(&path).expect("read");
    let mut scribbled = whole.clone();
    for page in scribbled.chunks_mut(4096).skip(1) {
        page[..64].fill(0xff);
    }
    let cut = whole[..whole.len() / 2].to_vec();
    for damaged in [scribbled, cut] {
        fs::write(&path, damaged).expect("written");
        let error = refused(dir.path());
        assert!(matches!(error, RegistryError::Corrupt { .. }), "{error}");
        assert!(error.to_string().contains("left as it is"));
    }
    fs::write(&path, whole).expect("written");
    assert_eq!(open(dir.path()).expect("whole again").head().count, 2);
}

#[test]
fn of_a_large_database_everything_but_the_record_is_checked_whatever_its_version() {
    let dir = tempfile::tempdir().expect("a directory");
    drop(open(dir.path()).expect("made"));
    let path = dir.path().join(DATABASE_FILE);
    let check = |connection: &Connection| inspect::quick_check(connection, &path, 0);
    let connection = Connection::open(&path).expect("opened");
    check(&connection).expect("whole");
    // As an older version has it, that knew fewer tables.
    connection.execute_batch("DROP TABLE users").expect("dropped");
    check(&connection).expect("whole");
    // A row that its constraint does not allow: only a look at that table finds it.
    connection
        .execute_batch(
            "CREATE TABLE later (x INTEGER); INSERT INTO later VALUES (NULL);
             PRAGMA writable_schema = ON;
             UPDATE sqlite_schema SET sql = 'CREATE TABLE later (x INTEGER NOT NULL)'
             WHERE name = 'later'; PRAGMA writable_schema = RESET",
        )
        .expect("damaged");
    let error = check(&connection).expect_err("damaged");
    assert!(matches!(error, RegistryError::Corrupt { .. }), "{error}");
}

#[test]
fn a_crash_while_the_database_is_made_leaves_none() {
    let dir = tempfile::tempdir().expect("a directory");
    fs::write(dir.path().join("conduit.db.new"), "half").expect("written");
    fs::write(dir.path().join(DATABASE_FILE), "").expect("written");
    assert!(open(dir.path()).expect("made").is_new());
    assert!(!dir.path().join("conduit.db.new").exists());
}

#[test]
fn a_log_without_its_database_is_refused_and_untouched() {
    let dir = tempfile::tempdir().expect("a directory");
    SealKey::open_or_create(&dir.path().join(SEAL_DIR)).expect("a key");
    fs::write(dir.path().join("conduit.db-wal"), "committed once").expect("written");
    let error = refused(dir.path());
    assert!(matches!(error, RegistryError::OpenDatabase { .. }), "{error}");
}

#[test]
fn a_full_disk_changes_nothing_and_room_mends_it() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut store = open(dir.path()).expect("made");
    commit(&mut store, &[draft(10)]).expect("written");
    let head = store.head().clone();
    let limit = |store: &Store, pages: i64| {
        let set = |_: &rusqlite::Row<'_>| Ok(());
        store.connection.pragma_update_and_check(None, "max_page_count", pages, set)
    };
    limit(&store, 1).expect("set");
    for _ in 0..3 {
        let Err(CommitError::RolledBack(error)) = commit(&mut store, &[draft(10), draft(90_000)])
        else {
            panic!("no error");
        };
        assert!(error.is_disk_full(), "{error:?}");
        assert_eq!(*store.head(), head);
    }
    limit(&store, 1 << 20).expect("set");
    commit(&mut store, &[draft(90_000)]).expect("written");
    assert_eq!(store.head().count, 2);
    drop(store);
    let seal = dir.path().join(SEAL_DIR);
    let report = conduit_audit::verify_file(&dir.path().join(DATABASE_FILE), &seal).expect("read");
    assert!(report.valid() && report.entries == 2, "{report:?}");
}

#[test]
fn a_commit_in_doubt_is_settled_by_looking() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut store = open(dir.path()).expect("made");
    let before = store.head().clone();
    commit(&mut store, &[draft(1)]).expect("written");
    let after = store.head().clone();
    // As if the commit had answered with an error although it happened.
    store.head = before.clone();
    assert_eq!(store.settle(&after), Some(true));
    assert_eq!(*store.head(), after);
    // As if it had not.
    let never = Head { count: 2, hash: Some("00".into()) };
    store.connection.execute_batch("BEGIN IMMEDIATE").expect("begun");
    assert_eq!(store.settle(&never), Some(false));
    assert_eq!(*store.head(), after);
    // Neither: somebody else wrote, and nothing may be decided on that ground.
    store.head = before;
    assert_eq!(store.settle(&never), None);
}

#[test]
fn a_record_cut_behind_its_anchor_is_noticed() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut store = open(dir.path()).expect("made");
    assert!(store.holds_its_anchor().expect("read"));
    commit(&mut store, &[draft(1), draft(2)]).expect("written");
    let anchor = Anchor::of(store.head()).expect("not empty");
    anchor.write(&dir.path().join(SEAL_DIR)).expect("written");
    assert!(store.holds_its_anchor().expect("read"));
    store.connection.execute_batch("DELETE FROM capsules WHERE sequence = 1").expect("cut");
    assert!(!store.holds_its_anchor().expect("read"));
}
