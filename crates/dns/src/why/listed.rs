//! What an entry of a list comes to, in words.
//!
//! **Invariant:** what is told is in the fields; the words say nothing more.

use std::fmt;

use super::step::Step;
use crate::lists::settings::Kind;
use crate::lists::{Said, Trace};
use crate::query_log::line::told;

/// What an entry of a list comes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ListDeed {
    /// The name is answered as if there were no lists.
    Passes,
    /// It does not exist.
    NxDomain,
    /// It has nothing of the type.
    NoData,
    /// It has these.
    Has(Vec<String>),
    /// It is an alias of this.
    Alias(String),
    /// There is no reply.
    Silence,
    /// The client comes back over TCP.
    Truncates,
}

impl Step {
    /// The entry that has the say.
    pub(super) fn listed(trace: Trace) -> Self {
        let does = match trace.said {
            Said::Pass => ListDeed::Passes,
            Said::NxDomain => ListDeed::NxDomain,
            Said::NoData => ListDeed::NoData,
            Said::Records(data) => ListDeed::Has(data),
            Said::Alias(target) => ListDeed::Alias(told(&target)),
            Said::Silence => ListDeed::Silence,
            Said::Truncated => ListDeed::Truncates,
        };
        let is_hosts = trace.kind == Kind::Hosts;
        Self::Listed { is_hosts, list: trace.list, line: trace.line, entry: trace.entry, does }
    }
}

impl fmt::Display for ListDeed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Passes => f.write_str("it is allowed, whatever other lists say"),
            Self::NxDomain => f.write_str("it is said not to exist, and nobody is asked"),
            Self::NoData => f.write_str("it has nothing of this type, and nobody is asked"),
            Self::Has(data) => write!(f, "it has {}, and nobody is asked", data.join(", ")),
            Self::Alias(target) => write!(f, "it is an alias of {target}, which is looked up next"),
            Self::Silence => f.write_str("it gets no reply"),
            Self::Truncates => f.write_str("over UDP the client is told to come back over TCP"),
        }
    }
}
