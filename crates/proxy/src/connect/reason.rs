//! Why TLS to an upstream failed, in words that say what to do.

use std::io;

use rustls::{AlertDescription, CertificateError, Error};

use super::verify::NotPinned;

/// The reason behind a failed handshake.
pub(super) fn of(error: &io::Error) -> String {
    match error.get_ref().and_then(|inner| inner.downcast_ref::<Error>()) {
        Some(error) => of_tls(error),
        None if error.kind() == io::ErrorKind::UnexpectedEof => {
            "it closed the connection during the handshake".to_owned()
        }
        None => error.to_string(),
    }
}

fn of_tls(error: &Error) -> String {
    match error {
        Error::InvalidCertificate(error) => of_certificate(error),
        Error::InvalidMessage(_) => {
            "it does not speak TLS; register it with --protocol http".to_owned()
        }
        Error::AlertReceived(AlertDescription::NoApplicationProtocol) => {
            "it speaks none of the versions of HTTP that were offered".to_owned()
        }
        Error::AlertReceived(AlertDescription::CertificateRequired) => {
            "it asks for a client certificate".to_owned()
        }
        Error::AlertReceived(alert) => format!("it refused the handshake ({alert:?})"),
        Error::PeerIncompatible(why) => format!("it has no TLS in common with us ({why:?})"),
        other => other.to_string(),
    }
}

fn of_certificate(error: &CertificateError) -> String {
    match error {
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            "certificate expired".to_owned()
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            "certificate not valid yet; compare the clocks".to_owned()
        }
        CertificateError::NotValidForName => {
            "name mismatch; set upstream.server_name to a name in the certificate".to_owned()
        }
        CertificateError::NotValidForNameContext { expected, presented } => {
            let names = match &presented[..] {
                [] => "nobody".to_owned(),
                names => names.iter().take(NAMES_MAX).map(bare).collect::<Vec<_>>().join(", "),
            };
            format!(
                "name mismatch: the certificate is for {names}, not {}; set upstream.server_name",
                expected.to_str()
            )
        }
        CertificateError::UnknownIssuer => {
            "unknown issuer; set upstream.tls or add its CA to the system's roots".to_owned()
        }
        CertificateError::Other(other) if other.0.is::<NotPinned>() => other.to_string(),
        other => format!("certificate not acceptable: {other}; set upstream.tls to trust it"),
    }
}

/// `a.example` of `DnsName("a.example")`.
fn bare(name: &String) -> &str {
    name.split_once('(').map_or(&**name, |(_, name)| name).trim_matches(['"', ')'])
}

/// Names of a certificate that are told.
const NAMES_MAX: usize = 4;

#[cfg(test)]
mod tests {
    use rustls::pki_types::ServerName;

    use super::*;

    #[test]
    fn reasons_say_what_to_do() {
        let reason = |error: Error| of(&io::Error::new(io::ErrorKind::InvalidData, error));
        let certificate = |error| reason(Error::InvalidCertificate(error));
        assert_eq!(certificate(CertificateError::Expired), "certificate expired");
        assert!(certificate(CertificateError::UnknownIssuer).contains("set upstream.tls"));
        let mismatch = CertificateError::NotValidForNameContext {
            expected: ServerName::try_from("a.example").expect("a name").to_owned(),
            presented: vec!["DnsName(\"b.example\")".to_owned()],
        };
        let text = certificate(mismatch);
        let expected = "name mismatch: the certificate is for b.example, not a.example";
        assert!(text.starts_with(expected), "{text}");
        let alert = Error::AlertReceived(AlertDescription::ProtocolVersion);
        assert_eq!(reason(alert), "it refused the handshake (ProtocolVersion)");
        let cut = io::Error::from(io::ErrorKind::UnexpectedEof);
        assert_eq!(of(&cut), "it closed the connection during the handshake");
    }
}
