//! What an operator registered.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use crate::clock::Timestamp;
use crate::hold::Hold;
use crate::name::{Host, ServiceName};
use crate::policy::Policy;
use crate::title::Title;
use crate::upstream::UpstreamAddr;

/// A registered service.
///
/// **Invariant:** at least one host and one upstream, without duplicates; the first host is the
/// primary one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Service {
    /// What it is called.
    pub name: ServiceName,
    /// What people read instead of the name, if anything.
    pub title: Option<Title>,
    /// Its primary host and then its aliases.
    pub hosts: Vec<Host>,
    /// Where its traffic goes.
    pub upstreams: Vec<UpstreamAddr>,
    /// What the upstreams speak.
    pub protocol: Protocol,
    /// Whether it is served with certificates of ours.
    pub tls: TlsMode,
    /// What its hosts resolve to.
    pub dns: DnsMode,
    /// How its upstreams are probed.
    pub probe: ProbeSpec,
    /// What happens when no upstream is admitted.
    pub when_all_ejected: WhenAllEjected,
    /// What the monitor should tie it to.
    pub monitoring: Monitoring,
    /// What is asked of its traffic, as it was asked: without what its preset adds.
    pub policy: Arc<Policy>,
    /// The upstreams that an operator holds back, at most once each.
    pub holds: Vec<Hold>,
    /// When it was registered.
    pub registered_at: Timestamp,
}

impl Service {
    /// The primary host.
    pub fn host(&self) -> &Host {
        // Invariant: there is at least one host.
        &self.hosts[0]
    }

    /// Whether the two differ in nothing but the time of registration and what is held back.
    pub fn same_as(&self, other: &Self) -> bool {
        let (registered_at, holds) = (self.registered_at, self.holds.clone());
        *self == Self { registered_at, holds, ..other.clone() }
    }

    /// The gateway's port of a `tcp` service that passes the gateway.
    pub fn listen(&self) -> Option<u16> {
        self.policy.listen.filter(|_| self.protocol == Protocol::Tcp)
    }

    /// Whether the proxy has a route for it: every `tcp` service with a port of the gateway, and
    /// of the others those that are not answered directly.
    pub fn is_routed(&self) -> bool {
        match self.protocol {
            Protocol::Tcp => self.listen().is_some(),
            Protocol::H2c | Protocol::Http | Protocol::Https => {
                self.tls == TlsMode::Issued || self.dns == DnsMode::Gateway
            }
        }
    }
}

/// What the upstreams of a service speak.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Protocol {
    /// HTTP/2 in the clear, without an upgrade: what gRPC servers speak.
    H2c,
    /// HTTP/1.1 in the clear.
    Http,
    /// HTTP/2 or HTTP/1.1 over TLS.
    Https,
    /// A byte stream, probed by connecting; answered directly by DNS, unless it has a port of the
    /// gateway.
    Tcp,
}

/// Whether a service is served with certificates of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TlsMode {
    /// Two leaves of our own authority.
    Issued,
    /// No certificate: the service is reached directly, or in the clear on `http_listen`.
    Off,
}

/// What the hosts of a service resolve to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DnsMode {
    /// The service's own address.
    Direct,
    /// The gateway's address, so that traffic passes the proxy.
    Gateway,
}

/// What to do with a request when every upstream of its route is ejected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum WhenAllEjected {
    /// Answer 503 with `Retry-After`.
    #[default]
    Fail,
    /// Try one of them anyway.
    Try,
}

/// How an upstream is probed.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum ProbeSpec {
    /// Connecting is enough.
    Connect,
    /// `GET` of the configured default path; any answer below 500 counts.
    Default,
    /// `GET` of this path; 2xx and 3xx count.
    Path(ProbePath),
}

/// A path asked for by probes: absolute, visible ASCII, at most 256 bytes.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ProbePath(Box<str>);

impl ProbePath {
    /// Parses a path such as `/health` or `/api/tags?full=1`.
    ///
    /// # Errors
    /// When it does not start with `/`, is too long, or holds anything but visible ASCII.
    pub fn parse(text: &str) -> Result<Self, InvalidProbePath> {
        let visible = text.bytes().all(|b| b.is_ascii_graphic() && b != b'#');
        if text.starts_with('/') && text.len() <= PROBE_PATH_BYTES_MAX && visible {
            Ok(Self(text.into()))
        } else {
            Err(InvalidProbePath(text.chars().take(80).collect()))
        }
    }

    /// The path.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A text that cannot be a probe's path.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is not a probe path; write an absolute path such as /health, at most 256 characters"
)]
pub struct InvalidProbePath(String);

/// What the monitor should tie a service to; carried for the seeds' `monitoring` field.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Monitoring {
    /// `container`, `gpu` or another word of the seeds.
    pub kind: Option<String>,
    /// The container that runs it.
    pub container_name: Option<String>,
    /// The machine that runs it, as an SSH destination.
    pub ssh_host: Option<String>,
}

/// A word that is not one of a closed set.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{given:?} is not a {what}; use one of: {allowed}")]
pub struct UnknownWord {
    /// What was given.
    pub given: String,
    /// What it should have been.
    pub what: &'static str,
    /// The words that exist.
    pub allowed: &'static str,
}

/// Gives an enum its words: `as_str`, `Display` and `FromStr`.
macro_rules! words {
    ($type:ident, $what:literal, $allowed:literal, $($word:literal => $variant:ident),+) => {
        impl $type {
            /// The word for it, the same in CLI, API, database and logs.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word),+ }
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(self.as_str())
            }
        }

        impl FromStr for $type {
            type Err = UnknownWord;

            fn from_str(text: &str) -> Result<Self, UnknownWord> {
                match text {
                    $($word => Ok(Self::$variant),)+
                    _ => Err(UnknownWord {
                        given: text.chars().take(40).collect(),
                        what: $what,
                        allowed: $allowed,
                    }),
                }
            }
        }
    };
}
pub(crate) use words;

words!(Protocol, "protocol", "http, https, h2c, tcp",
    "h2c" => H2c, "http" => Http, "https" => Https, "tcp" => Tcp);
words!(TlsMode, "TLS mode", "issued, off", "issued" => Issued, "off" => Off);
words!(DnsMode, "DNS mode", "gateway, direct", "direct" => Direct, "gateway" => Gateway);
words!(WhenAllEjected, "choice for when_all_ejected", "fail, try", "fail" => Fail, "try" => Try);

/// The longest probe path, as in the original's API.
const PROBE_PATH_BYTES_MAX: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn probe_paths_are_absolute_and_visible() {
        assert_eq!(
            ProbePath::parse("/api/tags?full=1").expect("valid").as_str(),
            "/api/tags?full=1"
        );
        for bad in ["", "health", "/a b", "/a\r\nHost: x", "/ä", &format!("/{}", "a".repeat(256))]
        {
            assert!(ProbePath::parse(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn words_go_both_ways() {
        assert_eq!("direct".parse(), Ok(DnsMode::Direct));
        assert_eq!(Protocol::Tcp.to_string(), "tcp");
        let error = "udp".parse::<Protocol>().expect_err("unknown");
        assert_eq!(
            error.to_string(),
            "\"udp\" is not a protocol; use one of: http, https, h2c, tcp"
        );
    }
}
