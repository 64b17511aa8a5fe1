//! Where a machine is reached over SSH, as people write it.
//!
//! **Invariant:** nothing in a destination looks like an option or holds a control character, so
//! that it can be shown, logged and handed on as it is.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::str::FromStr;

/// A user, a host and a port.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Destination {
    user: Option<String>,
    /// In lower case, an IPv6 address without brackets.
    host: String,
    port: u16,
}

impl Destination {
    /// Parses `ssh://user@host:port`; the scheme, the user and the port may be missing, and an IPv6
    /// address stands in brackets.
    ///
    /// # Errors
    /// When it is something else; the text says what to write.
    pub fn parse(text: &str) -> Result<Self, InvalidDestination> {
        let wrong = |why| InvalidDestination { text: shown(text), why };
        if text.len() > TEXT_BYTES_MAX {
            return Err(wrong("it is too long"));
        }
        if text.chars().any(|c| c.is_control() || c.is_whitespace()) {
            return Err(wrong("blanks and control characters have no place in it"));
        }
        let rest = match text.split_once("://") {
            Some(("ssh", rest)) => rest.strip_suffix('/').unwrap_or(rest),
            Some(_) => return Err(wrong("the scheme is ssh://")),
            None => text,
        };
        let (user, place) = match rest.rsplit_once('@') {
            Some((user, place)) => (Some(parse_user(user).map_err(wrong)?), place),
            None => (None, rest),
        };
        let (host, port) = parse_place(place).map_err(wrong)?;
        Ok(Self { user, host, port })
    }

    /// Who to be there; `None` when it does not say.
    pub fn user(&self) -> Option<&str> {
        self.user.as_deref()
    }

    /// A name or an address, in lower case, without brackets.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// 22 unless it says otherwise.
    pub fn port(&self) -> u16 {
        self.port
    }
}

impl fmt::Display for Destination {
    /// The shortest form that parses to the same.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(user) = &self.user {
            write!(f, "{user}@")?;
        }
        if self.host.contains(':') {
            write!(f, "[{}]", self.host)?;
        } else {
            f.write_str(&self.host)?;
        }
        if self.port == SSH_PORT { Ok(()) } else { write!(f, ":{}", self.port) }
    }
}

impl FromStr for Destination {
    type Err = InvalidDestination;

    fn from_str(text: &str) -> Result<Self, InvalidDestination> {
        Self::parse(text)
    }
}

/// A text that is no destination.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is no SSH destination: {why}; write ssh://user@host:port, or host alone")]
pub struct InvalidDestination {
    text: String,
    why: &'static str,
}

fn parse_user(user: &str) -> Result<String, &'static str> {
    if user.contains(':') {
        return Err("passwords are not used; give a key with --key FILE, or run an agent");
    }
    let legal = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    let fits = (1..=USER_BYTES_MAX).contains(&user.len());
    if !fits || user.starts_with('-') || !user.chars().all(legal) {
        return Err("a user is 1 to 32 letters, digits and any of . _ -, no - in front");
    }
    Ok(user.to_owned())
}

fn parse_place(place: &str) -> Result<(String, u16), &'static str> {
    if let Some(rest) = place.strip_prefix('[') {
        let (address, after) = rest.split_once(']').ok_or("a bracket is not closed")?;
        let address: Ipv6Addr = address.parse().map_err(|_| "brackets hold an IPv6 address")?;
        let port = match after.strip_prefix(':') {
            Some(port) => parse_port(port)?,
            None if after.is_empty() => SSH_PORT,
            None => return Err("after the bracket comes nothing but :port"),
        };
        return Ok((address.to_string(), port));
    }
    if place.matches(':').count() > 1 {
        return Err("an IPv6 address stands in brackets, as in [fd00::1]:22");
    }
    let (host, port) = match place.split_once(':') {
        Some((host, port)) => (host, parse_port(port)?),
        None => (place, SSH_PORT),
    };
    Ok((parse_host(host)?, port))
}

