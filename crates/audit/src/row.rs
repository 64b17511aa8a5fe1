//! A row of the `capsules` table as a judge reads it: nothing is assumed about its types.

use rusqlite::Row;
use rusqlite::types::ValueRef;

use crate::store::ENTRY_BYTES_MAX;

/// The columns that matter, as they are.
#[derive(Debug, Clone)]
pub(crate) struct StoredRow {
    pub(crate) id: String,
    pub(crate) kind: String,
    pub(crate) sequence: i64,
    pub(crate) previous_hash: Option<String>,
    /// The document's text, or why there is none.
    pub(crate) data: Result<String, &'static str>,
    pub(crate) hash: String,
    pub(crate) signature: String,
    pub(crate) signed_by: String,
    pub(crate) session_id: Option<String>,
}

impl StoredRow {
    /// Reads a row of [`SELECT_ALL`].
    pub(crate) fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            id: text(row.get_ref(0)?),
            kind: text(row.get_ref(1)?),
            sequence: row.get_ref(2)?.as_i64().unwrap_or(-1),
            previous_hash: optional_text(row.get_ref(3)?),
            data: document(row.get_ref(4)?),
            hash: text(row.get_ref(5)?),
            signature: text(row.get_ref(6)?),
            signed_by: text(row.get_ref(7)?),
            session_id: optional_text(row.get_ref(8)?),
        })
    }
}

fn document(value: ValueRef<'_>) -> Result<String, &'static str> {
    let ValueRef::Text(bytes) = value else {
        return Err("it is not text");
    };
    if bytes.len() > ENTRY_BYTES_MAX {
        return Err("it is larger than an entry may be");
    }
    std::str::from_utf8(bytes).map(str::to_owned).map_err(|_| "it is not UTF-8")
}

/// A text column; anything else becomes a text that matches nothing.
fn text(value: ValueRef<'_>) -> String {
    match value {
        ValueRef::Text(bytes) => match std::str::from_utf8(bytes) {
            Ok(text) => text.to_owned(),
            Err(_) => "(not UTF-8)".to_owned(),
        },
        other => format!("({})", other.data_type()),
    }
}

fn optional_text(value: ValueRef<'_>) -> Option<String> {
    match value {
        ValueRef::Null => None,
        other => Some(text(other)),
    }
}

/// One row, by its place in the chain.
pub(crate) const SELECT_ONE: &str = "
SELECT id, type, sequence, previous_hash, data, hash, signature, signed_by, session_id
FROM capsules WHERE sequence = ?1";
/// Every row, in the order of the chain.
pub(crate) const SELECT_ALL: &str = "
SELECT id, type, sequence, previous_hash, data, hash, signature, signed_by, session_id
FROM capsules ORDER BY sequence";
