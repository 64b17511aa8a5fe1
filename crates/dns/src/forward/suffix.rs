//! A name with everything below it, as it is written in the configuration.
//!
//! **Invariant:** a network stands for the reverse names of exactly its addresses.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use ipnet::IpNet;

use crate::key::ancestry;
use crate::reverse::{network_name, zone_networks};

/// A domain, such as `corp.example`, or the reverse names of a network, such as `10.0.0.0/8`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Suffix {
    text: String,
    keys: Vec<Box<[u8]>>,
}

impl Suffix {
    /// The folded names it stands for: one for a domain, up to 128 for a network.
    pub(crate) fn keys(&self) -> impl Iterator<Item = &[u8]> {
        self.keys.iter().map(|key| &**key)
    }

    /// Whether a folded name is one of these, or below one.
    pub(crate) fn covers(&self, name: &[u8]) -> bool {
        ancestry(name).any(|ancestor| self.keys().any(|key| key == ancestor))
    }

    /// Whether every name of this one is at or below `domain`, given as text.
    pub fn is_under(&self, domain: &str) -> bool {
        domain.parse::<Self>().is_ok_and(|domain| self.keys().all(|key| domain.covers(key)))
    }

    /// What it is written as.
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl FromStr for Suffix {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let text = text.trim().trim_end_matches('.').to_ascii_lowercase();
        let keys = match text.parse::<IpNet>() {
            Ok(network) if network.prefix_len() > 0 => reverse_of(&network.trunc()),
            _ => vec![key_of(&text).ok_or_else(|| wrong(&text))?],
        };
        Ok(Self { text, keys })
    }
}

impl fmt::Display for Suffix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

fn wrong(text: &str) -> String {
    let text: String = text.chars().take(80).collect();
    format!(
        "{text:?} is neither a domain nor a network; write corp.example, 10.in-addr.arpa or 10.0.0.0/8"
    )
}

fn key_of(text: &str) -> Option<Box<[u8]>> {
    let mut key = Vec::with_capacity(text.len() + 1);
    for label in text.split('.') {
        let is_legal = |c: u8| c.is_ascii_alphanumeric() || c == b'-' || c == b'_' || c == b'/';
        if label.is_empty() || label.len() > LABEL_BYTES_MAX || !label.bytes().all(is_legal) {
            return None;
        }
        key.push(u8::try_from(label.len()).ok()?);
        key.extend_from_slice(label.as_bytes());
    }
    // An address alone is a mistake: as a name it would match nothing that is ever asked.
    let is_address = text.parse::<IpAddr>().is_ok() || text.parse::<IpNet>().is_ok();
    (!is_address && key.len() < NAME_BYTES_MAX).then(|| key.into())
}

/// The reverse names of a network: one, or, where it ends within a label, each of that label's.
fn reverse_of(network: &IpNet) -> Vec<Box<[u8]>> {
    zone_networks(network).filter_map(|part| key_of(&network_name(&part))).collect()
}

const LABEL_BYTES_MAX: usize = 63;
/// Without the root.
const NAME_BYTES_MAX: usize = 255;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::forward::tests::folded;

    #[test]
    fn names_and_networks_are_read() {
        for (text, names) in [
            ("corp.example", &["corp.example."][..]),
            (" Corp.Example. ", &["corp.example."]),
            ("_msdcs.corp", &["_msdcs.corp."]),
            ("10.in-addr.arpa", &["10.in-addr.arpa."]),
            ("10.0.0.0/8", &["10.in-addr.arpa."]),
            ("192.168.7.0/24", &["7.168.192.in-addr.arpa."]),
            ("192.168.6.9/23", &["6.168.192.in-addr.arpa.", "7.168.192.in-addr.arpa."]),
            ("fd00::/8", &["d.f.ip6.arpa."]),
            ("2001:db8::/31", &["8.b.d.0.1.0.0.2.ip6.arpa.", "9.b.d.0.1.0.0.2.ip6.arpa."]),
        ] {
            let suffix: Suffix = text.parse().expect(text);
            let expected: Vec<Vec<u8>> = names.iter().map(|name| folded(name)).collect();
            assert_eq!(suffix.keys().map(<[u8]>::to_vec).collect::<Vec<_>>(), expected, "{text}");
        }
        assert_eq!("172.16.0.0/12".parse::<Suffix>().expect("valid").keys().count(), 16);
        assert_eq!("128.0.0.0/1".parse::<Suffix>().expect("valid").keys().count(), 128);
        let long = "a".repeat(64);
        for text in ["", ".", "a..b", "a b", "10.0.0.1", "0.0.0.0/0", "::/0", "é.de", &long] {
            assert!(text.parse::<Suffix>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_suffix_covers_itself_and_what_is_below() {
        let suffix: Suffix = "corp.example".parse().expect("valid");
        for (name, covered) in [
            ("corp.example.", true),
            ("a.b.corp.example.", true),
            ("xcorp.example.", false),
            ("example.", false),
            (".", false),
        ] {
            assert_eq!(suffix.covers(&folded(name)), covered, "{name}");
        }
        assert!(suffix.is_under("example") && suffix.is_under("corp.example"));
        assert!(!suffix.is_under("a.corp.example"));
    }
}
