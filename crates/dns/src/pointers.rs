//! Whose name is at an address, for the way back from addresses to names.
//!
//! **Invariant:** services come before records, and the first is the name of the address.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use conduit_core::name::ServiceName;
use conduit_core::record::name::RecordName;
use conduit_core::shared_map::SharedMap;

/// Everybody who has an address; the families apart, since there may be a million of one.
#[derive(Debug, Clone, Default)]
pub(crate) struct Addressed {
    v4: SharedMap<Ipv4Addr, Pointers>,
    v6: SharedMap<Ipv6Addr, Pointers>,
}

/// Who has an address; there is nearly always one.
#[derive(Debug, Clone)]
pub(crate) enum Pointers {
    One(Source),
    Many(Arc<[Source]>),
}

/// Who has it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Source {
    /// A service that is answered directly; its first host.
    Service(ServiceName),
    /// An address record; its name.
    Record(RecordName),
}

impl Addressed {
    /// Who has an address.
    pub(crate) fn get(&self, address: IpAddr) -> Option<&Pointers> {
        match address {
            IpAddr::V4(v4) => self.v4.get(&v4),
            IpAddr::V6(v6) => self.v6.get(&v6),
        }
    }

    /// Every address that somebody has, in no particular order.
    pub(crate) fn addresses(&self) -> impl Iterator<Item = IpAddr> {
        let v4 = self.v4.iter().map(|(address, _)| IpAddr::V4(*address));
        v4.chain(self.v6.iter().map(|(address, _)| IpAddr::V6(*address)))
    }

    /// The addresses that others may have than here, where one began as a copy of the other; these are few.
    pub(crate) fn unshared<'a>(&'a self, other: &'a Self) -> impl Iterator<Item = IpAddr> + 'a {
        let v4 = self.v4.unshared(&other.v4).map(|(address, _)| IpAddr::V4(*address));
        v4.chain(self.v6.unshared(&other.v6).map(|(address, _)| IpAddr::V6(*address)))
    }

    /// Makes room for so many more addresses of each family.
    pub(crate) fn reserve(&mut self, v4: usize, v6: usize) {
        self.v4.reserve(v4);
        self.v6.reserve(v6);
    }

    /// Notes one more who has an address.
    pub(crate) fn add(&mut self, address: IpAddr, source: &Source) {
        let next = Pointers::with(self.get(address), source.clone());
        self.set(address, Some(next));
    }

    /// Forgets one of them.
    pub(crate) fn remove(&mut self, address: IpAddr, source: &Source) {
        if let Some(before) = self.get(address) {
            let rest = before.without(source);
            self.set(address, rest);
        }
    }

    fn set(&mut self, address: IpAddr, pointers: Option<Pointers>) {
        match (address, pointers) {
            (IpAddr::V4(v4), Some(pointers)) => {
                self.v4.insert(v4, pointers);
            }
            (IpAddr::V6(v6), Some(pointers)) => {
                self.v6.insert(v6, pointers);
            }
            (IpAddr::V4(v4), None) => {
                self.v4.remove(&v4);
            }
            (IpAddr::V6(v6), None) => {
                self.v6.remove(&v6);
            }
        }
    }
}

impl Pointers {
    /// The first of them.
    pub(crate) fn first(&self) -> Option<&Source> {
        self.as_slice().first()
    }

    /// With another one.
    pub(crate) fn with(before: Option<&Self>, source: Source) -> Self {
        let Some(before) = before else {
            return Self::One(source);
        };
        let mut all = before.as_slice().to_vec();
        all.insert(all.partition_point(|other| *other < source), source);
        Self::Many(all.into())
    }

    /// Without this one, if any is left.
    pub(crate) fn without(&self, source: &Source) -> Option<Self> {
        let rest = self.as_slice().iter().filter(|other| *other != source);
        let mut rest: Vec<Source> = rest.cloned().collect();
        match rest.len() {
            0 => None,
            1 => rest.pop().map(Self::One),
            _ => Some(Self::Many(rest.into())),
        }
    }

    fn as_slice(&self) -> &[Source] {
        match self {
            Self::One(source) => std::slice::from_ref(source),
            Self::Many(all) => all,
        }
    }
}
