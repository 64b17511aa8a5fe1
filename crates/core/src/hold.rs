//! An upstream that an operator holds back, whatever the prober thinks of it.

use std::fmt;
use std::str::FromStr;

use crate::clock::Timestamp;
use crate::service::{UnknownWord, words};
use crate::upstream::UpstreamAddr;

/// One upstream of a service that gets no new requests until it is admitted by hand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hold {
    /// Which of the service's upstreams.
    pub upstream: UpstreamAddr,
    /// What was asked for.
    pub kind: HoldKind,
    /// Who asked, as in the record.
    pub by: String,
    /// When.
    pub since: Timestamp,
}

/// Why an upstream is held back. Both mean no new requests, and that what is in flight goes on;
/// they differ in what people are told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum HoldKind {
    /// It is to finish what it has, for an update or a restart.
    Drain,
    /// It is not trusted.
    Eject,
}

words!(HoldKind, "hold", "drain, eject", "drain" => Drain, "eject" => Eject);
