//! The one transaction in which rows, leaves and capsules change together.
//!
//! **Invariant:** the chain's tip in memory moves only once the commit is known to have happened.

use conduit_audit::{Draft, Head};
use conduit_core::actor::Actor;
use conduit_core::catalog::Generation;
use conduit_core::certificate::{Issuance, RevocationReason, Signed};
use conduit_core::clock::Timestamp;
use conduit_core::leaf::{Fingerprint, LeafPair};
use conduit_core::name::ServiceName;
use conduit_core::service::{Service, TlsMode};
use conduit_core::title::Title;
use rusqlite::{Transaction, TransactionBehavior, named_params, params};

use super::{Store, certificates};
use crate::capsule::{self, Context};
use crate::error::RegistryError;
use crate::row::ServiceColumns;
use crate::rules::{Act, NodeStep, Plan, RecordStep, Step, UserStep};
use crate::token::Token;

/// Everything that one commit writes.
#[derive(Debug)]
pub(crate) struct Writes<'a> {
    pub(crate) steps: &'a [Step],
    pub(crate) leaves: &'a [(ServiceName, LeafPair)],
    pub(crate) token: Option<TokenWrite<'a>>,
    pub(crate) node: Option<&'a NodeStep>,
    /// With who asked for it.
    pub(crate) user: Option<(&'a UserStep, &'a Actor)>,
    /// With who asked for them.
    pub(crate) records: Option<(&'a [RecordStep], &'a Actor)>,
    /// With who asked for it.
    pub(crate) certificates: Option<(CertificateWrite<'a>, &'a Actor)>,
    pub(crate) drafts: Drafts<'a>,
    /// The catalog's next generation, when it changes.
    pub(crate) generation: Option<Generation>,
    pub(crate) now: Timestamp,
}

impl<'a> Writes<'a> {
    /// Entries alone.
    pub(crate) fn of_drafts(drafts: &'a [Draft], now: Timestamp) -> Self {
        let drafts = Drafts::Given(drafts);
        Self {
            steps: &[],
            leaves: &[],
            token: None,
            node: None,
            user: None,
            records: None,
            certificates: None,
            drafts,
            generation: None,
            now,
        }
    }
}

/// What one commit records.
#[derive(Debug)]
pub(crate) enum Drafts<'a> {
    /// These.
    Given(&'a [Draft]),
    /// One for each act of the plan, drafted only when it is written.
    OfPlan(&'a Plan, &'a Context<'a>),
}

impl Drafts<'_> {
    fn each<E>(&self, mut record: impl FnMut(&Draft) -> Result<(), E>) -> Result<(), E> {
        match self {
            Self::Given(drafts) => drafts.iter().try_for_each(record),
            Self::OfPlan(plan, context) => {
                capsule::drafts(plan, context).try_for_each(|draft| record(&draft))
            }
        }
    }
}

/// What becomes of the inventory of certificates.
#[derive(Debug)]
pub(crate) enum CertificateWrite<'a> {
    Insert { wish: &'a Issuance, signed: &'a Signed },
    Revoke { which: &'a [Fingerprint], reason: RevocationReason },
}

/// What becomes of a token's row.
#[derive(Debug)]
pub(crate) enum TokenWrite<'a> {
    Insert { token: &'a Token, by: &'a Actor },
    Revoke { id: &'a str },
}

/// Why nothing was, or may not have been, committed.
#[derive(Debug)]
pub(crate) enum CommitError {
    /// The commit failed, and what is on the disk cannot be read now.
    InDoubt {
        /// The tip if it did happen.
        next: Head,
    },
    /// Nothing has changed.
    RolledBack(RegistryError),
}

impl Store {
    /// Writes all of it durably, or nothing.
    pub(crate) fn commit(&mut self, writes: &Writes<'_>) -> Result<(), CommitError> {
        let rolled_back = |error| CommitError::RolledBack(RegistryError::Write(error));
        if !self.connection.is_autocommit() {
            // A rollback that failed on a sick disk is made up for before anything new.
            self.connection.execute_batch("ROLLBACK").map_err(rolled_back)?;
        }
        let transaction = self
            .connection
            .transaction_with_behavior(TransactionBehavior::Immediate)
            .map_err(rolled_back)?;
        // Dropped on an error, the transaction rolls back.
        let next =
            write(&transaction, &self.key, &self.head, writes).map_err(CommitError::RolledBack)?;
        let Err(error) = transaction.commit() else {
            self.head = next;
            return Ok(());
        };
        match self.settle(&next) {
            Some(true) => Ok(()),
            Some(false) => Err(rolled_back(error)),
            None => Err(CommitError::InDoubt { next }),
        }
    }

