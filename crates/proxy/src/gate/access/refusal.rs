//! Why somebody is not let in, and what is answered then.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use conduit_core::policy::RateLimit;
use http::StatusCode;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};

use crate::failure::{Failure, FailureKind};
use crate::limits::hits::Limit;

/// Why a request is refused at the gate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// Credentials are missing or wrong.
    Unauthorized {
        /// What is to be logged in to.
        realm: String,
        /// Whether a password would do.
        passwords: bool,
        /// Whether a key would do.
        keys: bool,
        /// Whether a key was given that is none.
        wrong_key: bool,
        /// Whether a password was given that is not the user's.
        wrong_password: bool,
    },
    /// A key that does not open this.
    KeyScope {
        /// What it is called.
        key: Arc<str>,
        /// What it may not do.
        lacks: String,
    },
    /// This address has failed too often; it may try again after this time.
    TooManyFailures(Duration),
    /// Too many passwords are being checked.
    Busy,
    /// The service that decides does not answer as it should.
    AuthUnreachable(String),
    /// More requests than are allowed.
    RateLimited {
        /// The limit.
        limit: RateLimit,
        /// When the next one is.
        retry: Duration,
    },
}

impl Refusal {
    /// The stable word for it.
    pub(crate) fn word(&self) -> &'static str {
        match self {
            Self::Unauthorized { wrong_key: true, .. } => "key_unknown",
            Self::Unauthorized { wrong_password: true, .. } => "password_wrong",
            Self::Unauthorized { keys: true, .. } => "key_missing",
            Self::Unauthorized { .. } => "password_missing",
            Self::KeyScope { .. } => "key_scope",
            Self::TooManyFailures(_) => "too_many_failures",
            Self::Busy => "auth_busy",
            Self::AuthUnreachable(_) => "auth_unreachable",
            Self::RateLimited { .. } => "rate_limited",
        }
    }

    /// The status that says it.
    pub(crate) fn status(&self) -> StatusCode {
        match self {
            Self::Unauthorized { .. } => StatusCode::UNAUTHORIZED,
            Self::KeyScope { .. } => StatusCode::FORBIDDEN,
            Self::TooManyFailures(_) | Self::RateLimited { .. } => StatusCode::TOO_MANY_REQUESTS,
            Self::Busy | Self::AuthUnreachable(_) => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    /// The limit that was reached, when that is why.
    pub(crate) fn limit(&self) -> Option<Limit> {
        match self {
            Self::Unauthorized { .. } | Self::KeyScope { .. } | Self::AuthUnreachable(_) => None,
            Self::TooManyFailures(_) => Some(Limit::AuthFailures),
            Self::Busy => Some(Limit::AuthBusy),
            Self::RateLimited { .. } => Some(Limit::RequestRate),
        }
    }

    /// Whether it is for want of somebody else, and not of the client's doing.
    pub(crate) fn is_ours(&self) -> bool {
        matches!(self, Self::Busy | Self::AuthUnreachable(_))
    }

    /// Adds the fields that tell programs what to do.
    pub(crate) fn write(&self, headers: &mut HeaderMap) {
        match self {
            Self::Unauthorized { realm, passwords, keys, wrong_key, .. } => {
                if *passwords {
                    let challenge = format!("Basic realm=\"{realm}\", charset=\"UTF-8\"");
                    append(headers, header::WWW_AUTHENTICATE, &challenge);
                }
                if *keys {
                    let error = if *wrong_key { ", error=\"invalid_token\"" } else { "" };
                    let challenge = format!("Bearer realm=\"{realm}\"{error}");
                    append(headers, header::WWW_AUTHENTICATE, &challenge);
                }
            }
            Self::TooManyFailures(retry) => {
                append(headers, header::RETRY_AFTER, &seconds(*retry).to_string());
            }
            Self::RateLimited { limit, retry } => {
                let retry = seconds(*retry);
                let (name, quota, window) = (limit.by, limit.requests, seconds(limit.per.get()));
                append(headers, header::RETRY_AFTER, &retry.to_string());
                append(headers, RATE_LIMIT, &format!("\"{name}\";r=0;t={retry}"));
                append(headers, RATE_LIMIT_POLICY, &format!("\"{name}\";q={quota};w={window}"));
            }
            Self::Busy | Self::AuthUnreachable(_) => {
                append(headers, header::RETRY_AFTER, &BUSY_RETRY_SECONDS.to_string());
            }
            Self::KeyScope { .. } => {}
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unauthorized { wrong_key: true, .. } => {
                f.write_str("this API key is not known here")
            }
            Self::Unauthorized { wrong_password: true, .. } => {
                f.write_str("the user or the password is wrong")
            }
            Self::Unauthorized { keys: true, passwords: false, .. } => f.write_str(
                "an API key is needed; send it as Authorization: Bearer KEY or X-API-Key: KEY",
            ),
            Self::Unauthorized { keys: true, .. } => {
                f.write_str("an API key, or a user with a password, is needed")
            }
            Self::Unauthorized { .. } => f.write_str("a user with a password is needed"),
            Self::KeyScope { key, lacks } => write!(f, "the key {key} {lacks}"),
            Self::TooManyFailures(retry) => write!(
                f,
                "too many wrong credentials came from this address; try again in {} s",
                seconds(*retry)
            ),
            Self::Busy => f.write_str("too many passwords are being checked; try again"),
            Self::AuthUnreachable(why) => {
                write!(f, "the service that decides who may come in does not answer: {why}")
            }
            Self::RateLimited { limit, retry } => write!(
                f,
                "more than {} requests in {}; try again in {} s",
                limit.requests,
                limit.per,
                seconds(*retry)
            ),
        }
    }
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        FailureKind::Refused(Box::new(refusal)).into()
    }
}

/// Whole seconds, rounded up, at least one.
fn seconds(duration: Duration) -> u64 {
    (duration.as_secs() + u64::from(duration.subsec_nanos() > 0)).max(1)
}

fn append(headers: &mut HeaderMap, name: HeaderName, value: &str) {
    // Invariant: names of services and hosts, and numbers, are visible ASCII.
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.append(name, value);
    }
}

/// The fields of draft-ietf-httpapi-ratelimit-headers-10.
const RATE_LIMIT: HeaderName = HeaderName::from_static("ratelimit");
const RATE_LIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
/// What a client waits when something of ours is busy.
const BUSY_RETRY_SECONDS: u16 = 5;
