//! The loops that move bytes between sockets and the handler.
//!
//! **Invariant:** a loop ends only when the process stops. Whatever a client sends, and whatever
//! the system says about one packet or connection, the next one is read.

mod inbox;
mod outbox;
mod path;
mod stream;
mod tcp;
mod udp;
mod workers;

use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::time::Duration;

use conduit_core::error::Chain;
use conduit_core::live::{self, Guard};
use conduit_core::tasks::Tasks;
use tokio::runtime::Handle;
use tokio::time::MissedTickBehavior;

use self::workers::Plan;
use crate::access::Policy;
use crate::bind::{Bound, Listeners};
use crate::error::DnsError;
use crate::forward::{Begun, Waiting};
use crate::handler::{Asker, Transport, respond};
use crate::interfaces::{Interfaces, Local};
use crate::metrics::{Metrics, Tally};
use crate::query_log::{Noted, QueryLog};
use crate::reply::{Drop, Encoded, Outcome, Reply};
use crate::short::{self, Scene, Written};
use crate::zone::Zone;

pub(crate) use self::stream::REQUEST_BYTES_MAX;

impl Listeners {
    /// Starts answering on every socket; call it on the runtime that is to do the work.
    ///
    /// # Errors
    /// When a socket cannot be adopted by the runtime, or the interfaces cannot be read.
    pub fn serve(
        self,
        zone: live::Reader<Zone>,
        policy: live::Reader<Policy>,
        metrics: Metrics,
        tasks: &Tasks,
    ) -> Result<(), DnsError> {
        let (writer, interfaces) = live::channel(Arc::new(Interfaces::read()?));
        let (leaving, log) = (self.leaving, self.log);
        // Jobs of their own, so that their end can be waited for while the loops stand still.
        let jobs = leaving.jobs(tasks);
        let runtime = Handle::current();
        let responder =
            Responder { zone, policy, interfaces, metrics, log, jobs: jobs.clone(), runtime };
        self.https.begin(responder.clone());
        let (stop, ended) = (tasks.stop().clone(), jobs.clone());
        tasks.service("dns-jobs", async move {
            stop.cancelled().await;
            ended.finish().await;
        });
        let stop = tasks.stop().clone();
        tasks.service("dns-interfaces", async move {
            stop.run_until_cancelled(follow_interfaces(writer)).await;
        });
        let mut shares: Vec<Vec<(SocketAddr, UdpSocket)>> = Vec::new();
        for Bound { address, udp, tcp } in self.sockets {
            let adopt = |transport| move |source| DnsError::Adopt { address, transport, source };
            let tcp = tcp::Server::adopt(tcp, responder.clone(), jobs.clone(), leaving.clone())
                .map_err(adopt(Transport::Tcp))?;
            tasks.service("dns-tcp", tcp.run());
            for (index, socket) in udp.into_iter().enumerate() {
                // What a former process had more of is served by the last one.
                let index = index.min(self.workers - 1);
                shares.resize_with(shares.len().max(index + 1), Vec::new);
                shares[index].push((address, socket));
            }
        }
        for (index, sockets) in shares.into_iter().enumerate() {
            let plan = Plan {
                sockets,
                responder: responder.clone(),
                jobs: jobs.clone(),
                leaving: leaving.clone(),
            };
            workers::start(index, plan, tasks)?;
        }
        for (address, listener) in self.encrypted {
            let Some(config) = self.tls.clone() else { break };
            let failed = |source| DnsError::Adopt { address, transport: Transport::Tls, source };
            let tls =
                tcp::Server::adopt(listener, responder.clone(), jobs.clone(), leaving.clone());
            tasks.service("dns-tls", tls.map_err(failed)?.with_tls(config).run());
        }
        Ok(())
    }
}

/// Everything that answering needs; shared by all loops.
#[derive(Debug, Clone)]
pub(crate) struct Responder {
    zone: live::Reader<Zone>,
    policy: live::Reader<Policy>,
    interfaces: live::Reader<Interfaces>,
    metrics: Metrics,
    log: QueryLog,
    jobs: Tasks,
    /// Where forwarders are asked, also for who answers on another thread.
    runtime: Handle,
}

/// Every table, read once for what is answered together; for synchronous code only.
struct Tables {
    zone: Guard<Arc<Zone>>,
    policy: Guard<Arc<Policy>>,
    interfaces: Guard<Arc<Interfaces>>,
    /// Every query is logged, and told of where it is answered the long way.
    tells_all: bool,
}

impl Tables {
    fn local(&self, address: IpAddr) -> Local {
        self.interfaces.local(address)
    }

