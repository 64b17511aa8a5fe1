//! The types of records that operators can give.

use std::fmt;
use std::str::FromStr;

/// A type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RecordType {
    /// An IPv4 address.
    A,
    /// An IPv6 address.
    Aaaa,
    /// Which authorities may issue certificates (RFC 8659).
    Caa,
    /// Another name that it is an alias of.
    Cname,
    /// How to reach a site over HTTPS (RFC 9460).
    Https,
    /// Where its mail goes.
    Mx,
    /// Another name.
    Ptr,
    /// Where a service is (RFC 2782).
    Srv,
    /// How to reach any service (RFC 9460).
    Svcb,
    /// Text.
    Txt,
}

impl RecordType {
    /// All of them, by their words.
    pub const ALL: [Self; 10] = [
        Self::A,
        Self::Aaaa,
        Self::Caa,
        Self::Cname,
        Self::Https,
        Self::Mx,
        Self::Ptr,
        Self::Srv,
        Self::Svcb,
        Self::Txt,
    ];

    /// The word for it, as in zone files.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::A => "A",
            Self::Aaaa => "AAAA",
            Self::Caa => "CAA",
            Self::Cname => "CNAME",
            Self::Https => "HTTPS",
            Self::Mx => "MX",
            Self::Ptr => "PTR",
            Self::Srv => "SRV",
            Self::Svcb => "SVCB",
            Self::Txt => "TXT",
        }
    }

    /// What its data looks like.
    pub fn example(self) -> &'static str {
        match self {
            Self::A => "an IPv4 address, as in 10.0.0.7",
            Self::Aaaa => "an IPv6 address, as in fd00::7",
            Self::Caa => "FLAGS TAG VALUE, as in 0 issue \"ca.internal\"",
            Self::Cname => "a name, as in nas.internal",
            Self::Https => "PRIORITY TARGET PARAMETERS, as in 1 . alpn=h2,h3 port=8443",
            Self::Mx => "PREFERENCE NAME, as in 10 mail.internal",
            Self::Ptr => "a name, as in nas.internal",
            Self::Srv => "PRIORITY WEIGHT PORT NAME, as in 0 5 5060 sip.internal",
            Self::Svcb => "PRIORITY TARGET PARAMETERS, as in 1 svc.internal port=8443",
            Self::Txt => "texts in quotes, as in \"v=spf1 -all\"",
        }
    }
}

impl fmt::Display for RecordType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for RecordType {
    type Err = InvalidType;

    fn from_str(text: &str) -> Result<Self, InvalidType> {
        let found = Self::ALL.into_iter().find(|kind| kind.as_str().eq_ignore_ascii_case(text));
        found.ok_or_else(|| match text.to_ascii_uppercase().as_str() {
            word @ ("NS" | "SOA") => InvalidType::Ours(word.to_owned()),
            _ => InvalidType::Unknown(text.chars().take(40).collect()),
        })
    }
}

/// A word that is no type to give.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidType {
    /// Conduit answers it by itself.
    #[error(
        "{0} records are Conduit's own: it is the only server of its domains, and no part of them can be given to another"
    )]
    Ours(String),
    /// Nothing that is known.
    #[error(
        "{0:?} is not a type of record; use one of A, AAAA, CAA, CNAME, HTTPS, MX, PTR, SRV, SVCB, TXT"
    )]
    Unknown(String),
}
