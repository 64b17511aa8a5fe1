//! The loop that moves bytes between links and their sockets.
//!
//! **Invariant:** whatever has come is judged before anything that is due is done, however late that is: a name
//! is never claimed while the word of who has it waits to be read (RFC 6762 §8.1). Packets wait in the sockets
//! alone. An interface that goes takes its sockets along, and one that fails is tried again. The end takes
//! every name back, unless another process goes on.

use std::collections::{BTreeMap, HashSet};
use std::future::poll_fn;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use conduit_core::live;
use conduit_core::tasks::Tasks;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until};
use tokio_util::sync::CancellationToken;

use super::heard::MESSAGE_BYTES_MAX;
use super::link::{Family, Given, Link, To};
use super::names::Names;
use super::socket::{self, Joined};
use super::status::{Conflict, Counts, LinkStatus, Status};
use super::wires::{Chosen, Wire, choose};
use crate::leaving::Leaving;
use crate::zone::Zone;

/// What multicast DNS is served from and with.
#[derive(Debug)]
pub struct Service {
    /// The names.
    pub zone: live::Reader<Zone>,
    /// The interfaces; none named is all that carry multicast.
    pub interfaces: Vec<String>,
    /// Where it is told how it does.
    pub status: live::Writer<Status>,
    /// Where it is counted.
    pub counts: Counts,
    /// When another process goes on with the names.
    pub leaving: Leaving,
}

impl Service {
    /// Serves until the process stops; call it on the runtime that is to do the work.
    pub fn start(self, tasks: &Tasks) {
        let serving = Serving {
            zone: self.zone,
            interfaces: self.interfaces,
            status: self.status,
            counts: self.counts,
            links: BTreeMap::new(),
            missing: Vec::new(),
            is_changed: true,
            buffer: vec![0; MESSAGE_BYTES_MAX + 1],
        };
        tasks.service("mdns", serving.run(tasks.stop().clone(), self.leaving));
    }
}

struct Serving {
    zone: live::Reader<Zone>,
    interfaces: Vec<String>,
    status: live::Writer<Status>,
    counts: Counts,
    links: BTreeMap<u32, Served>,
    missing: Vec<(String, String)>,
    is_changed: bool,
    /// For one packet, and an octet that tells of a longer one.
    buffer: Vec<u8>,
}

/// A link with its sockets, by family.
struct Served {
    wire: Wire,
    link: Link,
    left_out: usize,
    sockets: [Option<Joined>; 2],
    /// Why one of them is missing.
    problem: Option<String>,
}

impl Serving {
    async fn run(mut self, stop: CancellationToken, leaving: Leaving) {
        let mut zone = self.zone.clone();
        let mut look = interval(LOOK_INTERVAL);
        look.set_missed_tick_behavior(MissedTickBehavior::Skip);
        // Many changes in a row are one.
        let mut renew: Option<Instant> = None;
        loop {
            let next = self.links.values().filter_map(|served| served.link.next()).chain(renew);
            let next = next.min().unwrap_or_else(|| Instant::now() + LOOK_INTERVAL);
            tokio::select! {
                biased;
                () = stop.cancelled() => break self.end(),
                () = leaving.begun() => break,
                _ = look.tick() => self.look(),
                () = zone.changed(), if renew.is_none() => {
                    renew = Some(Instant::now() + RENEW_PAUSE);
                }
                () = sleep_until(next) => {}
                () = self.heard() => {}
            }
            // What is due by now waited until now: answers that came in that time are all read first.
            let now = Instant::now();
            self.receive(now);
            if renew.is_some_and(|at| at <= now) {
                renew = None;
                self.renew(now);
            }
            self.go_on(now);
        }
        self.links.clear();
        // Another process goes on, and this one ends later.
        stop.cancelled().await;
    }

