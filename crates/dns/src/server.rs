//! The loops that move bytes between sockets and the handler.
//!
//! **Invariant:** a loop ends only when the process stops. Whatever a client sends, and whatever
//! the system says about one packet or connection, the next one is read.

mod inbox;
mod outbox;
mod path;
mod responder;
mod stream;
mod tcp;
mod udp;
mod workers;

use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::time::Duration;

use conduit_core::error::Chain;
use conduit_core::live;
use conduit_core::tasks::Tasks;
use tokio::runtime::Handle;
use tokio::sync::Semaphore;
use tokio::time::MissedTickBehavior;

use self::responder::{TRANSFERS_MAX, UPDATES_MAX};
use self::workers::Plan;
use crate::access::Policy;
use crate::bind::{Bound, Listeners};
use crate::error::DnsError;
use crate::handler::Transport;
use crate::interfaces::Interfaces;
use crate::metrics::Metrics;
use crate::transfer::journal::{self, Journal};
use crate::transfer::notify;
use crate::update::replay::Seen;
use crate::zone::Zone;

pub(crate) use self::responder::{Next, Responder};

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
        let journal = secondaries(&zone, &policy, &metrics, tasks);
        let responder = Responder {
            zone,
            policy,
            interfaces,
            metrics,
            log,
            jobs: jobs.clone(),
            runtime: Handle::current(),
            journal,
            transfers: Arc::new(Semaphore::new(TRANSFERS_MAX)),
            updates: Arc::new(Semaphore::new(UPDATES_MAX)),
            seen: Seen::default(),
        };
        self.https.begin(responder.clone());
        let (stop, ended) = (tasks.stop().clone(), jobs.clone());
        tasks.service("dns-jobs", async move {
            stop.cancelled().await;
            ended.finish().await;
        });
        let (stop, lists) = (tasks.stop().clone(), responder.policy.load_full().lists.clone());
        tasks.service("dns-lists", async move {
            stop.run_until_cancelled(lists.follow()).await;
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

/// Starts what secondaries need: a journal of changes, and somebody who tells of them.
fn secondaries(
    zone: &live::Reader<Zone>,
    policy: &live::Reader<Policy>,
    metrics: &Metrics,
    tasks: &Tasks,
) -> live::Reader<Journal> {
    let (writer, journal) = live::channel(Arc::default());
    let stop = tasks.stop().clone();
    let keep = journal::keep(zone.clone(), writer);
    tasks.service("dns-journal", async move {
        stop.run_until_cancelled(keep).await;
    });
    let stop = tasks.stop().clone();
    let tell = notify::tell(zone.clone(), policy.clone(), metrics.clone(), tasks.clone());
    tasks.service("dns-notify", async move {
        stop.run_until_cancelled(tell).await;
    });
    journal
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
