//! Requests for certificates, as others send them (PKCS #10, RFC 2986).
//!
//! **Invariant:** a request that is one here was signed by the key that it is for, and that key is
//! strong enough. What it asks for beside names is not looked at: we say what certificates hold.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use conduit_core::name::Host;
use rcgen::SubjectPublicKeyInfo;
use rustls_pki_types::CertificateSigningRequestDer;
use rustls_pki_types::pem::PemObject;
use x509_parser::certification_request::X509CertificationRequest;
use x509_parser::extensions::{GeneralName, ParsedExtension};
use x509_parser::prelude::FromDer;
use x509_parser::public_key::PublicKey;

use crate::error::TlsError;

/// A request that was checked.
#[derive(Debug)]
pub struct CertificateRequest {
    key: SubjectPublicKeyInfo,
    subject: Option<String>,
    hosts: Vec<Host>,
    addresses: Vec<IpAddr>,
}

impl CertificateRequest {
    /// Reads a request in PEM or in DER.
    ///
    /// # Errors
    /// As [`Self::parse`], and when the PEM is broken.
    pub fn read(bytes: &[u8]) -> Result<(Self, Vec<u8>), TlsError> {
        if bytes.len() > REQUEST_BYTES_MAX {
            return Err(TlsError::Request("is too long"));
        }
        let der = if bytes.trim_ascii_start().starts_with(b"-----BEGIN") {
            let der = CertificateSigningRequestDer::from_pem_slice(bytes)
                .map_err(|_| TlsError::Request("is no certificate request in PEM"))?;
            der.as_ref().to_vec()
        } else {
            bytes.to_vec()
        };
        Ok((Self::parse(&der)?, der))
    }

    /// Reads a request in DER.
    ///
    /// # Errors
    /// When it is none, is too long, was not signed by its own key, has a key that is too weak or of
    /// a kind that is not supported, or names something that is neither a host nor an address.
    pub fn parse(der: &[u8]) -> Result<Self, TlsError> {
        if der.len() > REQUEST_BYTES_MAX {
            return Err(TlsError::Request("is too long"));
        }
        let Ok(([], request)) = X509CertificationRequest::from_der(der) else {
            return Err(TlsError::Request("is no certificate request in DER (PKCS #10)"));
        };
        let info = &request.certification_request_info;
        check_strength(&info.subject_pki)?;
        if request.verify_signature().is_err() {
            return Err(TlsError::Request("is not signed by the key that it is for"));
        }
        let key = SubjectPublicKeyInfo::from_der(info.subject_pki.raw)
            .map_err(|_| TlsError::Request(UNSUPPORTED_KEY))?;
        let subject = info.subject.iter_common_name().next();
        let subject = subject.map(|name| name.as_str().map(str::to_owned)).transpose();
        let mut parsed = Self {
            key,
            subject: subject.map_err(|_| TlsError::Request("has a common name that is no text"))?,
            hosts: Vec::new(),
            addresses: Vec::new(),
        };
        for extension in request.requested_extensions().into_iter().flatten() {
            // What else it asks for is simply not granted.
            if let ParsedExtension::SubjectAlternativeName(names) = extension {
                names.general_names.iter().try_for_each(|name| parsed.add(name))?;
            }
        }
        Ok(parsed)
    }

    /// The common name that it asks for, if any.
    pub fn subject(&self) -> Option<&str> {
        self.subject.as_deref()
    }

    /// The hosts that it asks for, each once.
    pub fn hosts(&self) -> &[Host] {
        &self.hosts
    }

    /// The addresses that it asks for, each once.
    pub fn addresses(&self) -> &[IpAddr] {
        &self.addresses
    }

    pub(crate) fn key(&self) -> &SubjectPublicKeyInfo {
        &self.key
    }

    fn add(&mut self, name: &GeneralName<'_>) -> Result<(), TlsError> {
        if self.hosts.len() + self.addresses.len() >= NAMES_MAX {
            return Err(TlsError::Request("asks for too many names"));
        }
        match name {
            GeneralName::DNSName(text) => {
                let host = Host::parse(text)
                    .map_err(|_| TlsError::Request("asks for something that is no host name"))?;
                if !self.hosts.contains(&host) {
                    self.hosts.push(host);
                }
            }
            GeneralName::IPAddress(bytes) => {
                let address = address(bytes)
                    .ok_or(TlsError::Request("asks for something that is no address"))?;
                if !self.addresses.contains(&address) {
                    self.addresses.push(address);
                }
            }
            // Who somebody is, is ours to say.
            _ => {}
        }
        Ok(())
    }
}

fn address(bytes: &[u8]) -> Option<IpAddr> {
    match bytes.len() {
        4 => <[u8; 4]>::try_from(bytes).ok().map(|b| IpAddr::V4(Ipv4Addr::from(b))),
        16 => <[u8; 16]>::try_from(bytes).ok().map(|b| IpAddr::V6(Ipv6Addr::from(b))),
        _ => None,
    }
}

/// RSA from 2048 bits on, with an exponent that is not tiny; the curves that rcgen knows.
fn check_strength(key: &x509_parser::x509::SubjectPublicKeyInfo<'_>) -> Result<(), TlsError> {
    match key.parsed() {
        Ok(PublicKey::RSA(rsa)) => {
            let exponent = rsa.try_exponent().unwrap_or(0);
            if !(RSA_BITS_MIN..=RSA_BITS_MAX).contains(&rsa.key_size()) {
                return Err(TlsError::Request(
                    "has an RSA key of less than 2048 or over 8192 bits",
                ));
            }
            if exponent < RSA_EXPONENT_MIN || exponent % 2 == 0 {
                return Err(TlsError::Request("has an RSA key with a weak exponent"));
            }
            Ok(())
        }
        Ok(PublicKey::EC(_)) => Ok(()),
        // Ed25519 among them; rcgen judges.
        Ok(PublicKey::Unknown(_)) => Ok(()),
        Ok(_) | Err(_) => Err(TlsError::Request(UNSUPPORTED_KEY)),
    }
}

const UNSUPPORTED_KEY: &str =
    "has a key of a kind that is not supported; use ECDSA (P-256, P-384), Ed25519 or RSA";
/// Far more than any request with as many names as there may be.
const REQUEST_BYTES_MAX: usize = 64 * 1024;
/// As for leaves: more would not fit a handshake well.
const NAMES_MAX: usize = 100;
/// NIST SP 800-57, as the CA/Browser Forum asks for.
const RSA_BITS_MIN: usize = 2048;
/// Verifying larger ones costs whoever verifies too much.
const RSA_BITS_MAX: usize = 8192;
const RSA_EXPONENT_MIN: u64 = 65_537;
