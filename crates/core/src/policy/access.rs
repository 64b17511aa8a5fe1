//! Who may use a service, and how much.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::clocks::Span;
use super::fields::FieldName;
use super::paths::PathPrefix;
use super::shown::{self, HIDDEN};
use super::text::{InvalidText, written};
use super::upstreams::{parse_hex, write_hex};

/// How many requests a client may make.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RateLimit {
    /// This many,
    pub requests: u32,
    /// in this time; a second when absent.
    #[serde(default = "second")]
    pub per: Span,
    /// This many may come at once; as many as `requests` when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub burst: Option<u32>,
    /// What is counted together.
    #[serde(default)]
    pub by: RateKey,
}

fn second() -> Span {
    Span::seconds(1)
}

/// What a rate limit counts together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum RateKey {
    /// Each client's address; an IPv6 client's /64.
    #[default]
    Client,
    /// Each API key or user; without one, each client's address.
    Identity,
    /// All requests of the service.
    Service,
}

impl FromStr for RateKey {
    type Err = InvalidText;

    fn from_str(text: &str) -> Result<Self, InvalidText> {
        match text {
            "client" => Ok(Self::Client),
            "identity" => Ok(Self::Identity),
            "service" => Ok(Self::Service),
            _ => Err(InvalidText::new(text, "a rate's key; use client, identity or service")),
        }
    }
}

impl fmt::Display for RateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Client => "client",
            Self::Identity => "identity",
            Self::Service => "service",
        })
    }
}

/// A user with a password (RFC 7617).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct BasicUser {
    /// The name, without a colon.
    pub user: UserName,
    /// The password, hashed.
    pub hash: PasswordHash,
}

/// A user's name: visible, no colon, at most 128 bytes.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct UserName(Box<str>);

impl UserName {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for UserName {
    type Err = InvalidText;

    fn from_str(text: &str) -> Result<Self, InvalidText> {
        let fits = |c: char| !c.is_control() && c != ':';
        if !text.is_empty() && text.len() <= 128 && text.chars().all(fits) {
            Ok(Self(text.into()))
        } else {
            Err(InvalidText::new(text, "a user name without a colon"))
        }
    }
}

impl fmt::Display for UserName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A hashed password: bcrypt (`$2b$…`, as `htpasswd -B` and Caddy write it) or Argon2 (`$argon2id$…`).
///
/// What checking it costs is bounded: bcrypt up to cost 14, Argon2 up to
/// 256 MiB of memory and ten passes.
#[derive(Clone, PartialEq, Eq)]
pub struct PasswordHash(Box<str>);

impl PasswordHash {
    /// The hash, as it is written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for PasswordHash {
    type Err = InvalidText;

    fn from_str(text: &str) -> Result<Self, InvalidText> {
        // Not even a part of it is told: it may be a password in the clear.
        let invalid = |what| InvalidText::new("…", what);
        let visible = text.bytes().all(|b| b.is_ascii_graphic());
        if text == HIDDEN {
            return Err(shown::hidden());
        }
        let affordable = if ["$2a$", "$2b$", "$2y$"].iter().any(|k| text.starts_with(k)) {
            (text.len() == BCRYPT_BYTES).then(|| is_affordable_bcrypt(text))
        } else if ["$argon2id$", "$argon2i$"].iter().any(|k| text.starts_with(k)) {
            Some(is_affordable_argon2(text))
        } else {
            None
        };
        match affordable {
            Some(true) if text.len() <= 256 && visible => Ok(Self(text.into())),
            Some(false) => Err(invalid(
                "a hash that can be checked in time; use bcrypt up to cost 14, or argon2 with up \
                 to m=262144 and t=10",
            )),
            _ => Err(invalid("a hashed password; use bcrypt ($2b$…) or argon2id")),
        }
    }
}

fn is_affordable_bcrypt(text: &str) -> bool {
    let cost = text.split('$').nth(2).and_then(|cost| cost.parse::<u8>().ok());
    cost.is_some_and(|cost| (4..=BCRYPT_COST_MAX).contains(&cost))
}

/// Reads `m=…,t=…,p=…`, which stand between two `$` in any order.
fn is_affordable_argon2(text: &str) -> bool {
    let number = |name: &str| {
        let mut fields = text.split('$').flat_map(|part| part.split(','));
        fields.find_map(|field| field.strip_prefix(name)?.strip_prefix('=')?.parse::<u32>().ok())
    };
    number("m").is_some_and(|kib| kib <= ARGON2_KIB_MAX)
        && number("t").is_some_and(|passes| passes <= ARGON2_PASSES_MAX)
        && number("p").is_some_and(|lanes| lanes <= ARGON2_LANES_MAX)
}

impl fmt::Display for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PasswordHash")
    }
}

/// A key that a program may come in with, as `Authorization: Bearer KEY` or `X-API-Key: KEY`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ApiKey {
    /// What it is called: in logs, and to the upstream.
    pub name: UserName,
    /// The key, hashed.
    pub hash: KeyHash,
    /// The only paths it opens; empty means all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub paths: Vec<PathPrefix>,
    /// The only methods it may use, in capitals; empty means all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub methods: Vec<MethodName>,
}