    /// Finds out whether the commit that was to lead to `next` happened; `None` while that cannot
    /// be told.
    pub(crate) fn settle(&mut self, next: &Head) -> Option<bool> {
        if !self.connection.is_autocommit() {
            // A failed COMMIT may leave its transaction open.
            self.connection.execute_batch("ROLLBACK").ok()?;
        }
        let found = conduit_audit::store::head(&self.connection).ok()?;
        let happened = found == *next;
        if happened {
            self.head = found;
            Some(true)
        } else {
            (found == self.head).then_some(false)
        }
    }

    /// Moves what is in the log into the database, as far as nobody reads it.
    pub(crate) fn checkpoint(&self) -> Result<(), RegistryError> {
        self.connection
            .query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(()))
            .map_err(RegistryError::Write)
    }
}

fn write(
    transaction: &Transaction<'_>,
    key: &conduit_audit::SealKey,
    head: &Head,
    writes: &Writes<'_>,
) -> Result<Head, RegistryError> {
    for step in writes.steps {
        write_step(transaction, step, writes).map_err(RegistryError::Write)?;
    }
    // The built-in service is no row: it gets new leaves at every start.
    let ours = ServiceName::conduit();
    for (name, pair) in writes.leaves.iter().filter(|(name, _)| *name != ours) {
        write_leaves(transaction, name, pair, writes.now).map_err(RegistryError::Write)?;
    }
    if let Some(token) = &writes.token {
        write_token(transaction, token, writes.now).map_err(RegistryError::Write)?;
    }
    if let Some(step) = writes.node {
        super::nodes::write(transaction, step).map_err(RegistryError::Write)?;
    }
    if let Some((step, by)) = writes.user {
        super::users::write(transaction, step, by).map_err(RegistryError::Write)?;
    }
    if let Some((steps, by)) = writes.records {
        let generation = writes.generation.unwrap_or_default();
        super::records::write(transaction, steps, by, generation, writes.now)
            .map_err(RegistryError::Write)?;
    }
    if let Some((write, by)) = &writes.certificates {
        write_certificates(transaction, write, by, writes.now).map_err(RegistryError::Write)?;
    }
    if let Some(generation) = writes.generation {
        transaction
            .prepare_cached("UPDATE meta SET generation = ?1 WHERE id = 1")
            .and_then(|mut update| update.execute([column_of(generation)]))
            .map_err(RegistryError::Write)?;
    }
    let mut head = head.clone();
    writes.drafts.each(|draft| {
        let appended = conduit_audit::store::append(transaction, key, &head, draft);
        head = appended.map_err(RegistryError::Record)?.0;
        Ok(())
    })?;
    Ok(head)
}

fn write_step(
    transaction: &Transaction<'_>,
    step: &Step,
    writes: &Writes<'_>,
) -> rusqlite::Result<()> {
    let generation = writes.generation.unwrap_or_default();
    match &step.act {
        Act::Keep | Act::Reissue { .. } => Ok(()),
        Act::Create { next } => insert_service(transaction, next, generation),
        Act::Hold { next, .. } => update_holds(transaction, next),
        Act::Deregister { .. } => {
            deactivate(transaction, &step.name, writes.now)?;
            forget_leaves(transaction, &step.name, writes.now)
        }
        Act::Replace { next, .. } => {
            deactivate(transaction, &step.name, writes.now)?;
            if next.tls == TlsMode::Off {
                forget_leaves(transaction, &step.name, writes.now)?;
            }
            insert_service(transaction, next, generation)
        }
    }
}

fn insert_service(
    transaction: &Transaction<'_>,
    service: &Service,
    generation: Generation,
) -> rusqlite::Result<()> {
    let columns = ServiceColumns::of(service);
    transaction.prepare_cached(INSERT_SERVICE)?.execute(named_params! {
        ":name": service.name.as_str(),
        ":hosts": columns.hosts,
        ":upstreams": columns.upstreams,
        ":protocol": service.protocol.as_str(),
        ":tls": service.tls.as_str(),
        ":dns": service.dns.as_str(),
        ":probe": columns.probe,
        ":when_all_ejected": service.when_all_ejected.as_str(),
        ":monitoring": columns.monitoring,
        ":policy": columns.policy,
        ":holds": columns.holds,
        ":generation": column_of(generation),
        ":registered_at": service.registered_at.micros(),
        ":title": service.title.as_ref().map(Title::as_str),
    })?;
    Ok(())
}

