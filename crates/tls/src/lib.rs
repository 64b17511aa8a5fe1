//! The certificate authority: two roots, their intermediates, leaves and the trust bundle.
//!
//! Two roots, either of which is enough for a client: P-256 for browsers, Ed25519 for those who
//! want it. The Ed25519 root is also cross-signed by the P-256 root, and the cross-certificate
//! ends the Ed25519 chain that is sent. Every service gets a leaf of each; who asks gets the one
//! whose signature scheme it offers (that choice is the proxy's).
//!
//! **Invariant:** roots are made once, in an empty directory; a directory in which anything is
//! missing is an error and never a reason for a new root.
//! **Invariant:** private keys of roots leave memory when [`authority::Authority`] is open; only
//! the intermediates' keys stay.
//! **Invariant:** no certificate signed here is valid longer than the one that signed it.

pub mod authority;
pub mod config;
mod constraints;
mod create;
pub mod error;
mod files;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
pub mod inspect;
mod issuer;
mod layout;
mod load;
mod profile;
pub mod renew;
pub mod request;
pub mod trust;
