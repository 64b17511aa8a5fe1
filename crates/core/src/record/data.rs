//! What records hold, by type.
//!
//! **Invariant:** what is printed parses to the same data, and fits into a record of a DNS message.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};

use super::kind::RecordType;
use super::name::RecordName;
use super::svcb::Svcb;
use super::text::{Word, quoted, words};

/// The data of one record. There may be a million of them, so what is large and rare is on the heap.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum RecordData {
    /// An IPv4 address.
    A(Ipv4Addr),
    /// An IPv6 address.
    Aaaa(Ipv6Addr),
    /// Who may issue certificates.
    Caa(Box<Caa>),
    /// What it is an alias of.
    Cname(RecordName),
    /// How to reach a site over HTTPS.
    Https(Box<Svcb>),
    /// Where mail goes.
    Mx {
        /// The lowest is tried first.
        preference: u16,
        /// The mail server; none takes no mail (RFC 7505).
        exchange: Option<RecordName>,
    },
    /// Another name.
    Ptr(RecordName),
    /// Where a service is.
    Srv {
        /// The lowest is tried first.
        priority: u16,
        /// The share among equal priorities.
        weight: u16,
        /// The port.
        port: u16,
        /// The machine; none says that there is no such service (RFC 2782).
        target: Option<RecordName>,
    },
    /// How to reach any service.
    Svcb(Box<Svcb>),
    /// Texts of at most 255 octets each; at least one.
    Txt(Box<[Box<[u8]>]>),
}

/// Who may issue certificates (RFC 8659).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Caa {
    /// Whether who does not know the tag must not issue.
    pub is_critical: bool,
    /// Letters and digits.
    pub tag: String,
    /// What the tag means it to be.
    pub value: Box<[u8]>,
}

impl RecordData {
    /// Parses what a zone file has behind the type.
    ///
    /// # Errors
    /// Says what is wrong, and what such data looks like.
    pub fn parse(kind: RecordType, text: &str) -> Result<Self, InvalidData> {
        let invalid = |reason: Reason| InvalidData { kind, text: shortened(text), reason };
        if text.len() > DATA_BYTES_MAX {
            return Err(invalid(Reason::TooLong));
        }
        let words = words(text).map_err(|why| invalid(Reason::Text(why)))?;
        let data = parse(kind, &words).map_err(invalid)?;
        match data.wire_bytes() > WIRE_BYTES_MAX {
            true => Err(invalid(Reason::TooLong)),
            false => Ok(data),
        }
    }

    /// Its type.
    pub fn kind(&self) -> RecordType {
        match self {
            Self::A(_) => RecordType::A,
            Self::Aaaa(_) => RecordType::Aaaa,
            Self::Caa(_) => RecordType::Caa,
            Self::Cname(_) => RecordType::Cname,
            Self::Https(_) => RecordType::Https,
            Self::Mx { .. } => RecordType::Mx,
            Self::Ptr(_) => RecordType::Ptr,
            Self::Srv { .. } => RecordType::Srv,
            Self::Svcb(_) => RecordType::Svcb,
            Self::Txt(_) => RecordType::Txt,
        }
    }

    /// Whether it says where its name is, as a service's host does.
    pub fn is_location(&self) -> bool {
        matches!(self, Self::A(_) | Self::Aaaa(_) | Self::Cname(_))
    }

    /// How long it is in a message, without its owner.
    pub fn wire_bytes(&self) -> usize {
        let name = |name: &Option<RecordName>| name.as_ref().map_or(1, |n| n.as_str().len() + 2);
        match self {
            Self::A(_) => 4,
            Self::Aaaa(_) => 16,
            Self::Caa(caa) => 2 + caa.tag.len() + caa.value.len(),
            Self::Cname(target) | Self::Ptr(target) => target.as_str().len() + 2,
            Self::Https(svcb) | Self::Svcb(svcb) => svcb.wire_bytes(),
            Self::Mx { exchange, .. } => 2 + name(exchange),
            Self::Srv { target, .. } => 6 + name(target),
            Self::Txt(texts) => texts.iter().map(|text| text.len() + 1).sum(),
        }
    }
}

/// As a zone file has it behind the type.
impl fmt::Display for RecordData {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::A(address) => address.fmt(f),
            Self::Aaaa(address) => address.fmt(f),
            Self::Caa(caa) => {
                let flags = if caa.is_critical { CRITICAL } else { 0 };
                write!(f, "{flags} {} {}", caa.tag, quoted(&caa.value))
            }
            Self::Cname(target) | Self::Ptr(target) => target.fmt(f),
            Self::Https(svcb) | Self::Svcb(svcb) => svcb.fmt(f),
            Self::Mx { preference, exchange } => write!(f, "{preference} {}", shown(exchange)),
            Self::Srv { priority, weight, port, target } => {
                write!(f, "{priority} {weight} {port} {}", shown(target))
            }
            Self::Txt(texts) => {
                let all: Vec<String> = texts.iter().map(|text| quoted(text)).collect();
                f.write_str(&all.join(" "))
            }
        }
    }
}

/// A name, or the root where there is none.
pub(super) fn shown(target: &Option<RecordName>) -> &str {
    target.as_ref().map_or(".", RecordName::as_str)
}

