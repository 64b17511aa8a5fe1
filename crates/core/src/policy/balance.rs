//! How requests are spread over upstreams.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::fields::FieldName;
use super::text::{InvalidText, written};
use crate::upstream::UpstreamAddr;

/// How an upstream is chosen among the admitted ones of the first priority that has any.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Balance {
    /// One after another, by share.
    #[default]
    RoundRobin,
    /// At random, by share.
    Random,
    /// The one with the fewest requests in flight for its share.
    LeastRequests,
    /// The better of two at random, by recent time to first byte times requests in flight.
    PeakEwma,
    /// The same one for the same key, moving few keys when upstreams come and go.
    Hash(HashKey),
}

/// What a consistent hash is taken of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HashKey {
    /// The client's address.
    Client,
    /// The path, without the query.
    Path,
    /// A field of the request; the client's address when it has none.
    Header(FieldName),
    /// A cookie; the client's address when there is none.
    Cookie(FieldName),
}

impl FromStr for Balance {
    type Err = InvalidText;

    fn from_str(text: &str) -> Result<Self, InvalidText> {
        let invalid = || {
            InvalidText::new(
                text,
                "a balance policy; use round-robin, random, least-requests, peak-ewma, \
                 hash:client, hash:path, hash:header:NAME or hash:cookie:NAME",
            )
        };
        let name = |name: &str| name.parse::<FieldName>().map_err(|_| invalid());
        Ok(match text {
            "round-robin" => Self::RoundRobin,
            "random" => Self::Random,
            "least-requests" => Self::LeastRequests,
            "peak-ewma" => Self::PeakEwma,
            "hash:client" => Self::Hash(HashKey::Client),
            "hash:path" => Self::Hash(HashKey::Path),
            _ => {
                if let Some(header) = text.strip_prefix("hash:header:") {
                    Self::Hash(HashKey::Header(name(header)?))
                } else if let Some(cookie) = text.strip_prefix("hash:cookie:") {
                    Self::Hash(HashKey::Cookie(name(cookie)?))
                } else {
                    return Err(invalid());
                }
            }
        })
    }
}

impl fmt::Display for Balance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::RoundRobin => f.write_str("round-robin"),
            Self::Random => f.write_str("random"),
            Self::LeastRequests => f.write_str("least-requests"),
            Self::PeakEwma => f.write_str("peak-ewma"),
            Self::Hash(HashKey::Client) => f.write_str("hash:client"),
            Self::Hash(HashKey::Path) => f.write_str("hash:path"),
            Self::Hash(HashKey::Header(name)) => write!(f, "hash:header:{name}"),
            Self::Hash(HashKey::Cookie(name)) => write!(f, "hash:cookie:{name}"),
        }
    }
}

written!(Balance);

/// Keeps a client on one upstream by a cookie that we set.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Sticky {
    /// The cookie's name.
    pub cookie: FieldName,
}

/// The share of one upstream.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Share {
    /// Which one.
    #[serde(with = "written_upstream")]
    #[schema(value_type = String, example = "10.0.1.50:3000")]
    pub upstream: UpstreamAddr,
    /// Its share against the others', from 1 to 1,000.
    #[serde(default = "one")]
    #[schema(minimum = 1, maximum = 1_000)]
    pub weight: u16,
    /// Upstreams of a higher number are used only while none of a lower one is admitted.
    #[serde(default)]
    pub priority: u8,
}

fn one() -> u16 {
    1
}

mod written_upstream {
    use serde::{Deserialize, Deserializer, Serializer, de};

    use crate::upstream::UpstreamAddr;

    pub(super) fn serialize<S: Serializer>(
        upstream: &UpstreamAddr,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.collect_str(upstream)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<UpstreamAddr, D::Error> {
        let text = String::deserialize(deserializer)?;
        UpstreamAddr::parse(&text).map_err(de::Error::custom)
    }
}
