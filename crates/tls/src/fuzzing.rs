//! What outsiders' bytes must not do to this crate.

use rustls_pki_types::CertificateDer;

use crate::inspect;
use crate::trust;

/// Any bytes are refused or described, and what is described prints safely and comes back whole.
///
/// # Panics
/// When a property does not hold.
pub fn certificate(data: &[u8]) {
    let Ok(details) = inspect::inspect(data) else {
        return;
    };
    let texts = [&details.subject, &details.issuer, &details.algorithm];
    for text in texts.into_iter().chain(&details.sans) {
        assert!(!text.chars().any(char::is_control), "{text:?}");
    }
    let back = trust::certificates(&details.pem).expect("our own PEM");
    assert_eq!(back.len(), 1);
    assert_eq!(back[0].as_ref(), data);
    assert_eq!(inspect::fingerprint(data), details.fingerprint);
}

/// Any text is refused or read as certificates, which written again are read as the same.
///
/// # Panics
/// When a property does not hold.
pub fn bundle(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    if let Ok(found) = trust::certificates(text) {
        assert!(!found.is_empty());
        let written = |der: &CertificateDer<'_>| inspect::to_pem(inspect::CERTIFICATE_LABEL, der);
        let written: String = found.iter().map(written).collect();
        let again = trust::certificates(&written).expect("our own PEM");
        assert_eq!(again, found);
    }
}

#[cfg(test)]
#[path = "../../../fuzz/replay.rs"]
mod replay;

#[cfg(test)]
mod tests {
    use super::replay::replay;
    use proptest::prelude::*;

    #[test]
    fn seeds_hold() {
        replay("certificate", super::certificate);
        replay("bundle", super::bundle);
    }

    proptest! {
        #[test]
        fn certificate(data in proptest::collection::vec(any::<u8>(), 0..600)) {
            super::certificate(&data);
        }

        #[test]
        fn bundle(data in proptest::collection::vec(any::<u8>(), 0..600)) {
            super::bundle(&data);
        }
    }
}
