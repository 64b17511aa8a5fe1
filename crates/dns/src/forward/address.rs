//! Where a forwarder is, and how it is asked.
//!
//! **Invariant:** there is always an address, so that nothing has to be looked up before anything can
//! be; and whoever is asked over TLS has a name, or else the address, that a certificate is for.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

use rustls::pki_types::ServerName;

/// A forwarder, as in the configuration: `9.9.9.9`, `tls://9.9.9.9#dns.quad9.net` or
/// `https://9.9.9.9/dns-query#dns.quad9.net`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ForwarderAddr {
    address: SocketAddr,
    over: Over,
}

/// What it is asked over.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Over {
    /// UDP, and TCP where that does not do.
    Plain,
    /// TLS (RFC 7858).
    Tls {
        /// Whose certificate it must have.
        name: ServerName<'static>,
    },
    /// HTTPS (RFC 8484).
    Https {
        /// Whose certificate it must have.
        name: ServerName<'static>,
        /// Where queries go.
        path: Box<str>,
    },
}

impl ForwarderAddr {
    /// Where it is.
    pub fn socket(&self) -> SocketAddr {
        self.address
    }

    /// What it is asked over.
    pub fn over(&self) -> &Over {
        &self.over
    }

    /// Whether nobody between may read or change what it says.
    pub fn is_encrypted(&self) -> bool {
        self.over != Over::Plain
    }
}

impl From<SocketAddr> for ForwarderAddr {
    fn from(address: SocketAddr) -> Self {
        Self { address, over: Over::Plain }
    }
}

impl FromStr for ForwarderAddr {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let text = text.trim();
        let Some((scheme, rest)) = text.split_once("://") else {
            let plain = socket(text, DNS_PORT).map(Self::from);
            return plain.ok_or_else(|| {
                format!(
                    "{:?} is not a DNS server's address; write 192.168.1.1, 192.168.1.1:53, \
                     tls://9.9.9.9#dns.quad9.net or https://9.9.9.9/dns-query#dns.quad9.net",
                    short(text)
                )
            });
        };
        let (place, name) = match rest.split_once('#') {
            Some((place, name)) => (place, Some(name)),
            None => (rest, None),
        };
        match scheme.to_ascii_lowercase().as_str() {
            "tls" => {
                let place = place.strip_suffix('/').unwrap_or(place);
                let address = socket(place, TLS_PORT).ok_or_else(|| no_address(text, place))?;
                let name = server_name(address, name)?;
                Ok(Self { address, over: Over::Tls { name } })
            }
            "https" => {
                let (host, path) = match place.find('/') {
                    Some(at) => place.split_at(at),
                    None => (place, PATH),
                };
                let address = socket(host, HTTPS_PORT).ok_or_else(|| no_address(text, host))?;
                let name = server_name(address, name)?;
                Ok(Self { address, over: Over::Https { name, path: checked(path)?.into() } })
            }
            _ => Err(format!(
                "{:?} is asked in no way that is known here; write tls:// or https://, or only the \
                 address for plain DNS",
                short(text)
            )),
        }
    }
}

impl fmt::Display for ForwarderAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let address = self.address;
        let name = match &self.over {
            Over::Plain => return address.fmt(f),
            Over::Tls { name } => {
                write!(f, "tls://{address}")?;
                name
            }
            Over::Https { name, path } => {
                write!(f, "https://{address}{path}")?;
                name
            }
        };
        match name {
            ServerName::DnsName(name) => write!(f, "#{}", name.as_ref()),
            _ => Ok(()),
        }
    }
}

/// An address that a query can be sent to, with this port when it names none.
fn socket(text: &str, port: u16) -> Option<SocketAddr> {
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    let address = match bare.parse::<IpAddr>() {
        Ok(ip) => SocketAddr::new(ip, port),
        Err(_) => text.parse().ok()?,
    };
    let ip = address.ip().to_canonical();
    let is_legal = !ip.is_unspecified() && !ip.is_multicast() && address.port() != 0;
    is_legal.then(|| SocketAddr::new(ip, address.port()))
}

/// The name that was given, or the address itself, which some certificates have.
fn server_name(address: SocketAddr, name: Option<&str>) -> Result<ServerName<'static>, String> {
    let Some(name) = name else {
        return Ok(ServerName::IpAddress(address.ip().into()));
    };
    match ServerName::try_from(name.to_ascii_lowercase()) {
        Ok(name) => Ok(name),
        Err(_) => Err(format!(
            "{:?} cannot be the name in a certificate; write it as in #dns.quad9.net",
            short(name)
        )),
    }
}

