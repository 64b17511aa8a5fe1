//! The judge: reads a chain from its first entry to its last and says what is wrong with it.
//!
//! It trusts nothing but the keyring and the anchor. Rows are compared with the documents they
//! hold, documents are hashed again, hashes are checked against signatures, and the whole against
//! the length it once had.

use std::fmt;
use std::path::Path;

use rusqlite::Connection;
use serde_json::Value;

use crate::anchor::Anchor;
use crate::capsule::{self, Document};
use crate::error::AuditError;
use crate::keyring::{Judgement, Keyring};
use crate::readonly;
use crate::row::{SELECT_ALL, StoredRow};

/// What verification found.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Report {
    /// How many entries there are.
    pub entries: u64,
    /// The last entry's hash.
    pub head: Option<String>,
    /// What is wrong, in the order of the chain; at most [`FAILURES_MAX`].
    pub failures: Vec<Failure>,
    /// How many more failures there were.
    pub failures_omitted: u64,
}

impl Report {
    /// Whether nothing is wrong.
    pub fn valid(&self) -> bool {
        self.failures.is_empty()
    }
}

/// One thing that is wrong, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// The entry's place in the chain, counted from 0; none when the chain as a whole is meant.
    pub index: Option<u64>,
    /// The entry's id, as its row gives it.
    pub id: Option<String>,
    /// What is wrong.
    pub fault: Fault,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.index {
            Some(index) => write!(f, "entry {index}: {}", self.fault),
            None => write!(f, "chain: {}", self.fault),
        }
    }
}

/// What can be wrong with an entry or with the chain.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// The entry at the anchor is not the one that was there.
    Anchor,
    /// This column does not say what the document says.
    Column(&'static str),
    /// The stored document cannot be read.
    Document(String),
    /// The hash is not that of the document.
    Hash,
    /// The entry does not follow the one before it.
    Link,
    /// The sequence number is not the next one: entries are missing or out of order.
    Sequence {
        /// The number that should be here.
        expected: u64,
        /// The number that is.
        found: i64,
    },
    /// The signature is not one of the key that the entry names.
    Signature,
    /// The chain is shorter than it once was.
    Truncated {
        /// How many entries the anchor has seen.
        anchored: u64,
    },
    /// The entry names a key that the keyring does not have.
    UnknownKey(String),
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Anchor => f.write_str("this is not the entry that the anchor has seen here"),
            Self::Column(name) => write!(f, "the column {name} contradicts the document"),
            Self::Document(reason) => write!(f, "the document cannot be read: {reason}"),
            Self::Hash => f.write_str("the content does not match its hash"),
            Self::Link => f.write_str("it does not follow the entry before it"),
            Self::Sequence { expected, found } => {
                write!(f, "its sequence is {found} where {expected} should be")
            }
            Self::Signature => f.write_str("the signature is wrong"),
            Self::Truncated { anchored } => {
                write!(f, "entries are missing at its end: there were {anchored}")
            }
            Self::UnknownKey(name) => write!(f, "it is signed by {name:?}, an unknown key"),
        }
    }
}

/// Verifies the chain in an open database.
///
/// # Errors
/// When the table cannot be read to its end; a broken chain is no error but a report.
pub fn verify(
    connection: &Connection,
    keyring: &Keyring,
    anchor: Option<&Anchor>,
) -> Result<Report, AuditError> {
    let mut judge = Judge::new(keyring, anchor);
    let mut statement = connection.prepare(SELECT_ALL).map_err(AuditError::Verify)?;
    let mut rows = statement.query([]).map_err(AuditError::Verify)?;
    while let Some(row) = rows.next().map_err(AuditError::Verify)? {
        judge.examine(&StoredRow::read(row).map_err(AuditError::Verify)?);
    }
    Ok(judge.conclude())
}

/// Verifies the chain in a database file against the keyring and the anchor in `seal_dir`.
///
/// Works while the daemon runs and while it does not; reads only and creates nothing.
///
/// # Errors
/// When a file is missing or cannot be read; a broken chain is no error but a report.
pub fn verify_file(db: &Path, seal_dir: &Path) -> Result<Report, AuditError> {
    let keyring = Keyring::of_directory(seal_dir)?;
    // Before the chain: an anchor read after it might have seen an entry that came in between.
    let anchor = Anchor::read(seal_dir)?;
    readonly::with(db, |connection| verify(connection, &keyring, anchor.as_ref()))
}

