//! How nodes lie in the database.
//!
//! **Invariant:** a row becomes a node by the same parsing as at the door.

use std::fmt;
use std::path::{Path, PathBuf};

use conduit_core::clock::Timestamp;
use conduit_core::destination::Destination;
use conduit_core::node::{Node, NodeName};
use rusqlite::{Connection, Row, Transaction, named_params, params};

use crate::error::RegistryError;
use crate::row;
use crate::rules::NodeStep;

/// Every node, oldest first; removed ones only when asked for.
pub(crate) fn nodes(
    connection: &Connection,
    with_removed: bool,
) -> Result<Vec<Node>, RegistryError> {
    let filter = if with_removed { "" } else { "WHERE removed_at IS NULL" };
    let sql = format!("SELECT {COLUMNS} FROM nodes {filter} ORDER BY id");
    let mut statement = connection.prepare(&sql).map_err(RegistryError::Read)?;
    let mut rows = statement.query([]).map_err(RegistryError::Read)?;
    let mut all = Vec::new();
    while let Some(row) = rows.next().map_err(RegistryError::Read)? {
        all.push(node(row)?);
    }
    Ok(all)
}

pub(super) fn write(transaction: &Transaction<'_>, step: &NodeStep) -> rusqlite::Result<()> {
    let changed = match step {
        NodeStep::Add(node) => transaction.execute(
            INSERT,
            named_params! {
                ":name": node.name.as_str(),
                ":destination": node.destination.to_string(),
                ":key": node.key.as_deref().map(Path::to_string_lossy),
                ":jump": node.jump.as_ref().map(ToString::to_string),
                ":known_hosts": node.known_hosts.as_deref().map(Path::to_string_lossy),
                ":fingerprint": node.fingerprint,
                // Invariant: a list of texts always serializes.
                ":tags": serde_json::to_string(&node.tags).unwrap_or_else(|_| "[]".to_owned()),
                ":added_at": node.added_at.micros(),
            },
        )?,
        NodeStep::Remove(node) => transaction.execute(
            "UPDATE nodes SET removed_at = ?2 WHERE name = ?1 AND removed_at IS NULL",
            params![node.name.as_str(), node.removed_at.map(Timestamp::micros)],
        )?,
    };
    // The table in memory said that it is, or is not, there; anything else must not commit.
    if changed == 1 { Ok(()) } else { Err(rusqlite::Error::StatementChangedRows(changed)) }
}

fn node(row: &Row<'_>) -> Result<Node, RegistryError> {
    let text = |index| row.get::<_, String>(index).map_err(RegistryError::Read);
    let optional = |index| row.get::<_, Option<String>>(index).map_err(RegistryError::Read);
    let time = |micros: i64| Timestamp::from_micros(i128::from(micros));
    let jump = optional(3)?;
    let removed_at: Option<i64> = row.get(8).map_err(RegistryError::Read)?;
    Ok(Node {
        name: good(NodeName::parse(&text(0)?))?,
        destination: good(Destination::parse(&text(1)?))?,
        key: optional(2)?.map(PathBuf::from),
        jump: jump.map(|jump| good(Destination::parse(&jump))).transpose()?,
        known_hosts: optional(4)?.map(PathBuf::from),
        fingerprint: optional(5)?,
        tags: good(serde_json::from_str(&text(6)?))?,
        added_at: time(row.get(7).map_err(RegistryError::Read)?),
        removed_at: removed_at.map(time),
    })
}

fn good<T, E: fmt::Display>(result: Result<T, E>) -> Result<T, RegistryError> {
    result.map_err(|error| row::damaged(NODES, error))
}

const NODES: &str = "nodes";
/// In the order that [`node`] reads.
const COLUMNS: &str =
    "name, destination, key, jump, known_hosts, fingerprint, tags, added_at, removed_at";
const INSERT: &str = "
    INSERT INTO nodes (name, destination, key, jump, known_hosts, fingerprint, tags, added_at)
    VALUES (:name, :destination, :key, :jump, :known_hosts, :fingerprint, :tags, :added_at)";
