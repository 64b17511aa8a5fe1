//! The directory: made once, read for ever, refused when anything in it is wrong.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};

use conduit_core::leaf::{Algorithm, Fingerprint};
use conduit_tls::authority::Authority;
use conduit_tls::error::TlsError;
use conduit_tls::trust;

use crate::site::{DAY, Site, hosts, issue, now, settings};

const INDISPENSABLE: [&str; 9] = [
    "ed25519-intermediate.crt",
    "ed25519-intermediate.key",
    "ed25519-root-cross.crt",
    "ed25519-root.crt",
    "ed25519-root.key",
    "p256-intermediate.crt",
    "p256-intermediate.key",
    "p256-root.crt",
    "p256-root.key",
];

fn fingerprints(authority: &Authority) -> Vec<Fingerprint> {
    let roots = authority.roots().iter().map(|root| root.fingerprint);
    let intermediates = authority.intermediates().iter().map(|i| i.fingerprint);
    roots.chain(intermediates).collect()
}

#[test]
fn what_was_made_is_found_again_and_goes_on_issuing() {
    let (site, first) = Site::with_authority();
    let old = issue(&first, &["web.internal"]);
    let (second, created) = site.open(now()).expect("opened");
    assert!(!created);
    assert_eq!(fingerprints(&first), fingerprints(&second));
    assert_eq!(first.bundle_pem(), second.bundle_pem());
    let new = issue(&second, &["web.internal"]);
    for (old, new) in old.iter().zip(new.iter()) {
        assert_eq!(old.issuer, new.issuer);
        assert_ne!(old.fingerprint, new.fingerprint);
        assert!(second.chain(&old.issuer).is_some());
    }
    assert!(second.chain(&Fingerprint([0; 32])).is_none());
}

#[test]
fn files_are_private_and_where_the_layout_says() {
    let (site, authority) = Site::with_authority();
    let mode = |path| fs::metadata(path).expect("there").mode() & 0o777;
    assert_eq!(mode(site.dir()), 0o700);
    let mut names: Vec<String> = fs::read_dir(site.dir())
        .expect("list")
        .map(|entry| entry.expect("entry").file_name().into_string().expect("utf-8"))
        .collect();
    names.sort();
    let mut expected = vec!["authority", "ca.crt"];
    expected.extend(INDISPENSABLE);
    assert_eq!(names, expected);
    for name in &names {
        assert_eq!(mode(site.file(name)), 0o600, "{name}");
    }
    assert_eq!(authority.bundle_path(), site.file("ca.crt"));
    assert_eq!(site.read("ca.crt"), authority.bundle_pem());
    let bundle = trust::certificates(authority.bundle_pem()).expect("PEM");
    assert_eq!(bundle.len(), 2);
    assert_eq!(authority.roots()[0].algorithm, Algorithm::EcdsaP256);
    assert_eq!(trust::with_colons(&authority.roots()[0].fingerprint).len(), 32 * 3 - 1);
}

#[test]
fn a_missing_file_is_an_error_and_never_a_new_root() {
    for name in INDISPENSABLE {
        let (site, _) = Site::with_authority();
        fs::remove_file(site.file(name)).expect("removed");
        let before = fs::read_dir(site.dir()).expect("list").count();
        let error = site.open(now()).expect_err("refused");
        assert!(matches!(error, TlsError::MissingFile { .. }), "{name}");
        assert!(error.to_string().contains(name), "{error}");
        assert_eq!(fs::read_dir(site.dir()).expect("list").count(), before);
    }
}

#[test]
fn without_its_marker_the_directory_is_refused() {
    let (site, _) = Site::with_authority();
    fs::remove_file(site.file("authority")).expect("removed");
    let error = site.open(now()).expect_err("refused");
    assert!(matches!(error, TlsError::Unmarked { .. }), "{error}");
    site.write("authority", "whatever");
    let error = site.open(now()).expect_err("refused");
    assert!(matches!(error, TlsError::Malformed { .. }), "{error}");
}

