//! Judging, with zones that are signed here; `conformance/dns/dnssec` does it with zones that BIND signed.

mod answers;
mod costs;
mod denials;
pub(crate) mod tree;
