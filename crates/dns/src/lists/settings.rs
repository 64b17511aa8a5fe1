//! What lists are set up with.
//!
//! **Invariant:** plain values; a source that is equal to the one before keeps what was read and counted.

use std::net::IpAddr;
use std::path::PathBuf;

use conduit_core::domains::Domains;
use conduit_core::record::name::RecordName;

/// Every source of names that are neither ours nor a forwarder's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListSettings {
    /// Files like `/etc/hosts`.
    pub hosts_files: Vec<PathBuf>,
    /// Lists of names that are blocked, allowed or given data, the strongest first.
    pub lists: Vec<ListSource>,
    /// The suffixes that are ours: nothing in a list is about them.
    pub domains: Domains,
}

/// One list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListSource {
    /// What it is called in figures and notes.
    pub name: String,
    /// Where it is.
    pub place: Place,
    /// What its names are for.
    pub kind: Kind,
    /// How it is written.
    pub format: Format,
    /// What a blocked name gets.
    pub answer: BlockAnswer,
    /// What clients are told of the reason.
    pub reason: Reason,
}

/// Where the lines of a list are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// In a file, which is read again when it changes.
    File(PathBuf),
    /// In the configuration.
    Lines(Vec<String>),
}

/// Defines an enum whose variants are written as a word.
macro_rules! worded {
    ($(#[$doc:meta])* $type:ident { $($(#[$about:meta])* $variant:ident = $word:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
        pub enum $type { $($(#[$about])* $variant),+ }

        impl $type {
            /// The word for it.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word),+ }
            }
        }

        impl std::str::FromStr for $type {
            type Err = String;

            fn from_str(text: &str) -> Result<Self, String> {
                match text {
                    $($word => Ok(Self::$variant),)+
                    _ => {
                        let text: String = text.chars().take(40).collect();
                        let known = [$($word),+].join(", ");
                        Err(format!("{text:?} is none of {known}"))
                    }
                }
            }
        }

        impl std::fmt::Display for $type {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}

worded! {
    /// What the names of a list are for.
    Kind {
        /// They are not to be reached.
        #[default]
        Block = "block",
        /// They are, whatever other lists say.
        Allow = "allow",
        /// They have the addresses beside them, as in `/etc/hosts`.
        Hosts = "hosts",
    }
}

worded! {
    /// How a list is written.
    Format {
        /// As is found out: a zone file for RPZ, else each line by itself.
        #[default]
        Auto = "auto",
        /// `0.0.0.0 ads.example`, a name by itself.
        Hosts = "hosts",
        /// `ads.example`, with everything below it.
        Domains = "domains",
        /// `address=/ads.example/`.
        Dnsmasq = "dnsmasq",
        /// A response policy zone.
        Rpz = "rpz",
    }
}

worded! {
    /// Why a name is blocked, as clients are told (RFC 8914).
    Reason {
        /// The operator does not want it (15).
        #[default]
        Blocked = "blocked",
        /// Somebody else demands it (16).
        Censored = "censored",
        /// Whoever asks has asked for it (17).
        Filtered = "filtered",
    }
}

impl Reason {
    /// The code of the extended error.
    pub(crate) fn code(self) -> u16 {
        match self {
            Self::Blocked => 15,
            Self::Censored => 16,
            Self::Filtered => 17,
        }
    }
}

/// What a blocked name gets.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum BlockAnswer {
    /// It does not exist.
    #[default]
    NxDomain,
    /// It has nothing.
    NoData,
    /// It is at 0.0.0.0 and ::, where nobody is.
    Null,
    /// It is at these addresses, where somebody explains.
    Addresses(Vec<IpAddr>),
    /// It is this name.
    Alias(RecordName),
}

impl std::str::FromStr for BlockAnswer {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "nxdomain" => return Ok(Self::NxDomain),
            "nodata" => return Ok(Self::NoData),
            "null" => return Ok(Self::Null),
            _ => {}
        }
        let addresses: Result<Vec<IpAddr>, _> =
            text.split(',').map(|part| part.trim().parse()).collect();
        if let Ok(addresses) = addresses {
            return Ok(Self::Addresses(addresses));
        }
        match RecordName::parse(text) {
            Ok(name) if name.as_str().contains('.') && !name.is_wildcard() => Ok(Self::Alias(name)),
            _ => {
                let text: String = text.chars().take(80).collect();
                Err(format!(
                    "{text:?} is no answer; use nxdomain, nodata, null, an address or a name with a dot"
                ))
            }
        }
    }
}

impl std::fmt::Display for BlockAnswer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::NxDomain => f.write_str("nxdomain"),
            Self::NoData => f.write_str("nodata"),
            Self::Null => f.write_str("null"),
            Self::Addresses(all) => {
                let all: Vec<String> = all.iter().map(ToString::to_string).collect();
                f.write_str(&all.join(", "))
            }
            Self::Alias(name) => name.fmt(f),
        }
    }
}