#[test]
fn an_interrupted_first_creation_is_done_again() {
    let (site, first) = Site::with_authority();
    for name in ["ca.crt", "p256-intermediate.key"] {
        fs::remove_file(site.file(name)).expect("removed");
    }
    site.write("authority", "creating");
    let opened = Authority::open(&site.dir(), &site.settings, now());
    assert!(matches!(opened, Err(TlsError::NotFound { .. })));
    let (second, created) = site.open(now()).expect("made again");
    assert!(created);
    assert_ne!(fingerprints(&first), fingerprints(&second));
}

#[test]
fn opening_never_makes() {
    let site = Site::new();
    let error = Authority::open(&site.dir(), &site.settings, now()).expect_err("none there");
    assert!(matches!(error, TlsError::NotFound { .. }));
    let told = error.to_string();
    assert!(told.contains("restore it from a backup") && told.contains("deregister every service"));
    assert!(!told.contains("conduit setup"), "it makes none either: {told}");
    assert!(!site.dir().exists());
}

#[test]
fn a_lost_or_changed_bundle_is_written_again() {
    let (site, authority) = Site::with_authority();
    fs::remove_file(site.file("ca.crt")).expect("removed");
    site.open(now()).expect("opened");
    assert_eq!(site.read("ca.crt"), authority.bundle_pem());
    site.write("ca.crt", "garbage");
    site.open(now()).expect("opened");
    assert_eq!(site.read("ca.crt"), authority.bundle_pem());
}

#[test]
fn garbage_is_named() {
    for name in INDISPENSABLE {
        for garbage in [
            "",
            "garbage",
            "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
            "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
        ] {
            let (site, _) = Site::with_authority();
            site.write(name, garbage);
            let error = site.open(now()).expect_err("refused");
            assert!(matches!(error, TlsError::Malformed { .. }), "{name}: {error}");
            assert!(error.to_string().contains(name), "{error}");
        }
    }
}

#[test]
fn keys_and_directories_open_to_others_are_refused() {
    for (name, mode, command) in [
        ("p256-root.key", 0o640, "chmod 0600"),
        ("ed25519-intermediate.key", 0o604, "chmod 0600"),
        (".", 0o770, "chmod 0700"),
    ] {
        let (site, _) = Site::with_authority();
        let path = site.file(name);
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).expect("mode");
        let error = site.open(now()).expect_err("refused");
        assert!(error.to_string().contains(command), "{error}");
    }
}

#[test]
fn files_of_another_authority_are_refused() {
    let (_other_dir, _) = Site::with_authority();
    for name in INDISPENSABLE {
        let (site, _) = Site::with_authority();
        site.write(name, &_other_dir.read(name));
        let error = site.open(now()).expect_err("refused");
        assert!(
            matches!(error, TlsError::KeyMismatch { .. } | TlsError::NotSignedBy { .. }),
            "{name}: {error}"
        );
    }
    // Also when certificate and key fit each other.
    for stem in ["p256-root", "ed25519-root", "p256-intermediate"] {
        let (site, _) = Site::with_authority();
        for suffix in ["crt", "key"] {
            let name = format!("{stem}.{suffix}");
            site.write(&name, &_other_dir.read(&name));
        }
        assert!(site.open(now()).is_err(), "{stem}");
    }
    // The Ed25519 root itself is not its cross-certificate.
    let (site, _) = Site::with_authority();
    site.write("ed25519-root-cross.crt", &site.read("ed25519-root.crt"));
    assert!(site.open(now()).is_err());
}

#[test]
fn a_domain_outside_the_constraints_is_refused_with_the_mend() {
    let (mut site, _) = Site::with_authority();
    site.settings = settings(&["internal", "lab.test"]);
    site.open(now()).expect("narrower is fine");
    site.settings = settings(&["internal", "corp"]);
    let error = site.open(now()).expect_err("refused").to_string();
    for part in ["corp", "internal, local, test", "gateway.domains", "new CA"] {
        assert!(error.contains(part), "{error}");
    }
}

