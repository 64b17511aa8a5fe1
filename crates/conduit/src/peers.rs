//! Who copies and changes our zones, with the secrets of their keys.

use std::sync::Arc;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use conduit_dns::peers::{Keyholder, Peers};
use conduit_dns::tsig::Key;
use conduit_dns::update::Updates;

use crate::config::{DnsKey, DnsPeers};
use crate::error::AppError;

/// As configured; the secrets are read now.
///
/// # Errors
/// When a secret cannot be had.
pub(crate) fn peers(config: &DnsPeers, updates: Option<Updates>) -> Result<Peers, AppError> {
    Ok(Peers {
        transfer_to: config.transfer_to.clone(),
        notify: config.notify.clone(),
        keys: config.keys.iter().map(keyholder).collect::<Result<_, _>>()?,
        updates,
    })
}

fn keyholder(given: &DnsKey) -> Result<Keyholder, AppError> {
    let failed = |reason| AppError::DnsKey { name: given.name.to_string(), reason };
    let secret = given.secret.read_now().map_err(|error| failed(error.to_string()))?;
    let secret = BASE64_STANDARD.decode(secret.reveal()).map_err(|_| {
        failed(format!("{} is not base 64; `openssl rand -base64 32` makes a secret", given.secret))
    })?;
    if secret.len() < SECRET_BYTES_MIN {
        return Err(failed(format!(
            "{} is too short; `openssl rand -base64 32` makes a secret",
            given.secret
        )));
    }
    Ok(Keyholder {
        key: Arc::new(Key::new(given.name.clone(), given.algorithm, &secret)),
        transfer: given.transfer,
        update: given.update.clone(),
    })
}

/// What nobody guesses.
const SECRET_BYTES_MIN: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;
    use conduit_core::record::name::RecordName;
    use conduit_dns::tsig::Algorithm;
    use conduit_monitor::secret::SecretFrom;

    #[test]
    fn a_secret_is_base_64_and_long_enough() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("key");
        let key = DnsKey {
            name: RecordName::parse("secondary").expect("valid"),
            algorithm: Algorithm::HmacSha256,
            secret: SecretFrom::File(path.clone()),
            transfer: true,
            update: Vec::new(),
        };
        let config = DnsPeers { keys: vec![key], ..DnsPeers::default() };
        for (text, expected) in [
            (None, Some("cannot be read")),
            (Some("not base 64"), Some("is not base 64")),
            (Some("c2hvcnQ="), Some("is too short")),
            (Some("MDEyMzQ1Njc4OWFiY2RlZg==\n"), None),
        ] {
            if let Some(text) = text {
                std::fs::write(&path, text).expect("written");
            }
            let found = peers(&config, None).err().map(|error| error.to_string());
            match expected {
                None => assert_eq!(found, None),
                Some(part) => {
                    let found = found.expect(part);
                    assert!(found.contains(part) && found.contains("secondary"), "{found}");
                }
            }
        }
    }
}
