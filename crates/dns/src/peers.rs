//! Who else works with our zones: secondaries that copy them.
//!
//! **Invariant:** without a permission nobody does.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;
use std::sync::Arc;

use conduit_core::record::name::RecordName;
use ipnet::IpNet;

use crate::tsig::Key;

/// Everybody, as configured.
#[derive(Debug, Clone, Default)]
pub struct Peers {
    /// The networks of secondaries, which need no key.
    pub transfer_to: Vec<IpNet>,
    /// Who is told of changes.
    pub notify: Vec<Notified>,
    /// The keys with what each is good for.
    pub keys: Vec<Keyholder>,
}

/// A key and what its holder may do.
#[derive(Debug, Clone)]
pub struct Keyholder {
    /// The key.
    pub key: Arc<Key>,
    /// Whether it may transfer zones.
    pub transfer: bool,
}

/// A secondary that is told of changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notified {
    /// Where it listens.
    pub address: SocketAddr,
    /// What the message is signed with.
    pub key: Option<RecordName>,
}

impl Peers {
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
