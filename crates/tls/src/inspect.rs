//! Reading a certificate for people.
//!
//! **Invariant:** any bytes are refused or described; text taken from a certificate carries no
//! control characters, so that printing it cannot drive a terminal.

use std::net::{Ipv4Addr, Ipv6Addr};

use aws_lc_rs::digest;
use conduit_core::clock::Timestamp;
use conduit_core::leaf::Fingerprint;
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::{GeneralName, ParsedExtension};
use x509_parser::prelude::FromDer;
use x509_parser::x509::SubjectPublicKeyInfo;

use crate::error::TlsError;

/// What a certificate says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateDetails {
    /// Whom it names, as `O=Clinic, CN=Conduit Root P-256 (1a2b3c4d)`.
    pub subject: String,
    /// Who signed it.
    pub issuer: String,
    /// Its number, in hexadecimal with colons.
    pub serial: String,
    /// Valid from.
    pub not_before: Timestamp,
    /// Valid until.
    pub not_after: Timestamp,
    /// Of its key: `ed25519`, `ecdsa-p256`, or the object identifier of another.
    pub algorithm: String,
    /// SHA-256 over all of it.
    pub fingerprint: Fingerprint,
    /// The names and addresses it is for.
    pub sans: Vec<String>,
    /// What its key may do, as `digitalSignature`.
    pub key_usages: Vec<&'static str>,
    /// For which purposes, as `serverAuth`.
    pub extended_key_usages: Vec<String>,
    /// Whether it may sign other certificates.
    pub is_authority: bool,
    /// How many intermediates may follow below it, when limited.
    pub path_length: Option<u32>,
    /// The names and networks it may sign for, when limited.
    pub permitted: Vec<String>,
    /// All of it, in PEM.
    pub pem: String,
}

/// Reads one certificate in DER.
///
/// # Errors
/// When the bytes are not exactly one certificate.
pub fn inspect(der: &[u8]) -> Result<CertificateDetails, TlsError> {
    let x509 = parse(der)?;
    let constraints = x509.basic_constraints().ok().flatten();
    Ok(CertificateDetails {
        subject: printable(&x509.subject().to_string()),
        issuer: printable(&x509.issuer().to_string()),
        serial: x509.raw_serial_as_string(),
        not_before: Timestamp::from_seconds(x509.validity().not_before.timestamp()),
        not_after: Timestamp::from_seconds(x509.validity().not_after.timestamp()),
        algorithm: algorithm(x509.public_key()),
        fingerprint: fingerprint(der),
        sans: sans(&x509),
        key_usages: key_usages(&x509),
        extended_key_usages: extended_key_usages(&x509),
        is_authority: x509.is_ca(),
        path_length: constraints.and_then(|c| c.value.path_len_constraint),
        permitted: permitted(&x509),
        pem: to_pem(CERTIFICATE_LABEL, der),
    })
}

/// SHA-256 over a certificate's DER.
pub fn fingerprint(der: &[u8]) -> Fingerprint {
    let mut bytes = [0; 32];
    bytes.copy_from_slice(digest::digest(&digest::SHA256, der).as_ref());
    Fingerprint(bytes)
}

pub(crate) fn parse(der: &[u8]) -> Result<X509Certificate<'_>, TlsError> {
    match X509Certificate::from_der(der) {
        Ok(([], x509)) => Ok(x509),
        Ok(_) => Err(TlsError::ParseCertificate("something follows it")),
        Err(_) => Err(TlsError::ParseCertificate("it is not X.509 in DER")),
    }
}

pub(crate) fn to_pem(label: &str, der: &[u8]) -> String {
    let config = pem::EncodeConfig::new().set_line_ending(pem::LineEnding::LF);
    pem::encode_config(&pem::Pem::new(label, der), config)
}