fn deactivate(
    transaction: &Transaction<'_>,
    name: &ServiceName,
    now: Timestamp,
) -> rusqlite::Result<()> {
    let changed =
        transaction.prepare_cached(DEACTIVATE)?.execute(params![name.as_str(), now.micros()])?;
    // The catalog in memory said that it is there; anything else is a bug, and must not commit.
    if changed == 1 { Ok(()) } else { Err(rusqlite::Error::StatementChangedRows(changed)) }
}

fn update_holds(transaction: &Transaction<'_>, service: &Service) -> rusqlite::Result<()> {
    let holds = ServiceColumns::of(service).holds;
    let changed =
        transaction.prepare_cached(UPDATE_HOLDS)?.execute(params![service.name.as_str(), holds])?;
    // As for deactivating: what is not there cannot be held.
    if changed == 1 { Ok(()) } else { Err(rusqlite::Error::StatementChangedRows(changed)) }
}

fn forget_leaves(
    transaction: &Transaction<'_>,
    name: &ServiceName,
    now: Timestamp,
) -> rusqlite::Result<()> {
    certificates::keep_leaves(transaction, name, now)?;
    transaction
        .prepare_cached("DELETE FROM leaves WHERE service = ?1")?
        .execute([name.as_str()])?;
    Ok(())
}

fn write_leaves(
    transaction: &Transaction<'_>,
    name: &ServiceName,
    pair: &LeafPair,
    now: Timestamp,
) -> rusqlite::Result<()> {
    certificates::keep_leaves(transaction, name, now)?;
    for leaf in pair.iter() {
        transaction.prepare_cached(REPLACE_LEAF)?.execute(params![
            name.as_str(),
            leaf.algorithm.as_str(),
            &leaf.certificate_der[..],
            leaf.key.as_pkcs8(),
            leaf.issuer.0,
            leaf.fingerprint.0,
            leaf.not_before.micros(),
            leaf.not_after.micros(),
        ])?;
    }
    Ok(())
}

fn write_certificates(
    transaction: &Transaction<'_>,
    write: &CertificateWrite<'_>,
    by: &Actor,
    now: Timestamp,
) -> rusqlite::Result<()> {
    certificates::forget_expired(transaction, now)?;
    match write {
        CertificateWrite::Insert { wish, signed } => {
            certificates::insert(transaction, wish, signed, by, now)
        }
        CertificateWrite::Revoke { which, reason } => {
            certificates::revoke(transaction, (which, *reason), by, now)
        }
    }
}

fn write_token(
    transaction: &Transaction<'_>,
    write: &TokenWrite<'_>,
    now: Timestamp,
) -> rusqlite::Result<()> {
    let changed = match write {
        TokenWrite::Insert { token, by } => transaction.execute(
            "INSERT INTO tokens (id, name, role, hash, created_by, created_at, expires_at, scopes)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
            params![
                token.id,
                token.name,
                token.role.as_str(),
                token.hash,
                by.to_string(),
                now.micros(),
                token.expires_at.map(Timestamp::micros),
                token.scopes.texts().join(" "),
            ],
        )?,
        TokenWrite::Revoke { id } => transaction.execute(
            "UPDATE tokens SET revoked_at = ?2 WHERE id = ?1 AND revoked_at IS NULL",
            params![id, now.micros()],
        )?,
    };
    if changed == 1 { Ok(()) } else { Err(rusqlite::Error::StatementChangedRows(changed)) }
}

/// SQLite's integers are signed; a generation never gets that far.
pub(super) fn column_of(generation: Generation) -> i64 {
    i64::try_from(generation.0).unwrap_or(i64::MAX)
}

const INSERT_SERVICE: &str = "
    INSERT INTO services (name, hosts, upstreams, protocol, tls, dns, probe, when_all_ejected,
                          monitoring, policy, holds, status, generation, registered_at, title)
    VALUES (:name, :hosts, :upstreams, :protocol, :tls, :dns, :probe, :when_all_ejected,
            :monitoring, :policy, :holds, 'active', :generation, :registered_at, :title)";
const UPDATE_HOLDS: &str = "
    UPDATE services SET holds = ?2 WHERE name = ?1 AND status = 'active'";
const DEACTIVATE: &str = "
    UPDATE services SET status = 'inactive', deregistered_at = ?2
    WHERE name = ?1 AND status = 'active'";
const REPLACE_LEAF: &str = "
    INSERT OR REPLACE INTO leaves (service, algorithm, certificate, key, issuer, fingerprint,
                                   not_before, not_after)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";
