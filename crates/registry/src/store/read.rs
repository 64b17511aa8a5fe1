//! Reading rows, on whichever connection.

use std::sync::Arc;

use conduit_audit::Entry;
use conduit_core::catalog::Generation;
use conduit_core::leaf::{Algorithm, Leaf, LeafPair, PrivateKey};
use conduit_core::name::ServiceName;
use conduit_core::service::Service;
use rusqlite::{Connection, Row};

use crate::error::RegistryError;
use crate::row::{self, LEAVES, SERVICE_COLUMNS, TOKEN_COLUMNS};
use crate::row::{ServiceRow, TokenRow};
use crate::store::rows::{ServiceRows, select_rows};
use crate::token::Token;

pub(crate) fn generation(connection: &Connection) -> Result<Generation, RegistryError> {
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
    let mut statement = select_rows(connection, with_inactive)?;
    ServiceRows::of(&mut statement)?.collect()
}

/// Every complete pair of leaves. They come ordered, so that the two of a service are neighbours
/// and at most one waits for its other half.
pub(super) fn leaves(
    connection: &Connection,
) -> Result<Vec<(ServiceName, LeafPair)>, RegistryError> {
    let sql = "SELECT service, certificate, key,
                      algorithm, issuer, fingerprint, not_before, not_after FROM leaves
               ORDER BY service, algorithm";
    let mut statement = connection.prepare(sql).map_err(RegistryError::Read)?;
    let mut rows = statement.query([]).map_err(RegistryError::Read)?;
    let mut pairs = Vec::new();
    let mut half: Option<(ServiceName, Leaf)> = None;
    while let Some(row) = rows.next().map_err(RegistryError::Read)? {
        let text = row.get_ref(0).and_then(|text| Ok(text.as_str()?));
        let text = text.map_err(RegistryError::Read)?;
        let leaf = leaf(row)?;
        match half.take() {
            Some((name, other)) if name.as_str() == text => pairs.push((name, pair(other, leaf))),
            // A service with one leaf only counts as having none.
            _ => {
                let name = ServiceName::parse(text).map_err(|error| row::damaged(LEAVES, error))?;
                half = Some((name, leaf));
            }
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

fn leaf(row: &Row<'_>) -> Result<Leaf, RegistryError> {
    let certificate = row.get_ref(1).and_then(|bytes| Ok(bytes.as_blob()?));
    let certificate = certificate.map_err(RegistryError::Read)?;
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
