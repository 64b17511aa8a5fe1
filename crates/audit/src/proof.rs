//! One entry with everything that shows it was sealed, for somebody who has not got the record.
//!
//! **Invariant:** a proof is judged by what it holds alone. Whether its key is the site's is for
//! whoever judges it: they compare it with one that they got another way.

use std::path::Path;

use rusqlite::{Connection, OptionalExtension};

use crate::capsule::{self, Document};
use crate::entry::Entry;
use crate::error::AuditError;
use crate::keyring::{Judgement, Keyring};
use crate::readonly;
use crate::row::{SELECT_ONE, StoredRow};
use crate::verify::Fault;

/// An entry as it was sealed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sealed {
    /// The capsule's document: what the hash is of.
    pub document: String,
    /// SHA3-256 of its canonical form, in hexadecimal.
    pub hash: String,
    /// Ed25519, over the hash's digits, in hexadecimal.
    pub signature: String,
    /// The key that made it, in hexadecimal; empty when the keyring has none of that name.
    pub public_key: String,
}

/// An entry, and the one that was sealed over it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proof {
    /// The entry.
    pub entry: Sealed,
    /// The entry after it, which holds its hash; `None` while it is the newest.
    pub next: Option<Sealed>,
}

/// What a proof shows.
#[derive(Debug, Clone, PartialEq)]
pub struct Shown {
    /// The entry that it is about.
    pub entry: Entry,
    /// The key that sealed it, in hexadecimal.
    pub public_key: String,
    /// Whether the next entry is there and seals this one's place.
    pub is_followed: bool,
}

impl Proof {
    /// Makes the proof of an entry of an open database; `None` when there is no such entry.
    ///
    /// # Errors
    /// When the table cannot be read.
    pub fn of(
        connection: &Connection,
        keyring: &Keyring,
        sequence: u64,
    ) -> Result<Option<Self>, AuditError> {
        let sealed = |sequence: u64| -> Result<Option<Sealed>, AuditError> {
            let sequence = i64::try_from(sequence).unwrap_or(i64::MAX);
            let row = connection.query_row(SELECT_ONE, [sequence], StoredRow::read).optional();
            let row = row.map_err(AuditError::Verify)?;
            Ok(row.map(|row| Sealed::of(row, keyring)))
        };
        let Some(entry) = sealed(sequence)? else {
            return Ok(None);
        };
        Ok(Some(Self { entry, next: sealed(sequence.saturating_add(1))? }))
    }

    /// Like [`Proof::of`], in a database file with the keyring in `seal_dir`; reads only.
    ///
    /// # Errors
    /// When a file is missing or cannot be read.
    pub fn from_file(
        db: &Path,
        seal_dir: &Path,
        sequence: u64,
    ) -> Result<Option<Self>, AuditError> {
        let keyring = Keyring::of_directory(seal_dir)?;
        readonly::with(db, |connection| Self::of(connection, &keyring, sequence))
    }

    /// Judges it.
    ///
    /// # Errors
    /// What is wrong: in the entry, or, with `Fault::Link`, in how the next one follows it.
    pub fn judge(&self) -> Result<Shown, Fault> {
        let document = self.entry.judge()?;
        let sequence = document.get("sequence").as_u64();
        let sequence = sequence.ok_or_else(|| Fault::Document("it has no sequence".into()))?;
        let entry = document.to_entry(sequence, &self.entry.hash);
        let entry = entry.map_err(|error| Fault::Document(error.to_string()))?;
        if let Some(next) = &self.next {
            let after = next.judge()?;
            let follows = after.get("previous_hash").as_str() == Some(&self.entry.hash)
                && after.get("sequence").as_u64() == sequence.checked_add(1);
            if !follows {
                return Err(Fault::Link);
            }
        }
        Ok(Shown {
            entry,
            public_key: self.entry.public_key.clone(),
            is_followed: self.next.is_some(),
        })
    }
}

impl Sealed {
    fn of(row: StoredRow, keyring: &Keyring) -> Self {
        let key = keyring.key_of(&row.signed_by, &row.hash, &row.signature);
        Self {
            document: row.data.unwrap_or_default(),
            public_key: key.unwrap_or_default().to_owned(),
            hash: row.hash,
            signature: row.signature,
        }
    }