#[test]
fn an_expired_root_is_refused_with_the_mend() {
    let (site, _) = Site::with_authority();
    let error = site.open(now().plus(DAY * 3_651)).expect_err("refused").to_string();
    for part in ["p256-root.crt expired on", "clock", "new CA"] {
        assert!(error.contains(part), "{error}");
    }
}

#[test]
fn a_long_organization_is_refused_before_anything_is_made() {
    let mut site = Site::new();
    site.settings.organization = "x".repeat(65);
    assert!(site.open(now()).is_err());
    assert!(!site.dir().exists());
}

#[test]
fn intermediates_are_replaced_at_half_of_their_life() {
    let (site, first) = Site::with_authority();
    let old = issue(&first, &["web.internal"]);
    let early = now().plus(DAY * 500);
    assert!(first.renewed(early).expect("asked").is_none());
    let late = now().plus(DAY * 600);
    let second = first.renewed(late).expect("asked").expect("due");
    assert_eq!(second.roots(), first.roots());
    let current: Vec<_> = second.intermediates().iter().filter(|i| i.is_current).collect();
    assert_eq!((second.intermediates().len(), current.len()), (4, 2));
    let new = second.issue(&hosts(&["web.internal"]), DAY * 365, late).expect("issued");
    for (old, new) in old.iter().zip(new.iter()) {
        assert_ne!(old.issuer, new.issuer);
        assert!(second.chain(&old.issuer).is_some(), "old leaves are served");
        assert_eq!(new.not_after.seconds(), late.plus(DAY * 365).seconds());
    }
    // Once the old ones have expired, they are forgotten.
    let (third, _) = site.open(now().plus(DAY * 1_100)).expect("opened");
    assert!(third.chain(&old.ecdsa_p256.issuer).is_none());
}

#[test]
fn intermediates_that_expired_while_the_machine_was_off_are_replaced() {
    let (site, first) = Site::with_authority();
    let years_later = now().plus(DAY * 2_000);
    let (second, created) = site.open(years_later).expect("opened");
    assert!(!created);
    assert_eq!(second.roots(), first.roots());
    second.issue(&hosts(&["web.internal"]), DAY * 365, years_later).expect("issued");
    // Near the root's end a new one would live no longer: nothing is due, leaves are cut short.
    let near_the_end = now().plus(DAY * 3_640);
    let (last, _) = site.open(near_the_end).expect("opened");
    assert!(last.renewed(near_the_end.plus(DAY)).expect("asked").is_none());
    let pair = last.issue(&hosts(&["web.internal"]), DAY * 365, near_the_end).expect("issued");
    assert!(pair.not_after() <= last.roots()[0].not_after);
}

#[test]
fn a_crash_between_the_two_writes_of_a_renewal_does_no_harm() {
    let (site, first) = Site::with_authority();
    let keys = ["p256-intermediate.key", "ed25519-intermediate.key"];
    let old_keys = keys.map(|name| site.read(name));
    let late = now().plus(DAY * 600);
    site.open(late).expect("renewed");
    for (name, key) in keys.iter().zip(&old_keys) {
        site.write(name, key);
    }
    let (again, _) = site.open(now()).expect("opened");
    let old = issue(&first, &["web.internal"]).ecdsa_p256.issuer;
    assert_eq!(issue(&again, &["web.internal"]).ecdsa_p256.issuer, old);

    // The renewal is still due; the one that was cut short leaves no trace.
    let (renewed, _) = site.open(late).expect("renewed");
    let intermediates = renewed.intermediates();
    assert_eq!(intermediates.len(), 4);
    assert!(intermediates[0].is_current && intermediates[1].fingerprint == old);
}
