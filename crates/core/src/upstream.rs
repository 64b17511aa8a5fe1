//! Addresses that a service's traffic is forwarded to.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;

use crate::name::{Host, InvalidHost};
use crate::service::Protocol;

/// One address behind a route: an IP address or a host name with a port, or a Unix socket.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UpstreamAddr {
    host: UpstreamHost,
    port: u16,
}

/// The host part of an [`UpstreamAddr`].
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum UpstreamHost {
    /// A literal address.
    Ip(IpAddr),
    /// A name, resolved outside the request path.
    Name(Arc<str>),
    /// A Unix socket on this machine, by its absolute path.
    Unix(Arc<Path>),
}

impl UpstreamAddr {
    /// Parses `10.0.1.50:3000`, `[fd00::1]:3000`, `gpu-box:11434`, with an optional `http://` in
    /// front and an optional `/` behind, as people paste it; and `unix:/run/app.sock`.
    ///
    /// # Errors
    /// Says what is missing or wrong, with an example.
    pub fn parse(text: &str) -> Result<Self, InvalidUpstream> {
        let invalid =
            |reason| InvalidUpstream { upstream: text.chars().take(80).collect(), reason };
        if let Some(path) = text.strip_prefix(UNIX_PREFIX) {
            let host = parse_socket_path(path).map_err(invalid)?;
            return Ok(Self { host, port: 0 });
        }
        if text.starts_with("https://") {
            return Err(invalid(UpstreamRule::Https));
        }
        let bare = text.strip_prefix("http://").unwrap_or(text);
        let bare = bare.strip_suffix('/').unwrap_or(bare);
        if bare.contains('/') {
            return Err(invalid(UpstreamRule::Path));
        }
        if bare.starts_with('[') || bare.bytes().filter(|b| *b == b':').count() <= 1 {
            let (host, port) =
                bare.rsplit_once(':').ok_or_else(|| invalid(UpstreamRule::NoPort))?;
            if bare.starts_with('[') && !host.ends_with(']') {
                return Err(invalid(UpstreamRule::NoPort));
            }
            let port = parse_port(port).ok_or_else(|| invalid(UpstreamRule::Port))?;
            let host = parse_host(host).map_err(invalid)?;
            return Ok(Self { host, port });
        }
        Err(invalid(UpstreamRule::Brackets))
    }

    /// Parses an upstream as people paste it: as [`UpstreamAddr::parse`] does, and also
    /// `https://10.0.1.50`, which says what it speaks. `port` is taken when none is written.
    ///
    /// # Errors
    /// As [`UpstreamAddr::parse`].
    pub fn parse_pasted(
        text: &str,
        port: Option<u16>,
    ) -> Result<(Self, Option<Protocol>), InvalidUpstream> {
        let (bare, protocol, port) = match text.strip_prefix("https://") {
            Some(bare) => (bare, Some(Protocol::Https), Some(HTTPS_PORT)),
            None => (text, None, port),
        };
        let parsed = match (Self::parse(bare), port) {
            _ if protocol.is_some() && bare.contains("://") => {
                Err(InvalidUpstream { upstream: String::new(), reason: UpstreamRule::Path })
            }
            (Err(InvalidUpstream { reason: UpstreamRule::NoPort, .. }), Some(port)) => {
                let host = bare.strip_suffix('/').unwrap_or(bare);
                Self::parse(&format!("{host}:{port}"))
            }
            (parsed, _) => parsed,
        };
        match parsed {
            Ok(addr) => Ok((addr, protocol)),
            // In the words that were given.
            Err(error) => {
                Err(InvalidUpstream { upstream: text.chars().take(80).collect(), ..error })
            }
        }
    }

    /// An upstream at a literal address.
    pub fn from_socket(address: SocketAddr) -> Self {
        Self { host: UpstreamHost::Ip(address.ip()), port: address.port() }
    }

    /// The host part.
    pub fn host(&self) -> &UpstreamHost {
        &self.host
    }

    /// The port; 0 for a Unix socket, which has none, and only then.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The path, when it is a Unix socket.
    pub fn unix(&self) -> Option<&Arc<Path>> {
        match &self.host {
            UpstreamHost::Unix(path) => Some(path),
            UpstreamHost::Ip(_) | UpstreamHost::Name(_) => None,
        }
    }

