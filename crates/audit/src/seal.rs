//! The key that signs the record.
//!
//! **Invariant:** a key is made only where there is neither a key nor a keyring: one that got lost
//! is reported, never replaced.

use std::fmt;
use std::io::ErrorKind;
use std::path::Path;

use conduit_core::clock::Timestamp;
use ed25519_dalek::{Signer, SigningKey, VerifyingKey};
use zeroize::Zeroizing;

use crate::error::AuditError;
use crate::file;
use crate::keyring::{KEYRING_FILE, Keyring};

/// An Ed25519 key; it is wiped from memory when dropped, and `Debug` shows only its fingerprint.
#[derive(Clone)]
pub struct SealKey {
    key: SigningKey,
    public_key_hex: String,
}

impl SealKey {
    /// Opens the key in a directory, or makes one, with its keyring, when there is none; says
    /// whether it was made.
    ///
    /// # Errors
    /// When the files cannot be read or written, are damaged, or do not belong together.
    pub fn open_or_create(dir: &Path) -> Result<(Self, bool), AuditError> {
        if let Some(key) = Self::read(dir)? {
            key.settle_keyring(dir)?;
            return Ok((key, false));
        }
        if dir.join(KEYRING_FILE).exists() {
            return Err(AuditError::KeyMissing { path: dir.join(KEY_FILE) });
        }
        file::create_dir(dir)?;
        let mut seed = Zeroizing::new([0; SEED_BYTES]);
        getrandom::fill(seed.as_mut()).map_err(AuditError::GenerateKey)?;
        let key = Self::from_seed(&seed);
        file::write(&dir.join(KEY_FILE), seed.as_ref())?;
        key.settle_keyring(dir)?;
        Ok((key, true))
    }

    /// Opens the key in a directory.
    ///
    /// # Errors
    /// When there is none, or as [`SealKey::open_or_create`].
    pub fn open(dir: &Path) -> Result<Self, AuditError> {
        let key =
            Self::read(dir)?.ok_or_else(|| AuditError::KeyMissing { path: dir.join(KEY_FILE) })?;
        if let Some(keyring) = Keyring::read(dir)? {
            key.check_keyring(&keyring, dir)?;
        }
        Ok(key)
    }

    /// The key of this seed; for vectors, which need a known one.
    pub fn from_seed(seed: &[u8; SEED_BYTES]) -> Self {
        let key = SigningKey::from_bytes(seed);
        Self { public_key_hex: hex::encode(key.verifying_key().to_bytes()), key }
    }

    /// The public key, 64 hexadecimal digits.
    pub fn public_key_hex(&self) -> &str {
        &self.public_key_hex
    }

    /// The first 16 digits of the public key: what an entry says it was signed by.
    pub fn fingerprint(&self) -> &str {
        &self.public_key_hex[..FINGERPRINT_DIGITS]
    }

    /// Signs a capsule's hash (its 64 digits, not the bytes they stand for); 128 digits.
    pub fn sign(&self, hash: &str) -> String {
        hex::encode(self.key.sign(hash.as_bytes()).to_bytes())
    }

    pub(crate) fn verifying_key(&self) -> VerifyingKey {
        self.key.verifying_key()
    }

    /// Reads the key file alone; none when there is none.
    pub(crate) fn read(dir: &Path) -> Result<Option<Self>, AuditError> {
        let path = dir.join(KEY_FILE);
        let bytes = match std::fs::read(&path) {
            Ok(bytes) => Zeroizing::new(bytes),
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(AuditError::ReadSeal { path, source }),
        };
        let seed: &[u8; SEED_BYTES] = bytes
            .as_slice()
            .try_into()
            .map_err(|_| AuditError::KeyLength { path, bytes: bytes.len() })?;
        Ok(Some(Self::from_seed(seed)))
    }

    /// Writes the keyring where a crash left none, and checks it where there is one.
    fn settle_keyring(&self, dir: &Path) -> Result<(), AuditError> {
        match Keyring::read(dir)? {
            Some(keyring) => self.check_keyring(&keyring, dir),
            None => Keyring::create(dir, self, Timestamp::now()).map(drop),
        }
    }

    fn check_keyring(&self, keyring: &Keyring, dir: &Path) -> Result<(), AuditError> {
        if keyring.active_public_key_hex() == Some(self.public_key_hex()) {
            return Ok(());
        }
        Err(AuditError::KeyringMismatch { path: dir.join(KEYRING_FILE) })
    }
}

impl fmt::Debug for SealKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SealKey").field(&self.fingerprint()).finish()
    }
}

/// The private key's file: 32 raw bytes.
pub const KEY_FILE: &str = "key";
/// Bytes of an Ed25519 seed.
const SEED_BYTES: usize = 32;
/// Digits of the public key in a fingerprint.
pub(crate) const FINGERPRINT_DIGITS: usize = 16;
