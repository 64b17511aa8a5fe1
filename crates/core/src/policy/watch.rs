//! How upstreams are watched: by probes, and by what real traffic meets.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::clocks::Span;
use super::text::{InvalidText, written};

/// How upstreams are probed; the path is the service's own field.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ProbePolicy {
    /// What a probe is, when it is not what the protocol suggests.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kind: Option<ProbeKind>,
    /// From one probe to the next; the gateway's when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub interval: Option<Span>,
    /// How long one may take; the gateway's when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout: Option<Span>,
    /// How many failures in a row eject; the gateway's when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unhealthy_after: Option<u8>,
    /// How many successes in a row readmit; the gateway's when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub healthy_after: Option<u8>,
    /// The statuses that count as healthy.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<StatusSet>,
    /// A text that the first 64 KiB of the answer must hold.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub body: Option<String>,
    /// The service that a gRPC health check asks about; the server as a whole when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub grpc_service: Option<String>,
}

impl ProbePolicy {
    pub(super) fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    pub(super) fn over(&self, below: Self) -> Self {
        Self {
            kind: self.kind.or(below.kind),
            interval: self.interval.or(below.interval),
            timeout: self.timeout.or(below.timeout),
            unhealthy_after: self.unhealthy_after.or(below.unhealthy_after),
            healthy_after: self.healthy_after.or(below.healthy_after),
            status: self.status.clone().or(below.status),
            body: self.body.clone().or(below.body),
            grpc_service: self.grpc_service.clone().or(below.grpc_service),
        }
    }
}

/// What a probe is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ProbeKind {
    /// A `GET`.
    Http,
    /// Connecting is enough.
    Tcp,
    /// gRPC's health checking protocol, over HTTP/2.
    Grpc,
}

impl FromStr for ProbeKind {
    type Err = InvalidText;

    fn from_str(text: &str) -> Result<Self, InvalidText> {
        match text {
            "http" => Ok(Self::Http),
            "tcp" => Ok(Self::Tcp),
            "grpc" => Ok(Self::Grpc),
            _ => Err(InvalidText::new(text, "a kind of probe; use http, tcp or grpc")),
        }
    }
}

impl fmt::Display for ProbeKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Http => "http",
            Self::Tcp => "tcp",
            Self::Grpc => "grpc",
        })
    }
}

/// Statuses, written as `200-299,401`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct StatusSet(Box<[(u16, u16)]>);

impl StatusSet {
    /// Whether a status is one of them.
    pub fn contains(&self, status: u16) -> bool {
        self.0.iter().any(|(low, high)| (*low..=*high).contains(&status))
    }
}

impl FromStr for StatusSet {
    type Err = InvalidText;

    fn from_str(text: &str) -> Result<Self, InvalidText> {
        let invalid = || InvalidText::new(text, "a set of statuses such as 200-299,401");
        let status = |text: &str| {
            let number: u16 = text.trim().parse().map_err(|_| invalid())?;
            if (100..=599).contains(&number) { Ok(number) } else { Err(invalid()) }
        };
        let parts = text.split(',').map(|part| {
            let (low, high) = part.split_once('-').unwrap_or((part, part));
            let (low, high) = (status(low)?, status(high)?);
            if low <= high { Ok((low, high)) } else { Err(invalid()) }
        });
        parts.collect::<Result<_, _>>().map(Self)
    }
}

impl fmt::Display for StatusSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (low, high)) in self.0.iter().enumerate() {
            let comma = if index == 0 { "" } else { "," };
            match low == high {
                true => write!(f, "{comma}{low}")?,
                false => write!(f, "{comma}{low}-{high}")?,
            }
        }
        Ok(())
    }
}

written!(ProbeKind, StatusSet);

/// When real traffic ejects an upstream. It comes back after a probation that doubles each time,
/// when its next probe passes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Outliers {
    /// Failures in a row (no connection, no answer, 502, 503 or 504) that eject; 5 when absent, 0
    /// for never.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failures: Option<u16>,
    /// The first probation; 30 s when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub probation: Option<Span>,
    /// Whether the last admitted upstream may be ejected by traffic, too; not when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub eject_last: Option<bool>,
    /// How many times slower than the median of its pool an upstream's time to first byte may be
    /// before it is ejected; absent means that being slow never ejects.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub slow_factor: Option<u8>,
}

impl Outliers {
    pub(super) fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    pub(super) fn over(self, below: Self) -> Self {
        Self {
            failures: self.failures.or(below.failures),
            probation: self.probation.or(below.probation),
            eject_last: self.eject_last.or(below.eject_last),
            slow_factor: self.slow_factor.or(below.slow_factor),
        }
    }
}
