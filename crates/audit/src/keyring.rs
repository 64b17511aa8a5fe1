//! The public keys that ever signed the record.
//!
//! **Invariant:** an entry verifies only against the key that it names. (The reference tool falls
//! back to the local key for unknown names; a judge should not.)

use std::path::Path;

use conduit_core::clock::Timestamp;
use ed25519_dalek::{Signature, VerifyingKey};
use serde::{Deserialize, Serialize};

use crate::capsule::iso;
use crate::error::AuditError;
use crate::file;
use crate::seal::{FINGERPRINT_DIGITS, SealKey};

/// Every key that has signed, the active one and the retired ones.
#[derive(Debug, Clone)]
pub struct Keyring {
    epochs: Vec<Epoch>,
    active: Option<usize>,
}

/// One key and the time during which it signed.
#[derive(Debug, Clone)]
struct Epoch {
    fingerprint: String,
    public_key_hex: String,
    key: VerifyingKey,
}

/// What a keyring says about a signature.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Judgement {
    Right,
    UnknownKey,
    Wrong,
}

impl Keyring {
    /// The keyring of one key that was never rotated.
    pub fn of(key: &SealKey) -> Self {
        Self {
            epochs: vec![Epoch {
                fingerprint: short_fingerprint(key),
                public_key_hex: key.public_key_hex().to_owned(),
                key: key.verifying_key(),
            }],
            active: Some(0),
        }
    }

    /// The keyring of a public key that nothing else is known of; `None` when it is no key.
    pub(crate) fn of_public_key(public_key_hex: &str) -> Option<Self> {
        let file = EpochFile {
            epoch: 0,
            algorithm: ALGORITHM.into(),
            public_key_hex: public_key_hex.into(),
            // Named by the whole key.
            fingerprint: public_key_hex.into(),
            created_at: None,
            rotated_at: None,
            status: "active".into(),
        };
        Some(Self { epochs: vec![Epoch::from_file(file).ok()?], active: Some(0) })
    }

    /// The keyring of a directory, or of the one key in it.
    ///
    /// # Errors
    /// When there is neither, or it is damaged.
    pub fn of_directory(dir: &Path) -> Result<Self, AuditError> {
        match Self::read(dir)? {
            Some(keyring) => Ok(keyring),
            None => SealKey::read(dir)?
                .map(|key| Self::of(&key))
                .ok_or_else(|| AuditError::MissingKeyring { dir: dir.to_owned() }),
        }
    }

    /// Reads the keyring of a directory; none when there is none.
    ///
    /// # Errors
    /// When the file cannot be read or is damaged.
    pub fn read(dir: &Path) -> Result<Option<Self>, AuditError> {
        let path = dir.join(KEYRING_FILE);
        let Some(text) = file::read(&path)? else {
            return Ok(None);
        };
        let parsed = serde_json::from_slice::<KeyringFile>(&text)
            .map_err(|error| error.to_string())
            .and_then(Self::from_file);
        parsed.map(Some).map_err(|reason| AuditError::ParseSeal { path, reason })
    }

    /// The public key that signs now, 64 hexadecimal digits.
    pub fn active_public_key_hex(&self) -> Option<&str> {
        let epoch = self.epochs.get(self.active?)?;
        Some(&epoch.public_key_hex)
    }

    /// Writes the keyring of a key that was just made.
    pub(crate) fn create(dir: &Path, key: &SealKey, now: Timestamp) -> Result<Self, AuditError> {
        let contents = KeyringFile {
            version: KEYRING_VERSION,
            active_epoch: 0,
            epochs: vec![EpochFile {
                epoch: 0,
                algorithm: ALGORITHM.into(),
                public_key_hex: key.public_key_hex().into(),
                fingerprint: short_fingerprint(key),
                created_at: Some(iso(now)),
                rotated_at: None,
                status: "active".into(),
            }],
        };
        let path = dir.join(KEYRING_FILE);
        let mut text = serde_json::to_string_pretty(&contents).map_err(|error| {
            AuditError::ParseSeal { path: path.clone(), reason: error.to_string() }
        })?;
        text.push('\n');
        file::write(&path, text.as_bytes())?;
        Ok(Self::of(key))
    }

