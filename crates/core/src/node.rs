//! A monitored machine: what it is called, and how it is reached.
//!
//! **Invariant:** no part of a destination can be taken for an option of a command, and none holds
//! a blank or a control character.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use crate::clock::Timestamp;

/// What a node is called on screen, in rules and in labels: a label, or the address; cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeName(Arc<str>);

impl NodeName {
    /// Parses a name: 1 to 64 characters, letters, digits and `. _ : -`, no `-` in front.
    ///
    /// # Errors
    /// When it is something else.
    pub fn parse(text: &str) -> Result<Self, InvalidNodeName> {
        let legal = |c: char| c.is_ascii_alphanumeric() || "._:-".contains(c);
        let fits = (1..=NAME_CHARS_MAX).contains(&text.len());
        let is_relative = text.chars().all(|c| c == '.');
        if !fits || is_relative || text.starts_with('-') || !text.chars().all(legal) {
            return Err(InvalidNodeName(text.chars().take(NAME_CHARS_MAX).collect()));
        }
        Ok(Self(text.into()))
    }

    /// As text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for NodeName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// A text that cannot be the name of a node.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is not a node's name; use 1 to 64 letters, digits and any of . _ : -, no - in front"
)]
pub struct InvalidNodeName(String);

/// Where a machine is reached over SSH: `ssh://user@host:port`, of which all but the host may be
/// left out.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Destination {
    /// Whom to log in as.
    pub user: Option<String>,
    /// A name or an address, that of IPv6 without brackets.
    pub host: String,
    /// The port; 22 when absent.
    pub port: Option<u16>,
}

impl Destination {
    /// Parses `host`, `user@host:port`, `[fd00::1]:2222` or any of them behind `ssh://`.
    ///
    /// # Errors
    /// When it is something else.
    pub fn parse(text: &str) -> Result<Self, InvalidDestination> {
        let wrong = || InvalidDestination(text.chars().take(SHOWN_CHARS).collect());
        if text.len() > DESTINATION_CHARS_MAX {
            return Err(wrong());
        }
        let bare = text.strip_prefix(SCHEME).map_or(text, |rest| rest.trim_end_matches('/'));
        let (user, place) = match bare.rsplit_once('@') {
            Some((user, place)) => (Some(user), place),
            None => (None, bare),
        };
        let (host, port) = host_and_port(place).ok_or_else(wrong)?;
        let legal_user = user.is_none_or(|user| is_word(user, "._-"));
        if !legal_user || !is_word(host, "._:-") {
            return Err(wrong());
        }
        Ok(Self { user: user.map(str::to_owned), host: host.to_owned(), port })
    }
}

impl fmt::Display for Destination {
    /// Writes the short form, `user@host:port`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(user) = &self.user {
            write!(f, "{user}@")?;
        }
        match (self.host.contains(':'), self.port) {
            (false, None) => f.write_str(&self.host),
            (false, Some(port)) => write!(f, "{}:{port}", self.host),
            (true, None) => write!(f, "[{}]", self.host),
            (true, Some(port)) => write!(f, "[{}]:{port}", self.host),
        }
    }
}

/// A text that is no place to log in to.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a destination for SSH; write host, user@host:port or ssh://user@host:port")]
pub struct InvalidDestination(String);

/// A machine that an operator added.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// What it is called.
    pub name: NodeName,
    /// Where it is.
    pub destination: Destination,
    /// The file of the private key; the agent or the usual files when absent.
    pub key: Option<PathBuf>,
    /// A machine to go through.
    pub jump: Option<Destination>,
    /// The file with known host keys; the gateway's own when absent.
    pub known_hosts: Option<PathBuf>,
    /// The host key that was accepted, `SHA256:…`; `None` when a file of known host keys had it.
    pub fingerprint: Option<String>,
    /// Words to group it by.
    pub tags: Vec<String>,
    /// When it was added.
    pub added_at: Timestamp,
    /// When it was removed; `None` while it is watched.
    pub removed_at: Option<Timestamp>,
}

/// The host and its port; a bare IPv6 address has no port.
fn host_and_port(place: &str) -> Option<(&str, Option<u16>)> {
    let port = |text: &str| text.parse::<u16>().ok().filter(|port| *port != 0);
    if let Some(rest) = place.strip_prefix('[') {
        let (host, behind) = rest.split_once(']')?;
        host.parse::<std::net::Ipv6Addr>().ok()?;
        return match behind.strip_prefix(':') {
            Some(digits) => Some((host, Some(port(digits)?))),
            None => behind.is_empty().then_some((host, None)),
        };
    }
    match place.split_once(':') {
        None => Some((place, None)),
        Some((host, digits)) if !digits.contains(':') => Some((host, Some(port(digits)?))),
        Some(_) => place.parse::<std::net::Ipv6Addr>().ok().map(|_| (place, None)),
    }
}

fn is_word(text: &str, besides: &str) -> bool {
    let legal = |c: char| c.is_ascii_alphanumeric() || besides.contains(c);
    !text.is_empty() && !text.starts_with('-') && text.chars().all(legal)
}

/// The longest name, in characters.
const NAME_CHARS_MAX: usize = 64;
/// The longest destination, in characters: a user, a DNS name and a port.
const DESTINATION_CHARS_MAX: usize = 320;
/// How much of a wrong destination is shown.
const SHOWN_CHARS: usize = 80;
/// What may stand in front of a destination.
const SCHEME: &str = "ssh://";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_words_that_no_option_looks_like() {
        for good in ["gpu-server", "10.0.1.20", "fd00::1", "a", "rack_3.node-1"] {
            assert_eq!(NodeName::parse(good).expect("a name").as_str(), good);
        }
        for bad in ["", "..", "-oProxyCommand=x", "a b", "ü", "a/b", &"x".repeat(65)] {
            assert!(NodeName::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn destinations_are_read_and_printed() {
        for (text, printed) in [
            ("10.0.1.20", "10.0.1.20"),
            ("gpu-server:2222", "gpu-server:2222"),
            ("ops@gpu.lab", "ops@gpu.lab"),
            ("ssh://ops@10.0.1.20:22", "ops@10.0.1.20:22"),
            ("ssh://gpu/", "gpu"),
            ("fd00::1", "[fd00::1]"),
            ("ops@[fd00::1]:22", "ops@[fd00::1]:22"),
        ] {
            let destination = Destination::parse(text).expect(text);
            assert_eq!(destination.to_string(), printed, "{text}");
            assert_eq!(Destination::parse(printed), Ok(destination), "{text}");
        }
    }

    #[test]
    fn what_is_no_destination_is_refused() {
        for bad in [
            "",
            "-oProxyCommand=x",
            "ops@-x",
            "@host",
            "a b",
            "host:0",
            "host:ssh",
            "host:70000",
            "[fd00::1",
            "[host]:22",
            "a:b:c",
            "host;reboot",
            "ssh://",
            "host\n",
        ] {
            assert!(Destination::parse(bad).is_err(), "{bad:?}");
        }
    }
}