    /// Follows the interfaces.
    fn look(&mut self) {
        let all = match Wire::read() {
            Ok(all) => all,
            Err(error) => {
                tracing::warn!(%error, "keeping the interfaces of multicast DNS as known");
                return;
            }
        };
        let Chosen { wires, missing } = choose(&all, &self.interfaces);
        if missing != self.missing {
            for (interface, reason) in &missing {
                tracing::warn!(%interface, %reason, "no multicast DNS on an interface");
            }
            self.missing = missing;
        }
        self.links.retain(|index, served| {
            wires.iter().any(|w| w.index == *index && w.name == served.wire.name)
        });
        for wire in wires {
            let index = wire.index;
            let (is_new, is_other) = match self.links.get_mut(&index) {
                Some(served) => {
                    let is_other = served.wire != wire;
                    // It would send from the address it was opened with, which the system refuses.
                    if served.wire.v4() != wire.v4() {
                        served.sockets[Family::V4 as usize] = None;
                    }
                    served.wire = wire;
                    (false, is_other)
                }
                None => {
                    self.links.insert(index, Served::new(wire, &self.counts));
                    (true, true)
                }
            };
            if is_new || is_other || self.links.get(&index).is_some_and(Served::lacks_socket) {
                self.open(index);
            }
        }
        self.is_changed = true;
        self.renew(Instant::now());
    }

    /// Opens what is missing of the sockets of a link, and closes what is no more of use.
    fn open(&mut self, index: u32) {
        let Some(served) = self.links.get_mut(&index) else { return };
        let before = served.problem.take();
        for family in [Family::V4, Family::V6] {
            let place = &mut served.sockets[family as usize];
            let is_there = match family {
                Family::V4 => served.wire.v4().is_some(),
                Family::V6 => served.wire.has_v6(),
            };
            if !is_there {
                *place = None;
            } else if place.is_none() {
                match Joined::new(&served.wire, family) {
                    Ok(joined) => *place = joined,
                    Err(error) => {
                        let words = if family == Family::V4 { "IPv4" } else { "IPv6" };
                        served.problem = Some(format!("cannot be joined over {words}: {error}"));
                    }
                }
            }
        }
        if let Some(problem) = served.problem.as_ref().filter(|now| Some(*now) != before.as_ref()) {
            let interface = &served.wire.name;
            tracing::warn!(%interface, %problem, "multicast DNS on an interface");
        }
    }

    /// Gives every link the names that it is to have now.
    fn renew(&mut self, now: Instant) {
        let zone = self.zone.load_full();
        let every = self.links.values().flat_map(|served| &served.wire.nets);
        let ours: HashSet<IpAddr> = every.map(ipnet::IpNet::addr).collect();
        for served in self.links.values_mut() {
            // What cannot be asked for on a link is not claimed there.
            let Names { names, left_out } = match served.sockets.iter().any(Option::is_some) {
                true => Names::of(&zone, &served.wire.nets),
                false => Names::default(),
            };
            if left_out > 0 && served.left_out == 0 {
                let interface = &served.wire.name;
                tracing::warn!(%interface, left_out, "too many names for multicast DNS");
            }
            served.left_out = left_out;
            let given = Given { names, nets: served.wire.nets.clone(), ours: ours.clone() };
            served.link.set(given, now);
        }
    }

