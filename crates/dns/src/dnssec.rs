//! Whether what others say about their names is what those names' owners have signed (RFC 4033 to 4035, 5155).
//!
//! The chain of keys is followed from a trust anchor to the zone that signed; whoever asks others does it
//! for this module through `chain::Ask`, so that nothing here knows of sockets.
//!
//! The library's own validator is not used: it has no limit on the keys and signatures that it tries
//! (CVE-2023-50387) or on the hashes of NSEC3 that it computes (CVE-2023-50868), takes keys rather than DS
//! as anchors, and does not say why. Its decoder for these types refuses a whole message where the standards
//! pass over one record. So their data is read here, from octets, and judged with the provider of TLS.
//!
//! **Invariant:** each question has a budget (`work::Work`) of signatures, digests, hashes, octets and
//! further questions; what would cost more is not believed.
//! **Invariant:** what cannot be proven to be unsigned is not taken for unsigned.

pub mod anchors;
pub(crate) mod chain;
mod crypto;
mod denial;
mod fault;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzzed;
mod judge;
pub(crate) mod name;
mod nsec;
mod nsec3;
mod rdata;
mod set;
pub mod settings;
#[cfg(test)]
pub(crate) mod tests;
mod verify;
pub(crate) mod work;
pub(crate) mod zones;

pub(crate) use self::fault::{Judgement, Kind, Security, Why};
pub(crate) use self::judge::{Asked, Proof, Said};
