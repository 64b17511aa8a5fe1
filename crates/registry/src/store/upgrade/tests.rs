//! A database of version 1, with everything in it, opened by this version.

use std::fs;

use conduit_audit::{Action, Draft, SealKey, Status};
use conduit_core::actor::Actor;
use conduit_core::clock::Timestamp;
use conduit_core::leaf::{Algorithm, Fingerprint, Leaf, LeafPair, PrivateKey};
use conduit_core::name::ServiceName;
use conduit_core::policy::Policy;
use rusqlite::params;

use super::super::schema::APPLICATION_ID;
use super::super::{DATABASE_FILE, SEAL_DIR, Store};
use super::*;

const VERSION_1: &str = include_str!("../../../migrations/0001_init.sql");

/// A state directory as version 1 left it: a service, an inactive row, leaves and two entries.
fn version_1() -> (tempfile::TempDir, SealKey) {
    let dir = tempfile::tempdir().expect("a directory");
    let (key, _) = SealKey::open_or_create(&dir.path().join(SEAL_DIR)).expect("a key");
    let mut connection = Connection::open(dir.path().join(DATABASE_FILE)).expect("made");
    connection.pragma_update(None, "journal_mode", "WAL").expect("set");
    let transaction = connection.transaction().expect("begun");
    transaction.execute_batch(VERSION_1).expect("migrated");
    conduit_audit::store::create_schema(&transaction).expect("made");
    transaction
        .execute_batch(
            "INSERT INTO services VALUES
                (1, 'old', '[\"old.internal\"]', '[\"10.0.0.1:80\"]', 'http', 'issued', 'gateway',
                 'default', 'fail', '{}', 'inactive', 1, 1, 2),
                (2, 'grafana', '[\"grafana.internal\"]', '[\"10.0.1.50:3000\"]', 'http', 'issued',
                 'gateway', '/api/health', 'try', '{}', 'active', 2, 3, NULL);
             UPDATE meta SET generation = 2;",
        )
        .expect("filled");
    for leaf in leaves().iter() {
        transaction
            .execute(
                "INSERT INTO leaves VALUES ('grafana', ?1, ?2, ?3, ?4, ?5, 1, 2)",
                params![
                    leaf.algorithm.as_str(),
                    &leaf.certificate_der[..],
                    leaf.key.as_pkcs8(),
                    leaf.issuer.0,
                    leaf.fingerprint.0
                ],
            )
            .expect("inserted");
    }
    let mut head = conduit_audit::store::head(&transaction).expect("read");
    for message in ["first", "second"] {
        let draft = Draft {
            at: Timestamp::from_seconds(1),
            actor: Actor::System("test"),
            action: Action::DnsFlush,
            status: Status::Success,
            message: message.into(),
            details: serde_json::Map::new(),
        };
        head = conduit_audit::store::append(&transaction, &key, &head, &draft).expect("sealed").0;
    }
    transaction.pragma_update(None, "application_id", APPLICATION_ID).expect("set");
    transaction.pragma_update(None, "user_version", 1).expect("set");
    transaction.commit().expect("committed");
    (dir, key)
}

fn leaves() -> LeafPair {
    let leaf = |algorithm, byte| Leaf {
        algorithm,
        certificate_der: std::sync::Arc::from([byte]),
        key: PrivateKey::from_pkcs8(vec![byte]),
        issuer: Fingerprint([byte; 32]),
        fingerprint: Fingerprint([byte; 32]),
        not_before: Timestamp::from_seconds(1),
        not_after: Timestamp::from_seconds(2),
    };
    LeafPair { ed25519: leaf(Algorithm::Ed25519, 1), ecdsa_p256: leaf(Algorithm::EcdsaP256, 2) }
}

fn version_of(path: &Path) -> u32 {
    let connection = Connection::open(path).expect("opened");
    connection.pragma_query_value(None, "user_version", |row| row.get(0)).expect("read")
}

fn copy_in(dir: &Path) -> PathBuf {
    copy_of(&dir.join(DATABASE_FILE), 1)
}

fn valid_entries(dir: &Path) -> u64 {
    let path = dir.join(DATABASE_FILE);
    let report = conduit_audit::verify_file(&path, &dir.join(SEAL_DIR)).expect("read");
    assert!(report.valid(), "{report:?}");
    report.entries
}