/// Walks the chain; remembers what the next row must follow.
struct Judge<'a> {
    keyring: &'a Keyring,
    anchor: Option<&'a Anchor>,
    expected: u64,
    previous_hash: Option<String>,
    report: Report,
}

impl<'a> Judge<'a> {
    fn new(keyring: &'a Keyring, anchor: Option<&'a Anchor>) -> Self {
        Self { keyring, anchor, expected: 0, previous_hash: None, report: Report::default() }
    }

    fn examine(&mut self, row: &StoredRow) {
        let index = self.report.entries;
        let mut faults = Vec::new();
        self.examine_place(row, &mut faults);
        examine_content(row, self.keyring, &mut faults);
        if let Some(anchor) = self.anchor
            && anchor.count.checked_sub(1) == Some(index)
            && anchor.hash != row.hash
        {
            faults.push(Fault::Anchor);
        }
        for fault in faults {
            self.fail(Some(index), Some(row.id.clone()), fault);
        }
        self.report.entries += 1;
        self.report.head = Some(row.hash.clone());
        self.previous_hash = Some(row.hash.clone());
    }

    fn examine_place(&mut self, row: &StoredRow, faults: &mut Vec<Fault>) {
        if u64::try_from(row.sequence) != Ok(self.expected) {
            faults.push(Fault::Sequence { expected: self.expected, found: row.sequence });
        }
        // One gap is one failure: what follows it is counted from there.
        self.expected = u64::try_from(row.sequence).unwrap_or(0).saturating_add(1);
        if row.previous_hash != self.previous_hash {
            faults.push(Fault::Link);
        }
    }

    fn conclude(mut self) -> Report {
        if let Some(anchor) = self.anchor
            && anchor.count > self.report.entries
        {
            let anchored = anchor.count;
            self.fail(None, None, Fault::Truncated { anchored });
        }
        self.report
    }

    fn fail(&mut self, index: Option<u64>, id: Option<String>, fault: Fault) {
        if self.report.failures.len() < FAILURES_MAX {
            self.report.failures.push(Failure { index, id, fault });
        } else {
            self.report.failures_omitted += 1;
        }
    }
}

/// What can be judged about a row by itself.
fn examine_content(row: &StoredRow, keyring: &Keyring, faults: &mut Vec<Fault>) {
    let document = match &row.data {
        Ok(text) => Document::parse(text).map_err(|error| error.to_string()),
        Err(reason) => Err((*reason).to_owned()),
    };
    let document = match document {
        Ok(document) => document,
        Err(reason) => return faults.push(Fault::Document(reason)),
    };
    faults.extend(contradicting_columns(row, &document).map(Fault::Column));
    if capsule::hash(&document.canonical()) != row.hash {
        // The signature is over the hash; it would only repeat that something is wrong.
        return faults.push(Fault::Hash);
    }
    match keyring.judge(&row.signed_by, &row.hash, &row.signature) {
        Judgement::Right => {}
        Judgement::Wrong => faults.push(Fault::Signature),
        Judgement::UnknownKey => faults.push(Fault::UnknownKey(row.signed_by.clone())),
    }
}

/// The columns that repeat a part of the document and differ from it. No signature covers them.
fn contradicting_columns(
    row: &StoredRow,
    document: &Document,
) -> impl Iterator<Item = &'static str> {
    let session = document.get("context").get("session_id");
    [
        ("id", document.get("id").as_str() == Some(&row.id)),
        ("type", document.get("type").as_str() == Some(&row.kind)),
        ("sequence", document.get("sequence").as_i64() == Some(row.sequence)),
        ("previous_hash", same(document.get("previous_hash"), row.previous_hash.as_deref())),
        ("session_id", same(session.unwrap_or(&Value::Null), row.session_id.as_deref())),
    ]
    .into_iter()
    .filter_map(|(name, agrees)| (!agrees).then_some(name))
}

/// Whether a nullable column says what a document's value says.
fn same(value: &Value, column: Option<&str>) -> bool {
    match column {
        Some(text) => value.as_str() == Some(text),
        None => value.is_null(),
    }
}

/// Failures that one report lists; the rest are counted.
pub const FAILURES_MAX: usize = 100;
