//! Why a forwarder cannot be reached safely, in words that say what to do.

use std::io;

use rustls::{AlertDescription, CertificateError, Error};

/// The reason behind a failed connection or handshake.
pub(super) fn of(error: &io::Error) -> String {
    match error.get_ref().and_then(|inner| inner.downcast_ref::<Error>()) {
        Some(Error::InvalidCertificate(error)) => of_certificate(error),
        Some(Error::InvalidMessage(_)) => "it does not speak TLS there".to_owned(),
        Some(Error::AlertReceived(AlertDescription::NoApplicationProtocol)) => {
            "it speaks another protocol over TLS there".to_owned()
        }
        Some(Error::AlertReceived(alert)) => format!("it refused the handshake ({alert:?})"),
        Some(other) => other.to_string(),
        None if error.kind() == io::ErrorKind::UnexpectedEof => {
            "it closed the connection during the handshake".to_owned()
        }
        None => error.to_string(),
    }
}

fn of_certificate(error: &CertificateError) -> String {
    match error {
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            "its certificate has expired; compare the clocks".to_owned()
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            "its certificate is not valid yet; compare the clocks".to_owned()
        }
        CertificateError::NotValidForNameContext { expected, presented } => {
            let names: Vec<&str> =
                presented.iter().take(NAMES_MAX).map(|name| bare(name)).collect();
            let names = if names.is_empty() { "nobody".to_owned() } else { names.join(", ") };
            let expected = expected.to_str();
            format!("its certificate is for {names}, not {expected}; write the name after #")
        }
        // The second when its issuer has the name of a root that is known.
        CertificateError::UnknownIssuer | CertificateError::BadSignature => {
            "its certificate is of an issuer that is not known; name a file with its root in \
             dns.forward_ca"
                .to_owned()
        }
        // The library has no variant for it; self-signed certificates are often made like this.
        CertificateError::Other(other) if other.to_string().contains("CaUsedAsEndEntity") => {
            "its certificate is a root's own; make it one of a server (basicConstraints=CA:FALSE)"
                .to_owned()
        }
        other => format!("its certificate is not acceptable: {other}"),
    }
}

/// `a.example` of `DnsName("a.example")`.
fn bare(name: &str) -> &str {
    name.split_once('(').map_or(name, |(_, name)| name).trim_matches(['"', ')'])
}

/// Names of a certificate that are told.
const NAMES_MAX: usize = 4;
