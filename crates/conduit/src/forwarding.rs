//! What forwarding is set up with, beyond what is written down: the roots that certificates of
//! forwarders are judged by, and the keys that their answers are.
//!
//! **Invariant:** without a forwarder that needs them, no root is read.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

use conduit_dns::dnssec::anchors::{AnchorPlace, Anchors};
use conduit_dns::dnssec::settings::Validation;
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
    if config.dns.dnssec.enabled {
        let anchors = anchors(&config.dns.dnssec.anchors)?;
        let insecure = config.dns.dnssec.insecure.clone();
        settings.validation = Some(Validation { anchors, insecure });
    }
    Ok(settings)
}

/// The root's own, unless others are written for the root.
fn anchors(places: &[AnchorPlace]) -> Result<Anchors, AppError> {
    let mut anchors = Anchors::default();
    for place in places {
        let path = match place {
            AnchorPlace::Line(_) => Path::new(""),
            AnchorPlace::File(path) => path,
        };
        let failed = |source| AppError::TrustAnchors { path: path.to_owned(), source };
        let lines = match place {
            AnchorPlace::Line(line) => line.clone(),
            AnchorPlace::File(path) => whole(path, ANCHORS_BYTES_MAX).map_err(failed)?,
        };
        let invalid = |reason| failed(io::Error::new(io::ErrorKind::InvalidData, reason));
        for (number, line) in lines.lines().enumerate() {
            let at = |reason| invalid(format!("line {}: {reason}", number + 1));
            anchors.add(line).map_err(at)?;
        }
        if anchors.is_empty() {
            return Err(invalid("there is no DS or DNSKEY in it".to_owned()));
        }
    }
    Ok(anchors.or_root())
}

fn trust(path: Option<&Path>) -> io::Result<Trust> {
    let pem = path.map(read).transpose()?.unwrap_or_default();
    Ok(Trust::new(roots::client(Some(&pem))?, pem.as_bytes()))
}

fn read(path: &Path) -> io::Result<String> {
    let pem = whole(path, ROOTS_BYTES_MAX)?;
    match CertificateDer::pem_slice_iter(pem.as_bytes()).any(|one| one.is_ok()) {
        true => Ok(pem),
        false => Err(io::Error::new(io::ErrorKind::InvalidData, "there is no certificate in it")),
    }
}

fn whole(path: &Path, bytes_max: u64) -> io::Result<String> {
    let mut text = String::new();
    File::open(path)?.take(bytes_max + 1).read_to_string(&mut text)?;
    match text.len() as u64 <= bytes_max {
        true => Ok(text),
        false => {
            let reason = format!("it is larger than {} KiB", bytes_max >> 10);
            Err(io::Error::new(io::ErrorKind::InvalidData, reason))
        }
    }
}

/// Of a file with trust anchors: one line for each key of the root, or of a few zones.
const ANCHORS_BYTES_MAX: u64 = 64 << 10;
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

    #[test]
    fn anchors_are_the_roots_own_unless_there_are_others() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("anchors");
        let with = |places: &str| {
            settings(&config(&format!(
                "[dns]\nforwarders = [\"192.0.2.1\"]\ndnssec = true\ntrust_anchors = [{places}]\n"
            )))
        };
        let told = |places: &str| {
            let validation = with(places).expect("right").validation.expect("on");
            validation.anchors.to_string()
        };
        assert_eq!(config("").dns.forward.validation, None);
        assert_eq!(told(""), ". 20326 38696");
        let digest = "00".repeat(32);
        let corp = format!("\"corp.example. IN DS 7 13 2 {digest}\"");
        assert_eq!(told(&corp), "corp.example. 7, . 20326 38696");
        let file = format!("{:?}", path.display().to_string());
        let error = with(&file).expect_err("it is missing").to_string();
        assert!(error.contains("anchors") && error.contains("dns.trust_anchors"), "{error}");
        for (text, is_right) in [
            (format!("; ours\n. IN DS 9 15 2 {digest}\n"), true),
            ("; nothing\n".to_owned(), false),
            (format!(". IN DS 9 15 2 {digest}\nnonsense\n"), false),
        ] {
            std::fs::write(&path, &text).expect("written");
            match is_right {
                true => assert_eq!(told(&format!("{file}, {corp}")), ". 9, corp.example. 7"),
                false => assert!(with(&file).is_err(), "{text}"),
            }
        }
    }

    /// Any well formed block; what is in it is judged when it is used.
    const PEM: &str = "-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n";
}
