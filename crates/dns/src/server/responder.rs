//! What every loop does with a request: which tables answer it, what is counted and told, and whether
//! others have to be asked.
//!
//! **Invariant:** what is answered together is answered from one state of every table, and nothing here waits
//! but [`Responder::forward`].

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use conduit_core::live::{self, Guard};
use conduit_core::tasks::Tasks;
use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

use crate::access::Policy;
use crate::forward::{Begun, Waiting};
use crate::handler::{Asker, Transport, respond};
use crate::interfaces::{Interfaces, Local};
use crate::metrics::{Metrics, Tally};
use crate::query_log::{Noted, QueryLog};
use crate::reply::{Drop, Encoded, Outcome, Reply};
use crate::short::{self, Scene, Written};
use crate::transfer::journal::Journal;
use crate::transfer::{Transfer, now_s};
use crate::tsig::Exchange;
use crate::update::Update;
use crate::update::replay::{self, Seen};
use crate::zone::Zone;

/// Everything that answering needs; shared by all loops.
#[derive(Debug, Clone)]
pub(crate) struct Responder {
    pub(super) zone: live::Reader<Zone>,
    pub(super) policy: live::Reader<Policy>,
    pub(super) interfaces: live::Reader<Interfaces>,
    pub(super) metrics: Metrics,
    pub(super) log: QueryLog,
    pub(super) jobs: Tasks,
    /// Where forwarders are asked, also for who answers on another thread.
    pub(super) runtime: Handle,
    pub(super) journal: live::Reader<Journal>,
    pub(super) transfers: Arc<Semaphore>,
    pub(super) updates: Arc<Semaphore>,
    pub(super) seen: Seen,
}

/// Every table, read once for what is answered together; for synchronous code only.
pub(super) struct Tables {
    zone: Guard<Arc<Zone>>,
    policy: Guard<Arc<Policy>>,
    interfaces: Guard<Arc<Interfaces>>,
    /// Every query is logged, and told of where it is answered the long way.
    tells_all: bool,
    /// No list and no hosts file says anything about names that are not ours.
    is_unlisted: bool,
}

impl Tables {
    pub(super) fn local(&self, address: IpAddr) -> Local {
        self.interfaces.local(address)
    }

    /// Writes the reply into `room`, when the question and the answer have nothing unusual.
    pub(super) fn short(&self, request: &[u8], asker: &Asker, room: &mut [u8]) -> Option<Written> {
        if asker.peer.port() == 0 || self.tells_all {
            return None;
        }
        let may_ask = self.policy.access.allows(asker.peer.ip());
        // Strangers over UDP are counted.
        if !may_ask && asker.transport == Transport::Udp && self.policy.rate_limit > 0 {
            return None;
        }
        let local = self.zone.facing(asker.peer.ip(), asker.local);
        let scene = Scene {
            zone: &self.zone,
            local: &local,
            transport: asker.transport,
            recursion_available: may_ask && self.policy.forwarder.is_some(),
            others: self.policy.forwarder.as_ref().filter(|_| may_ask && self.is_unlisted),
        };
        short::answer(request, &scene, room)
    }
}

/// What a loop does next with one request.
pub(crate) enum Next {
    Send(Vec<u8>),
    Forward(Box<Later>),
    Transfer(Box<Outgoing>),
    Nothing,
}

/// A reply that others have to be asked for.
pub(crate) enum Later {
    /// Forwarders are asked.
    Forwarded(Waiting, Option<Box<Exchange>>),
    /// The registry is.
    Updated(Arc<Update>, oneshot::Receiver<Outcome>),
}

/// A zone that is on its way, as one of at most [`TRANSFERS_MAX`].
pub(crate) struct Outgoing {
    pub(super) transfer: Transfer,
    pub(super) journal: Arc<Journal>,
    _permit: OwnedSemaphorePermit,
}

impl Responder {
    /// What answers depend on, as it is now.
    pub(super) fn tables(&self) -> Tables {
        let policy = self.policy.load();
        Tables {
            zone: self.zone.load(),
            interfaces: self.interfaces.load(),
            tells_all: self.log.is_all(),
            is_unlisted: policy.lists.are_empty(),
            policy,
        }
    }

    /// Answers one request that came alone, to one of our addresses.
    pub(crate) fn answer(
        &self,
        request: &[u8],
        peer: SocketAddr,
        arrived_at: IpAddr,
        transport: Transport,
    ) -> Next {
        let tables = self.tables();
        let asker = Asker { peer, local: tables.local(arrived_at), transport };
        self.respond(request, &asker, &tables)
    }

    /// Answers one request.
    pub(super) fn respond(&self, request: &[u8], asker: &Asker, tables: &Tables) -> Next {
        let Asker { peer, local, transport } = *asker;
        let watch = self.log.watch();
        let (policy, zone) = (&*tables.policy, &*tables.zone);
        let (log, lists) = (&self.log, &policy.lists);
        let noted = watch.map(|watch| Noted { watch, log, request, peer, transport, lists });
        let encoded = match respond(request, asker, zone, policy) {
            Reply::Silence(reason) => {
                if let Some(noted) = &noted {
                    noted.dropped(reason);
                }
                self.metrics.count_dropped(reason);
                return Next::Nothing;
            }
            Reply::Send(encoded) => encoded,
            Reply::Forward(mut pending) => {
                let mut signed = pending.signed.take();
                match &policy.forwarder {
                    Some(forwarder) => {
                        let begun = forwarder.begin(pending);
                        return self.begun(begun, signed, transport, noted);
                    }
                    None => sign(pending.plain(Outcome::NxDomain), &mut signed),
                }
            }
            Reply::Transfer(transfer) => return self.transfer(transfer, peer, transport),
            Reply::Update(update) => return self.update(update, transport),
        };
        if let Some(noted) = &noted {
            noted.answered(&encoded, zone, local);
        }
        Next::Send(self.counted(encoded, transport))
    }