fn parse(kind: RecordType, words: &[Word]) -> Result<RecordData, Reason> {
    Ok(match (kind, words) {
        (RecordType::A, [address]) => RecordData::A(address_in(address)?),
        (RecordType::Aaaa, [address]) => RecordData::Aaaa(address_in(address)?),
        (RecordType::Caa, [flags, tag, value]) => {
            RecordData::Caa(Box::new(caa(flags, tag, value)?))
        }
        (RecordType::Cname, [target]) => RecordData::Cname(target_in(target)?),
        (RecordType::Https, [priority, target, params @ ..]) => {
            RecordData::Https(Box::new(Svcb::parse(priority, target, params)?))
        }
        (RecordType::Mx, [preference, exchange]) => {
            RecordData::Mx { preference: number(preference)?, exchange: target_or_root(exchange)? }
        }
        (RecordType::Ptr, [target]) => RecordData::Ptr(target_in(target)?),
        (RecordType::Srv, [priority, weight, port, target]) => RecordData::Srv {
            priority: number(priority)?,
            weight: number(weight)?,
            port: number(port)?,
            target: target_or_root(target)?,
        },
        (RecordType::Svcb, [priority, target, params @ ..]) => {
            RecordData::Svcb(Box::new(Svcb::parse(priority, target, params)?))
        }
        (RecordType::Txt, [_, ..]) => RecordData::Txt(texts(words)?),
        _ => return Err(Reason::Shape),
    })
}

fn address_in<T: std::str::FromStr>(word: &Word) -> Result<T, Reason> {
    word.text().and_then(|text| text.parse().ok()).ok_or(Reason::Shape)
}

pub(super) fn number(word: &Word) -> Result<u16, Reason> {
    let text = word.text().ok_or(Reason::Shape)?;
    let is_number = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let number = is_number.then(|| text.parse().ok()).flatten();
    number.ok_or_else(|| Reason::Number(shortened(text)))
}

fn target_in(word: &Word) -> Result<RecordName, Reason> {
    let text = word.text().ok_or(Reason::Shape)?;
    let name = RecordName::parse(text).map_err(|error| Reason::Target(error.to_string()))?;
    match name.is_wildcard() {
        true => Err(Reason::Target(format!("{name} stands for many names, and leads nowhere"))),
        false => Ok(name),
    }
}

pub(super) fn target_or_root(word: &Word) -> Result<Option<RecordName>, Reason> {
    if word.bytes == b"." { Ok(None) } else { target_in(word).map(Some) }
}

fn caa(flags: &Word, tag: &Word, value: &Word) -> Result<Caa, Reason> {
    let flags = number(flags)?;
    if flags != 0 && flags != CRITICAL {
        return Err(Reason::Text("the flags are 0, or 128 for what must be understood"));
    }
    let tag = tag.text().ok_or(Reason::Shape)?;
    let is_tag = (1..=TAG_BYTES_MAX).contains(&tag.len());
    if !is_tag || !tag.bytes().all(|b| b.is_ascii_alphanumeric()) {
        return Err(Reason::Text(
            "a tag is 1 to 15 letters and digits, such as issue or issuewild",
        ));
    }
    let tag = tag.to_ascii_lowercase();
    Ok(Caa { is_critical: flags == CRITICAL, tag, value: value.bytes.clone().into() })
}

fn texts(words: &[Word]) -> Result<Box<[Box<[u8]>]>, Reason> {
    if words.iter().any(|word| word.bytes.len() > TEXT_BYTES_MAX) {
        return Err(Reason::Text(
            "one text has more than 255 octets; give it in parts, each in quotes",
        ));
    }
    Ok(words.iter().map(|word| word.bytes.clone().into()).collect())
}

fn shortened(text: &str) -> String {
    crate::name::shorten(text)
}

/// A text that is not the data of a type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvalidData {
    /// Of which type.
    pub kind: RecordType,
    text: String,
    reason: Reason,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Reason {
    Number(String),
    Shape,
    Target(String),
    Text(&'static str),
    TooLong,
}

impl fmt::Display for InvalidData {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kind, text, reason } = self;
        match reason {
            Reason::Shape => match kind {
                RecordType::A => write!(f, "{text:?} is not an IPv4 address"),
                RecordType::Aaaa => write!(f, "{text:?} is not an IPv6 address"),
                _ => write!(f, "{text:?} is not the data of a {kind} record"),
            }?,
            Reason::Number(word) => write!(f, "{word:?} is not a number from 0 to 65535")?,
            Reason::Target(why) => f.write_str(why)?,
            Reason::Text(why) => f.write_str(why)?,
            Reason::TooLong => write!(f, "the data has more than {WIRE_BYTES_MAX} octets")?,
        }
        write!(f, "; {kind} takes {}", kind.example())
    }
}

impl std::error::Error for InvalidData {}

/// The flag of a CAA tag that must be understood.
const CRITICAL: u16 = 128;
/// Of a CAA record (RFC 8659 §4.1).
const TAG_BYTES_MAX: usize = 15;
/// A text has its length in one octet (RFC 1035 §3.3).
const TEXT_BYTES_MAX: usize = 255;
/// The longest data: several times the longest key in use, and no reply grows out of bounds.
const WIRE_BYTES_MAX: usize = 4_096;
/// The same as text, in which an octet may take four characters.
const DATA_BYTES_MAX: usize = 5 * WIRE_BYTES_MAX;