    /// Waits until something is heard on any link.
    async fn heard(&self) {
        poll_fn(|context| {
            // Each of them is asked, so that each wakes this up.
            let heard = self.links.values().filter(|served| served.poll_heard(context).is_ready());
            if heard.count() > 0 { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
    }

    /// Takes in everything that has come.
    fn receive(&mut self, now: Instant) {
        for served in self.links.values_mut() {
            served.receive(&mut self.buffer, now);
        }
    }

    fn go_on(&mut self, now: Instant) {
        let mut is_changed = std::mem::take(&mut self.is_changed);
        for served in self.links.values_mut() {
            served.link.tick(now);
            served.send();
            served.link.sent(now, Instant::now());
            is_changed |= served.link.has_changed();
        }
        if is_changed {
            self.tell();
        }
    }

    /// Tells how it goes, and of every name that is newly found with somebody else.
    fn tell(&mut self) {
        let links = self.links.values().map(Served::status).collect();
        let problems = self
            .links
            .values()
            .filter_map(|served| Some((served.wire.name.clone(), served.problem.clone()?)));
        let missing = self.missing.iter().cloned().chain(problems).collect();
        let next = Status { links, missing };
        let before = self.status.current();
        if next == *before {
            return;
        }
        for (interface, conflict) in next.conflicts() {
            let is_known = |(there, known): (&str, &Conflict)| {
                there == interface && known.name == conflict.name
            };
            if !before.conflicts().any(is_known) {
                let Conflict { name, from, says } = conflict;
                tracing::warn!(
                    %name, %interface, %from, %says,
                    "another machine has a name of ours; not answered on multicast DNS there"
                );
            }
        }
        self.status.publish(Arc::new(next));
    }

    fn end(&mut self) {
        for served in self.links.values_mut() {
            served.link.stop();
            served.send();
        }
    }
}

impl Served {
    fn new(wire: Wire, counts: &Counts) -> Self {
        // Chance only keeps machines that start together apart; any will do.
        let seed = getrandom::u64().unwrap_or_else(|_| u64::from(wire.index));
        let link = Link::new(seed, counts.clone());
        Self { wire, link, left_out: 0, sockets: [None, None], problem: None }
    }

    fn poll_heard(&self, context: &mut Context<'_>) -> Poll<()> {
        let heard = self.sockets.iter().flatten().filter(|s| s.poll_heard(context).is_ready());
        if heard.count() > 0 { Poll::Ready(()) } else { Poll::Pending }
    }

    /// Takes in what has come on its sockets.
    fn receive(&mut self, buffer: &mut [u8], now: Instant) {
        for family in [Family::V4, Family::V6] {
            let Some(socket) = &self.sockets[family as usize] else { continue };
            for _ in 0..READ_MAX {
                match socket.receive(buffer) {
                    Ok(None) => break,
                    Ok(Some((length, source))) => {
                        let bytes = buffer.get(..length).unwrap_or_default();
                        self.link.receive(bytes, (source, family), now);
                    }
                    Err(error) => {
                        tracing::debug!(%error, interface = %self.wire.name, "mDNS not heard");
                        break;
                    }
                }
            }
        }
    }

    fn lacks_socket(&self) -> bool {
        let [v4, v6] = &self.sockets;
        (v4.is_none() && self.wire.v4().is_some()) || (v6.is_none() && self.wire.has_v6())
    }

    /// Sends what the link wants; what the system does not take now is lost, as on any wire.
    fn send(&mut self) {
        for (to, bytes) in self.link.sends() {
            let families: &[Family] = match to {
                To::Both => &[Family::V4, Family::V6],
                To::Group(Family::V4) => &[Family::V4],
                To::Group(Family::V6) => &[Family::V6],
                To::Peer(SocketAddr::V4(_)) => &[Family::V4],
                To::Peer(SocketAddr::V6(_)) => &[Family::V6],
            };
            for family in families {
                let Some(socket) = &self.sockets[*family as usize] else { continue };
                let target = match to {
                    To::Peer(peer) => peer,
                    To::Both | To::Group(_) => socket::group(*family, self.wire.index),
                };
                if let Err(error) = socket.send(&bytes, target) {
                    tracing::debug!(%error, interface = %self.wire.name, %target, "mDNS not sent");
                }
            }
        }
    }

    fn status(&self) -> LinkStatus {
        let conflicts = self.link.taken().map(|(owned, rival)| Conflict {
            name: owned.name.to_ascii().trim_end_matches('.').to_owned(),
            from: rival.from.to_string(),
            says: rival.says.clone(),
        });
        LinkStatus {
            interface: self.wire.name.clone(),
            answered: self.link.answered(),
            left_out: self.left_out,
            conflicts: conflicts.collect(),
        }
    }
}

/// Between two looks at the interfaces.
const LOOK_INTERVAL: Duration = Duration::from_secs(5);
/// From a change of the zone to the links.
const RENEW_PAUSE: Duration = Duration::from_millis(100);
/// Packets read from one socket in a row: more than the system keeps for one.
const READ_MAX: usize = 1_024;
