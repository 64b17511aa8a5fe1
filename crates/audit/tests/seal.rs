//! The files of the seal.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use conduit_audit::keyring::KEYRING_FILE;
use conduit_audit::seal::KEY_FILE;
use conduit_audit::{AuditError, Keyring, SealKey};
use serde_json::Value;

fn mode(path: &Path) -> u32 {
    let metadata = std::fs::metadata(path).expect("there");
    metadata.permissions().mode() & 0o777
}

#[test]
fn a_key_is_made_once_and_then_opened() {
    let dir = tempfile::tempdir().expect("a directory");
    let seal = dir.path().join("state/seal");
    let (key, created) = SealKey::open_or_create(&seal).expect("made");
    assert!(created);
    assert_eq!(mode(&seal), 0o700);
    assert_eq!(mode(&seal.join(KEY_FILE)), 0o600);
    assert_eq!(mode(&seal.join(KEYRING_FILE)), 0o600);
    assert_eq!(std::fs::read(seal.join(KEY_FILE)).expect("read").len(), 32);

    let (again, created) = SealKey::open_or_create(&seal).expect("opened");
    assert!(!created);
    assert_eq!(again.public_key_hex(), key.public_key_hex());
    let opened = SealKey::open(&seal).expect("opened");
    assert_eq!(opened.fingerprint(), &key.public_key_hex()[..16]);
    assert_eq!(std::fs::read_dir(&seal).expect("listed").count(), 2);
}

#[test]
fn the_keyring_has_the_reference_tools_shape() {
    let dir = tempfile::tempdir().expect("a directory");
    let (key, _) = SealKey::open_or_create(dir.path()).expect("made");
    let text = std::fs::read_to_string(dir.path().join(KEYRING_FILE)).expect("read");
    assert!(text.starts_with("{\n  \"version\": 1,\n  \"active_epoch\": 0,"));
    assert!(text.ends_with("}\n"));
    let keyring: Value = serde_json::from_str(&text).expect("JSON");
    let epoch = &keyring["epochs"][0];
    assert_eq!(epoch["public_key_hex"], key.public_key_hex());
    assert_eq!(epoch["fingerprint"], format!("qp_key_{}", &key.public_key_hex()[..4]));
    assert_eq!(epoch["rotated_at"], Value::Null);
    assert_eq!(epoch["status"], "active");
    let keyring = Keyring::read(dir.path()).expect("read").expect("there");
    assert_eq!(keyring.active_public_key_hex(), Some(key.public_key_hex()));
}

#[test]
fn a_crash_between_key_and_keyring_is_mended() {
    let dir = tempfile::tempdir().expect("a directory");
    let (key, _) = SealKey::open_or_create(dir.path()).expect("made");
    std::fs::remove_file(dir.path().join(KEYRING_FILE)).expect("removed");
    let (again, created) = SealKey::open_or_create(dir.path()).expect("opened");
    assert!(!created);
    assert_eq!(again.public_key_hex(), key.public_key_hex());
    assert!(dir.path().join(KEYRING_FILE).exists());
}

#[test]
fn a_lost_key_is_never_replaced() {
    let dir = tempfile::tempdir().expect("a directory");
    SealKey::open_or_create(dir.path()).expect("made");
    std::fs::remove_file(dir.path().join(KEY_FILE)).expect("removed");
    let refused = SealKey::open_or_create(dir.path());
    assert!(matches!(refused, Err(AuditError::KeyMissing { .. })));
    assert!(!dir.path().join(KEY_FILE).exists());
}

#[test]
fn a_swapped_or_damaged_key_is_refused() {
    let dir = tempfile::tempdir().expect("a directory");
    SealKey::open_or_create(dir.path()).expect("made");
    std::fs::write(dir.path().join(KEY_FILE), [1; 32]).expect("written");
    for opened in
        [SealKey::open(dir.path()), SealKey::open_or_create(dir.path()).map(|(key, _)| key)]
    {
        assert!(matches!(opened, Err(AuditError::KeyringMismatch { .. })));
    }
    std::fs::write(dir.path().join(KEY_FILE), [1; 31]).expect("written");
    let refused = SealKey::open(dir.path());
    assert!(matches!(refused, Err(AuditError::KeyLength { bytes: 31, .. })));
}

#[test]
fn a_damaged_keyring_is_refused() {
    let dir = tempfile::tempdir().expect("a directory");
    SealKey::open_or_create(dir.path()).expect("made");
    for text in [
        "",
        "{}",
        r#"{"version":2,"active_epoch":0,"epochs":[]}"#,
        r#"{"version":1,"active_epoch":0,"epochs":[{"epoch":0,"algorithm":"ed25519","public_key_hex":"zz","fingerprint":"","created_at":null,"rotated_at":null,"status":"active"}]}"#,
    ] {
        std::fs::write(dir.path().join(KEYRING_FILE), text).expect("written");
        let refused = SealKey::open_or_create(dir.path());
        assert!(matches!(refused, Err(AuditError::ParseSeal { .. })), "{text}");
    }
}

#[test]
fn debug_output_shows_no_secret() {
    let key = SealKey::from_seed(&[9; 32]);
    assert_eq!(format!("{key:?}"), format!("SealKey({:?})", key.fingerprint()));
}
