//! How long things may take. There is no limit on a whole response: streams need to be without.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::text::{InvalidText, written};
use crate::duration;

/// A length of time, written as `30s`, `10m` or a number of seconds; never zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span(Duration);

impl Span {
    /// A length of time; `None` for zero and for what cannot be written down.
    pub fn new(duration: Duration) -> Option<Self> {
        let readable = duration::parse(&duration::print(duration)) == Ok(duration);
        (!duration.is_zero() && readable).then_some(Self(duration))
    }

    /// Some seconds, at least one.
    pub(super) const fn seconds(seconds: u32) -> Self {
        Self(Duration::from_secs(if seconds == 0 { 1 } else { seconds as u64 }))
    }

    /// How long it is.
    pub fn get(self) -> Duration {
        self.0
    }
}

impl FromStr for Span {
    type Err = InvalidText;

    fn from_str(text: &str) -> Result<Self, InvalidText> {
        duration::parse(text)
            .ok()
            .and_then(Self::new)
            .ok_or_else(|| InvalidText::new(text, "a length of time such as 30s, 10m or 1h"))
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&duration::print(self.0))
    }
}

written!(Span);

/// The clocks of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Clocks {
    /// For connecting to an upstream, TLS included.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub connect: Option<Span>,
    /// From the whole request sent to the head of the response: queueing, loading and prefill of an
    /// inference engine fall into it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first_byte: Option<Span>,
    /// Between two pieces of a response, while the client is waiting for the next.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub idle: Option<Span>,
    /// How long a client may take nothing of a response that is there, or send nothing of a body
    /// that it announced.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client: Option<Span>,
}

impl Clocks {
    pub(super) fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    pub(super) fn over(self, below: Self) -> Self {
        Self {
            connect: self.connect.or(below.connect),
            first_byte: self.first_byte.or(below.first_byte),
            idle: self.idle.or(below.idle),
            client: self.client.or(below.client),
        }
    }
}