    /// Judges a signature over a hash by the key that the entry names: its short fingerprint or
    /// the first 16 digits of the public key. Short fingerprints can collide, so any match will do.
    pub(crate) fn judge(&self, signed_by: &str, hash: &str, signature: &str) -> Judgement {
        let mut named = self.epochs.iter().filter(|epoch| epoch.is_named(signed_by)).peekable();
        if named.peek().is_none() {
            return Judgement::UnknownKey;
        }
        let Some(signature) = parse_signature(signature) else {
            return Judgement::Wrong;
        };
        if named.any(|epoch| epoch.key.verify_strict(hash.as_bytes(), &signature).is_ok()) {
            Judgement::Right
        } else {
            Judgement::Wrong
        }
    }

    /// The public key that made a signature, or the first of that name, in hexadecimal.
    pub(crate) fn key_of(&self, signed_by: &str, hash: &str, signature: &str) -> Option<&str> {
        let named = || self.epochs.iter().filter(|epoch| epoch.is_named(signed_by));
        let parsed = parse_signature(signature);
        let made = |epoch: &&Epoch| {
            let verified = parsed.map(|s| epoch.key.verify_strict(hash.as_bytes(), &s));
            verified.is_some_and(|verified| verified.is_ok())
        };
        let found = named().find(made).or_else(|| named().next());
        found.map(|epoch| epoch.public_key_hex.as_str())
    }

    fn from_file(file: KeyringFile) -> Result<Self, String> {
        if file.version != KEYRING_VERSION {
            return Err(format!("its version is {}, not 1", file.version));
        }
        let active = file
            .epochs
            .iter()
            .position(|epoch| epoch.epoch == file.active_epoch && epoch.status == "active");
        let epochs =
            file.epochs.into_iter().map(Epoch::from_file).collect::<Result<Vec<_>, _>>()?;
        Ok(Self { epochs, active })
    }
}

impl Epoch {
    fn from_file(file: EpochFile) -> Result<Self, String> {
        if file.algorithm != ALGORITHM {
            return Err(format!("epoch {} is not {ALGORITHM}", file.epoch));
        }
        let mut bytes = [0; 32];
        hex::decode_to_slice(&file.public_key_hex, &mut bytes)
            .ok()
            .and_then(|()| VerifyingKey::from_bytes(&bytes).ok())
            .map(|key| Self {
                fingerprint: file.fingerprint,
                public_key_hex: hex::encode(bytes),
                key,
            })
            .ok_or_else(|| format!("epoch {} has no valid public key", file.epoch))
    }

    fn is_named(&self, signed_by: &str) -> bool {
        signed_by == self.fingerprint || signed_by == &self.public_key_hex[..FINGERPRINT_DIGITS]
    }
}

/// Signatures are written in lower case; accepting both would leave a bit to flip.
fn parse_signature(text: &str) -> Option<Signature> {
    let mut bytes = [0; Signature::BYTE_SIZE];
    hex::decode_to_slice(text, &mut bytes).ok()?;
    (hex::encode(bytes) == text).then(|| Signature::from_bytes(&bytes))
}

/// How the reference tool names a key in a keyring.
fn short_fingerprint(key: &SealKey) -> String {
    format!("qp_key_{}", &key.public_key_hex()[..4])
}

/// `keyring.json`, in the reference tool's shape.
#[derive(Serialize, Deserialize)]
struct KeyringFile {
    version: u32,
    active_epoch: u64,
    epochs: Vec<EpochFile>,
}

#[derive(Serialize, Deserialize)]
struct EpochFile {
    epoch: u64,
    algorithm: String,
    public_key_hex: String,
    fingerprint: String,
    created_at: Option<String>,
    rotated_at: Option<String>,
    status: String,
}

/// The keyring's file.
pub const KEYRING_FILE: &str = "keyring.json";
const KEYRING_VERSION: u32 = 1;
const ALGORITHM: &str = "ed25519";