    /// Lets a transfer begin, unless too many are under way.
    fn transfer(&self, transfer: Box<Transfer>, peer: SocketAddr, transport: Transport) -> Next {
        let (zone, serial) = (transfer.name(), transfer.serial());
        let Ok(permit) = Arc::clone(&self.transfers).try_acquire_owned() else {
            tracing::warn!(%peer, zone, "too many zone transfers at once; this one is put off");
            return Next::Send(self.counted(transfer.refuse(), transport));
        };
        tracing::info!(%peer, zone, serial, "a zone is transferred");
        self.metrics.count(transport, Outcome::Transfer);
        let journal = self.journal.load_full();
        Next::Transfer(Box::new(Outgoing { transfer: *transfer, journal, _permit: permit }))
    }

    /// Sends what is known; what has to be asked is asked beside the loop, for all who wait.
    fn begun(
        &self,
        begun: Begun,
        mut signed: Option<Box<Exchange>>,
        transport: Transport,
        noted: Option<Noted<'_>>,
    ) -> Next {
        let held = || noted.as_ref().map(Noted::held);
        let mut send = |encoded: Encoded, known| {
            if let Some(noted) = &noted {
                noted.known(&encoded, known);
            }
            Next::Send(self.counted(sign(encoded, &mut signed), transport))
        };
        let (next, flight) = match begun {
            Begun::Send(encoded, known) => (send(encoded, known), None),
            Begun::Refresh(encoded, known, flight) => (send(encoded, known), Some(flight)),
            Begun::Wait(waiting) => {
                (Next::Forward(Box::new(Later::Forwarded(waiting.noted(held()), signed))), None)
            }
            Begun::Ask(waiting, flight) => (
                Next::Forward(Box::new(Later::Forwarded(waiting.noted(held()), signed))),
                Some(flight),
            ),
        };
        if let Some(flight) = flight {
            let stop = self.jobs.stop().clone();
            let _entered = self.runtime.enter();
            self.jobs.job("dns-flight", async move {
                stop.run_until_cancelled(flight.run()).await;
            });
        }
        next
    }

    /// Waits for an answer; the query log is told by what is waited for.
    pub(crate) async fn forward(&self, later: Box<Later>, transport: Transport) -> Vec<u8> {
        match *later {
            Later::Forwarded(waiting, mut signed) => {
                let encoded = waiting.reply().await;
                self.metrics.count_forwarded(encoded.outcome);
                self.counted(sign(encoded, &mut signed), transport)
            }
            Later::Updated(update, outcome) => {
                // The gateway stops.
                let outcome = outcome.await.unwrap_or(Outcome::Failed);
                self.counted(update.reply(outcome), transport)
            }
        }
    }

    /// Lets an update be made, unless it was seen before or too many are under way.
    fn update(&self, update: Box<Update>, transport: Transport) -> Next {
        let Ok(permit) = Arc::clone(&self.updates).try_acquire_owned() else {
            return Next::Send(self.counted(update.reply(Outcome::Failed), transport));
        };
        match self.seen.begin(update.exchange(), now_s()) {
            replay::Begun::New => Next::Forward(Box::new(self.begin_update(update, permit))),
            replay::Begun::Done(outcome) => {
                Next::Send(self.counted(update.reply(outcome), transport))
            }
            replay::Begun::Full => {
                Next::Send(self.counted(update.reply(Outcome::Failed), transport))
            }
            replay::Begun::Running => {
                self.dropped(Drop::Again);
                Next::Nothing
            }
        }
    }

    /// Makes an update beside the loop: its client may hang up, and what became of it is told to whoever sends it
    /// again.
    fn begin_update(&self, update: Box<Update>, permit: OwnedSemaphorePermit) -> Later {
        let update: Arc<Update> = Arc::from(update);
        let (tell, outcome) = oneshot::channel();
        let (zone, seen, made) = (self.zone.clone(), self.seen.clone(), Arc::clone(&update));
        let making = async move {
            let outcome = made.make(|| zone.load_full()).await;
            seen.end(made.exchange(), outcome);
            drop(permit);
            // Who asked may have gone away.
            tell.send(outcome).ok();
        };
        let stop = self.jobs.stop().clone();
        let _entered = self.runtime.enter();
        self.jobs.job("dns-update", async move {
            stop.run_until_cancelled(making).await;
        });
        Later::Updated(update, outcome)
    }

    pub(super) fn count_one(&self, transport: Transport, outcome: Outcome) {
        self.metrics.count(transport, outcome);
    }

    pub(super) fn count_all(&self, transport: Transport, tally: &Tally) {
        self.metrics.count_all(transport, tally);
    }

    pub(super) fn dropped(&self, reason: Drop) {
        self.metrics.count_dropped(reason);
    }

    fn counted(&self, encoded: Encoded, transport: Transport) -> Vec<u8> {
        self.metrics.count(transport, encoded.outcome);
        encoded.bytes
    }
}

/// Signs the reply to a signed request.
fn sign(mut encoded: Encoded, signed: &mut Option<Box<Exchange>>) -> Encoded {
    if let Some(exchange) = signed {
        exchange.sign(&mut encoded.bytes, now_s());
    }
    encoded
}

/// Zones that are on their way at once.
pub(super) const TRANSFERS_MAX: usize = 8;
/// Updates that are made at once; one more is put off.
pub(super) const UPDATES_MAX: usize = 32;
