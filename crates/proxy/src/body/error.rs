//! Why a body did not come to its end.

use std::fmt;

use crate::clocks::Expired;

/// Why a body did not come to its end.
#[derive(Debug)]
pub(crate) enum BodyError {
    /// The side that it came from broke off.
    Broken(Box<dyn std::error::Error + Send + Sync>),
    /// The client broke off, or sent something else than it announced, over HTTP/3.
    Client(String),
    /// It could not be encoded.
    Encode(std::io::Error),
    /// A clock ran out.
    Expired(Expired),
    /// The upstream answered without asking for it.
    Refused,
    /// It is larger than it may be.
    TooLarge,
}

impl BodyError {
    /// The side that it came from broke off, for this reason.
    pub(crate) fn broken(why: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::Broken(why.into())
    }

    /// The stable word for it.
    pub(crate) fn word(&self) -> &'static str {
        match self {
            Self::Broken(_) => "upstream_broken",
            Self::Client(_) => "client_broken",
            Self::Encode(_) => "not_encoded",
            Self::Expired(Expired::BodyRate(_)) => "body_too_slow",
            Self::Expired(Expired::Client(_)) => "client_timeout",
            Self::Expired(Expired::FirstByte(_)) => "first_byte_timeout",
            Self::Expired(Expired::Idle(_)) => "idle_timeout",
            Self::Refused => "refused",
            Self::TooLarge => "body_too_large",
        }
    }

    /// Whether it is the upstream that did not do its part.
    pub(crate) fn blames_upstream(&self) -> bool {
        matches!(self, Self::Broken(_) | Self::Expired(Expired::Idle(_) | Expired::FirstByte(_)))
    }
}

impl fmt::Display for BodyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Broken(_) => f.write_str("the upstream broke off its answer"),
            Self::Client(why) => write!(f, "the request broke off: {why}"),
            Self::Encode(error) => write!(f, "the answer could not be encoded: {error}"),
            Self::Expired(Expired::BodyRate(_)) => f.write_str("the request came too slowly"),
            Self::Expired(Expired::Client(after)) => {
                write!(f, "the client took nothing for {} s", after.as_secs())
            }
            Self::Expired(Expired::FirstByte(after) | Expired::Idle(after)) => write!(
                f,
                "the upstream sent nothing for {} s (timeouts.idle of the service)",
                after.as_secs()
            ),
            Self::Refused => f.write_str("the upstream answered without asking for the body"),
            Self::TooLarge => f.write_str("the body is larger than it may be"),
        }
    }
}

impl std::error::Error for BodyError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Broken(error) => Some(&**error),
            Self::Encode(error) => Some(error),
            Self::Client(_) | Self::Expired(_) | Self::Refused | Self::TooLarge => None,
        }
    }
}
