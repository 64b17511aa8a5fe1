//! Names: what a service is called, and the DNS names under which it is reached.
//!
//! **Invariant:** a [`ServiceName`] and a [`Host`] are lower case and legal; every host is a legal
//! DNS name in presentation form without a trailing dot.

use std::borrow::Borrow;
use std::fmt;
use std::sync::Arc;

/// The name an operator registers a service under.
///
/// The seeds' alphabet `[a-zA-Z0-9_-]`, at most 63 characters, starting and ending with a letter
/// or a digit, folded to lower case. `conduit`, `trust` and `dns` are kept for built-in routes.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ServiceName(Arc<str>);

impl ServiceName {
    /// Parses and folds a name.
    ///
    /// # Errors
    /// Says which rule the name breaks.
    pub fn parse(text: &str) -> Result<Self, InvalidName> {
        let invalid = |reason| InvalidName { name: shorten(text), reason };
        if text.is_empty() {
            return Err(invalid(NameRule::Empty));
        }
        if text.len() > LABEL_BYTES_MAX {
            return Err(invalid(NameRule::TooLong));
        }
        if !text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_') {
            return Err(invalid(NameRule::Alphabet));
        }
        let edge = |b: Option<&u8>| b.is_some_and(u8::is_ascii_alphanumeric);
        if !edge(text.as_bytes().first()) || !edge(text.as_bytes().last()) {
            return Err(invalid(NameRule::Edge));
        }
        let folded = text.to_ascii_lowercase();
        if RESERVED.contains(&folded.as_str()) {
            return Err(invalid(NameRule::Reserved));
        }
        Ok(Self(folded.into()))
    }

    /// The name of Conduit's own built-in route, which nobody can register.
    pub fn conduit() -> Self {
        Self(RESERVED[0].into())
    }

    /// Whether this is it.
    pub fn is_conduit(&self) -> bool {
        *self.0 == *RESERVED[0]
    }

    /// Whether a label directly under a domain is kept for built-in routes.
    pub fn is_reserved_label(label: &str) -> bool {
        RESERVED.contains(&label)
    }

    /// The folded name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The label this name has in a host: `_`, which host names do not allow, becomes `-`.
    pub fn label(&self) -> String {
        self.0.replace('_', "-")
    }
}

impl fmt::Debug for ServiceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ServiceName({})", self.0)
    }
}

impl fmt::Display for ServiceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl Borrow<str> for ServiceName {
    fn borrow(&self) -> &str {
        &self.0
    }
}

/// A DNS name a client uses: lower case, no trailing dot, letters, digits and hyphens.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Host(Arc<str>);

impl Host {
    /// Parses a host name (RFC 1123 §2.1); case is folded and one trailing dot is dropped.
    ///
    /// A name whose last label is all digits is refused, since it would read as an IPv4 address.
    ///
    /// # Errors
    /// Says which rule the host breaks.
    pub fn parse(text: &str) -> Result<Self, InvalidHost> {
        let is_legal = |b: u8| b.is_ascii_alphanumeric() || b == b'-';
        let folded = folded(text, |_, label| check_label(label, is_legal));
        folded.map(Self).map_err(|reason| InvalidHost { host: shorten(text), reason })
    }

    /// The folded host, without a trailing dot.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether this is `suffix` itself or a name below it, by whole labels.
    pub fn is_under(&self, suffix: &Self) -> bool {
        self.0
            .strip_suffix(suffix.as_str())
            .is_some_and(|head| head.is_empty() || head.ends_with('.'))
    }
}

impl fmt::Debug for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Host({})", self.0)
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl Borrow<str> for Host {
    fn borrow(&self) -> &str {
        &self.0
    }
}

/// A text that cannot be a service's name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{name:?} cannot be a service's name: {reason}")]
pub struct InvalidName {
    /// What was given, shortened when it is long.
    pub name: String,
    /// The rule it breaks.
    pub reason: NameRule,
}

/// The rules of [`ServiceName`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NameRule {
    /// Something else than letters, digits, `-` and `_`.
    #[error("use letters, digits, '-' and '_' only")]
    Alphabet,
    /// It starts or ends with `-` or `_`.
    #[error("it must start and end with a letter or a digit")]
    Edge,
    /// Nothing at all.
    #[error("it is empty")]
    Empty,
    /// One of the names of the built-in routes.
    #[error("conduit, trust and dns are kept for Conduit's own routes")]
    Reserved,
    /// More than 63 characters.
    #[error("it is longer than 63 characters")]
    TooLong,
}

/// A text that cannot be a host.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{host:?} is not a host name: {reason}")]
pub struct InvalidHost {
    /// What was given, shortened when it is long.
    pub host: String,
    /// The rule it breaks.
    pub reason: HostRule,
}

/// The rules of [`Host`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HostRule {
    /// Something else than letters, digits and `-` in a label.
    #[error("use letters, digits and '-' in each label")]
    Alphabet,
    /// A label starts or ends with `-`.
    #[error("a label must not start or end with '-'")]
    Edge,
    /// Nothing at all.
    #[error("it is empty")]
    Empty,
    /// Two dots in a row, or one in front.
    #[error("a label is empty")]
    EmptyLabel,
    /// A label of more than 63 characters.
    #[error("a label is longer than 63 characters")]
    LabelTooLong,
    /// The last label is a number, as in an IP address.
    #[error("the last label is a number; this looks like an IP address")]
    Numeric,
    /// More than 253 characters.
    #[error("it is longer than 253 characters")]
    TooLong,
}