fn parse_port(port: &str) -> Result<u16, &'static str> {
    let digits = !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit());
    let parsed = port.parse().ok().filter(|port| digits && *port > 0);
    parsed.ok_or("a port is a number from 1 to 65535")
}

fn parse_host(host: &str) -> Result<String, &'static str> {
    let host = host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase();
    // Also what only looks like an address, such as 10.1 or 10.0.0.256: the resolver would take it
    // for something else than its writer.
    let numeric = !host.is_empty() && host.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    if numeric {
        return host.parse::<IpAddr>().map(|ip| ip.to_string()).map_err(|_| "that is no address");
    }
    let legal = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    let label = |label: &str| {
        (1..=LABEL_BYTES_MAX).contains(&label.len())
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.chars().all(legal)
    };
    if host.len() > HOST_BYTES_MAX || !host.split('.').all(label) {
        return Err("a host is a name or an address");
    }
    Ok(host)
}

fn shown(text: &str) -> String {
    text.chars().take(SHOWN_CHARS).collect()
}

/// Where SSH listens.
pub const SSH_PORT: u16 = 22;
/// The longest text that is looked at, in bytes.
const TEXT_BYTES_MAX: usize = 512;
/// The longest user, in bytes, as in Linux.
const USER_BYTES_MAX: usize = 32;
/// The longest host, in bytes, as in DNS.
const HOST_BYTES_MAX: usize = 253;
/// The longest label of a host, in bytes, as in DNS.
const LABEL_BYTES_MAX: usize = 63;
/// How much of a wrong text is shown, in characters.
const SHOWN_CHARS: usize = 80;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_that_people_write_is_understood() {
        for (text, user, host, port, short) in [
            ("ssh://ops@10.0.1.20:2222", Some("ops"), "10.0.1.20", 2222, "ops@10.0.1.20:2222"),
            ("ssh://ops@GPU-1.example./", Some("ops"), "gpu-1.example", 22, "ops@gpu-1.example"),
            ("ops@gpu_1:22", Some("ops"), "gpu_1", 22, "ops@gpu_1"),
            ("gpu", None, "gpu", 22, "gpu"),
            ("[FD00::0:1]", None, "fd00::1", 22, "[fd00::1]"),
            ("ssh://a.b-c@[fd00::1]:1", Some("a.b-c"), "fd00::1", 1, "a.b-c@[fd00::1]:1"),
        ] {
            let parsed = Destination::parse(text).expect(text);
            assert_eq!((parsed.user(), parsed.host(), parsed.port()), (user, host, port), "{text}");
            assert_eq!(parsed.to_string(), short);
            assert_eq!(Destination::parse(short), Ok(parsed));
        }
    }

    #[test]
    fn what_could_be_an_option_or_mean_something_else_is_refused() {
        for (text, mend) in [
            ("", "a host is"),
            ("-oProxyCommand=x", "a host is"),
            ("-oProxyCommand@host", "no - in front"),
            ("ops@-host", "a host is"),
            ("ops@host:0", "1 to 65535"),
            ("ops@host:+22", "1 to 65535"),
            ("ops@host:65536", "1 to 65535"),
            ("ops@host:", "1 to 65535"),
            ("ops:secret@host", "passwords are not used"),
            ("@host", "a user is"),
            ("fd00::1", "in brackets"),
            ("[fd00::1", "not closed"),
            ("[10.0.0.1]", "IPv6"),
            ("[fd00::1]22", "nothing but :port"),
            ("10.0.0.256", "no address"),
            ("10.1", "no address"),
            ("http://host", "ssh://"),
            ("ssh://host/path", "a host is"),
            ("host\n", "control characters"),
            ("a b", "blanks"),
            ("höst", "a host is"),
            ("a..b", "a host is"),
        ] {
            let error = Destination::parse(text).expect_err(text).to_string();
            assert!(error.contains(mend), "{text}: {error}");
        }
        assert!(Destination::parse(&"a".repeat(600)).is_err());
    }
}