#[test]
fn an_old_database_is_upgraded_with_everything_in_it() {
    use std::os::unix::fs::PermissionsExt;
    let (dir, key) = version_1();
    let store = Store::open(dir.path(), key).expect("opened");
    let grafana = ServiceName::parse("grafana").expect("valid");
    assert_eq!((store.generation().0, store.catalog().len()), (2, 1));
    assert_eq!(*store.catalog().get(&grafana).expect("there").policy, Policy::default());
    assert_eq!(store.leaves().expect("read").len(), 1);
    assert_eq!(super::super::rows(&store.connection, true).expect("read").len(), 2);
    assert!(store.nodes().is_empty());
    let nodes = super::super::nodes(&store.connection, true).expect("the table is there");
    assert_eq!(nodes, []);
    drop(store);
    assert_eq!(valid_entries(dir.path()), 2);
    assert_eq!(version_of(&dir.path().join(DATABASE_FILE)), SCHEMA_VERSION);
    assert_eq!(version_of(&copy_in(dir.path())), 1);
    let mode = fs::metadata(copy_in(dir.path())).expect("there").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn the_copy_is_made_once_and_a_half_one_is_made_again() {
    let (dir, key) = version_1();
    fs::write(dir.path().join("conduit.db.v1.new"), "half").expect("written");
    drop(Store::open(dir.path(), key).expect("opened"));
    assert!(!dir.path().join("conduit.db.v1.new").exists());
    let copy = fs::read(copy_in(dir.path())).expect("read");
    let key = SealKey::open(&dir.path().join(SEAL_DIR)).expect("a key");
    drop(Store::open(dir.path(), key).expect("opened again"));
    assert_eq!(fs::read(copy_in(dir.path())).expect("read"), copy);
}

#[test]
fn a_crash_after_the_copy_is_made_up_for_by_the_next_start() {
    let (dir, key) = version_1();
    let path = dir.path().join(DATABASE_FILE);
    assert!(keep(&path, &copy_in(dir.path())).expect("copied"));
    assert_eq!(version_of(&path), 1);
    drop(Store::open(dir.path(), key).expect("opened"));
    assert_eq!((version_of(&path), version_of(&copy_in(dir.path()))), (SCHEMA_VERSION, 1));
}

#[test]
fn what_cannot_be_copied_is_not_upgraded() {
    let (dir, key) = version_1();
    let path = dir.path().join(DATABASE_FILE);
    // Stands where the copy is to be written, as a full disk would.
    fs::create_dir(dir.path().join("conduit.db.v1.new")).expect("made");
    let before = fs::read(&path).expect("read");
    let error = Store::open(dir.path(), key).expect_err("refused");
    let expected = format!("from version 1 to {SCHEMA_VERSION}; it was left as it is");
    assert!(error.to_string().contains(&expected), "{error}");
    assert_eq!(fs::read(&path).expect("read"), before);
    assert_eq!(version_of(&path), 1);
}

#[test]
fn a_migration_that_fails_or_finds_no_room_changes_nothing() {
    let (dir, _key) = version_1();
    let path = dir.path().join(DATABASE_FILE);
    let mut connection = Connection::open(&path).expect("opened");
    let pages: i64 =
        connection.pragma_query_value(None, "page_count", |row| row.get(0)).expect("read");
    let set = |_: &rusqlite::Row<'_>| Ok(());
    connection.pragma_update_and_check(None, "max_page_count", pages, set).expect("set");
    let large = "CREATE TABLE large (x BLOB); INSERT INTO large VALUES (zeroblob(1000000));";
    for (migration, full) in [(large, true), ("ALTER TABLE nothing ADD COLUMN x", false)] {
        let both = ["", MIGRATIONS[1], migration];
        let error = migrate(&mut connection, 1, &both).expect_err("refused");
        let code = error.sqlite_error_code();
        assert_eq!(code == Some(rusqlite::ErrorCode::DiskFull), full, "{error}");
        assert_eq!(version_of(&path), 1);
        let columns = connection.prepare("SELECT policy FROM services");
        assert!(columns.is_err(), "no migration of the failed ones stays");
    }
}

#[test]
fn the_record_of_an_old_database_is_verified_without_upgrading_it() {
    let (dir, _key) = version_1();
    let path = dir.path().join(DATABASE_FILE);
    let before = fs::read(&path).expect("read");
    assert_eq!(valid_entries(dir.path()), 2);
    assert_eq!(fs::read(&path).expect("read"), before);
    assert!(!copy_in(dir.path()).exists());
}
