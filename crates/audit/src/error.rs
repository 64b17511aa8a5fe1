//! What can go wrong while the record is written or read.

use std::path::PathBuf;

/// An operation on the record that failed; each variant names the operation.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AuditError {
    /// The insert was refused: disk full, or the chain's head was not the one given.
    #[error("cannot append to the record")]
    Append(#[source] rusqlite::Error),
    /// The database changed again and again while it was being read without locks.
    #[error("{path} keeps changing while it is verified; run it again")]
    ChangedUnderfoot {
        /// The database.
        path: PathBuf,
    },
    /// The `capsules` table could not be created.
    #[error("cannot create the table of capsules")]
    CreateSchema(#[source] rusqlite::Error),
    /// The operating system gave no random bytes.
    #[error("cannot generate a seal key")]
    GenerateKey(#[source] getrandom::Error),
    /// A key file of the wrong size.
    #[error("{path} is not a seal key: it has {bytes} bytes, not 32; restore it from a backup")]
    KeyLength {
        /// The key file.
        path: PathBuf,
        /// How many bytes it has.
        bytes: usize,
    },
    /// A keyring without its private key: making a new one would hide that the old one is gone.
    #[error("{path} is missing although its keyring exists; restore it from a backup")]
    KeyMissing {
        /// Where the key should be.
        path: PathBuf,
    },
    /// The key is not the one that the keyring calls active.
    #[error("{path} does not name the seal key beside it as active; restore both from one backup")]
    KeyringMismatch {
        /// The keyring file.
        path: PathBuf,
    },
    /// A row that was read is not one of our capsules.
    #[error("entry {sequence} cannot be read: {reason}; run conduit audit verify")]
    MalformedEntry {
        /// The row's place in the chain.
        sequence: u64,
        /// What is wrong with it.
        reason: String,
    },
    /// There is no such database.
    #[error("{path} does not exist")]
    MissingDatabase {
        /// Where it should be.
        path: PathBuf,
    },
    /// There is neither a keyring nor a key to verify with.
    #[error("{dir} holds neither keyring.json nor key; nothing can be verified without them")]
    MissingKeyring {
        /// The directory of the seal.
        dir: PathBuf,
    },
    /// The database could not be opened for reading.
    #[error("cannot open {path}")]
    OpenDatabase {
        /// The database.
        path: PathBuf,
        /// Why.
        #[source]
        source: rusqlite::Error,
    },
    /// A file of the seal is not what it should be.
    #[error("{path} is damaged: {reason}; restore it from a backup")]
    ParseSeal {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The database file could not be examined.
    #[error("cannot read {path}")]
    ReadDatabase {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// Entries could not be read.
    #[error("cannot read the record")]
    ReadEntries(#[source] rusqlite::Error),
    /// A file of the seal could not be read.
    #[error("cannot read {path}")]
    ReadSeal {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// Details nested too deeply to be read back.
    #[error("the details of this entry are nested more than {max} levels deep")]
    TooDeep {
        /// The limit.
        max: usize,
    },
    /// An entry over the limit.
    #[error("this entry has {bytes} bytes, over the limit of {max}")]
    TooLarge {
        /// Its size.
        bytes: usize,
        /// The limit.
        max: usize,
    },
    /// The chain could not be read to its end.
    #[error("cannot read the chain while verifying it")]
    Verify(#[source] rusqlite::Error),
    /// A file of the seal could not be written.
    #[error("cannot write {path}")]
    WriteSeal {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
}

impl AuditError {
    /// The database's own error, when that is the cause: tells a full disk from a bug.
    pub fn sqlite(&self) -> Option<&rusqlite::Error> {
        match self {
            Self::Append(source)
            | Self::CreateSchema(source)
            | Self::OpenDatabase { source, .. }
            | Self::ReadEntries(source)
            | Self::Verify(source) => Some(source),
            _ => None,
        }
    }
}
