//! Who may have one more connection.
//!
//! **Invariant:** an [`Admitted`] is one connection in the total and one of its client, from when it
//! is accepted until everything that it became (a tunnel, too) has ended. A client is an IPv4 address
//! or a /64 of IPv6, which is what one machine gets. Proxies that are trusted speak for many clients
//! and are not counted.

use std::collections::HashMap;
use std::hash::BuildHasher;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use foldhash::fast::RandomState;
use ipnet::IpNet;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::Limits;
use super::hits::{Hits, Limit};
use crate::headers::told;

/// All connections of all workers; cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Admission(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    total: Arc<Semaphore>,
    total_max: usize,
    per_client_max: usize,
    exempt: Vec<IpNet>,
    hits: Hits,
    hasher: RandomState,
    shards: [Shard; SHARDS],
}

/// How many connections each client has.
type Shard = Mutex<HashMap<IpAddr, usize, RandomState>>;

/// One connection, until this is dropped.
#[derive(Debug)]
pub(crate) struct Admitted {
    _total: OwnedSemaphorePermit,
    _of_client: Option<OfClient>,
}

impl Admission {
    /// No connection yet.
    pub(crate) fn new(limits: &Limits, exempt: &[IpNet], hits: Hits) -> Self {
        Self(Arc::new(Shared {
            total: Arc::new(Semaphore::new(limits.connections_max)),
            total_max: limits.connections_max,
            per_client_max: limits.connections_per_client_max,
            exempt: exempt.to_vec(),
            hits,
            hasher: RandomState::default(),
            shards: std::array::from_fn(|_| Shard::default()),
        }))
    }

    /// Waits until there may be one more connection, and takes no place: a listener that nobody asks
    /// has none.
    pub(crate) async fn until_room(&self) {
        drop(self.room().await);
    }

    /// Waits for the place of one more connection; `None` never comes.
    pub(crate) async fn room(&self) -> Option<OwnedSemaphorePermit> {
        if let Some(room) = self.room_now() {
            return Some(room);
        }
        self.0.hits.count(Limit::Connections);
        Arc::clone(&self.0.total).acquire_owned().await.ok()
    }

    /// The same without waiting.
    pub(crate) fn room_now(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.0.total).try_acquire_owned().ok()
    }

    /// Whether so few more connections are possible that nobody may keep one for nothing.
    pub(crate) fn is_scarce(&self) -> bool {
        self.0.total.available_permits() <= self.0.total_max / SCARCE_PART
    }

    /// Lets a connection in, unless its client has too many already.
    pub(crate) fn admit(&self, room: OwnedSemaphorePermit, client: IpAddr) -> Option<Admitted> {
        let shared = &self.0;
        let is_counted = shared.per_client_max > 0 && !told::is_trusted(&shared.exempt, client);
        let of_client = if is_counted {
            let Some(of_client) = OfClient::enter(shared, network_of(client)) else {
                shared.hits.count_by(Limit::ConnectionsPerClient, client);
                return None;
            };
            Some(of_client)
        } else {
            None
        };
        Some(Admitted { _total: room, _of_client: of_client })
    }
}

/// One connection of a client.
#[derive(Debug)]
struct OfClient {
    shared: Arc<Shared>,
    client: IpAddr,
}

impl OfClient {
    fn enter(shared: &Arc<Shared>, client: IpAddr) -> Option<Self> {
        let mut shard = shared.shard(client);
        let count = shard.entry(client).or_default();
        if *count >= shared.per_client_max {
            return None;
        }
        *count += 1;
        Some(Self { shared: Arc::clone(shared), client })
    }
}

impl Drop for OfClient {
    fn drop(&mut self) {
        let mut shard = self.shared.shard(self.client);
        let Some(count) = shard.get_mut(&self.client) else { return };
        *count -= 1;
        if *count == 0 {
            shard.remove(&self.client);
        }
    }
}

impl Shared {
    fn shard(&self, client: IpAddr) -> MutexGuard<'_, HashMap<IpAddr, usize, RandomState>> {
        let place = self.hasher.hash_one(client) as usize % SHARDS;
        // Counts stay right whatever panicked while it was held.
        self.shards[place].lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn network_of(client: IpAddr) -> IpAddr {
    match client.to_canonical() {
        IpAddr::V6(address) => {
            Ipv6Addr::from_bits(address.to_bits() & !(u128::MAX >> IPV6_NETWORK_BITS)).into()
        }
        address @ IpAddr::V4(_) => address,
    }
}

/// Locks, so that workers that accept at the same moment seldom meet.
const SHARDS: usize = 16;
/// What one machine, or one customer of a provider, gets at least (RFC 6177 §2).
const IPV6_NETWORK_BITS: u32 = 64;
/// When only this part of all connections is free, idle ones go early.
const SCARCE_PART: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;

    fn admission(total: usize, per_client: usize) -> Admission {
        let limits = Limits {
            connections_max: total,
            connections_per_client_max: per_client,
            ..Limits::default()
        };
        let trusted = ["10.9.0.0/16".parse().expect("a network")];
        Admission::new(&limits, &trusted, Hits::default())
    }

    fn enter(admission: &Admission, client: &str) -> Option<Admitted> {
        let room = admission.room_now().expect("room");
        admission.admit(room, client.parse().expect("an address"))
    }

    #[test]
    fn a_client_is_an_address_or_a_network_of_ipv6() {
        for (first, second, same) in [
            ("10.0.0.1", "10.0.0.1", true),
            ("10.0.0.1", "10.0.0.2", false),
            ("10.0.0.1", "::ffff:10.0.0.1", true),
            ("fd00::1", "fd00::ffff:0:0:2", true),
            ("fd00::1", "fd00:0:0:1::1", false),
        ] {
            let admission = admission(10, 1);
            let _first = enter(&admission, first).expect("the first");
            assert_eq!(enter(&admission, second).is_none(), same, "{first} {second}");
        }
    }

    #[test]
    fn who_leaves_makes_room_and_is_forgotten() {
        let admission = admission(10, 2);
        let places = [enter(&admission, "10.0.0.1"), enter(&admission, "10.0.0.1")];
        assert!(places.iter().all(Option::is_some) && enter(&admission, "10.0.0.1").is_none());
        assert_eq!(admission.0.hits.of(Limit::ConnectionsPerClient), 1);
        assert_eq!(admission.0.total.available_permits(), 8, "who is refused takes no place");
        drop(places);
        assert!(admission.0.shards.iter().all(|shard| shard.lock().expect("free").is_empty()));
        assert!(enter(&admission, "10.0.0.1").is_some());
    }

    #[test]
    fn trusted_proxies_and_gateways_without_the_limit_count_nobody() {
        for (admission, client) in [(admission(10, 1), "10.9.8.7"), (admission(10, 0), "10.0.0.1")]
        {
            let all: Vec<_> = (0..10).filter_map(|_| enter(&admission, client)).collect();
            assert_eq!(all.len(), 10);
            assert!(admission.is_scarce() && admission.room_now().is_none());
        }
    }

    #[tokio::test]
    async fn waiting_for_room_counts() {
        let admission = admission(1, 0);
        let first = enter(&admission, "10.0.0.1");
        let waits = async {
            tokio::task::yield_now().await;
            drop(first);
        };
        let (room, ()) = tokio::join!(admission.room(), waits);
        assert!(room.is_some());
        assert_eq!(admission.0.hits.of(Limit::Connections), 1);
    }
}
