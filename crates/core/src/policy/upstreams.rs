//! How a service's upstreams are used.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::clocks::Span;
use super::text::{InvalidText, written};
use crate::name::Host;

/// How connections to upstreams are made, and how much goes over them.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct UpstreamUse {
    /// How the certificate of an `https` upstream is judged; `verify` when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls: Option<UpstreamTls>,
    /// The name that is asked for in TLS and judged in the certificate; the upstream's own when
    /// absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub server_name: Option<ServerName>,
    /// What `Host` says; what the client asked for when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host: Option<HostPolicy>,
    /// What `Origin` says; what the client said when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub origin: Option<OriginPolicy>,
    /// Tells a `tcp` upstream about the client.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub proxy_header: Option<ProxyHeader>,
    /// Requests (or TCP connections) in flight per upstream; absent means any number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub in_flight_max: Option<u32>,
    /// How many requests wait when every upstream has its fill; 100 when absent, 0 for none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub queue_max: Option<u32>,
    /// How long one waits at most; 30 s when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub queue_timeout: Option<Span>,
}

impl UpstreamUse {
    pub(super) fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    pub(super) fn over(&self, below: Self) -> Self {
        Self {
            tls: self.tls.clone().or(below.tls),
            server_name: self.server_name.clone().or(below.server_name),
            host: self.host.clone().or(below.host),
            origin: self.origin.or(below.origin),
            proxy_header: self.proxy_header.or(below.proxy_header),
            in_flight_max: self.in_flight_max.or(below.in_flight_max),
            queue_max: self.queue_max.or(below.queue_max),
            queue_timeout: self.queue_timeout.or(below.queue_timeout),
        }
    }
}

/// How the certificate of an upstream is judged.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum UpstreamTls {
    /// By the system's roots and our own.
    #[default]
    Verify,
    /// Not at all: whoever answers is believed.
    Insecure,
    /// It is exactly this one: `sha256:` and the fingerprint of the certificate in hexadecimal.
    Pinned([u8; 32]),
}

impl FromStr for UpstreamTls {
    type Err = InvalidText;

    fn from_str(text: &str) -> Result<Self, InvalidText> {
        let invalid = || {
            InvalidText::new(text, "a way to judge a certificate; use verify, insecure or sha256:…")
        };
        match text {
            "verify" => Ok(Self::Verify),
            "insecure" => Ok(Self::Insecure),
            _ => {
                let hex = text.strip_prefix("sha256:").ok_or_else(invalid)?;
                parse_hex(hex).map(Self::Pinned).ok_or_else(invalid)
            }
        }
    }
}

impl fmt::Display for UpstreamTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Verify => f.write_str("verify"),
            Self::Insecure => f.write_str("insecure"),
            Self::Pinned(fingerprint) => {
                f.write_str("sha256:")?;
                write_hex(f, fingerprint)
            }
        }
    }
}

/// A name to ask for in TLS; a host name in lower case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerName(Host);

impl ServerName {
    /// The name.
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }
}

impl FromStr for ServerName {
    type Err = InvalidText;

    fn from_str(text: &str) -> Result<Self, InvalidText> {
        Host::parse(text).map(Self).map_err(|_| InvalidText::new(text, "a host name"))
    }
}

impl fmt::Display for ServerName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What `Host` says to an upstream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HostPolicy {
    /// What the client asked for.
    Keep,
    /// The upstream's own address, as some programs demand.
    Upstream,
    /// Always this, with a port if need be, such as `localhost:11434`.
    Fixed(Box<str>),
}

impl FromStr for HostPolicy {
    type Err = InvalidText;

    fn from_str(text: &str) -> Result<Self, InvalidText> {
        let visible = |b: u8| b.is_ascii_alphanumeric() || b"-._:[]".contains(&b);
        match text {
            "keep" => Ok(Self::Keep),
            "upstream" => Ok(Self::Upstream),
            _ if !text.is_empty() && text.len() <= 255 && text.bytes().all(visible) => {
                Ok(Self::Fixed(text.into()))
            }
            _ => Err(InvalidText::new(text, "a Host; use keep, upstream or HOST[:PORT]")),
        }
    }
}

impl fmt::Display for HostPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Keep => "keep",
            Self::Upstream => "upstream",
            Self::Fixed(host) => host,
        })
    }
}

/// What `Origin` says to an upstream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OriginPolicy {
    /// What the client said.
    Keep,
    /// Nothing: programs such as Ollama refuse origins they do not know.
    Remove,
}

impl FromStr for OriginPolicy {
    type Err = InvalidText;

    fn from_str(text: &str) -> Result<Self, InvalidText> {
        match text {
            "keep" => Ok(Self::Keep),
            "remove" => Ok(Self::Remove),
            _ => Err(InvalidText::new(text, "an Origin policy; use keep or remove")),
        }
    }
}

impl fmt::Display for OriginPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Keep => "keep",
            Self::Remove => "remove",
        })
    }
}

/// A version of HAProxy's PROXY protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProxyHeader {
    /// Text.
    V1,
    /// Binary.
    V2,
}

impl FromStr for ProxyHeader {
    type Err = InvalidText;

    fn from_str(text: &str) -> Result<Self, InvalidText> {
        match text {
            "v1" => Ok(Self::V1),
            "v2" => Ok(Self::V2),
            _ => Err(InvalidText::new(text, "a version of the PROXY protocol; use v1 or v2")),
        }
    }
}

impl fmt::Display for ProxyHeader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::V1 => "v1",
            Self::V2 => "v2",
        })
    }
}

written!(UpstreamTls, ServerName, HostPolicy, OriginPolicy, ProxyHeader);

/// When a request that failed is tried again, always before a byte of the response has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Retries {
    /// Further tries on other upstreams; 1 when absent, at most 5.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max: Option<u8>,
    /// Retries in percent of the requests of the last ten seconds (ten are always allowed); 20 when
    /// absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub budget_percent: Option<u8>,
    /// Whether idempotent requests without a body are also tried again after a 502, 503 or 504, or
    /// when the upstream broke off before it answered; not when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub on_status: Option<bool>,
}

impl Retries {
    pub(super) fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    pub(super) fn over(self, below: Self) -> Self {
        Self {
            max: self.max.or(below.max),
            budget_percent: self.budget_percent.or(below.budget_percent),
            on_status: self.on_status.or(below.on_status),
        }
    }
}

/// Reads 32 bytes in hexadecimal, with or without colons.
pub(super) fn parse_hex(text: &str) -> Option<[u8; 32]> {
    let digits: Vec<u32> =
        text.chars().filter(|c| *c != ':').map(|c| c.to_digit(16)).collect::<Option<_>>()?;
    let mut bytes = [0; 32];
    if digits.len() != 64 {
        return None;
    }
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        *byte = u8::try_from(pair[0] * 16 + pair[1]).ok()?;
    }
    Some(bytes)
}

pub(super) fn write_hex(f: &mut fmt::Formatter<'_>, bytes: &[u8]) -> fmt::Result {
    bytes.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
}