/// A path that can stand in a request.
fn checked(path: &str) -> Result<&str, String> {
    let path = path.strip_suffix("{?dns}").unwrap_or(path);
    let is_legal = |b: u8| b.is_ascii_graphic() && !matches!(b, b'?' | b'{' | b'}' | b'"' | b'\\');
    if path.len() <= PATH_BYTES_MAX && path.bytes().all(is_legal) {
        Ok(path)
    } else {
        Err(format!(
            "{:?} is not the path of a DNS service; write it as in /dns-query",
            short(path)
        ))
    }
}

fn no_address(text: &str, host: &str) -> String {
    let (scheme, rest) = text.split_once("://").unwrap_or(("tls", text));
    let path = rest.split('#').next().and_then(|place| place.find('/').map(|at| &place[at..]));
    format!(
        "{:?} is not an address, and a name would have to be looked up before anything can be; write \
         the address, and the name after #: {scheme}://9.9.9.9{}#{}",
        short(host),
        short(path.unwrap_or_default()),
        short(host.split(':').next().filter(|name| !name.is_empty()).unwrap_or("dns.quad9.net")),
    )
}

fn short(text: &str) -> String {
    text.chars().take(ECHO_CHARS_MAX).collect()
}

const DNS_PORT: u16 = 53;
const TLS_PORT: u16 = 853;
const HTTPS_PORT: u16 = 443;
const PATH: &str = "/dns-query";
/// Of a service's path.
const PATH_BYTES_MAX: usize = 1024;
/// How much of a bad text an error repeats.
const ECHO_CHARS_MAX: usize = 80;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forwarders_are_read_as_they_are_printed() {
        for (text, printed) in [
            ("10.0.0.1", "10.0.0.1:53"),
            ("[fd00::1]:5353", "[fd00::1]:5353"),
            ("fd00::1", "[fd00::1]:53"),
            ("tls://9.9.9.9#dns.quad9.net", "tls://9.9.9.9:853#dns.quad9.net"),
            ("TLS://9.9.9.9:8853/#DNS.quad9.net", "tls://9.9.9.9:8853#dns.quad9.net"),
            ("tls://1.1.1.1", "tls://1.1.1.1:853"),
            ("tls://[2620:fe::fe]#dns.quad9.net", "tls://[2620:fe::fe]:853#dns.quad9.net"),
            ("https://9.9.9.9#dns.quad9.net", "https://9.9.9.9:443/dns-query#dns.quad9.net"),
            ("https://9.9.9.9/dns-query{?dns}#a.b", "https://9.9.9.9:443/dns-query#a.b"),
            ("https://[fd00::1]:8443/q/x", "https://[fd00::1]:8443/q/x"),
        ] {
            let read: ForwarderAddr = text.parse().expect("valid");
            assert_eq!(read.to_string(), printed);
            assert_eq!(printed.parse(), Ok(read));
        }
        let by_address: ForwarderAddr = "tls://1.1.1.1".parse().expect("valid");
        let Over::Tls { name } = by_address.over() else { panic!("{by_address}") };
        assert_eq!(name.to_str(), "1.1.1.1", "the certificate is for the address then");
    }

    #[test]
    fn what_cannot_be_asked_is_refused_with_the_mend() {
        for (text, mend) in [
            ("", "write 192.168.1.1"),
            ("dns.quad9.net", "tls://9.9.9.9#dns.quad9.net"),
            ("0.0.0.0", "write 192.168.1.1"),
            ("tls://dns.quad9.net", "tls://9.9.9.9#dns.quad9.net"),
            ("https://dns.quad9.net/dns-query", "https://9.9.9.9/dns-query#dns.quad9.net"),
            ("tls://9.9.9.9:0#a.b", "is not an address"),
            ("tls://9.9.9.9#", "#dns.quad9.net"),
            ("tls://9.9.9.9#a b", "#dns.quad9.net"),
            ("https://9.9.9.9/a?b=c#a.b", "/dns-query"),
            ("quic://9.9.9.9#a.b", "write tls:// or https://"),
        ] {
            let error = text.parse::<ForwarderAddr>().expect_err(text);
            assert!(error.contains(mend), "{text}: {error}");
        }
    }
}
