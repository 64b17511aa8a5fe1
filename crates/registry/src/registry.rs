//! The handle through which everybody else asks, tells and reads.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use conduit_audit::{Draft, Entry, Head};
use conduit_core::actor::Actor;
use conduit_core::catalog::Catalog;
use conduit_core::certificate::{IssuedCertificate, Revoked};
use conduit_core::clock::Timestamp;
use conduit_core::live;
use conduit_core::name::ServiceName;
use conduit_core::node::Node;
use conduit_core::user::User;
use tokio::sync::{mpsc, oneshot};

use crate::backup;
use crate::error::RegistryError;
use crate::handover::PauseWish;
use crate::mutation::{Committed, Mutation};
use crate::nodes::NodeTable;
use crate::reader::{Reader, blocking};
use crate::rejection::ApplyError;
use crate::row::{ServiceRow, TokenRow};
use crate::store::{self, CertificateQuery};
use crate::token::{Grant, TokenHolder, TokenTable};
use crate::users::UserTable;
use crate::view::{self, AuditLog, RowHealth};

/// The registry, as seen from outside its writer; cheap to clone.
#[derive(Debug, Clone)]
pub struct Registry {
    pub(crate) decisions: mpsc::Sender<Decision>,
    pub(crate) observations: mpsc::Sender<Draft>,
    pub(crate) lost: Arc<Lost>,
    pub(crate) catalog: live::Reader<Catalog>,
    pub(crate) tokens: live::Reader<TokenTable>,
    pub(crate) nodes: live::Reader<NodeTable>,
    pub(crate) users: live::Reader<UserTable>,
    pub(crate) revoked: live::Reader<Revoked>,
    pub(crate) head: live::Reader<Head>,
    pub(crate) reader: Reader,
}

/// A wish on its way to the writer.
#[derive(Debug)]
pub(crate) enum Decision {
    Apply(Box<Wish>),
    Close(oneshot::Sender<()>),
    Pause(PauseWish),
}

#[derive(Debug)]
pub(crate) struct Wish {
    pub(crate) actor: Actor,
    pub(crate) mutation: Mutation,
    pub(crate) now: Timestamp,
    pub(crate) reply: oneshot::Sender<Result<Committed, ApplyError>>,
}

/// Observations that are on no record.
#[derive(Debug, Default)]
pub(crate) struct Lost {
    /// Not yet accounted for by a `gap`.
    pub(crate) pending: AtomicU64,
    /// Since the start.
    pub(crate) total: AtomicU64,
}

impl Lost {
    pub(crate) fn add(&self, count: u64) {
        self.pending.fetch_add(count, Ordering::Relaxed);
        self.total.fetch_add(count, Ordering::Relaxed);
    }
}

impl Registry {
    /// Asks for a change, and waits until it is durable and live, or is not going to be.
    ///
    /// When the caller stops waiting, the change may happen nevertheless.
    ///
    /// # Errors
    /// Says why it is not granted; nothing has changed then, unless the error says otherwise.
    pub async fn apply(&self, actor: Actor, mutation: Mutation) -> Result<Committed, ApplyError> {
        self.apply_at(actor, mutation, Timestamp::now()).await
    }

    /// Like [`Registry::apply`], at a given time.
    ///
    /// # Errors
    /// As [`Registry::apply`].
    pub async fn apply_at(
        &self,
        actor: Actor,
        mutation: Mutation,
        now: Timestamp,
    ) -> Result<Committed, ApplyError> {
        let (reply, answer) = oneshot::channel();
        let wish = Wish { actor, mutation, now, reply };
        let decision = Decision::Apply(Box::new(wish));
        let sent = self.decisions.send(decision).await;
        sent.map_err(|_| ApplyError::ShuttingDown)?;
        answer.await.unwrap_or_else(|_| Err(ApplyError::Unavailable(RegistryError::WriterGone)))
    }

    /// Reports something that happened, for the record. Never waits; what does not fit is counted,
    /// and the count becomes a `gap` entry.
    pub fn observe(&self, draft: Draft) {
        if self.observations.try_send(draft).is_err() {
            self.lost.add(1);
        }
    }

    /// How many observations were lost since the start.
    pub fn observations_lost(&self) -> u64 {
        self.lost.total.load(Ordering::Relaxed)
    }

    /// The active services.
    pub fn catalog(&self) -> live::Reader<Catalog> {
        self.catalog.clone()
    }

    /// The machines that operators added and that are watched.
    pub fn nodes(&self) -> live::Reader<NodeTable> {
        self.nodes.clone()
    }

    /// The people who may log in.
    pub fn users(&self) -> live::Reader<UserTable> {
        self.users.clone()
    }

    /// The certificates that are revoked.
    pub fn revoked(&self) -> live::Reader<Revoked> {
        self.revoked.clone()
    }

