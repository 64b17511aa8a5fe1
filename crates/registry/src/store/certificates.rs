//! The inventory: certificates that others use, and leaves that were replaced.
//!
//! **Invariant:** whatever can still be believed by somebody is in `leaves` or in here, so that it
//! can be revoked.

use std::sync::Arc;
use std::time::Duration;

use conduit_core::actor::Actor;
use conduit_core::certificate::{
    Issuance, IssuedCertificate, Revocation, RevocationReason, Revoked, Signed,
};
use conduit_core::clock::Timestamp;
use conduit_core::leaf::Fingerprint;
use conduit_core::name::ServiceName;
use rusqlite::{Connection, Row, Transaction, named_params, params};

use super::Store;
use crate::error::RegistryError;
use crate::mutation::Revoking;
use crate::row;

/// Which certificates of the inventory are asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CertificateQuery {
    /// Of this holder.
    pub holder: Option<String>,
    /// Whose fingerprints begin like this, in lower-case hexadecimal.
    pub fingerprint: Option<String>,
    /// That were revoked, and are not expired at this time.
    pub revoked_at: Option<Timestamp>,
    /// What follows this one, in the order of the answer.
    pub after: Option<(Timestamp, Fingerprint)>,
    /// At most so many; [`CERTIFICATES_MAX`] when absent.
    pub limit: Option<usize>,
}

impl Store {
    /// Which certificates are revoked.
    pub(crate) fn read_revoked(connection: &Connection) -> Result<Revoked, RegistryError> {
        let sql = "SELECT fingerprint FROM certificates WHERE revoked_at IS NOT NULL";
        fingerprints(connection, sql, []).map(Revoked::new)
    }

    /// What a wish to revoke means: those that it names, and all that are known of its service.
    pub(crate) fn to_revoke(&self, wish: &Revoking) -> Result<Vec<Fingerprint>, RegistryError> {
        let mut all: Vec<Fingerprint> = wish.certificates.iter().map(|c| c.fingerprint).collect();
        if let Some(service) = &wish.service {
            all.extend(fingerprints(&self.connection, OF_SERVICE, [service.as_str()])?);
        }
        Ok(all)
    }

    /// How many certificates the inventory holds.
    pub(crate) fn certificate_count(&self) -> Result<usize, RegistryError> {
        let count: i64 = self
            .connection
            .prepare_cached("SELECT count(*) FROM certificates WHERE kind <> 'service'")
            .and_then(|mut statement| statement.query_row([], |row| row.get(0)))
            .map_err(RegistryError::Read)?;
        Ok(usize::try_from(count).unwrap_or(0))
    }
}

/// Reads certificates of the inventory, newest first.
pub(crate) fn certificates(
    connection: &Connection,
    query: &CertificateQuery,
) -> Result<Vec<IssuedCertificate>, RegistryError> {
    let limit = query.limit.unwrap_or(CERTIFICATES_MAX).min(CERTIFICATES_MAX);
    let (after_at, after) =
        query.after.map_or((None, None), |(at, f)| (Some(at.micros()), Some(f.0)));
    let mut statement = connection.prepare_cached(SELECT).map_err(RegistryError::Read)?;
    let mut rows = statement
        .query(named_params! {
            ":holder": query.holder,
            ":fingerprint": query.fingerprint,
            ":revoked_at": query.revoked_at.map(Timestamp::micros),
            ":after_at": after_at,
            ":after": after,
            ":limit": i64::try_from(limit).unwrap_or(i64::MAX),
        })
        .map_err(RegistryError::Read)?;
    let mut all = Vec::new();
    while let Some(row) = rows.next().map_err(RegistryError::Read)? {
        all.push(certificate(row)?);
    }
    Ok(all)
}

fn certificate(row: &Row<'_>) -> Result<IssuedCertificate, RegistryError> {
    let read = |error| RegistryError::Read(error);
    let word = |column: usize| row.get::<_, String>(column).map_err(read);
    let time = |column: usize| {
        row.get::<_, i64>(column).map(|at| Timestamp::from_micros(at.into())).map_err(read)
    };
    let damaged = |error| row::damaged("certificates", error);
    let der = row.get_ref(2).and_then(|bytes| Ok(bytes.as_blob()?)).map_err(read)?;
    let revoked_at: Option<i64> = row.get(8).map_err(read)?;
    let reason: Option<String> = row.get(9).map_err(read)?;
    let reason =
        reason.map(|word| word.parse::<RevocationReason>()).transpose().map_err(damaged)?;
    Ok(IssuedCertificate {
        fingerprint: Fingerprint(row.get(0).map_err(read)?),
        issuer: Fingerprint(row.get(1).map_err(read)?),
        certificate_der: Arc::from(der),
        kind: word(3)?.parse().map_err(damaged)?,
        holder: word(4)?,
        purpose: word(5)?.parse().map_err(damaged)?,
        issued_by: word(6)?,
        issued_at: time(7)?,
        not_after: time(10)?,
        revoked: revoked_at
            .zip(reason)
            .map(|(at, reason)| Revocation { at: Timestamp::from_micros(at.into()), reason }),
    })
}

