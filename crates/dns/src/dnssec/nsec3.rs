//! What NSEC3 records prove (RFC 5155 §8).
//!
//! **Invariant:** each name is hashed at most once for an answer, and each time is paid for.

use std::collections::HashMap;

use super::crypto;
use super::denial::{Cut, Denied, is_without};
use super::fault::Kind;
use super::name::{depth, is_within, last, parent, with_root};
use super::rdata::{self, HASH_BYTES, Nsec3};
use super::work::Work;
use crate::key::AskedKey;

type Hash = [u8; HASH_BYTES];

/// Verified records of one zone, all hashed alike.
#[derive(Debug)]
pub(super) struct Nsec3s<'a> {
    zone: &'a [u8],
    records: Vec<(Hash, Nsec3)>,
    hashes: HashMap<Box<[u8]>, Hash>,
}

/// That an ancestor of a name exists, and nothing of the name below it.
struct Closest<'n> {
    encloser: &'n [u8],
    is_opt_out: bool,
}

impl<'a> Nsec3s<'a> {
    /// Of different ways of hashing, the first counts (RFC 5155 §8.2).
    pub(super) fn new(zone: &'a [u8], mut records: Vec<(Hash, Nsec3)>) -> Self {
        if let Some((iterations, salt)) =
            records.first().map(|(_, first)| (first.iterations, first.salt.clone()))
        {
            records.retain(|(_, other)| other.iterations == iterations && other.salt == salt);
        }
        Self { zone, records, hashes: HashMap::new() }
    }

    /// A name does not exist, nor a wildcard in its place.
    pub(super) fn absent(&mut self, name: &[u8], work: &mut Work) -> Result<Denied, Kind> {
        let closest = self.closest(name, work)?;
        let wildcard = AskedKey::wildcard_of(closest.encloser);
        let hash = self.hash(wildcard.as_slice(), work)?;
        self.covering(&hash).ok_or(Kind::BadProof)?;
        Ok(Denied::unless(closest.is_opt_out))
    }

    /// A name has no records of a type.
    pub(super) fn no_data(
        &mut self,
        name: &[u8],
        rtype: u16,
        work: &mut Work,
    ) -> Result<Denied, Kind> {
        let judged = |is_without: bool, denied| is_without.then_some(denied).ok_or(Kind::BadProof);
        let hash = self.hash(name, work)?;
        if let Some(nsec3) = self.at(&hash) {
            return judged(is_without(&nsec3.types, name, rtype), Denied::Proven);
        }
        let closest = self.closest(name, work)?;
        let wildcard = AskedKey::wildcard_of(closest.encloser);
        let hash = self.hash(wildcard.as_slice(), work)?;
        if let Some(nsec3) = self.at(&hash) {
            let is_without = is_without(&nsec3.types, wildcard.as_slice(), rtype);
            return judged(is_without, Denied::unless(closest.is_opt_out));
        }
        // An unsigned delegation, or a name above one alone (RFC 5155 §8.6).
        judged(closest.is_opt_out, Denied::OptOut)
    }

    /// Nothing is closer to a name than the wildcard of so many labels that was told for it.
    pub(super) fn expanded(
        &mut self,
        name: &[u8],
        labels: usize,
        work: &mut Work,
    ) -> Result<Denied, Kind> {
        let hash = self.hash(last(name, labels + 1), work)?;
        self.covering(&hash).map(|nsec3| Denied::unless(nsec3.is_opt_out)).ok_or(Kind::NoProof)
    }

    /// Whether a zone begins at a name.
    pub(super) fn no_ds(&mut self, name: &[u8], work: &mut Work) -> Result<Cut, Kind> {
        let hash = self.hash(name, work)?;
        match self.at(&hash).map(|nsec3| &nsec3.types) {
            Some(types) if types.has(rdata::SOA) || types.has(rdata::DS) => Err(Kind::BadProof),
            Some(types) if types.has(rdata::NS) => Ok(Cut::Unsigned),
            Some(_) => Ok(Cut::None),
            None => match self.closest(name, work)?.is_opt_out {
                true => Ok(Cut::OptOut),
                false => Ok(Cut::None),
            },
        }
    }

    /// RFC 5155 §8.3: from the name upwards, until something exists.
    fn closest<'n>(&mut self, name: &'n [u8], work: &mut Work) -> Result<Closest<'n>, Kind> {
        let zone = self.zone;
        for encloser in with_root(parent(name)).take_while(|above| is_within(above, zone)) {
            let hash = self.hash(encloser, work)?;
            let Some(nsec3) = self.at(&hash) else { continue };
            if nsec3.types.ends_here() {
                return Err(Kind::BadProof);
            }
            let hash = self.hash(last(name, depth(encloser) + 1), work)?;
            let covering = self.covering(&hash).ok_or(Kind::BadProof)?;
            return Ok(Closest { encloser, is_opt_out: covering.is_opt_out });
        }
        Err(Kind::BadProof)
    }

    fn hash(&mut self, name: &[u8], work: &mut Work) -> Result<Hash, Kind> {
        if let Some(hash) = self.hashes.get(name) {
            return Ok(*hash);
        }
        let (_, first) = self.records.first().ok_or(Kind::NoProof)?;
        work.hash()?;
        let hash = crypto::nsec3_hash(name, &first.salt, first.iterations);
        self.hashes.insert(name.into(), hash);
        Ok(hash)
    }

    fn at(&self, hash: &Hash) -> Option<&Nsec3> {
        self.records.iter().find(|(owner, _)| owner == hash).map(|(_, nsec3)| nsec3)
    }

    fn covering(&self, hash: &Hash) -> Option<&Nsec3> {
        let covers = |(owner, nsec3): &&(Hash, Nsec3)| {
            let (is_after, is_before) = (owner < hash, hash[..] < *nsec3.next);
            // The last one leads back to the first.
            let is_last = owner[..] >= *nsec3.next;
            if is_last { owner != hash && (is_after || is_before) } else { is_after && is_before }
        };
        self.records.iter().find(covers).map(|(_, nsec3)| nsec3)
    }
}

/// The hash in the name of a record.
pub(super) fn hash_in(owner: &[u8], zone: &[u8]) -> Option<Hash> {
    let (length, rest) = owner.split_first()?;
    let (label, above) = rest.split_at_checked((*length).into())?;
    let hash = data_encoding::BASE32_DNSSEC.decode(label).ok()?;
    if above != zone {
        return None;
    }
    hash.try_into().ok()
}
