//! How many answers each client waits for.
//!
//! **Invariant:** a client that asks for names which take long (or a stranger's page that makes it ask)
//! takes a share of the places, and leaves the others theirs.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use foldhash::fast::RandomState;

type Table = HashMap<IpAddr, usize, RandomState>;

/// The count of each client that waits; cheap to clone.
#[derive(Debug, Clone, Default)]
pub(crate) struct Clients(Arc<Mutex<Table>>);

/// A client's right to wait for one answer; dropping it gives the place back.
#[derive(Debug)]
pub(crate) struct Place {
    client: IpAddr,
    clients: Clients,
}

impl Clients {
    /// A place for this client, unless it has its share already.
    pub(crate) fn admit(&self, client: IpAddr) -> Option<Place> {
        let client = machine(client);
        let mut table = self.table();
        let count = table.entry(client).or_default();
        if *count >= PLACES_MAX {
            return None;
        }
        *count += 1;
        drop(table);
        Some(Place { client, clients: self.clone() })
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut table = self.clients.table();
        if let Some(count) = table.get_mut(&self.client) {
            *count -= 1;
            if *count == 0 {
                table.remove(&self.client);
            }
        }
    }
}

/// Machines with IPv6 choose addresses of their /64 as they like.
fn machine(client: IpAddr) -> IpAddr {
    match client.to_canonical() {
        IpAddr::V4(v4) => v4.into(),
        IpAddr::V6(v6) => Ipv6Addr::from_bits(v6.to_bits() & !u128::from(u64::MAX)).into(),
    }
}

/// Answers that one client waits for. A router that asks for a whole network is one client, too.
pub(crate) const PLACES_MAX: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_has_its_share_and_no_more() {
        let clients = Clients::default();
        let [greedy, other] = ["fd00::1", "fd00:0:0:1::1"].map(|a| a.parse().expect("valid"));
        let mut held: Vec<Place> = (0..PLACES_MAX).filter_map(|_| clients.admit(greedy)).collect();
        assert_eq!(held.len(), PLACES_MAX);
        let sibling = "fd00::2".parse().expect("valid");
        assert!(clients.admit(sibling).is_none() && clients.admit(other).is_some());
        held.pop();
        assert!(clients.admit(sibling).is_some(), "a place was given back");
        held.clear();
        assert!(clients.table().is_empty());
    }
}
