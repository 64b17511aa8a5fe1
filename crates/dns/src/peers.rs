//! Who else works with our zones: secondaries that copy them, and programs that change them.
//!
//! **Invariant:** without a permission nobody does either.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;
use std::sync::Arc;

use conduit_core::glob::Glob;
use conduit_core::record::kind::RecordType;
use conduit_core::record::name::RecordName;
use ipnet::IpNet;

use crate::tsig::Key;
use crate::update::Updates;

/// Everybody, as configured.
#[derive(Debug, Clone, Default)]
pub struct Peers {
    /// The networks of secondaries, which need no key.
    pub transfer_to: Vec<IpNet>,
    /// Who is told of changes.
    pub notify: Vec<Notified>,
    /// The keys with what each is good for.
    pub keys: Vec<Keyholder>,
    /// Who makes the changes that programs ask for.
    pub updates: Option<Updates>,
}

/// A key and what its holder may do.
#[derive(Debug, Clone)]
pub struct Keyholder {
    /// The key.
    pub key: Arc<Key>,
    /// Whether it may transfer zones.
    pub transfer: bool,
    /// Which records it may change.
    pub update: Vec<Pattern>,
}

/// A secondary that is told of changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notified {
    /// Where it listens.
    pub address: SocketAddr,
    /// What the message is signed with.
    pub key: Option<RecordName>,
}

/// Records that a key may change: `*.apps.internal`, or `_acme-challenge.* TXT`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern {
    names: Glob,
    /// Of these types; of every type when empty.
    types: Vec<RecordType>,
}

impl Peers {
    /// Whether any holder of a key may change anything.
    pub fn take_updates(&self) -> bool {
        self.updates.is_some() && self.keys.iter().any(|holder| !holder.update.is_empty())
    }

    /// Whether a client may have whole zones, with the key that it showed.
    pub(crate) fn may_transfer(&self, client: IpAddr, key: Option<&Key>) -> bool {
        let client = client.to_canonical();
        let holder = key.and_then(|key| self.holder(key.name()));
        holder.is_some_and(|holder| holder.transfer)
            || self.transfer_to.iter().any(|network| network.contains(&client))
    }

    /// The holder of a key.
    pub(crate) fn holder(&self, name: &RecordName) -> Option<&Keyholder> {
        self.keys.iter().find(|holder| holder.key.name() == name)
    }
}

impl Keyholder {
    /// Whether it may change records of this name and type; of every type when there is none.
    pub(crate) fn may_change(&self, name: &RecordName, kind: Option<RecordType>) -> bool {
        let covers = |pattern: &Pattern| {
            let types = &pattern.types;
            let covers_type = types.is_empty() || kind.is_some_and(|kind| types.contains(&kind));
            covers_type && pattern.names.matches(name.as_str())
        };
        self.update.iter().any(covers)
    }
}

impl FromStr for Pattern {
    type Err = InvalidPattern;

    fn from_str(text: &str) -> Result<Self, InvalidPattern> {
        let wrong =
            |reason: String| InvalidPattern { text: text.chars().take(80).collect(), reason };
        let mut words = text.split_whitespace();
        let names = words.next().unwrap_or_default();
        let folded = names.strip_suffix('.').unwrap_or(names).to_ascii_lowercase();
        let is_legal = |c: char| c.is_ascii_alphanumeric() || "*?-_.".contains(c);
        if !folded.chars().all(is_legal) {
            return Err(wrong(
                "its name has something else than letters, digits, -, _, * and ?".into(),
            ));
        }
        let names = Glob::parse(&folded).map_err(|error| wrong(error.to_string()))?;
        let types = words.next().map(|words| words.split(',').map(str::parse).collect());
        let types: Vec<RecordType> = match types.transpose() {
            Ok(types) => types.unwrap_or_default(),
            Err(error) => return Err(wrong(kind_error(&error))),
        };
        match words.next() {
            Some(_) => Err(wrong("there is something behind its types".into())),
            None => Ok(Self { names, types }),
        }
    }
}

