//! Where a service is and what it speaks: SVCB and HTTPS (RFC 9460).
//!
//! **Invariant:** parameters are in the order of their numbers, each at most once, none of them empty;
//! an alias (priority 0) has none.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};

use super::data::{Reason, number, shown, target_or_root};
use super::name::RecordName;
use super::text::Word;

/// The data of a SVCB or an HTTPS record.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Svcb {
    /// The lowest is tried first; 0 makes it an alias.
    pub priority: u16,
    /// Where it is; none is the owner itself.
    pub target: Option<RecordName>,
    /// What it speaks.
    pub params: Vec<Param>,
}

/// One parameter.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Param {
    /// Parameters that must be understood, by their numbers.
    Mandatory(Vec<u16>),
    /// Protocols.
    Alpn(Vec<String>),
    /// Without the usual protocol.
    NoDefaultAlpn,
    /// Another port than the usual one.
    Port(u16),
    /// Addresses of the target.
    Ipv4Hint(Vec<Ipv4Addr>),
    /// Addresses of the target.
    Ipv6Hint(Vec<Ipv6Addr>),
}

impl Param {
    /// Its number.
    pub fn key(&self) -> u16 {
        match self {
            Self::Mandatory(_) => 0,
            Self::Alpn(_) => 1,
            Self::NoDefaultAlpn => 2,
            Self::Port(_) => 3,
            Self::Ipv4Hint(_) => 4,
            Self::Ipv6Hint(_) => 6,
        }
    }

    fn wire_bytes(&self) -> usize {
        4 + match self {
            Self::Mandatory(keys) => 2 * keys.len(),
            Self::Alpn(protocols) => protocols.iter().map(|p| p.len() + 1).sum(),
            Self::NoDefaultAlpn => 0,
            Self::Port(_) => 2,
            Self::Ipv4Hint(all) => 4 * all.len(),
            Self::Ipv6Hint(all) => 16 * all.len(),
        }
    }
}

impl Svcb {
    pub(super) fn parse(priority: &Word, target: &Word, params: &[Word]) -> Result<Self, Reason> {
        let priority = number(priority)?;
        let target = target_or_root(target)?;
        let mut params = params.iter().map(param).collect::<Result<Vec<Param>, Reason>>()?;
        params.sort_by_key(Param::key);
        if params.windows(2).any(|pair| pair[0].key() == pair[1].key()) {
            return Err(Reason::Text("a parameter is there twice"));
        }
        if priority == 0 && !params.is_empty() {
            return Err(Reason::Text("priority 0 makes an alias, which takes no parameters"));
        }
        let has = |key: u16| params.iter().any(|param| param.key() == key);
        if has(Param::NoDefaultAlpn.key()) && !params.iter().any(|p| matches!(p, Param::Alpn(_))) {
            return Err(Reason::Text("no-default-alpn says nothing without alpn"));
        }
        if let Some(Param::Mandatory(keys)) = params.first()
            && keys.iter().any(|key| *key == 0 || !has(*key))
        {
            return Err(Reason::Text("mandatory names only other parameters that are there"));
        }
        Ok(Self { priority, target, params })
    }

    pub(super) fn wire_bytes(&self) -> usize {
        let target = self.target.as_ref().map_or(1, |name| name.as_str().len() + 2);
        2 + target + self.params.iter().map(Param::wire_bytes).sum::<usize>()
    }
}

impl fmt::Display for Svcb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.priority, shown(&self.target))?;
        self.params.iter().try_for_each(|param| write!(f, " {param}"))
    }
}

impl fmt::Display for Param {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Mandatory(keys) => {
                let words: Vec<&str> = keys.iter().filter_map(|key| word_of(*key)).collect();
                write!(f, "mandatory={}", words.join(","))
            }
            Self::Alpn(protocols) => write!(f, "alpn={}", protocols.join(",")),
            Self::NoDefaultAlpn => f.write_str("no-default-alpn"),
            Self::Port(port) => write!(f, "port={port}"),
            Self::Ipv4Hint(all) => write!(f, "ipv4hint={}", joined(all)),
            Self::Ipv6Hint(all) => write!(f, "ipv6hint={}", joined(all)),
        }
    }
}

fn joined<T: ToString>(all: &[T]) -> String {
    let texts: Vec<String> = all.iter().map(ToString::to_string).collect();
    texts.join(",")
}

fn param(word: &Word) -> Result<Param, Reason> {
    let text = word.text().ok_or(Reason::Shape)?;
    let (key, value) = match text.split_once('=') {
        Some((key, value)) => (key, Some(value)),
        None => (text, None),
    };
    if key == "no-default-alpn" {
        return match value {
            None | Some("") => Ok(Param::NoDefaultAlpn),
            Some(_) => Err(Reason::Text("no-default-alpn has no value")),
        };
    }
    let value = value.filter(|value| !value.is_empty());
    let value = value.ok_or(Reason::Text("a parameter is KEY=VALUE, as in alpn=h2,h3"))?;
    match key {
        "mandatory" => {
            let keys: Option<Vec<u16>> = value.split(',').map(key_of).collect();
            let mut keys = keys.ok_or(Reason::Text("mandatory names parameters"))?;
            keys.sort_unstable();
            keys.dedup();
            Ok(Param::Mandatory(keys))
        }
        "alpn" => {
            let legal = |c: u8| c.is_ascii_graphic() && !b"\",\\".contains(&c);
            let is_protocol =
                |p: &str| (1..=ALPN_BYTES_MAX).contains(&p.len()) && p.bytes().all(legal);
            match value.split(',').all(is_protocol) {
                true => Ok(Param::Alpn(value.split(',').map(str::to_owned).collect())),
                false => Err(Reason::Text("alpn is a list of protocols, as in h2,h3")),
            }
        }
        "port" => number(&Word { bytes: value.as_bytes().to_vec() }).map(Param::Port),
        "ipv4hint" => list(value).map(Param::Ipv4Hint),
        "ipv6hint" => list(value).map(Param::Ipv6Hint),
        _ => Err(Reason::Text(
            "the parameters are mandatory, alpn, no-default-alpn, port, ipv4hint and ipv6hint",
        )),
    }
}

fn list<T: std::str::FromStr>(value: &str) -> Result<Vec<T>, Reason> {
    let all: Result<Vec<T>, _> = value.split(',').map(str::parse).collect();
    all.map_err(|_| Reason::Text("a hint is a list of addresses, as in 10.0.0.7,10.0.0.8"))
}

fn word_of(key: u16) -> Option<&'static str> {
    KEYS.iter().find(|(number, _)| *number == key).map(|(_, word)| *word)
}

fn key_of(word: &str) -> Option<u16> {
    KEYS.iter().find(|(_, known)| *known == word).map(|(number, _)| *number)
}

/// What can be mandatory (RFC 9460 §14.3.2).
const KEYS: [(u16, &str); 5] =
    [(1, "alpn"), (2, "no-default-alpn"), (3, "port"), (4, "ipv4hint"), (6, "ipv6hint")];
/// A protocol has its length in one octet.
const ALPN_BYTES_MAX: usize = 255;
