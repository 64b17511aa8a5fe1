//! What OpenSSL, strict, says about our chains.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;
use std::process::Command;

use conduit_core::leaf::Leaf;
use conduit_tls::authority::Authority;
use conduit_tls::inspect::inspect;

use crate::site::{Site, issue};

#[test]
fn openssl_accepts_both_chains_with_either_root() {
    if !there() {
        return;
    }
    let (site, authority) = Site::with_authority();
    let pair = issue(&authority, &["web.internal", "web.local"]);
    for (leaf, roots) in [
        (&pair.ecdsa_p256, "p256-root.crt"),
        (&pair.ecdsa_p256, "ca.crt"),
        (&pair.ed25519, "p256-root.crt"),
        (&pair.ed25519, "ed25519-root.crt"),
        (&pair.ed25519, "ca.crt"),
    ] {
        let pem = inspect(&leaf.certificate_der).expect("a certificate").pem;
        let verdict = verify(&site, &pem, &chain(&authority, leaf), roots, "web.local");
        assert!(verdict.is_ok(), "{} {roots}: {verdict:?}", leaf.algorithm);
        let verdict = verify(&site, &pem, &chain(&authority, leaf), roots, "web.test");
        assert!(verdict.is_err(), "another host");
    }
}

#[test]
fn openssl_refuses_a_leaf_outside_the_constraints() {
    if !there() {
        return;
    }
    let (site, authority) = Site::with_authority();
    let pair = issue(&authority, &["web.internal"]);
    for (stem, leaf) in [("p256", &pair.ecdsa_p256), ("ed25519", &pair.ed25519)] {
        for name in ["bank.example", "8.8.8.8"] {
            let (der, _) = forge(&site, stem, name);
            let pem = inspect(&der).expect("a certificate").pem;
            let verdict = verify(&site, &pem, &chain(&authority, leaf), "ca.crt", name);
            let said = verdict.expect_err("refused");
            assert!(said.contains("permitted subtree violation"), "{said}");
        }
        // A private address would be permitted.
        let (der, _) = forge(&site, stem, "10.1.2.3");
        let pem = inspect(&der).expect("a certificate").pem;
        let verdict = verify(&site, &pem, &chain(&authority, leaf), "ca.crt", "10.1.2.3");
        assert!(verdict.is_ok(), "{verdict:?}");
    }
}

#[test]
fn openssl_agrees_on_fingerprints() {
    if !there() {
        return;
    }
    let (site, authority) = Site::with_authority();
    let root = &authority.roots()[0];
    let output = Command::new("openssl")
        .args(["x509", "-noout", "-fingerprint", "-sha256", "-in"])
        .arg(site.file("p256-root.crt"))
        .output()
        .expect("openssl runs");
    let said = String::from_utf8(output.stdout).expect("utf-8");
    let ours = conduit_tls::trust::with_colons(&root.fingerprint);
    assert!(said.trim().ends_with(&ours), "{said} {ours}");
}

/// What a thief of an intermediate's files could sign; its certificate and key.
pub(crate) fn forge(site: &Site, stem: &str, name: &str) -> (Vec<u8>, Vec<u8>) {
    let key = site.read(&format!("{stem}-intermediate.key"));
    let certificate = site.read(&format!("{stem}-intermediate.crt"));
    let key = rcgen::KeyPair::from_pem(&key).expect("a key");
    let issuer = rcgen::Issuer::from_ca_cert_pem(&certificate, key).expect("an issuer");
    let mut params = rcgen::CertificateParams::new([name.to_owned()]).expect("a name");
    params.use_authority_key_identifier_extension = true;
    params.is_ca = rcgen::IsCa::ExplicitNoCa;
    params.not_after = rcgen::date_time_ymd(2040, 1, 1);
    let leaf_key = rcgen::KeyPair::generate().expect("a key");
    let leaf = params.signed_by(&leaf_key, &issuer).expect("signed");
    (leaf.der().to_vec(), leaf_key.serialized_der().to_vec())
}

fn chain(authority: &Authority, leaf: &Leaf) -> String {
    let chain = authority.chain(&leaf.issuer).expect("known issuer");
    chain.iter().fold(String::new(), |mut pem, der| {
        let details = inspect(der).expect("a certificate");
        write!(pem, "{}", details.pem).expect("to memory");
        pem
    })
}

fn verify(site: &Site, leaf: &str, chain: &str, roots: &str, name: &str) -> Result<(), String> {
    site.write("leaf.pem", leaf);
    site.write("chain.pem", chain);
    let check =
        if name.parse::<std::net::IpAddr>().is_ok() { "-verify_ip" } else { "-verify_hostname" };
    let empty = Path::new("/dev/null");
    let output = Command::new("openssl")
        .args(["verify", "-x509_strict", "-purpose", "sslserver"])
        .args([check, name, "-no-CApath", "-no-CAstore", "-CAfile"])
        .arg(site.file(roots))
        .arg("-untrusted")
        .arg(site.file("chain.pem"))
        .arg(site.file("leaf.pem"))
        .env("OPENSSL_CONF", empty)
        .output()
        .expect("openssl runs");
    if output.status.success() {
        Ok(())
    } else {
        let mut said = String::from_utf8_lossy(&output.stderr).into_owned();
        said.push_str(&String::from_utf8_lossy(&output.stdout));
        Err(said)
    }
}

fn there() -> bool {
    let found = Command::new("openssl").arg("version").output().is_ok();
    if !found {
        let told = std::io::stderr().write_all(b"SKIPPED: the openssl command is not installed\n");
        drop(told);
    }
    found
}
