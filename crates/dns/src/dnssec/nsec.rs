//! What NSEC records prove (RFC 4035 §5.4, RFC 6840 §4).
//!
//! **Invariant:** a record from above a zone's cut proves nothing about what is below it.

use super::denial::{Cut, Denied, is_without};
use super::fault::Kind;
use super::name::{canonical, depth, is_below, is_within, shared};
use super::rdata::{self, Nsec};
use crate::key::AskedKey;

/// Verified records of one zone.
#[derive(Debug)]
pub(super) struct Nsecs<'a> {
    pub(super) zone: &'a [u8],
    pub(super) records: Vec<(Box<[u8]>, Nsec)>,
}

impl Nsecs<'_> {
    /// A name does not exist, nor a wildcard in its place.
    pub(super) fn absent(&self, name: &[u8]) -> Result<Denied, Kind> {
        let (owner, nsec) = self.covering(name).ok_or(Kind::BadProof)?;
        if is_below(&nsec.next, name) {
            // Something is below it, so it exists.
            return Err(Kind::BadProof);
        }
        let wildcard = AskedKey::wildcard_of(encloser(name, owner, &nsec.next));
        self.covering(wildcard.as_slice()).map(|_| Denied::Proven).ok_or(Kind::BadProof)
    }

    /// A name has no records of a type.
    pub(super) fn no_data(&self, name: &[u8], rtype: u16) -> Result<Denied, Kind> {
        if let Some(nsec) = self.at(name) {
            return is_without(&nsec.types, name, rtype)
                .then_some(Denied::Proven)
                .ok_or(Kind::BadProof);
        }
        let (owner, nsec) = self.covering(name).ok_or(Kind::BadProof)?;
        if is_below(&nsec.next, name) {
            return Ok(Denied::Proven);
        }
        let wildcard = AskedKey::wildcard_of(encloser(name, owner, &nsec.next));
        let nsec = self.at(wildcard.as_slice()).ok_or(Kind::BadProof)?;
        is_without(&nsec.types, wildcard.as_slice(), rtype)
            .then_some(Denied::Proven)
            .ok_or(Kind::BadProof)
    }

    /// Nothing is closer to a name than the wildcard of so many labels that was told for it.
    pub(super) fn expanded(&self, name: &[u8], labels: usize) -> Result<Denied, Kind> {
        let (owner, nsec) = self.covering(name).ok_or(Kind::NoProof)?;
        match depth(encloser(name, owner, &nsec.next)) <= labels {
            true => Ok(Denied::Proven),
            false => Err(Kind::BadProof),
        }
    }

    /// Whether a zone begins at a name.
    pub(super) fn no_ds(&self, name: &[u8]) -> Result<Cut, Kind> {
        match self.at(name) {
            Some(nsec) if nsec.types.has(rdata::SOA) || nsec.types.has(rdata::DS) => {
                Err(Kind::BadProof)
            }
            Some(nsec) if nsec.types.has(rdata::NS) => Ok(Cut::Unsigned),
            Some(_) => Ok(Cut::None),
            None => self.covering(name).map(|_| Cut::None).ok_or(Kind::BadProof),
        }
    }

    fn at(&self, name: &[u8]) -> Option<&Nsec> {
        self.records.iter().find(|(owner, _)| **owner == *name).map(|(_, nsec)| nsec)
    }

    fn covering(&self, name: &[u8]) -> Option<(&[u8], &Nsec)> {
        let covers = |(owner, nsec): &&(Box<[u8]>, Nsec)| {
            let is_after = canonical(owner, name).is_lt();
            let is_before = *nsec.next == *self.zone || canonical(name, &nsec.next).is_lt();
            let is_elsewhere = is_below(name, owner) && nsec.types.ends_here();
            is_after && is_before && !is_elsewhere
        };
        let found = self.records.iter().find(covers).filter(|_| is_within(name, self.zone))?;
        Some((&found.0, &found.1))
    }
}

/// The closest ancestor of a name that exists, as the record that covers it says.
fn encloser<'a>(name: &'a [u8], owner: &[u8], next: &[u8]) -> &'a [u8] {
    let (a, b) = (shared(name, owner), shared(name, next));
    if a.len() > b.len() { a } else { b }
}
