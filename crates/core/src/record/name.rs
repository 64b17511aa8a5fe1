//! Names of records: those of hosts, and beside them names with `_` and wildcards.
//!
//! **Invariant:** a [`RecordName`] is lower case, without a trailing dot, and a legal DNS name; only its
//! first label may be `*`.

use std::borrow::Borrow;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use crate::name::{Host, shorten};

/// A name such as `nas.internal`, `_sip._tcp.internal` or `*.apps.internal`; cheap to clone.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RecordName(Arc<str>);

impl RecordName {
    /// Parses a name; case is folded and one trailing dot is dropped.
    ///
    /// # Errors
    /// Says which rule it breaks.
    pub fn parse(text: &str) -> Result<Self, InvalidRecordName> {
        let invalid = |reason| InvalidRecordName { name: shorten(text), reason };
        let trimmed = text.strip_suffix('.').unwrap_or(text);
        if trimmed.is_empty() {
            return Err(invalid(RecordNameRule::Empty));
        }
        if trimmed.len() > NAME_BYTES_MAX {
            return Err(invalid(RecordNameRule::TooLong));
        }
        for (index, label) in trimmed.split('.').enumerate() {
            check(label, index == 0).map_err(invalid)?;
        }
        let last = trimmed.rsplit('.').next().unwrap_or(trimmed);
        if last.bytes().all(|b| b.is_ascii_digit()) {
            return Err(invalid(RecordNameRule::Numeric));
        }
        Ok(Self(trimmed.to_ascii_lowercase().into()))
    }

    /// The folded name, without a trailing dot.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it stands for names that are not there (RFC 4592).
    pub fn is_wildcard(&self) -> bool {
        self.0.starts_with("*.")
    }

    /// Whether it is below this domain.
    pub fn is_under(&self, domain: &Host) -> bool {
        let head = self.0.strip_suffix(domain.as_str());
        head.is_some_and(|head| head.ends_with('.'))
    }

    /// The address of which it is the reverse name.
    pub fn reversed(&self) -> Option<IpAddr> {
        if let Some(digits) = self.0.strip_suffix(".in-addr.arpa") {
            let mut octets = [0; 4];
            let mut parts = digits.split('.').rev();
            for octet in &mut octets {
                let part = parts.next()?;
                // `010` is another name than `10`.
                *octet = part.parse().ok().filter(|number: &u8| number.to_string() == part)?;
            }
            return parts.next().is_none().then(|| Ipv4Addr::from(octets).into());
        }
        let digits = self.0.strip_suffix(".ip6.arpa")?;
        let mut bits: u128 = 0;
        let mut count = 0;
        for part in digits.split('.').rev() {
            let digit = u128::from_str_radix(part, 16).ok().filter(|_| part.len() == 1)?;
            bits = (bits << 4) | digit;
            count += 1;
        }
        (count == NIBBLES).then(|| Ipv6Addr::from(bits).into())
    }
}

impl From<&Host> for RecordName {
    /// Every host is a legal name.
    fn from(host: &Host) -> Self {
        Self(host.as_str().into())
    }
}

impl fmt::Debug for RecordName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RecordName({})", self.0)
    }
}

impl fmt::Display for RecordName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl Borrow<str> for RecordName {
    fn borrow(&self) -> &str {
        &self.0
    }
}

fn check(label: &str, is_first: bool) -> Result<(), RecordNameRule> {
    if label.is_empty() {
        return Err(RecordNameRule::EmptyLabel);
    }
    if label.contains('*') {
        return if label == "*" && is_first { Ok(()) } else { Err(RecordNameRule::Wildcard) };
    }
    if label.len() > LABEL_BYTES_MAX {
        return Err(RecordNameRule::LabelTooLong);
    }
    if !label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_') {
        return Err(RecordNameRule::Alphabet);
    }
    match label.starts_with('-') || label.ends_with('-') {
        true => Err(RecordNameRule::Edge),
        false => Ok(()),
    }
}

/// A text that cannot be the name of a record.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{name:?} is not a DNS name: {reason}")]
pub struct InvalidRecordName {
    /// What was given, shortened when it is long.
    pub name: String,
    /// The rule it breaks.
    pub reason: RecordNameRule,
}

/// The rules of [`RecordName`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RecordNameRule {
    /// Something else than letters, digits, `-` and `_` in a label.
    #[error("use letters, digits, '-' and '_' in each label")]
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
    /// `*` somewhere else than alone in front.
    #[error("'*' stands alone as the first label, as in *.apps.internal")]
    Wildcard,
}

/// Labels are at most 63 octets (RFC 1035 §2.3.4).
const LABEL_BYTES_MAX: usize = 63;
/// Names are at most 255 octets on the wire, which is 253 in presentation form.
const NAME_BYTES_MAX: usize = 253;
/// Of an IPv6 address, one label each.
const NIBBLES: usize = 32;
