//! Certificates for others: from keys made here, and from requests that programs made.

use std::net::IpAddr;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use conduit_core::certificate::{Holder, Issuance, IssuedKind, KeySource, Purpose};
use conduit_core::leaf::Algorithm;
use conduit_tls::inspect::inspect;
use conduit_tls::request::CertificateRequest;

use crate::site::{DAY, Site, hosts, now};

fn wish(holder: &str, purpose: Purpose, names: &[&str], key: KeySource) -> Issuance {
    Issuance {
        holder: Holder::parse(holder).expect("valid"),
        kind: IssuedKind::Holder,
        purpose,
        hosts: hosts(names),
        addresses: Vec::new(),
        key,
        validity: None,
    }
}

#[test]
fn a_key_that_is_made_here_is_given_with_its_chain() {
    let (_site, authority) = Site::with_authority();
    for (algorithm, links) in [(Algorithm::EcdsaP256, 1), (Algorithm::Ed25519, 2)] {
        for (purpose, usages) in [
            (Purpose::Client, &["clientAuth"][..]),
            (Purpose::Server, &["serverAuth"]),
            (Purpose::Both, &["serverAuth", "clientAuth"]),
        ] {
            let wish = wish("db", purpose, &["db.internal"], KeySource::Generate(algorithm));
            let signed = authority.sign(&wish, DAY * 9, now()).expect("signed");
            let details = inspect(&signed.certificate_der).expect("a certificate");
            assert_eq!(details.subject, "CN=db");
            assert_eq!(details.sans, ["db.internal"]);
            assert_eq!(details.extended_key_usages, usages);
            assert_eq!(details.algorithm, algorithm.as_str());
            assert_eq!(signed.chain.len(), links);
            assert_eq!(signed.not_after.seconds(), now().plus(DAY * 9).seconds());
            assert!(signed.key.is_some());
        }
    }
}

#[test]
fn a_person_has_a_mail_address_and_no_host() {
    let (_site, authority) = Site::with_authority();
    let key = KeySource::Generate(Algorithm::EcdsaP256);
    let wish = wish("ada@clinic.example", Purpose::Client, &[], key);
    let signed = authority.sign(&wish, DAY, now()).expect("signed");
    let details = inspect(&signed.certificate_der).expect("a certificate");
    assert_eq!(details.sans, ["ada@clinic.example"]);
}

#[test]
fn what_the_roots_do_not_permit_is_refused() {
    let (_site, authority) = Site::with_authority();
    let key = KeySource::Generate(Algorithm::EcdsaP256);
    let outside = wish("x", Purpose::Server, &["db.example"], key.clone());
    let error = authority.sign(&outside, DAY, now()).expect_err("refused");
    assert_eq!(error.is_the_callers(), Some("not_permitted"), "{error}");
    for (address, permitted) in
        [("10.0.0.7", true), ("fd00::7", true), ("8.8.8.8", false), ("2001:db8::1", false)]
    {
        let addresses: Vec<IpAddr> = vec![address.parse().expect("an address")];
        let wish = Issuance { addresses, ..wish("x", Purpose::Server, &[], key.clone()) };
        assert_eq!(authority.sign(&wish, DAY, now()).is_ok(), permitted, "{address}");
    }
    let short = Issuance {
        validity: Some(Duration::from_secs(60)),
        ..wish("x", Purpose::Client, &[], key)
    };
    let error = authority.sign(&short, DAY, now()).expect_err("refused");
    assert_eq!(error.is_the_callers(), Some("validity_too_short"));
}

#[test]
fn requests_of_openssl_are_granted_for_the_keys_that_are_strong() {
    if Command::new("openssl").arg("version").output().is_err() {
        eprintln!("skipped: there is no openssl");
        return;
    }
    let (site, authority) = Site::with_authority();
    for (key, accepted) in [
        (&["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"][..], true),
        (&["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-384"], true),
        (&["-newkey", "ed25519"], true),
        (&["-newkey", "rsa:2048"], true),
        (&["-newkey", "rsa:1024"], false),
        (&["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:secp256k1"], false),
    ] {
        let (pem, der) = made_by_openssl(&site, key);
        let read = CertificateRequest::read(&pem);
        assert_eq!(read.is_ok(), accepted, "{key:?}: {:?}", read.as_ref().err());
        let Ok((request, from_pem)) = read else { continue };
        assert_eq!(from_pem, der);
        assert_eq!(request.hosts(), hosts(&["nas.internal"]));
        assert_eq!(request.addresses(), ["10.0.0.9".parse::<IpAddr>().expect("an address")]);
        assert_eq!(request.subject(), Some("whoever"));
        let wish = Issuance {
            addresses: request.addresses().to_vec(),
            ..wish("nas", Purpose::Server, &["nas.internal"], KeySource::Request(Arc::from(der)))
        };
        let signed = authority.sign(&wish, DAY, now()).expect("signed");
        let details = inspect(&signed.certificate_der).expect("a certificate");
        assert_eq!(details.subject, "CN=nas", "who it is for is ours to say");
        assert_eq!(details.sans, ["nas.internal", "10.0.0.9"]);
        assert!(!details.is_authority && signed.key.is_none());
    }
}

#[test]
fn a_request_that_was_touched_or_is_none_is_refused() {
    if Command::new("openssl").arg("version").output().is_err() {
        eprintln!("skipped: there is no openssl");
        return;
    }
    let site = Site::new();
    let (pem, der) = made_by_openssl(&site, &["-newkey", "ed25519"]);
    for at in [20, der.len() / 2, der.len() - 1] {
        let mut touched = der.clone();
        touched[at] ^= 1;
        assert!(CertificateRequest::parse(&touched).is_err(), "byte {at}");
    }
    let twice = [der.clone(), der.clone()].concat();
    for none in [&[][..], b"-----BEGIN", &der[1..], &twice, &vec![b'a'; 100_000]] {
        assert!(CertificateRequest::read(none).is_err());
    }
    assert!(CertificateRequest::read(&pem).is_ok());
}

/// A request that also asks to be an authority, in PEM and in DER.
fn made_by_openssl(site: &Site, key: &[&str]) -> (Vec<u8>, Vec<u8>) {
    std::fs::create_dir_all(site.dir()).expect("made");
    let run = |args: &[&str]| {
        let out = Command::new("openssl").args(args).output().expect("openssl");
        assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
        out.stdout
    };
    let file = site.file("request.pem");
    let file = file.to_str().expect("UTF-8");
    let fixed = [
        "req",
        "-new",
        "-nodes",
        "-subj",
        "/O=Elsewhere/CN=whoever",
        "-addext",
        "subjectAltName=DNS:nas.internal,IP:10.0.0.9,DNS:NAS.internal",
        "-addext",
        "basicConstraints=CA:TRUE",
        "-keyout",
        "/dev/null",
        "-out",
        file,
    ];
    run(&[&fixed[..], key].concat());
    let der = run(&["req", "-in", file, "-outform", "DER"]);
    (std::fs::read(file).expect("read"), der)
}