/// SHA3-256 of a key, in hexadecimal after `sha3-256:`. Keys are long and random, so one fast hash
/// is enough.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct KeyHash(pub [u8; 32]);

impl FromStr for KeyHash {
    type Err = InvalidText;

    fn from_str(text: &str) -> Result<Self, InvalidText> {
        if text == HIDDEN {
            return Err(shown::hidden());
        }
        text.strip_prefix("sha3-256:").and_then(parse_hex).map(Self).ok_or_else(|| {
            // Not even a part of it: it may be the key itself.
            InvalidText::new("…", "a hashed key; write sha3-256: and 64 hexadecimal digits")
        })
    }
}

impl fmt::Display for KeyHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("sha3-256:")?;
        write_hex(f, &self.0)
    }
}

impl fmt::Debug for KeyHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeyHash")
    }
}

/// The name of a method, in capitals.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MethodName(Box<str>);

impl MethodName {
    /// The method.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for MethodName {
    type Err = InvalidText;

    fn from_str(text: &str) -> Result<Self, InvalidText> {
        let fits = |b: u8| b.is_ascii_uppercase() || b == b'-';
        if !text.is_empty() && text.len() <= 32 && text.bytes().all(fits) {
            Ok(Self(text.into()))
        } else {
            Err(InvalidText::new(text, "a method in capitals such as GET"))
        }
    }
}

impl fmt::Display for MethodName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Another service that decides, as Authelia, Authentik and oauth2-proxy do: it gets the head of each
/// request, and 2xx lets it in; any other answer goes to the client.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ForwardAuth {
    /// Where it is asked.
    pub url: Url,
    /// Fields of its answer that the upstream gets; whatever the client said of them goes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub copy: Vec<FieldName>,
}

/// An `http` URL with a host and a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Url {
    text: Box<str>,
    authority_end: usize,
}

impl Url {
    /// The host and port.
    pub fn authority(&self) -> &str {
        &self.text[SCHEME.len()..self.authority_end]
    }

    /// The path and query, starting with `/`.
    pub fn path(&self) -> &str {
        match &self.text[self.authority_end..] {
            "" => "/",
            path => path,
        }
    }
}

impl FromStr for Url {
    type Err = InvalidText;

    fn from_str(text: &str) -> Result<Self, InvalidText> {
        let invalid = || InvalidText::new(text, "a URL such as http://10.0.1.9:9091/verify");
        let rest = text.strip_prefix(SCHEME).ok_or_else(invalid)?;
        let authority = rest.split('/').next().unwrap_or(rest);
        let visible = text.bytes().all(|b| b.is_ascii_graphic() && !b"#\\\"<>".contains(&b));
        let plain = !authority.is_empty() && !authority.contains(['@', '?']);
        if visible && plain && text.len() <= 1024 {
            Ok(Self { text: text.into(), authority_end: SCHEME.len() + authority.len() })
        } else {
            Err(invalid())
        }
    }
}

impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Which pages of other origins may use a service from a browser (the Fetch standard's CORS).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Cors {
    /// Origins such as `https://chat.internal`; `*` for any.
    pub origins: Vec<Origin>,
    /// Methods; those that a page asks for when empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub methods: Vec<MethodName>,
    /// Fields of requests; those that a page asks for when empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub headers: Vec<FieldName>,
    /// Fields of responses that a page may read.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub expose: Vec<FieldName>,
    /// Whether cookies and credentials may be sent; not with `*`.
    #[serde(default)]
    pub credentials: bool,
    /// How long a browser may remember the answer; ten minutes when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_age: Option<Span>,
}

/// An origin: scheme, host and port; or `*`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin(Box<str>);

impl Origin {
    /// The origin, as browsers write it.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it stands for all.
    pub fn is_any(&self) -> bool {
        &*self.0 == "*"
    }
}

impl FromStr for Origin {
    type Err = InvalidText;

    fn from_str(text: &str) -> Result<Self, InvalidText> {
        let rest = text.split_once("://").map(|(_, rest)| rest);
        let host = rest.is_some_and(|rest| {
            !rest.is_empty()
                && rest.bytes().all(|b| b.is_ascii_graphic() && !b"/?#\"\\".contains(&b))
        });
        if text == "*" || (host && text.len() <= 300) {
            Ok(Self(text.to_ascii_lowercase().into()))
        } else {
            Err(InvalidText::new(text, "an origin such as https://chat.internal, or *"))
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

written!(RateKey, UserName, PasswordHash, KeyHash, MethodName, Url, Origin);

const SCHEME: &str = "http://";
/// `$2b$`, the cost, a `$`, 22 characters of salt and 31 of hash.
const BCRYPT_BYTES: usize = 60;
/// Each step doubles the time; 14 takes about a second.
const BCRYPT_COST_MAX: u8 = 14;
/// What one check of an Argon2 hash may use, in KiB.
const ARGON2_KIB_MAX: u32 = 262_144;
const ARGON2_PASSES_MAX: u32 = 10;
const ARGON2_LANES_MAX: u32 = 16;