    fn judge(&self) -> Result<Document, Fault> {
        let document = Document::parse(&self.document);
        let document = document.map_err(|error| Fault::Document(error.to_string()))?;
        if capsule::hash(&document.canonical()) != self.hash {
            return Err(Fault::Hash);
        }
        let unknown = || Fault::UnknownKey(self.public_key.chars().take(KEY_DIGITS).collect());
        let keyring = Keyring::of_public_key(&self.public_key).ok_or_else(unknown)?;
        match keyring.judge(&self.public_key, &self.hash, &self.signature) {
            Judgement::Right => Ok(document),
            Judgement::Wrong | Judgement::UnknownKey => Err(Fault::Signature),
        }
    }
}

/// Hexadecimal digits of a public key.
const KEY_DIGITS: usize = 64;

#[cfg(test)]
mod tests {
    use conduit_core::actor::Actor;
    use conduit_core::clock::Timestamp;
    use serde_json::Map;

    use super::*;
    use crate::action::Action;
    use crate::entry::{Draft, Head, Status};
    use crate::seal::SealKey;
    use crate::store;

    fn record(entries: u64) -> (Connection, Keyring) {
        let mut connection = Connection::open_in_memory().expect("a database");
        store::create_schema(&connection).expect("a schema");
        let key = SealKey::from_seed(&[7; 32]);
        let transaction = connection.transaction().expect("one");
        let mut head = Head::default();
        for number in 0..entries {
            let draft = Draft {
                at: Timestamp::from_seconds(1_800_000_000),
                actor: Actor::System("test"),
                action: Action::ServiceRegister,
                status: Status::Success,
                message: format!("entry {number}"),
                details: Map::new(),
            };
            (head, _) = store::append(&transaction, &key, &head, &draft).expect("appended");
        }
        transaction.commit().expect("kept");
        (connection, Keyring::of(&key))
    }

    #[test]
    fn an_entry_is_proven_by_itself_and_by_the_one_after_it() {
        let (connection, keyring) = record(3);
        let proof = |sequence| Proof::of(&connection, &keyring, sequence).expect("read");
        let shown = proof(1).expect("there").judge().expect("whole");
        assert_eq!((shown.entry.message.as_str(), shown.entry.sequence), ("entry 1", 1));
        assert!(shown.is_followed);
        assert_eq!(Some(shown.public_key.as_str()), keyring.active_public_key_hex());
        assert!(!proof(2).expect("there").judge().expect("whole").is_followed, "the newest");
        assert_eq!(proof(3), None);
        assert_eq!(proof(u64::MAX), None);
    }

    #[test]
    fn what_was_changed_is_found() {
        let (connection, keyring) = record(3);
        let proof = Proof::of(&connection, &keyring, 1).expect("read").expect("there");
        let other = Proof::of(&connection, &keyring, 0).expect("read").expect("there");
        let foreign = SealKey::from_seed(&[8; 32]).public_key_hex().to_owned();
        type Change<'a> = &'a dyn Fn(&mut Proof);
        let cases: [(Change<'_>, Fault); 7] = [
            (&|p| p.entry.document = p.entry.document.replace("entry 1", "entry 9"), Fault::Hash),
            (&|p| p.entry.document.truncate(40), Fault::Document(String::new())),
            (&|p| p.entry.signature = p.entry.signature.replace(['0', '1'], "2"), Fault::Signature),
            (&|p| p.entry.public_key.clone_from(&foreign), Fault::Signature),
            (&|p| p.entry.public_key.clear(), Fault::UnknownKey(String::new())),
            (&|p| p.next = Some(p.entry.clone()), Fault::Link),
            (&|p| p.entry.clone_from(&other.entry), Fault::Link),
        ];
        for (number, (change, expected)) in cases.iter().enumerate() {
            let mut changed = proof.clone();
            change(&mut changed);
            let found = changed.judge().expect_err("changed");
            let kinds = [&found, expected].map(std::mem::discriminant);
            assert_eq!(kinds[0], kinds[1], "case {number}: {found:?}");
        }
    }
}
