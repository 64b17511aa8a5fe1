//! Names of records: those of hosts, and beside them names with `_` and wildcards.
//!
//! **Invariant:** a [`RecordName`] is lower case, without a trailing dot, and a legal DNS name; only its
//! first label may be `*`.

use std::borrow::Borrow;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use crate::name::{Host, HostRule, check_label, folded, shorten};

/// A name such as `nas.internal`, `_sip._tcp.internal` or `*.apps.internal`; cheap to clone.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RecordName(Arc<str>);

impl RecordName {
    /// Parses a name; case is folded and one trailing dot is dropped.
    ///
    /// # Errors
    /// Says which rule it breaks.
    pub fn parse(text: &str) -> Result<Self, InvalidRecordName> {
        let folded = folded(text, check);
        folded.map(Self).map_err(|reason| InvalidRecordName { name: shorten(text), reason })
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

fn check(place: usize, label: &str) -> Result<(), RecordNameRule> {
    if label.contains('*') {
        let is_alone = label == "*" && place == 0;
        return if is_alone { Ok(()) } else { Err(RecordNameRule::Wildcard) };
    }
    let is_legal = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
    check_label(label, is_legal).map_err(RecordNameRule::from)
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
    /// One that hosts have too.
    #[error(transparent)]
    Host(HostRule),
    /// `*` somewhere else than alone in front.
    #[error("'*' stands alone as the first label, as in *.apps.internal")]
    Wildcard,
}

impl From<HostRule> for RecordNameRule {
    fn from(rule: HostRule) -> Self {
        match rule {
            // Here `_` is legal, too.
            HostRule::Alphabet => Self::Alphabet,
            rule => Self::Host(rule),
        }
    }
}

/// Of an IPv6 address, one label each.
const NIBBLES: usize = 32;