    /// Writes the reply into `room`, when the question and the answer have nothing unusual.
    fn short(&self, request: &[u8], asker: &Asker, room: &mut [u8]) -> Option<Written> {
        if asker.peer.port() == 0 || self.tells_all {
            return None;
        }
        let asks = self.policy.forwarder.is_some();
        let local = self.zone.facing(asker.peer.ip(), asker.local);
        let scene = Scene {
            zone: &self.zone,
            local: &local,
            transport: asker.transport,
            recursion_available: asks && self.policy.access.allows(asker.peer.ip()),
        };
        short::answer(request, &scene, room)
    }
}

/// What a loop does next with one request.
pub(crate) enum Next {
    Send(Vec<u8>),
    Forward(Waiting),
    Nothing,
}

impl Responder {
    /// What answers depend on, as it is now.
    fn tables(&self) -> Tables {
        Tables {
            zone: self.zone.load(),
            policy: self.policy.load(),
            interfaces: self.interfaces.load(),
            tells_all: self.log.is_all(),
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
    fn respond(&self, request: &[u8], asker: &Asker, tables: &Tables) -> Next {
        let Asker { peer, local, transport } = *asker;
        let watch = self.log.watch();
        let noted = watch.map(|watch| Noted { watch, log: &self.log, request, peer, transport });
        let (policy, zone) = (&*tables.policy, &*tables.zone);
        let encoded = match respond(request, asker, zone, policy) {
            Reply::Silence(reason) => {
                if let Some(noted) = &noted {
                    noted.dropped(reason);
                }
                self.metrics.count_dropped(reason);
                return Next::Nothing;
            }
            Reply::Send(encoded) => encoded,
            Reply::Forward(pending) => match &policy.forwarder {
                Some(forwarder) => return self.begun(forwarder.begin(pending), transport, noted),
                None => pending.plain(Outcome::NxDomain),
            },
        };
        if let Some(noted) = &noted {
            noted.answered(&encoded, zone, local);
        }
        Next::Send(self.counted(encoded, transport))
    }

    /// Sends what is known; what has to be asked is asked beside the loop, for all who wait.
    fn begun(&self, begun: Begun, transport: Transport, noted: Option<Noted<'_>>) -> Next {
        let held = || noted.as_ref().map(Noted::held);
        let tell = |encoded: &Encoded, known| {
            if let Some(noted) = &noted {
                noted.known(encoded, known);
            }
        };
        let (next, flight) = match begun {
            Begun::Send(encoded, known) => {
                tell(&encoded, known);
                (Next::Send(self.counted(encoded, transport)), None)
            }
            Begun::Refresh(encoded, known, flight) => {
                tell(&encoded, known);
                (Next::Send(self.counted(encoded, transport)), Some(flight))
            }
            Begun::Wait(waiting) => (Next::Forward(waiting.noted(held())), None),
            Begun::Ask(waiting, flight) => (Next::Forward(waiting.noted(held())), Some(flight)),
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
    pub(crate) async fn forward(&self, waiting: Waiting, transport: Transport) -> Vec<u8> {
        let encoded = waiting.reply().await;
        self.metrics.count_forwarded(encoded.outcome);
        self.counted(encoded, transport)
    }

    fn count_one(&self, transport: Transport, outcome: Outcome) {
        self.metrics.count(transport, outcome);
    }

    fn count_all(&self, transport: Transport, tally: &Tally) {
        self.metrics.count_all(transport, tally);
    }

    fn dropped(&self, reason: Drop) {
        self.metrics.count_dropped(reason);
    }

    fn counted(&self, encoded: Encoded, transport: Transport) -> Vec<u8> {
        self.metrics.count(transport, encoded.outcome);
        encoded.bytes
    }
}

/// Addresses come and go (DHCP, tunnels); answers follow.
async fn follow_interfaces(mut writer: live::Writer<Interfaces>) {
    let mut tick = tokio::time::interval(INTERFACES_INTERVAL);
    tick.set_missed_tick_behavior(MissedTickBehavior::Skip);
    loop {
        tick.tick().await;
        match Interfaces::read() {
            Ok(next) if next != *writer.current() => writer.publish(Arc::new(next)),
            Ok(_) => {}
            Err(error) => tracing::warn!(error = %Chain(&error), "keeping the addresses as known"),
        }
    }
}

/// How often the addresses of this machine are looked at.
const INTERFACES_INTERVAL: Duration = Duration::from_secs(15);

#[cfg(test)]
mod tests;