fn kind_error(error: &impl fmt::Display) -> String {
    error.to_string()
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.names)?;
        for (place, kind) in self.types.iter().enumerate() {
            write!(f, "{}{kind}", if place == 0 { ' ' } else { ',' })?;
        }
        Ok(())
    }
}

/// A text that does not say which records.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{text:?} does not say which records: {reason}; write a name with * and perhaps types, as in \"_acme-challenge.* TXT\""
)]
pub struct InvalidPattern {
    text: String,
    reason: String,
}

impl fmt::Display for Notified {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.address.fmt(f)?;
        match &self.key {
            Some(key) => write!(f, "#{key}"),
            None => Ok(()),
        }
    }
}

impl FromStr for Notified {
    type Err = InvalidNotified;

    fn from_str(text: &str) -> Result<Self, InvalidNotified> {
        let wrong = || InvalidNotified(text.chars().take(80).collect());
        let (place, key) = match text.split_once('#') {
            Some((place, key)) => (place, Some(RecordName::parse(key).map_err(|_| wrong())?)),
            None => (text, None),
        };
        let bare = place.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(place);
        let address = match bare.parse::<IpAddr>() {
            Ok(ip) => SocketAddr::new(ip, DNS_PORT),
            Err(_) => place.parse().map_err(|_| wrong())?,
        };
        let is_usable =
            address.port() != 0 && !address.ip().is_unspecified() && !address.ip().is_multicast();
        is_usable.then_some(Self { address, key }).ok_or_else(wrong)
    }
}

/// A text that names no secondary.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is not a server to notify; write ADDRESS, ADDRESS:PORT or ADDRESS:PORT#KEY, as in 10.0.0.9 or 10.0.0.9:53#secondary"
)]
pub struct InvalidNotified(String);

const DNS_PORT: u16 = 53;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_say_which_names_and_types() {
        let holder = |patterns: &[&str]| Keyholder {
            key: Arc::new(Key::new(
                RecordName::parse("k").expect("valid"),
                crate::tsig::Algorithm::HmacSha256,
                b"secret",
            )),
            transfer: false,
            update: patterns.iter().map(|text| text.parse().expect("valid")).collect(),
        };
        let may = |holder: &Keyholder, name: &str, kind: Option<RecordType>| {
            holder.may_change(&RecordName::parse(name).expect("valid"), kind)
        };
        let acme = holder(&["_ACME-challenge.* TXT", "*.apps.internal."]);
        for (name, kind, expected) in [
            ("_acme-challenge.web.internal", Some(RecordType::Txt), true),
            ("_acme-challenge.web.internal", Some(RecordType::A), false),
            ("_acme-challenge.web.internal", None, false),
            ("a.b.apps.internal", Some(RecordType::A), true),
            ("a.apps.internal", None, true),
            ("apps.internal", None, false),
            ("web.internal", Some(RecordType::Txt), false),
        ] {
            assert_eq!(may(&acme, name, kind), expected, "{name} {kind:?}");
        }
        assert!(!may(&holder(&[]), "web.internal", None));
        for text in ["", "a b c", "x.internal NS", "x.inte/rnal", "x A B"] {
            assert!(text.parse::<Pattern>().is_err(), "{text}");
        }
        for text in ["*.apps.internal", "_acme-challenge.* TXT", "x A,AAAA"] {
            assert_eq!(text.parse::<Pattern>().expect("valid").to_string(), text);
        }
    }

    #[test]
    fn who_is_notified_has_an_address() {
        for (text, expected) in [
            ("10.0.0.9", Some("10.0.0.9:53")),
            ("10.0.0.9:5353#Key.one", Some("10.0.0.9:5353#key.one")),
            ("fd00::9", Some("[fd00::9]:53")),
            ("[fd00::9]", Some("[fd00::9]:53")),
            ("[fd00::9]:54#k", Some("[fd00::9]:54#k")),
            ("10.0.0.9#", None),
            ("10.0.0.9:0", None),
            ("0.0.0.0", None),
            ("ns2.internal", None),
        ] {
            let parsed = text.parse::<Notified>().ok().map(|notified| notified.to_string());
            assert_eq!(parsed.as_deref(), expected, "{text}");
        }
    }
}