    /// The address, when the host is a literal one.
    pub fn socket(&self) -> Option<SocketAddr> {
        match self.host {
            UpstreamHost::Ip(ip) => Some(SocketAddr::new(ip, self.port)),
            UpstreamHost::Name(_) | UpstreamHost::Unix(_) => None,
        }
    }
}

impl fmt::Display for UpstreamAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.host {
            UpstreamHost::Ip(ip) => write!(f, "{}", SocketAddr::new(*ip, self.port)),
            UpstreamHost::Name(name) => write!(f, "{name}:{}", self.port),
            UpstreamHost::Unix(path) => write!(f, "{UNIX_PREFIX}{}", path.display()),
        }
    }
}

/// A text that cannot be an upstream.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{upstream:?} is not an upstream: {reason}")]
pub struct InvalidUpstream {
    /// What was given, shortened when it is long.
    pub upstream: String,
    /// What is wrong with it.
    pub reason: UpstreamRule,
}

/// The rules of [`UpstreamAddr`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum UpstreamRule {
    /// An IPv6 address without brackets.
    #[error("put an IPv6 address in brackets, as in [fd00::1]:3000")]
    Brackets,
    /// Neither an address nor a host name.
    #[error("the host is neither an IP address nor a name ({0})")]
    Host(InvalidHost),
    /// `https://` in front.
    #[error("give HOST:PORT only, and say --protocol https (\"protocol\": \"https\" in the API)")]
    Https,
    /// No `:PORT`.
    #[error("the port is missing; write HOST:PORT, as in 10.0.1.50:3000")]
    NoPort,
    /// A path behind the port.
    #[error("give HOST:PORT only, without a path or a scheme other than http")]
    Path,
    /// Not a number from 1 to 65535.
    #[error("the port must be a number from 1 to 65535")]
    Port,
    /// A Unix socket whose path is relative, too long, or not plain.
    #[error(
        "a Unix socket is written unix:/run/app.sock: an absolute path of at most \
         {SOCKET_PATH_BYTES_MAX} visible characters, without . or .."
    )]
    SocketPath,
    /// `0.0.0.0`, `::`, multicast or broadcast.
    #[error("this address cannot be connected to")]
    Unroutable,
    /// An IPv6 zone, which means something on one machine only.
    #[error("an address with a zone (%) cannot be used")]
    Zone,
}

fn parse_port(text: &str) -> Option<u16> {
    let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    text.parse().ok().filter(|port| digits && *port != 0)
}

fn parse_host(text: &str) -> Result<UpstreamHost, UpstreamRule> {
    if let Some(inner) = text.strip_prefix('[').and_then(|t| t.strip_suffix(']')) {
        if inner.contains('%') {
            return Err(UpstreamRule::Zone);
        }
        let ip: Ipv6Addr = inner.parse().map_err(|_| UpstreamRule::Brackets)?;
        return routable(IpAddr::V6(ip));
    }
    if let Ok(ip) = text.parse::<IpAddr>() {
        return routable(ip);
    }
    // Container names such as `qp_core` resolve on Docker networks, so `_` is let through here.
    Host::parse(&text.replace('_', "-")).map_err(UpstreamRule::Host)?;
    Ok(UpstreamHost::Name(text.trim_end_matches('.').to_ascii_lowercase().into()))
}

/// Takes a path that names one thing in one way, since paths are compared.
fn parse_socket_path(text: &str) -> Result<UpstreamHost, UpstreamRule> {
    let plain = text.len() <= SOCKET_PATH_BYTES_MAX && text.bytes().all(|b| b.is_ascii_graphic());
    let parts = text.strip_prefix('/').filter(|_| plain).ok_or(UpstreamRule::SocketPath)?;
    if parts.split('/').any(|part| matches!(part, "" | "." | "..")) {
        return Err(UpstreamRule::SocketPath);
    }
    Ok(UpstreamHost::Unix(Path::new(text).into()))
}

fn routable(ip: IpAddr) -> Result<UpstreamHost, UpstreamRule> {
    let broadcast = matches!(ip, IpAddr::V4(v4) if v4.is_broadcast());
    if ip.is_unspecified() || ip.is_multicast() || broadcast {
        return Err(UpstreamRule::Unroutable);
    }
    // `::ffff:10.0.0.1` and `10.0.0.1` are one upstream.
    Ok(UpstreamHost::Ip(ip.to_canonical()))
}