/// Folds the case of a DNS name and drops one trailing dot; `check` judges each label, with its place
/// from the left.
pub(crate) fn folded<R: From<HostRule>>(
    text: &str,
    check: impl Fn(usize, &str) -> Result<(), R>,
) -> Result<Arc<str>, R> {
    let trimmed = text.strip_suffix('.').unwrap_or(text);
    if trimmed.is_empty() {
        return Err(HostRule::Empty.into());
    }
    if trimmed.len() > HOST_BYTES_MAX {
        return Err(HostRule::TooLong.into());
    }
    for (place, label) in trimmed.split('.').enumerate() {
        check(place, label)?;
    }
    let last = trimmed.rsplit('.').next().unwrap_or(trimmed);
    match last.bytes().all(|b| b.is_ascii_digit()) {
        true => Err(HostRule::Numeric.into()),
        false => Ok(trimmed.to_ascii_lowercase().into()),
    }
}

/// Judges a label of these octets.
pub(crate) fn check_label(label: &str, is_legal: impl Fn(u8) -> bool) -> Result<(), HostRule> {
    if label.is_empty() {
        return Err(HostRule::EmptyLabel);
    }
    if label.len() > LABEL_BYTES_MAX {
        return Err(HostRule::LabelTooLong);
    }
    if !label.bytes().all(is_legal) {
        return Err(HostRule::Alphabet);
    }
    match label.starts_with('-') || label.ends_with('-') {
        true => Err(HostRule::Edge),
        false => Ok(()),
    }
}

/// Cuts what goes into an error, so that a megabyte of nonsense is not echoed back.
pub(crate) fn shorten(text: &str) -> String {
    let mut short: String = text.chars().take(ECHO_CHARS_MAX).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    short
}

/// Labels are at most 63 octets (RFC 1035 §2.3.4).
const LABEL_BYTES_MAX: usize = 63;
/// Names are at most 255 octets on the wire, which is 253 in presentation form.
const HOST_BYTES_MAX: usize = 253;
/// How much of a bad text an error repeats.
const ECHO_CHARS_MAX: usize = 80;
/// Names of built-in routes.
const RESERVED: [&str; 3] = ["conduit", "dns", "trust"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn service_names_follow_the_seeds_rule() {
        for (text, expected) in [
            ("grafana", Ok("grafana")),
            ("Open-WebUI", Ok("open-webui")),
            ("qp_core", Ok("qp_core")),
            ("4", Ok("4")),
            ("", Err(NameRule::Empty)),
            ("-a", Err(NameRule::Edge)),
            ("a_", Err(NameRule::Edge)),
            ("a b", Err(NameRule::Alphabet)),
            ("a.b", Err(NameRule::Alphabet)),
            ("grafäna", Err(NameRule::Alphabet)),
            ("a;rm -rf /", Err(NameRule::Alphabet)),
            ("Conduit", Err(NameRule::Reserved)),
            (&"a".repeat(63), Ok(&*"a".repeat(63))),
            (&"a".repeat(64), Err(NameRule::TooLong)),
        ] {
            let parsed = ServiceName::parse(text);
            assert_eq!(
                parsed.as_ref().map(ServiceName::as_str).map_err(|e| e.reason),
                expected,
                "{text}"
            );
        }
        assert_eq!(ServiceName::parse("qp_core").expect("valid").label(), "qp-core");
    }

    #[test]
    fn hosts_are_folded_and_checked() {
        for (text, expected) in [
            ("Grafana.Internal.", Ok("grafana.internal")),
            ("internal", Ok("internal")),
            ("a..b", Err(HostRule::EmptyLabel)),
            (".a", Err(HostRule::EmptyLabel)),
            (".", Err(HostRule::Empty)),
            ("10.0.0.1", Err(HostRule::Numeric)),
            ("a_b.internal", Err(HostRule::Alphabet)),
            ("-a.internal", Err(HostRule::Edge)),
            (&format!("{}.internal", "a".repeat(64)), Err(HostRule::LabelTooLong)),
        ] {
            let parsed = Host::parse(text);
            assert_eq!(parsed.as_ref().map(Host::as_str).map_err(|e| e.reason), expected, "{text}");
        }
        assert!(Host::parse(&format!("{}a", "a.".repeat(127))).is_err());
    }

    #[test]
    fn suffixes_are_compared_by_labels() {
        let host = |t| Host::parse(t).expect("valid");
        assert!(host("a.internal").is_under(&host("internal")));
        assert!(host("internal").is_under(&host("internal")));
        assert!(!host("ainternal").is_under(&host("internal")));
        assert!(!host("internal").is_under(&host("a.internal")));
    }

    proptest::proptest! {
        #[test]
        fn a_parsed_host_parses_to_itself(text in "\\PC{0,80}") {
            if let Ok(host) = Host::parse(&text) {
                assert_eq!(Host::parse(host.as_str()).as_ref(), Ok(&host));
                assert!(host.as_str().bytes().all(|b| !b.is_ascii_uppercase()));
            }
        }
    }
}