fn fingerprints(
    connection: &Connection,
    sql: &str,
    parameters: impl rusqlite::Params,
) -> Result<Vec<Fingerprint>, RegistryError> {
    let mut statement = connection.prepare_cached(sql).map_err(RegistryError::Read)?;
    let rows = statement.query_map(parameters, |row| row.get(0).map(Fingerprint));
    rows.and_then(Iterator::collect).map_err(RegistryError::Read)
}

/// Adds a certificate that was signed.
pub(super) fn insert(
    transaction: &Transaction<'_>,
    wish: &Issuance,
    signed: &Signed,
    by: &Actor,
    now: Timestamp,
) -> rusqlite::Result<()> {
    transaction.prepare_cached(INSERT)?.execute(params![
        signed.fingerprint.0,
        signed.issuer.0,
        &signed.certificate_der[..],
        wish.kind.as_str(),
        wish.holder.as_str(),
        wish.purpose.as_str(),
        by.to_string(),
        now.micros(),
        signed.not_after.micros(),
    ])?;
    Ok(())
}

/// Keeps the leaves of a service that are about to be replaced or forgotten, as long as somebody
/// could believe them.
pub(super) fn keep_leaves(
    transaction: &Transaction<'_>,
    service: &ServiceName,
    now: Timestamp,
) -> rusqlite::Result<()> {
    transaction.prepare_cached(KEEP_LEAVES)?.execute(params![service.as_str(), now.micros()])?;
    Ok(())
}

/// Marks certificates as revoked; one that is stays as it was.
pub(super) fn revoke(
    transaction: &Transaction<'_>,
    (which, reason): (&[Fingerprint], RevocationReason),
    by: &Actor,
    now: Timestamp,
) -> rusqlite::Result<()> {
    let mut update = transaction.prepare_cached(REVOKE)?;
    for fingerprint in which {
        update.execute(params![fingerprint.0, now.micros(), reason.as_str(), by.to_string(),])?;
    }
    Ok(())
}

/// Forgets what nobody believes any more: leaves at once, others after a while, for people.
pub(super) fn forget_expired(
    transaction: &Transaction<'_>,
    now: Timestamp,
) -> rusqlite::Result<()> {
    let shown_until = now.minus(EXPIRED_SHOWN);
    transaction.prepare_cached(FORGET)?.execute([now.micros(), shown_until.micros()])?;
    Ok(())
}

/// Certificates in one answer, and those that were issued for others to use, in all.
pub const CERTIFICATES_MAX: usize = 50_000;
/// How long an expired certificate is listed.
const EXPIRED_SHOWN: Duration = Duration::from_secs(30 * 86_400);
const SELECT: &str = "
    SELECT fingerprint, issuer, certificate, kind, holder, purpose, issued_by, issued_at,
           revoked_at, reason, not_after
    FROM certificates
    WHERE (:holder IS NULL OR holder = :holder)
      AND (:fingerprint IS NULL OR substr(lower(hex(fingerprint)), 1, length(:fingerprint)) = :fingerprint)
      AND (:revoked_at IS NULL OR (revoked_at IS NOT NULL AND not_after > :revoked_at))
      AND (:after_at IS NULL OR (issued_at, fingerprint) < (:after_at, :after))
    ORDER BY issued_at DESC, fingerprint DESC LIMIT :limit";
const OF_SERVICE: &str = "
    SELECT fingerprint FROM leaves WHERE service = ?1
    UNION SELECT fingerprint FROM certificates
    WHERE holder = ?1 AND kind = 'service' AND revoked_at IS NULL";
const INSERT: &str = "
    INSERT INTO certificates (fingerprint, issuer, certificate, kind, holder, purpose, issued_by,
                              issued_at, not_after)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)";
const KEEP_LEAVES: &str = "
    INSERT OR IGNORE INTO certificates (fingerprint, issuer, certificate, kind, holder, purpose,
                                        issued_by, issued_at, not_after)
    SELECT fingerprint, issuer, certificate, 'service', service, 'server', '', not_before, not_after
    FROM leaves WHERE service = ?1 AND not_after > ?2";
const REVOKE: &str = "
    UPDATE certificates SET revoked_at = ?2, reason = ?3, revoked_by = ?4
    WHERE fingerprint = ?1 AND revoked_at IS NULL";
const FORGET: &str = "
    DELETE FROM certificates WHERE not_after < ?1 AND (kind = 'service' OR not_after < ?2)";
