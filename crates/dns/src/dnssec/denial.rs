//! Proofs that something does not exist, of either kind.
//!
//! **Invariant:** records that are not verified, not of the zone or not known do not count; those that hash
//! more often than [`ITERATIONS_MAX`] make the answer insecure, and are not computed (RFC 9276 §3.2).

use super::fault::Kind;
use super::nsec::Nsecs;
use super::nsec3::{Nsec3s, hash_in};
use super::rdata::{self, Nsec, Nsec3, Types};
use super::set::Set;
use super::work::Work;

/// What is proven.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Denied {
    /// All of it.
    Proven,
    /// All that the zone says of delegations that it does not sign.
    OptOut,
}

impl Denied {
    pub(super) fn unless(is_opt_out: bool) -> Self {
        if is_opt_out { Self::OptOut } else { Self::Proven }
    }
}

/// What is known of a name without a DS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cut {
    /// No zone begins there.
    None,
    /// One does, which nobody signs.
    Unsigned,
    /// One may, which nobody signs.
    OptOut,
}

/// The proofs of one answer, each verified, of one zone.
#[derive(Debug)]
pub(super) struct Denial<'a> {
    nsecs: Nsecs<'a>,
    nsec3s: Nsec3s<'a>,
    has_nsecs: bool,
    has_nsec3s: bool,
    hashes_too_often: bool,
}

impl<'a> Denial<'a> {
    /// From verified sets of `zone`; sets of other types are passed over.
    pub(super) fn new<'s>(zone: &'a [u8], sets: impl Iterator<Item = &'s Set>) -> Self {
        let (mut nsecs, mut nsec3s) = (Vec::new(), Vec::new());
        for set in sets {
            match (set.rtype, &*set.data) {
                (rdata::NSEC, [data]) => {
                    nsecs.extend(Nsec::read(data).map(|nsec| (set.owner.clone(), nsec)));
                }
                (rdata::NSEC3, [data]) => {
                    nsec3s.extend(hash_in(&set.owner, zone).zip(Nsec3::read(data)));
                }
                _ => {}
            }
        }
        Self {
            has_nsecs: !nsecs.is_empty(),
            has_nsec3s: !nsec3s.is_empty(),
            hashes_too_often: nsec3s.iter().any(|(_, nsec3)| nsec3.iterations > ITERATIONS_MAX),
            nsecs: Nsecs { zone, records: nsecs },
            nsec3s: Nsec3s::new(zone, nsec3s),
        }
    }

    /// A name does not exist.
    pub(super) fn absent(&mut self, name: &[u8], work: &mut Work) -> Result<Denied, Kind> {
        self.either(|nsecs| nsecs.absent(name), |nsec3s| nsec3s.absent(name, work))
    }

    /// A name has no records of a type.
    pub(super) fn no_data(
        &mut self,
        name: &[u8],
        rtype: u16,
        work: &mut Work,
    ) -> Result<Denied, Kind> {
        self.either(|nsecs| nsecs.no_data(name, rtype), |nsec3s| nsec3s.no_data(name, rtype, work))
    }

    /// A wildcard of so many labels may stand for a name.
    pub(super) fn expanded(
        &mut self,
        name: &[u8],
        labels: usize,
        work: &mut Work,
    ) -> Result<Denied, Kind> {
        self.either(
            |nsecs| nsecs.expanded(name, labels),
            |nsec3s| nsec3s.expanded(name, labels, work),
        )
    }

    /// Whether a zone begins at a name that has no DS.
    pub(super) fn no_ds(&mut self, name: &[u8], work: &mut Work) -> Result<Cut, Kind> {
        self.either(|nsecs| nsecs.no_ds(name), |nsec3s| nsec3s.no_ds(name, work))
    }

    fn either<T>(
        &mut self,
        nsec: impl FnOnce(&Nsecs<'a>) -> Result<T, Kind>,
        nsec3: impl FnOnce(&mut Nsec3s<'a>) -> Result<T, Kind>,
    ) -> Result<T, Kind> {
        match (self.has_nsecs, self.has_nsec3s) {
            (_, true) if self.hashes_too_often => Err(Kind::Iterations),
            (true, _) => nsec(&self.nsecs),
            (false, true) => nsec3(&mut self.nsec3s),
            (false, false) => Err(Kind::NoProof),
        }
    }
}

/// Whether the types at a name leave one out, and are those of the side that knows (RFC 6840 §4.1, §4.3).
pub(super) fn is_without(types: &Types, name: &[u8], rtype: u16) -> bool {
    let is_right_side = match rtype {
        rdata::DS => !types.has(rdata::SOA) || name.is_empty(),
        _ => !types.is_cut(),
    };
    let is_any = rtype == rdata::ANY;
    is_right_side && !is_any && !types.has(rtype) && !types.has(rdata::CNAME)
}

/// More are not computed; RFC 9276 wants none, and most who sign have few.
pub(super) const ITERATIONS_MAX: u16 = 100;
