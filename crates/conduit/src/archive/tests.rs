//! Round trips, and archives that mean harm.

use std::os::unix::fs::PermissionsExt;

use conduit_core::clock::Timestamp;
use tar::{Builder, EntryType, Header};
use tempfile::TempDir;

use super::*;

fn now() -> Timestamp {
    Timestamp::from_seconds(1_775_304_000)
}

fn directory() -> TempDir {
    tempfile::tempdir().expect("a directory")
}

fn contents() -> Vec<Content> {
    [(DATABASE, &b"rows"[..]), (SEAL_KEY, b"key"), (SEAL_KEYRING, b"{}"), ("tls/ca.crt", b"")]
        .map(|(path, bytes)| Content::bytes(path, bytes.to_vec()))
        .into()
}

fn packed() -> Vec<u8> {
    pack(Vec::new(), &contents(), now()).expect("packed")
}

fn refused(archive: &[u8]) -> String {
    let directory = directory();
    let error = unpack(archive, directory.path()).expect_err("refused");
    conduit_core::error::Chain(&error).to_string()
}

/// An archive of one entry that `make` has prepared, with a path that tar itself would refuse.
fn forged(path: &str, bytes: &[u8], make: impl FnOnce(&mut Header)) -> Vec<u8> {
    let mut header = Header::new_ustar();
    header.as_old_mut().name[..path.len()].copy_from_slice(path.as_bytes());
    header.set_size(u64::try_from(bytes.len()).expect("small"));
    header.set_mode(0o777);
    header.set_entry_type(EntryType::Regular);
    make(&mut header);
    header.set_cksum();
    let mut builder = Builder::new(Vec::new());
    builder.append(&header, bytes).expect("written");
    builder.into_inner().expect("written")
}

#[test]
fn what_was_packed_is_unpacked_and_private() {
    let directory = directory();
    unpack(packed().as_slice(), directory.path()).expect("unpacked");
    for content in contents() {
        let path = directory.path().join(&content.path);
        let mode = std::fs::metadata(&path).expect("there").permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{}", content.path);
    }
    let rows = std::fs::read(directory.path().join(DATABASE)).expect("read");
    assert_eq!(rows, b"rows");
    let mode = std::fs::metadata(directory.path().join("seal")).expect("there").permissions();
    assert_eq!(mode.mode() & 0o777, 0o700);
    assert!(!directory.path().join(MANIFEST).exists());
}

#[test]
fn other_tools_can_read_it() {
    let directory = directory();
    let file = directory.path().join("backup.tar");
    std::fs::write(&file, packed()).expect("written");
    let mut archive = tar::Archive::new(std::fs::File::open(&file).expect("opened"));
    let entries = archive.entries().expect("listed");
    let paths: Vec<String> = entries
        .map(|entry| entry.expect("read").path().expect("a path").display().to_string())
        .collect();
    assert_eq!(paths, [DATABASE, SEAL_KEY, SEAL_KEYRING, "tls/ca.crt", MANIFEST]);
}

#[test]
fn paths_that_lead_elsewhere_are_refused() {
    let outside = directory();
    let absolute = outside.path().join("x").display().to_string();
    for path in [
        "../conduit.db",
        "tls/../../x",
        "tls/./x",
        "tls//x",
        "tls/",
        "./conduit.db",
        "/conduit.db",
        absolute.as_str(),
        "lock",
        "conduit.db-wal",
        "seal/other",
        "seal",
        "etc/passwd",
        "",
    ] {
        let said = refused(&forged(path, b"x", |_| {}));
        assert!(said.contains("no place"), "{path:?}: {said}");
    }
    assert_eq!(std::fs::read_dir(outside.path()).expect("listed").count(), 0);
}

#[test]
fn only_plain_files_are_taken() {
    for kind in [
        EntryType::Symlink,
        EntryType::Link,
        EntryType::Directory,
        EntryType::Char,
        EntryType::Fifo,
        EntryType::GNUSparse,
        EntryType::GNULongName,
        EntryType::XHeader,
    ] {
        let said = refused(&forged("tls/ca.crt", b"", |header| {
            header.set_entry_type(kind);
            header.set_link_name("/etc/passwd").expect("set");
        }));
        assert!(said.contains("not a plain file"), "{kind:?}: {said}");
    }
}

#[test]
fn sizes_and_numbers_are_bounded() {
    let said = refused(&forged("tls/ca.crt", b"", |header| header.set_size(1 << 40)));
    assert!(said.contains("too large"), "{said}");
    let said = refused(&forged(MANIFEST, b"", |header| header.set_size(1 << 40)));
    assert!(said.contains("too large"), "{said}");
    let many: Vec<Content> =
        (0..=FILES_MAX).map(|index| Content::bytes(format!("tls/{index}"), Vec::new())).collect();
    let said = refused(&pack(Vec::new(), &many, now()).expect("packed"));
    assert!(said.contains("one file too many"), "{said}");
    let twice = [Content::bytes(DATABASE, vec![1]), Content::bytes(DATABASE, vec![1])];
    let said = refused(&pack(Vec::new(), &twice, now()).expect("packed"));
    assert!(said.contains("cannot unpack"), "{said}");
}

#[test]
fn a_missing_or_changed_byte_is_noticed() {
    let whole = packed();
    for end in [0, 100, 512, 700, 1024, whole.len() - 2048, whole.len() - 2049] {
        refused(&whole[..end]);
    }
    // The content of the first entry comes right after its header.
    let mut changed = whole.clone();
    changed[512] ^= 1;
    let said = refused(&changed);
    assert!(said.contains("conduit.db in the archive is not what was packed"), "{said}");
    let without_key = [Content::bytes(DATABASE, vec![1])];
    let said = refused(&pack(Vec::new(), &without_key, now()).expect("packed"));
    assert!(said.contains("seal/key") && said.contains("missing"), "{said}");
}

#[test]
fn manifests_are_not_believed() {
    for (text, expected) in [
        ("", "not JSON"),
        ("{}", "names no format"),
        ("{\"format\": 0}", "names no format"),
        ("{\"format\": 1}", "lists nothing"),
        ("{\"format\": 2}", "newer conduit"),
        (
            "{\"format\":1,\"conduit\":\"\",\"created_at\":\"\",\"files\":[{\"path\":\"conduit.db\",\
             \"bytes\":1,\"sha3_256\":\"\"}]}",
            "not what was packed",
        ),
    ] {
        let said = refused(&forged(MANIFEST, text.as_bytes(), |_| {}));
        assert!(said.contains(expected), "{text}: {said}");
    }
}

#[test]
fn what_is_no_archive_is_refused() {
    for bytes in [&b""[..], b"SQLite format 3\0", &[0; 4096], &[0xff; 4096]] {
        refused(bytes);
    }
}

#[test]
fn a_file_that_is_not_ours_is_not_packed() {
    let odd = [Content::bytes("lock", Vec::new())];
    assert!(pack(Vec::new(), &odd, now()).is_err());
    let missing = [Content::file(DATABASE, "/nowhere/conduit.db")];
    assert!(matches!(pack(Vec::new(), &missing, now()), Err(ArchiveError::Pack { .. })));
}
