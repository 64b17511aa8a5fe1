//! One set of records against the keys of the zone that it is in (RFC 4035 §5.3).
//!
//! **Invariant:** at most [`TRIES_MAX`] pairs of key and signature are tried for one set, and at most
//! [`KEYS_PER_TAG_MAX`] keys for one signature: keys may share a tag, and an owner can choose thousands that do.

use super::crypto;
use super::fault::Kind;
use super::name;
use super::rdata::{Key, Signature};
use super::set::{Set, labels_of};
use super::work::Work;

/// A set that its zone signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Verified {
    /// For how long it may be kept: no longer than the signature is valid (RFC 4035 §5.3.3).
    pub(super) ttl: u32,
    /// Labels of the name that was signed, when it is a wildcard above the owner.
    pub(super) expanded_from: Option<usize>,
}

/// Verifies a set that should be signed by `zone`, which has these keys; `now` is in seconds since 1970,
/// modulo 2^32.
pub(super) fn verify(
    set: &Set,
    zone: &[u8],
    keys: &[Key],
    now: u32,
    work: &mut Work,
) -> Result<Verified, Kind> {
    let labels = labels_of(&set.owner);
    let could_be = |signature: &&Signature| {
        *signature.signer == *zone
            && signature.labels <= labels
            && signature.labels >= name::depth(zone)
            && crypto::is_algorithm(signature.algorithm)
    };
    let mut tries = 0;
    let mut worst = Kind::NoSignature;
    for signature in set.signatures.iter().filter(could_be) {
        if let Some(fault) = out_of_time(signature, now) {
            worst = graver(worst, fault);
            continue;
        }
        let fits = |key: &&Key| key.tag == signature.tag && key.algorithm == signature.algorithm;
        let mut signed = None;
        for key in keys.iter().filter(fits).take(KEYS_PER_TAG_MAX) {
            if tries == TRIES_MAX {
                return Err(Kind::TooManyKeys);
            }
            tries += 1;
            let signed = signed.get_or_insert_with(|| set.signed_data(signature));
            work.signature(signed.len())?;
            if crypto::is_signed_by(signature.algorithm, &key.public, signed, &signature.octets) {
                let left = signature.expires.wrapping_sub(now);
                return Ok(Verified {
                    ttl: set.ttl.min(signature.ttl).min(left),
                    expanded_from: (signature.labels < labels).then_some(signature.labels),
                });
            }
        }
        worst = graver(worst, if signed.is_some() { Kind::BadSignature } else { Kind::NoKey });
    }
    Err(worst)
}

/// Times are compared as serial numbers are (RFC 4034 §3.1.5).
fn out_of_time(signature: &Signature, now: u32) -> Option<Kind> {
    let is_before = |a: u32, b: u32| a != b && b.wrapping_sub(a) < 1 << 31;
    if is_before(signature.expires, now) {
        Some(Kind::Expired)
    } else if is_before(now, signature.begins) {
        Some(Kind::NotYet)
    } else {
        None
    }
}

/// What says more about why nothing fits.
fn graver(a: Kind, b: Kind) -> Kind {
    let rank = |kind| match kind {
        Kind::NoSignature => 0,
        Kind::NoKey => 1,
        Kind::NotYet => 2,
        Kind::Expired => 3,
        _ => 4,
    };
    if rank(b) > rank(a) { b } else { a }
}

/// Pairs of key and signature, for one set.
pub(super) const TRIES_MAX: usize = 8;
/// Keys that one signature is tried with; in an honest zone two never share a tag for long.
pub(super) const KEYS_PER_TAG_MAX: usize = 4;
