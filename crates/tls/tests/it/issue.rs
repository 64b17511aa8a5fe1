//! What a leaf says, and what is never signed.

use std::collections::HashSet;
use std::time::Duration;

use conduit_core::leaf::Algorithm;
use conduit_tls::error::TlsError;
use conduit_tls::inspect::{fingerprint, inspect};
use proptest::prelude::*;

use crate::site::{DAY, Site, hosts, issue, now};

#[test]
fn a_leaf_says_exactly_what_was_asked() {
    let (_site, authority) = Site::with_authority();
    let born = now();
    let pair = authority
        .issue(&hosts(&["web.internal", "web.local", "web.internal"]), DAY * 365, born)
        .expect("issued");
    for (leaf, algorithm) in pair.iter().zip([Algorithm::Ed25519, Algorithm::EcdsaP256]) {
        let details = inspect(&leaf.certificate_der).expect("a certificate");
        assert_eq!(leaf.algorithm, algorithm);
        assert_eq!(details.algorithm, algorithm.to_string());
        assert_eq!(details.subject, "CN=web.internal");
        assert_eq!(details.sans, ["web.internal", "web.local"]);
        assert_eq!(details.key_usages, ["digitalSignature"]);
        assert_eq!(details.extended_key_usages, ["serverAuth"]);
        assert!(!details.is_authority);
        assert_eq!(details.fingerprint, leaf.fingerprint);
        assert_eq!(fingerprint(&leaf.certificate_der), leaf.fingerprint);
        assert_eq!(details.not_before, leaf.not_before);
        assert_eq!(details.not_after, leaf.not_after);
        assert_eq!(leaf.not_before.seconds(), born.minus(DAY).seconds());
        assert_eq!(leaf.not_after.seconds(), born.plus(DAY * 365).seconds());
        let intermediate =
            authority.intermediates().iter().find(|i| i.fingerprint == leaf.issuer).expect("known");
        assert_eq!(intermediate.subject, details.issuer);
    }
}

#[test]
fn authorities_say_what_they_may_sign() {
    let (_site, authority) = Site::with_authority();
    let depth = |pem: &str| {
        let der = conduit_tls::trust::certificates(pem).expect("PEM");
        let details = inspect(&der[0]).expect("a certificate");
        assert!(details.is_authority);
        assert_eq!(details.key_usages, ["keyCertSign", "cRLSign"]);
        assert_eq!(
            details.permitted,
            [
                "internal",
                "local",
                "test",
                "10.0.0.0/8",
                "172.16.0.0/12",
                "192.168.0.0/16",
                "127.0.0.0/8",
                "100.64.0.0/10",
                "169.254.0.0/16",
                "fc00::/7",
                "fe80::/10",
                "::1/128"
            ]
        );
        (details.path_length, details.subject)
    };
    let [p256, ed25519] = authority.roots() else {
        panic!("two roots");
    };
    let (p256_depth, p256_subject) = depth(&p256.pem);
    let (ed25519_depth, ed25519_subject) = depth(&ed25519.pem);
    assert_eq!((p256_depth, ed25519_depth), (Some(2), Some(1)));
    assert!(p256_subject.starts_with("O=Test Clinic, CN=Conduit Root P-256 ("));
    assert!(ed25519_subject.starts_with("O=Test Clinic, CN=Conduit Root Ed25519 ("));
    for intermediate in authority.intermediates() {
        assert_eq!(depth(&intermediate.pem).0, Some(0));
        assert!(intermediate.is_current);
    }
    let (_other, elsewhere) = Site::with_authority();
    assert_ne!(elsewhere.roots()[0].subject, p256.subject);
}

#[test]
fn a_long_host_stands_in_the_san_alone() {
    let (_site, authority) = Site::with_authority();
    let long = format!("{}.{}.internal", "a".repeat(60), "b".repeat(60));
    let pair = issue(&authority, &[&long]);
    let details = inspect(&pair.ecdsa_p256.certificate_der).expect("a certificate");
    assert_eq!(details.subject, "");
    assert_eq!(details.sans, [long]);
}

#[test]
fn no_leaf_outlives_its_intermediate() {
    let (_site, authority) = Site::with_authority();
    let limit = authority.intermediates()[0].not_after;
    let late = limit.minus(DAY * 30);
    let pair = authority.issue(&hosts(&["web.internal"]), DAY * 365, late).expect("issued");
    assert!(pair.iter().all(|leaf| leaf.not_after == limit));

    let after = authority.issue(&hosts(&["web.internal"]), DAY, limit);
    assert!(matches!(after, Err(TlsError::IssuerExpired { .. })));
    let before = authority.issue(&hosts(&["web.internal"]), DAY, now().minus(DAY * 2));
    assert!(matches!(before, Err(TlsError::ClockBehind { .. })));
}

#[test]
fn wishes_that_make_no_sense_are_refused() {
    let (_site, authority) = Site::with_authority();
    let refused = |names: &[&str], validity| {
        authority.issue(&hosts(names), validity, now()).expect_err("refused")
    };
    assert!(matches!(refused(&[], DAY), TlsError::NoHosts));
    assert!(matches!(
        refused(&["web.internal"], Duration::from_secs(60)),
        TlsError::ValidityTooShort { .. }
    ));
    let error = refused(&["web.internal", "example.com"], DAY);
    assert_eq!(
        error.to_string(),
        "cannot issue for example.com: the CA is limited to internal, local, test"
    );
    let many: Vec<String> = (0..101).map(|n| format!("s{n}.internal")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    assert!(matches!(refused(&many, DAY), TlsError::TooManyHosts { asked: 101, .. }));
}

#[test]
fn serials_and_keys_are_unique_from_several_threads() {
    let (_site, authority) = Site::with_authority();
    let seen: Vec<_> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..4)
            .map(|thread| {
                let authority = &authority;
                scope.spawn(move || {
                    (0..50)
                        .map(|n| issue(authority, &[&format!("s{n}-{thread}.internal")]))
                        .collect::<Vec<_>>()
                })
            })
            .collect();
        threads.into_iter().flat_map(|thread| thread.join().expect("no panic")).collect()
    });
    let leaves: Vec<_> = seen.iter().flat_map(|pair| pair.iter()).collect();
    let serials: HashSet<_> =
        leaves.iter().map(|leaf| inspect(&leaf.certificate_der).expect("valid").serial).collect();
    let keys: HashSet<_> = leaves.iter().map(|leaf| leaf.key.as_pkcs8()).collect();
    assert_eq!((serials.len(), keys.len()), (400, 400));
    // 16 bytes with colons, positive.
    assert!(serials.iter().all(|s| s.len() == 47 && s.as_bytes()[0] < b'8'));
}

#[test]
fn damaged_certificates_are_refused_or_described() {
    let (_site, authority) = Site::with_authority();
    let pair = issue(&authority, &["web.internal"]);
    let good = &pair.ecdsa_p256.certificate_der;
    for cut in 0..good.len() {
        assert!(inspect(&good[..cut]).is_err(), "cut at {cut}");
    }
    let mut longer = good.to_vec();
    longer.push(0);
    assert!(inspect(&longer).is_err());

    proptest!(ProptestConfig::with_cases(200), |(at in 0..good.len(), byte: u8)| {
        let mut bad = good.to_vec();
        bad[at] = byte;
        if let Ok(details) = inspect(&bad) {
            prop_assert!(!details.subject.chars().any(char::is_control));
            prop_assert!(!details.sans.concat().chars().any(char::is_control));
        }
    });
}