fn algorithm(key: &SubjectPublicKeyInfo<'_>) -> String {
    let oid = key.algorithm.algorithm.to_id_string();
    let curve = key
        .algorithm
        .parameters
        .as_ref()
        .and_then(|parameters| parameters.as_oid().ok())
        .map(|curve| curve.to_id_string());
    match (oid.as_str(), curve.as_deref()) {
        (ED25519_OID, _) => "ed25519".into(),
        (EC_KEY_OID, Some(P256_OID)) => "ecdsa-p256".into(),
        _ => oid,
    }
}

fn sans(x509: &X509Certificate<'_>) -> Vec<String> {
    let Ok(Some(extension)) = x509.subject_alternative_name() else {
        return Vec::new();
    };
    extension
        .value
        .general_names
        .iter()
        .map(|name| match name {
            GeneralName::DNSName(name) | GeneralName::RFC822Name(name) | GeneralName::URI(name) => {
                printable(name)
            }
            GeneralName::IPAddress(bytes) => network(bytes),
            other => printable(&other.to_string()),
        })
        .collect()
}

fn key_usages(x509: &X509Certificate<'_>) -> Vec<&'static str> {
    let Ok(Some(usage)) = x509.key_usage() else {
        return Vec::new();
    };
    KEY_USAGES
        .iter()
        .enumerate()
        .filter(|(bit, _)| usage.value.flags >> bit & 1 == 1)
        .map(|(_, name)| *name)
        .collect()
}

fn extended_key_usages(x509: &X509Certificate<'_>) -> Vec<String> {
    let Ok(Some(extension)) = x509.extended_key_usage() else {
        return Vec::new();
    };
    let usage = extension.value;
    let named = [
        (usage.any, "any"),
        (usage.server_auth, "serverAuth"),
        (usage.client_auth, "clientAuth"),
        (usage.code_signing, "codeSigning"),
        (usage.email_protection, "emailProtection"),
        (usage.time_stamping, "timeStamping"),
        (usage.ocsp_signing, "OCSPSigning"),
    ];
    named
        .into_iter()
        .filter(|(set, _)| *set)
        .map(|(_, name)| name.to_owned())
        .chain(usage.other.iter().map(|oid| oid.to_id_string()))
        .collect()
}

fn permitted(x509: &X509Certificate<'_>) -> Vec<String> {
    x509.iter_extensions()
        .filter_map(|extension| match extension.parsed_extension() {
            ParsedExtension::NameConstraints(constraints) => Some(constraints),
            _ => None,
        })
        .flat_map(|constraints| constraints.permitted_subtrees.iter().flatten())
        .map(|subtree| match &subtree.base {
            GeneralName::DNSName(name) => printable(name),
            GeneralName::IPAddress(bytes) => network(bytes),
            other => printable(&other.to_string()),
        })
        .collect()
}

/// An address, or an address with a mask, as RFC 5280 packs them.
fn network(bytes: &[u8]) -> String {
    let half = bytes.len() / 2;
    match bytes.len() {
        4 | 16 => address(bytes),
        8 | 32 => {
            let ones: u32 = bytes[half..].iter().map(|byte| byte.count_ones()).sum();
            format!("{}/{ones}", address(&bytes[..half]))
        }
        _ => hex::encode(bytes),
    }
}

fn address(bytes: &[u8]) -> String {
    if let Ok(v4) = <[u8; 4]>::try_from(bytes) {
        Ipv4Addr::from(v4).to_string()
    } else if let Ok(v6) = <[u8; 16]>::try_from(bytes) {
        Ipv6Addr::from(v6).to_string()
    } else {
        hex::encode(bytes)
    }
}

fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

/// In the order of their bits (RFC 5280, 4.2.1.3).
const KEY_USAGES: [&str; 9] = [
    "digitalSignature",
    "nonRepudiation",
    "keyEncipherment",
    "dataEncipherment",
    "keyAgreement",
    "keyCertSign",
    "cRLSign",
    "encipherOnly",
    "decipherOnly",
];
const ED25519_OID: &str = "1.3.101.112";
const EC_KEY_OID: &str = "1.2.840.10045.2.1";
const P256_OID: &str = "1.2.840.10045.3.1.7";
pub(crate) const CERTIFICATE_LABEL: &str = "CERTIFICATE";
