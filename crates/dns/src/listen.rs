//! Where to listen, as it is written in the configuration.

use std::fmt;
use std::net::SocketAddr;
use std::str::FromStr;

use crate::error::DnsError;

/// One entry of `[dns] listen`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ListenAddr {
    /// Every loopback and private address of this machine that is free.
    Auto {
        /// The port on each of them.
        port: u16,
    },
    /// This address; a wildcard answers from the address at which a query arrives.
    At(SocketAddr),
}

impl ListenAddr {
    /// The same with another port.
    #[must_use]
    pub fn with_port(self, port: u16) -> Self {
        match self {
            Self::Auto { .. } => Self::Auto { port },
            Self::At(address) => Self::At(SocketAddr::new(address.ip(), port)),
        }
    }

    /// The port.
    pub fn port(self) -> u16 {
        match self {
            Self::Auto { port } => port,
            Self::At(address) => address.port(),
        }
    }
}

impl FromStr for ListenAddr {
    type Err = DnsError;

    fn from_str(text: &str) -> Result<Self, DnsError> {
        let invalid =
            || DnsError::ParseListen { text: text.chars().take(ECHO_CHARS_MAX).collect() };
        if let Some(port) = text.strip_prefix("auto:") {
            let digits = port.bytes().all(|b| b.is_ascii_digit());
            return match port.parse() {
                Ok(port) if digits => Ok(Self::Auto { port }),
                _ => Err(invalid()),
            };
        }
        text.parse().map(Self::At).map_err(|_| invalid())
    }
}

impl fmt::Display for ListenAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auto { port } => write!(f, "auto:{port}"),
            Self::At(address) => address.fmt(f),
        }
    }
}

/// How much of a bad text an error repeats.
const ECHO_CHARS_MAX: usize = 80;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_parsed_as_they_are_printed() {
        for good in ["auto:53", "127.0.0.1:1053", "[::1]:53", "0.0.0.0:53", "auto:0"] {
            let parsed: ListenAddr = good.parse().expect("valid");
            assert_eq!(parsed.to_string(), good);
            assert_eq!(parsed.with_port(7).port(), 7);
        }
        for bad in ["", "53", "auto", "auto:", "auto:+5", "auto:65536", "::1:53", "host:53"] {
            assert!(bad.parse::<ListenAddr>().is_err(), "{bad}");
        }
    }
}