/// What an `https://` address without a port means.
const HTTPS_PORT: u16 = 443;
/// In front of the path of a Unix socket.
const UNIX_PREFIX: &str = "unix:";
/// What the kernel takes as the path of a Unix socket, without the 0 at its end (unix(7)).
const SOCKET_PATH_BYTES_MAX: usize = 107;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn upstreams_are_parsed_as_people_write_them() {
        for (text, expected) in [
            ("10.0.1.50:3000", Some("10.0.1.50:3000")),
            ("http://10.0.1.50:3000/", Some("10.0.1.50:3000")),
            ("127.0.0.1:9000", Some("127.0.0.1:9000")),
            ("[::1]:80", Some("[::1]:80")),
            ("[::ffff:10.0.0.1]:80", Some("10.0.0.1:80")),
            ("GPU-box:11434", Some("gpu-box:11434")),
            ("qp_core:8000", Some("qp_core:8000")),
            ("localhost:8000", Some("localhost:8000")),
            ("10.0.1.50", None),
            ("10.0.1.50:", None),
            ("10.0.1.50:0", None),
            ("10.0.1.50:+80", None),
            ("10.0.1.50:65536", None),
            ("10.0.1.500:80", None),
            ("999.1.1.1:80", None),
            ("::1:80", None),
            ("[::1]", None),
            ("[fe80::1%eth0]:80", None),
            ("0.0.0.0:80", None),
            ("255.255.255.255:80", None),
            ("a b:80", None),
            ("10.0.1.50:80/path", None),
            ("https://10.0.1.50:80", None),
            ("unix:/run/app.sock", Some("unix:/run/app.sock")),
            ("unix:/run/App/a-b_c.sock", Some("unix:/run/App/a-b_c.sock")),
            ("unix:run/app.sock", None),
            ("unix:/run/../app.sock", None),
            ("unix:/run//app.sock", None),
            ("unix:/run/app.sock/", None),
            ("unix:/run/a b.sock", None),
            ("unix:/", None),
            ("unix:", None),
            ("", None),
        ] {
            let parsed = UpstreamAddr::parse(text).ok().map(|u| u.to_string());
            assert_eq!(parsed.as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn a_socket_path_fits_into_an_address() {
        let path = |len: usize| format!("unix:/{}", "a".repeat(len - 1));
        let longest = UpstreamAddr::parse(&path(SOCKET_PATH_BYTES_MAX)).expect("fits");
        assert_eq!((longest.port(), longest.socket()), (0, None));
        assert_eq!(longest.unix().map(|path| path.as_os_str().len()), Some(107));
        let reason = |text: &str| UpstreamAddr::parse(text).expect_err("refused").reason;
        assert_eq!(reason(&path(SOCKET_PATH_BYTES_MAX + 1)), UpstreamRule::SocketPath);
        assert_eq!(reason("https://10.0.1.50:443"), UpstreamRule::Https);
    }

    proptest::proptest! {
        #[test]
        fn a_parsed_upstream_parses_to_itself(text in "(unix:/)?[a-z0-9:/.\\[\\]_-]{0,40}") {
            if let Ok(upstream) = UpstreamAddr::parse(&text) {
                assert_eq!(UpstreamAddr::parse(&upstream.to_string()), Ok(upstream));
            }
        }
    }

    #[test]
    fn pasted_addresses_say_what_they_speak_and_may_lack_the_port() {
        let https = Some(Protocol::Https);
        for (text, port, expected) in [
            ("10.0.1.5:80", None, Some(("10.0.1.5:80", None))),
            ("10.0.1.5", Some(11434), Some(("10.0.1.5:11434", None))),
            ("http://gpu-box/", Some(11434), Some(("gpu-box:11434", None))),
            ("[fd00::1]", Some(80), Some(("[fd00::1]:80", None))),
            ("https://10.0.1.5", None, Some(("10.0.1.5:443", https))),
            ("https://10.0.1.5:8443/", Some(80), Some(("10.0.1.5:8443", https))),
            ("10.0.1.5", None, None),
            ("fd00::1", Some(80), None),
            ("https://10.0.1.5/path", None, None),
            ("https://http://a", None, None),
            ("", Some(80), None),
        ] {
            let parsed = UpstreamAddr::parse_pasted(text, port);
            let parsed = parsed.ok().map(|(addr, protocol)| (addr.to_string(), protocol));
            let expected = expected.map(|(addr, protocol)| (addr.to_owned(), protocol));
            assert_eq!(parsed, expected, "{text}");
        }
    }
}