    /// Reads certificates of the inventory, newest first: those that others use, and leaves that
    /// were replaced.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn certificates(
        &self,
        query: CertificateQuery,
    ) -> Result<Vec<IssuedCertificate>, RegistryError> {
        self.reader.read(move |connection| store::certificates(connection, &query)).await
    }

    /// The tip of the record; it changes with every commit, so whoever writes views waits for it.
    pub fn head(&self) -> live::Reader<Head> {
        self.head.clone()
    }

    /// Recognises the holder of a token.
    pub fn authenticate(&self, secret: &str, now: Timestamp) -> Option<TokenHolder> {
        self.tokens.load().authenticate(secret, now)
    }

    /// What the holder of a token may do now, by the token's id; `None` once it is worthless.
    pub fn token_grant(&self, id: &str, now: Timestamp) -> Option<Grant> {
        self.tokens.load().grant(id, now)
    }

    /// Reads the rows of the registry, oldest first; history only when asked for.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn rows(&self, with_inactive: bool) -> Result<Vec<ServiceRow>, RegistryError> {
        let read = move |connection: &_| store::rows(connection, with_inactive);
        self.reader.read(read).await
    }

    /// Reads the newest entries of the record, newest first; with `before`, older ones than that.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn entries(
        &self,
        limit: u32,
        before: Option<u64>,
    ) -> Result<Vec<Entry>, RegistryError> {
        let limit = limit.min(ENTRIES_MAX);
        let read = move |connection: &_| store::newest_entries(connection, limit, before);
        self.reader.read(read).await
    }

    /// Reads entries from a sequence number on, oldest first.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn entries_from(
        &self,
        sequence: u64,
        limit: u32,
    ) -> Result<Vec<Entry>, RegistryError> {
        let limit = limit.min(ENTRIES_MAX);
        let read = move |connection: &_| store::entries_from(connection, sequence, limit);
        self.reader.read(read).await
    }

    /// Lists every token, newest first, revoked ones included.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn tokens(&self) -> Result<Vec<TokenRow>, RegistryError> {
        self.reader.read(store::tokens).await
    }

    /// Lists every node that was ever added, oldest first, removed ones included.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn node_rows(&self) -> Result<Vec<Node>, RegistryError> {
        self.reader.read(|connection| store::nodes(connection, true)).await
    }

    /// Lists every user that was ever added, oldest first, removed ones included.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn user_rows(&self) -> Result<Vec<User>, RegistryError> {
        self.reader.read(|connection| store::users(connection, true)).await
    }

    /// Replaces `services.json` in a directory; `health` knows about active services.
    ///
    /// # Errors
    /// When the database cannot be read or the file cannot be written; the old one is whole then.
    pub async fn write_services(
        &self,
        dir: &Path,
        health: impl Fn(&ServiceName) -> Option<RowHealth> + Send + 'static,
    ) -> Result<(), RegistryError> {
        let dir = dir.to_owned();
        let write = move |connection: &_| view::services::write(connection, &dir, health);
        let written = self.reader.read(write).await?;
        // Beside other reads: to make it durable takes the disk's time.
        blocking(move || written.finish()).await
    }

    /// Brings `audit.log` in a directory up to the tip of the record, a few entries at a time. What
    /// is read is written and freed on the thread that read it: memory that another thread frees
    /// comes back late.
    ///
    /// # Errors
    /// When the database cannot be read or the file cannot be written.
    pub async fn write_log(&self, dir: &Path) -> Result<(), RegistryError> {
        let (dir, count) = (dir.to_owned(), self.head.load().count);
        let mut log = blocking(move || AuditLog::open(&dir, count)).await?;
        while log.next_sequence() < count {
            let before = log.next_sequence();
            let append = move |connection: &_| {
                log.append(&store::entries_from(connection, before, ENTRIES_AT_ONCE)?)?;
                Ok(log)
            };
            log = self.reader.read(append).await?;
            if log.next_sequence() == before {
                break;
            }
        }
        Ok(())
    }

    /// Copies the database, as of one moment, to a new file, and says where its record ends.
    ///
    /// # Errors
    /// When the file exists already or cannot be written.
    pub async fn backup(&self, target: &Path) -> Result<Head, RegistryError> {
        let source: Arc<PathBuf> = self.reader.path();
        let target = target.to_owned();
        blocking(move || backup::copy(&source, &target)).await
    }

    /// Waits until the writer has ended, for whatever reason.
    pub async fn ended(&self) {
        self.decisions.closed().await;
    }

    /// Lets the writer finish what it was asked so far, write its anchor and end; nothing is read
    /// any more, and only the database itself is left.
    pub async fn close(&self) {
        self.reader.close().await;
        let (done, closed) = oneshot::channel();
        if self.decisions.send(Decision::Close(done)).await.is_ok() {
            // Either it says that it is done, or it is gone: closed both ways.
            closed.await.ok();
        }
    }
}

/// How many entries are on their way into `audit.log` at once.
const ENTRIES_AT_ONCE: u32 = 100;
/// Entries in one answer.
pub const ENTRIES_MAX: u32 = 10_000;
