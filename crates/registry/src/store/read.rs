//! Reading rows, on whichever connection.

use std::collections::HashMap;
use std::sync::Arc;

use conduit_audit::Entry;
use conduit_core::catalog::Generation;
use conduit_core::leaf::{Algorithm, Leaf, LeafPair, PrivateKey};
use conduit_core::name::ServiceName;
use conduit_core::service::Service;
use rusqlite::{Connection, Row};

use crate::error::RegistryError;
use crate::row::{self, LEAVES, SERVICE_COLUMN_COUNT, SERVICE_COLUMNS, TOKEN_COLUMNS};
use crate::row::{LeafSummary, RowStatus, ServiceRow, TokenRow};
use crate::token::Token;

pub(super) fn generation(connection: &Connection) -> Result<Generation, RegistryError> {
    let number: i64 = connection
        .query_row("SELECT generation FROM meta WHERE id = 1", [], |row| row.get(0))
        .map_err(RegistryError::Read)?;
    Ok(Generation(u64::try_from(number).unwrap_or(0)))
}

pub(super) fn active(connection: &Connection) -> Result<Vec<Service>, RegistryError> {
    let sql = format!("SELECT {SERVICE_COLUMNS} FROM services s WHERE s.status = 'active'");
    each(connection, &sql, |row| Ok(row::service(row)?.service))
}

/// Every row with its leaves, oldest first; those of history only when asked for.
pub(crate) fn rows(
    connection: &Connection,
    with_inactive: bool,
) -> Result<Vec<ServiceRow>, RegistryError> {
    let filter = if with_inactive { "" } else { "WHERE s.status = 'active'" };
    let sql = format!(
        "SELECT {SERVICE_COLUMNS}, l.algorithm, l.issuer, l.fingerprint, l.not_before, l.not_after
         FROM services s
         LEFT JOIN leaves l ON l.service = s.name AND s.status = 'active'
         {filter} ORDER BY s.id, l.algorithm"
    );
    let mut all: Vec<ServiceRow> = Vec::new();
    let pairs = each(connection, &sql, |row| Ok((row::service(row)?, leaf_column(row)?)))?;
    for (service, leaf) in pairs {
        match all.last_mut() {
            // Two rows of the join are one service when both are its active row.
            Some(last)
                if last.status == RowStatus::Active
                    && service.status == RowStatus::Active
                    && last.service.name == service.service.name =>
            {
                last.leaves.extend(leaf);
            }
            _ => {
                let leaves = leaf.into_iter().collect();
                all.push(ServiceRow { leaves, ..service });
            }
        }
    }
    Ok(all)
}

pub(super) fn leaves(
    connection: &Connection,
) -> Result<Vec<(ServiceName, LeafPair)>, RegistryError> {
    let sql = "SELECT service, certificate, key,
                      algorithm, issuer, fingerprint, not_before, not_after FROM leaves";
    let all = each(connection, sql, |row| {
        let name: String = row.get(0).map_err(RegistryError::Read)?;
        let name = ServiceName::parse(&name).map_err(|error| row::damaged(LEAVES, error))?;
        Ok((name, leaf(row)?))
    })?;
    let mut halves: HashMap<ServiceName, Leaf> = HashMap::new();
    let mut pairs = Vec::with_capacity(all.len() / 2);
    for (name, leaf) in all {
        match halves.remove(&name) {
            None => {
                halves.insert(name, leaf);
            }
            Some(other) => pairs.push((name, pair(other, leaf))),
        }
    }
    Ok(pairs)
}

/// Every token, newest first, as it is listed.
pub(crate) fn tokens(connection: &Connection) -> Result<Vec<TokenRow>, RegistryError> {
    let sql = format!("SELECT {TOKEN_COLUMNS} FROM tokens ORDER BY created_at DESC, id");
    each(connection, &sql, |row| Ok(row::token(row)?.0))
}

pub(super) fn valid_tokens(connection: &Connection) -> Result<Vec<Token>, RegistryError> {
    let sql = format!("SELECT {TOKEN_COLUMNS} FROM tokens WHERE revoked_at IS NULL");
    each(connection, &sql, |row| Ok(row::token(row)?.1))
}

pub(crate) fn newest_entries(
    connection: &Connection,
    limit: u32,
    before: Option<u64>,
) -> Result<Vec<Entry>, RegistryError> {
    conduit_audit::store::newest(connection, limit, before).map_err(RegistryError::Record)
}

pub(crate) fn entries_from(
    connection: &Connection,
    sequence: u64,
    limit: u32,
) -> Result<Vec<Entry>, RegistryError> {
    conduit_audit::store::from(connection, sequence, limit).map_err(RegistryError::Record)
}

fn each<T>(
    connection: &Connection,
    sql: &str,
    mut read: impl FnMut(&Row<'_>) -> Result<T, RegistryError>,
) -> Result<Vec<T>, RegistryError> {
    let mut statement = connection.prepare_cached(sql).map_err(RegistryError::Read)?;
    let mut rows = statement.query([]).map_err(RegistryError::Read)?;
    let mut all = Vec::new();
    while let Some(row) = rows.next().map_err(RegistryError::Read)? {
        all.push(read(row)?);
    }
    Ok(all)
}

fn leaf_column(row: &Row<'_>) -> Result<Option<LeafSummary>, RegistryError> {
    let algorithm: Option<String> = row.get(SERVICE_COLUMN_COUNT).map_err(RegistryError::Read)?;
    algorithm.map(|_| row::leaf_summary(row, SERVICE_COLUMN_COUNT)).transpose()
}

fn leaf(row: &Row<'_>) -> Result<Leaf, RegistryError> {
    let certificate: Vec<u8> = row.get(1).map_err(RegistryError::Read)?;
    let key: Vec<u8> = row.get(2).map_err(RegistryError::Read)?;
    let summary = row::leaf_summary(row, 3)?;
    Ok(Leaf {
        algorithm: summary.algorithm,
        certificate_der: Arc::from(certificate),
        key: PrivateKey::from_pkcs8(key),
        issuer: summary.issuer,
        fingerprint: summary.fingerprint,
        not_before: summary.not_before,
        not_after: summary.not_after,
    })
}

/// Invariant: the table's key allows one leaf per algorithm, so two differ in it.
fn pair(one: Leaf, other: Leaf) -> LeafPair {
    match one.algorithm {
        Algorithm::Ed25519 => LeafPair { ed25519: one, ecdsa_p256: other },
        Algorithm::EcdsaP256 => LeafPair { ed25519: other, ecdsa_p256: one },
    }
}
