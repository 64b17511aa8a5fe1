//! What is noted of one query while it is answered.
//!
//! **Invariant:** copies, bounded in bytes, and no reading: that is for the writer. A zone is shared,
//! so that a line tells of the one that answered.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use conduit_core::clock::Timestamp;
use tokio::time::Instant;

use super::QueryLog;
use crate::forward::Known;
use crate::handler::Transport;
use crate::interfaces::Local;
use crate::lists::{ListNote, Lists, Table};
use crate::reply::{Drop, Encoded, Outcome};
use crate::zone::Zone;

/// When a query came.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Watch {
    at: Timestamp,
    began: Instant,
}

impl Watch {
    pub(super) fn begin() -> Self {
        Self { at: Timestamp::now(), began: Instant::now() }
    }
}

/// A query that is being answered.
#[derive(Debug)]
pub(crate) struct Noted<'a> {
    pub(crate) watch: Watch,
    pub(crate) log: &'a QueryLog,
    pub(crate) request: &'a [u8],
    pub(crate) peer: SocketAddr,
    pub(crate) transport: Transport,
    pub(crate) lists: &'a Lists,
}

/// One that somebody waits for.
#[derive(Debug)]
pub(crate) struct Held {
    watch: Watch,
    log: QueryLog,
    request: Box<[u8]>,
    peer: SocketAddr,
    transport: Transport,
}

/// What became of one query.
#[derive(Debug)]
pub struct Query {
    pub(super) at: Timestamp,
    pub(super) took: Duration,
    pub(super) client: Option<IpAddr>,
    pub(super) transport: Transport,
    pub(super) request: Box<[u8]>,
    pub(super) end: End,
}

#[derive(Debug)]
pub(super) enum End {
    /// Nothing was said; the lists that wanted it so.
    Dropped(Drop, Option<Arc<Table>>),
    /// This was; by whom is told by the reply when it is not known.
    Own {
        reply: Box<[u8]>,
        outcome: Outcome,
        zone: Arc<Zone>,
        local: Local,
        listed: Option<Box<ListNote>>,
    },
    /// Somebody else's answer.
    Other { reply: Box<[u8]>, outcome: Outcome, known: Known, listed: Option<Box<ListNote>> },
}

impl Noted<'_> {
    /// Nothing was said.
    pub(crate) fn dropped(&self, reason: Drop) {
        if self.log.wants(true) {
            let table = (reason == Drop::Listed).then(|| self.lists.table()).flatten();
            self.send(End::Dropped(reason, table));
        }
    }

    /// The zone answered, or the request itself was the matter.
    pub(crate) fn answered(&self, encoded: &Encoded, zone: &Arc<Zone>, local: Local) {
        if self.log.wants(is_error(encoded.outcome)) {
            let (reply, outcome) = (cut(&encoded.bytes, REPLY_BYTES_MAX), encoded.outcome);
            let (zone, listed) = (Arc::clone(zone), encoded.listed.clone());
            self.send(End::Own { reply, outcome, zone, local, listed });
        }
    }

    /// What others say was known.
    pub(crate) fn known(&self, encoded: &Encoded, known: Known) {
        if self.log.wants(is_error(encoded.outcome)) {
            self.send(other(encoded, known));
        }
    }

    /// It has to be waited for.
    pub(crate) fn held(&self) -> Held {
        Held {
            watch: self.watch,
            log: self.log.clone(),
            request: cut(self.request, REQUEST_BYTES_MAX),
            peer: self.peer,
            transport: self.transport,
        }
    }

    fn send(&self, end: End) {
        self.log.send(Query {
            at: self.watch.at,
            took: self.watch.began.elapsed(),
            client: self.log.clients().shown(self.peer.ip()),
            transport: self.transport,
            request: cut(self.request, REQUEST_BYTES_MAX),
            end,
        });
    }
}

impl Held {
    /// Somebody else has answered, or nobody.
    pub(crate) fn known(self, encoded: &Encoded, known: Known) {
        let Self { watch, log, request, peer, transport } = self;
        if log.wants(is_error(encoded.outcome)) {
            log.send(Query {
                at: watch.at,
                took: watch.began.elapsed(),
                client: log.clients().shown(peer.ip()),
                transport,
                request,
                end: other(encoded, known),
            });
        }
    }
}

fn other(encoded: &Encoded, known: Known) -> End {
    let reply = cut(&encoded.bytes, REPLY_BYTES_MAX);
    End::Other { reply, outcome: encoded.outcome, known, listed: encoded.listed.clone() }
}

fn is_error(outcome: Outcome) -> bool {
    match outcome {
        Outcome::Records
        | Outcome::NoData
        | Outcome::NxDomain
        | Outcome::Truncated
        | Outcome::Limited
        | Outcome::Updated
        | Outcome::Transfer => false,
        Outcome::Refused
        | Outcome::NotAuth
        | Outcome::NotZone
        | Outcome::YxDomain
        | Outcome::YxRrSet
        | Outcome::NxRrSet
        | Outcome::BadCookie
        | Outcome::FormErr
        | Outcome::NotImp
        | Outcome::BadVersion
        | Outcome::Failed => true,
    }
}

fn cut(bytes: &[u8], most: usize) -> Box<[u8]> {
    bytes.get(..most).unwrap_or(bytes).into()
}

/// Of a request: a question with any sensible options.
const REQUEST_BYTES_MAX: usize = 512;
/// Of a reply: what a datagram has. Of longer ones, which come over streams, the first records are told.
const REPLY_BYTES_MAX: usize = 1_232;
