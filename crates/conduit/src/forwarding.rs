//! What forwarding is set up with, beyond what is written down: the roots that certificates of
//! forwarders are judged by.
//!
//! **Invariant:** without a forwarder that needs them, no root is read.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

use conduit_dns::forward::settings::ForwardSettings;
use conduit_dns::forward::trust::Trust;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;

use crate::config::Config;
use crate::error::AppError;
use crate::roots;

/// As configured, with the system's roots and those of `dns.forward_ca`.
///
/// # Errors
/// When that file cannot be read, or holds no certificate.
pub(crate) fn settings(config: &Config) -> Result<ForwardSettings, AppError> {
    let mut settings = config.dns.forward.clone();
    if settings.servers().iter().any(|server| server.is_encrypted()) {
        let path = config.dns.forward_ca.as_deref();
        let failed = |source| AppError::ForwardCa { path: path.map(Path::to_owned), source };
        settings.trust = Some(trust(path).map_err(failed)?);
    }
    Ok(settings)
}

fn trust(path: Option<&Path>) -> io::Result<Trust> {
    let pem = path.map(read).transpose()?.unwrap_or_default();
    Ok(Trust::new(roots::client(Some(&pem))?, pem.as_bytes()))
}

fn read(path: &Path) -> io::Result<String> {
    let mut pem = String::new();
    File::open(path)?.take(ROOTS_BYTES_MAX + 1).read_to_string(&mut pem)?;
    let invalid = |reason| Err(io::Error::new(io::ErrorKind::InvalidData, reason));
    if pem.len() as u64 > ROOTS_BYTES_MAX {
        return invalid("it is larger than 4 MiB");
    }
    match CertificateDer::pem_slice_iter(pem.as_bytes()).any(|one| one.is_ok()) {
        true => Ok(pem),
        false => invalid("there is no certificate in it"),
    }
}

/// Of the file with roots; the system's own have a few hundred KiB.
const ROOTS_BYTES_MAX: u64 = 4 << 20;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Surroundings;

    fn config(text: &str) -> Config {
        Config::parse(text, &Surroundings::of_this_process()).expect("valid")
    }

    #[test]
    fn roots_are_read_only_for_who_needs_them_and_must_be_some() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("roots.pem");
        let with = |server: &str| {
            let path = path.display();
            settings(&config(&format!(
                "[dns]\nforwarders = [{server:?}]\nforward_ca = \"{path}\"\n"
            )))
        };
        assert_eq!(with("192.0.2.1").expect("nothing to read").trust, None);
        let secure = "tls://192.0.2.1#dns.example";
        let error = with(secure).expect_err("it is missing").to_string();
        assert!(error.contains("roots.pem") && error.contains("dns.forward_ca"), "{error}");
        std::fs::write(&path, "no certificate").expect("written");
        assert!(with(secure).is_err());
        std::fs::write(&path, PEM).expect("written");
        let first = with(secure).expect("read");
        assert!(first.trust.is_some());
        assert_eq!(first, with(secure).expect("read"), "the same roots");
        std::fs::write(&path, format!("{PEM}\n")).expect("written");
        assert_ne!(first, with(secure).expect("read"), "others");
    }

    /// Any well formed block; what is in it is judged when it is used.
    const PEM: &str = "-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n";
}
