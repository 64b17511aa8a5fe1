//! Records that operators give: a name, what it holds, and for how long that may be kept.
//!
//! The data is parsed here, into types of our own, and not kept as text for the DNS room to parse
//! later: whatever is wrong is refused at the door, in words about what was written, and compiling a
//! zone from what the registry holds cannot fail. It also gives each record one written form, by which
//! two are the same or not.
//!
//! **Invariant:** a [`Record`] that exists can be put into a DNS message; what it prints, it parses to.

pub mod data;
pub mod fixed;
pub mod kind;
pub mod name;
pub mod svcb;
mod text;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::clock::Timestamp;
use crate::domains::Domains;
use crate::duration;
use crate::name::ServiceName;

use self::data::{InvalidData, RecordData};
use self::kind::RecordType;
use self::name::{InvalidRecordName, RecordName};

/// One record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Whose it is.
    pub name: RecordName,
    /// What it holds.
    pub data: RecordData,
    /// How long it may be kept; the zone's own time when absent.
    pub ttl: Option<RecordTtl>,
    /// When it was added.
    pub added_at: Timestamp,
}

impl Record {
    /// Whether it is the same record, whatever its TTL and age (RFC 2181 §5).
    pub fn is_same(&self, other: &Self) -> bool {
        self.name == other.name && self.data == other.data
    }

    /// Whether the two cannot both be: an alias stands alone at its name (RFC 2181 §10.1).
    pub fn excludes(&self, other: &Self) -> bool {
        let is_alias = |record: &Self| record.data.kind() == RecordType::Cname;
        self.name == other.name && self.data != other.data && (is_alias(self) || is_alias(other))
    }

    /// Where its name lies.
    ///
    /// # Errors
    /// When it is not ours, or such a record cannot be there.
    pub fn place(&self, domains: &Domains) -> Result<Place, Misplaced> {
        let (name, kind) = (self.name.clone(), self.data.kind());
        if self.name.reversed().is_some() {
            return match kind {
                RecordType::Ptr => Ok(Place::Reverse),
                _ => Err(Misplaced::NotPtr { name, kind }),
            };
        }
        if domains.iter().any(|domain| domain.as_str() == self.name.as_str()) {
            return match kind {
                RecordType::Cname => Err(Misplaced::AliasOfDomain { name }),
                _ => Ok(Place::Apex),
            };
        }
        if !domains.iter().any(|domain| self.name.is_under(domain)) {
            return Err(Misplaced::NotOurs { name, ours: domains.listed() });
        }
        match self.data.is_location() && self.is_reserved(domains) {
            true => Err(Misplaced::Reserved { name }),
            false => Ok(Place::Below),
        }
    }

    /// Whether its name is one of Conduit's own routes.
    fn is_reserved(&self, domains: &Domains) -> bool {
        domains.iter().any(|domain| {
            let label = self.name.as_str().strip_suffix(domain.as_str());
            let label = label.and_then(|head| head.strip_suffix('.'));
            label.is_some_and(ServiceName::is_reserved_label)
        })
    }
}

/// `nas.internal A 10.0.0.7`, as in a zone file.
impl fmt::Display for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.name, self.data.kind(), self.data)
    }
}

/// Every record of one name, as it is from now on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordChange {
    /// Whose.
    pub name: RecordName,
    /// All of them; none takes the name out.
    pub records: Arc<[Record]>,
}

/// Where the name of a record lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// It is a domain of ours.
    Apex,
    /// It is below one.
    Below,
    /// It is the reverse name of an address.
    Reverse,
}

/// Why a record cannot be where it was asked for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Misplaced {
    /// A domain holds its SOA and NS records, so it cannot be an alias.
    #[error(
        "{name} is a configured domain, so it cannot be an alias: its SOA and NS records are there"
    )]
    AliasOfDomain {
        /// The domain.
        name: RecordName,
    },
    /// Nobody's business.
    #[error("{name} is not under a configured domain ({ours})")]
    NotOurs {
        /// What was asked for.
        name: RecordName,
        /// The configured domains.
        ours: String,
    },
    /// A reverse name is for PTR records.
    #[error("{name} is the reverse name of an address, which takes a PTR record and no {kind}")]
    NotPtr {
        /// What was asked for.
        name: RecordName,
        /// Of which type.
        kind: RecordType,
    },
    /// Conduit answers there by itself.
    #[error("{name} is kept for Conduit's own routes")]
    Reserved {
        /// What was asked for.
        name: RecordName,
    },
}

/// For how long a record may be kept: whole seconds, up to a week.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RecordTtl(u32);

impl RecordTtl {
    /// Takes seconds.
    ///
    /// # Errors
    /// When it is more than a week.
    pub fn from_seconds(seconds: u32) -> Result<Self, InvalidTtl> {
        if seconds <= TTL_S_MAX {
            Ok(Self(seconds))
        } else {
            Err(InvalidTtl(format!("{seconds} s")))
        }
    }

    /// Reads a duration such as `5m`.
    ///
    /// # Errors
    /// When it is no duration, no whole seconds, or more than a week.
    pub fn parse(text: &str) -> Result<Self, InvalidTtl> {
        let wrong = || InvalidTtl(text.chars().take(40).collect());
        let duration = duration::parse(text).map_err(|_| wrong())?;
        let seconds =
            u32::try_from(duration.as_secs()).ok().filter(|_| duration.subsec_nanos() == 0);
        seconds.and_then(|seconds| Self::from_seconds(seconds).ok()).ok_or_else(wrong)
    }

    /// As seconds.
    pub fn seconds(self) -> u32 {
        self.0
    }
}

/// `5m`.
impl fmt::Display for RecordTtl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&duration::print(Duration::from_secs(self.0.into())))
    }
}

/// Not a time for which a record may be kept.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0} is not a TTL; use whole seconds up to a week, such as 30s, 5m or 1d")]
pub struct InvalidTtl(String);

/// A text that is no record.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidRecord {
    /// Its data.
    #[error(transparent)]
    Data(#[from] InvalidData),
    /// Its name.
    #[error(transparent)]
    Name(#[from] InvalidRecordName),
    /// Its TTL.
    #[error(transparent)]
    Ttl(#[from] InvalidTtl),
    /// Its type.
    #[error(transparent)]
    Type(#[from] kind::InvalidType),
}

/// Records of one name, those of the configuration and those of operators each.
pub const RECORDS_OF_NAME_MAX: usize = 64;
/// Octets of what they hold: both together fit into one reply over TCP.
pub const BYTES_OF_NAME_MAX: usize = 24_576;
/// A week: longer than anybody should wait for a change to be seen.
const TTL_S_MAX: u32 = 7 * 86_400;

#[cfg(test)]
mod tests;
