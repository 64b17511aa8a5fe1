//! Parsers of single values: each says what is wrong and what a right one looks like.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use conduit_core::duration;
use conduit_core::name::Host;
use conduit_core::policy::Size;
use ipnet::IpNet;

use super::super::{DnsListen, LogFormat};

/// A duration from `min` to `max`.
pub(super) fn duration(text: &str, min: Duration, max: Duration) -> Result<Duration, String> {
    let value = duration::parse(text)?;
    if (min..=max).contains(&value) {
        Ok(value)
    } else {
        Err(format!(
            "{} is out of range; use {} to {}",
            duration::print(value),
            duration::print(min),
            duration::print(max)
        ))
    }
}

/// A whole number from `min` to `max`.
pub(super) fn number(text: &str, min: u32, max: u32) -> Result<u32, String> {
    let value: Option<u32> = text.trim().parse().ok();
    value
        .filter(|value| (min..=max).contains(value))
        .ok_or_else(|| format!("{:?} is not a whole number from {min} to {max}", short(text)))
}

/// A number of bytes from `min` to `max`.
pub(super) fn size(text: &str, min: u64, max: u64) -> Result<u64, String> {
    let size: Size = text.trim().parse().map_err(|error| format!("{error}"))?;
    match (min..=max).contains(&size.0) {
        true => Ok(size.0),
        false => Err(format!("{size} is out of range; use {} to {}", Size(min), Size(max))),
    }
}

/// A port; 0 lets the system choose one.
pub(super) fn port(text: &str) -> Result<u16, String> {
    text.trim()
        .parse()
        .map_err(|_| format!("{:?} is not a port; use a number from 0 to 65535", short(text)))
}

/// An internal domain.
pub(super) fn domain(text: &str) -> Result<Host, String> {
    let bare = text.trim().trim_start_matches('.');
    Host::parse(bare).map_err(|error| error.to_string())
}

/// An address to listen on.
pub(super) fn listen(text: &str) -> Result<SocketAddr, String> {
    let address: SocketAddr = text.trim().parse().map_err(|_| {
        format!(
            "{:?} is not an address to listen on; write 0.0.0.0:443, 127.0.0.1:8443 or [::]:443",
            short(text)
        )
    })?;
    match address {
        SocketAddr::V6(v6) if v6.ip().to_ipv4_mapped().is_some() => {
            Err(format!("{address} is an IPv4 address in disguise; write it as IPv4"))
        }
        SocketAddr::V6(v6) if v6.scope_id() != 0 || v6.flowinfo() != 0 => {
            Err(format!("{address} has a zone, which this gateway does not listen on"))
        }
        _ if address.ip().is_multicast() => {
            Err(format!("{address} is a multicast address; it cannot be listened on"))
        }
        _ => Ok(address),
    }
}

/// An address to answer DNS on, or `auto:PORT`; `usual` is the port of `auto` alone.
pub(super) fn dns_listen(text: &str, usual: u16) -> Result<DnsListen, String> {
    match text.trim().strip_prefix("auto") {
        Some("") => Ok(DnsListen::Auto(usual)),
        Some(rest) => match rest.strip_prefix(':').map(port) {
            Some(Ok(port)) => Ok(DnsListen::Auto(port)),
            _ => Err(format!("{:?} is not auto:PORT, as in auto:{usual}", short(text))),
        },
        None => listen(text).map(DnsListen::At),
    }
}

/// An address names answer with.
pub(super) fn answer_address(text: &str) -> Result<IpAddr, String> {
    let ip: IpAddr = text
        .trim()
        .parse()
        .map_err(|_| format!("{:?} is not an IP address such as 10.0.1.2", short(text)))?;
    let ip = ip.to_canonical();
    if ip.is_unspecified() || ip.is_multicast() {
        return Err(format!("{ip} is not an address that clients can reach"));
    }
    Ok(ip)
}

/// A network, or a single address.
pub(super) fn network(text: &str) -> Result<IpNet, String> {
    let text = text.trim();
    if let Ok(ip) = text.parse::<IpAddr>() {
        return Ok(IpNet::from(ip));
    }
    text.parse::<IpNet>()
        .map(|net| net.trunc())
        .map_err(|_| format!("{:?} is not a network; write 10.0.0.0/8 or fd00::/8", short(text)))
}

/// The log's format.
pub(super) fn log_format(text: &str) -> Result<LogFormat, String> {
    match text {
        "auto" => Ok(LogFormat::Auto),
        "json" => Ok(LogFormat::Json),
        "text" => Ok(LogFormat::Text),
        _ => Err(format!("{:?} is not a log format; use auto, text or json", short(text))),
    }
}

/// The log's level or directives.
pub(super) fn log_level(text: &str) -> Result<String, String> {
    let text = text.trim();
    let legal = !text.is_empty()
        && text.len() <= LOG_LEVEL_BYTES_MAX
        && tracing_subscriber::EnvFilter::builder().parse(text).is_ok();
    if legal {
        Ok(text.to_owned())
    } else {
        Err(format!(
            "{:?} is not a log level; use error, warn, info, debug, trace or directives such as \
             info,conduit_dns=debug",
            short(text)
        ))
    }
}

/// Printable text of 1 to `max` characters.
pub(super) fn text(value: &str, max: usize, what: &str) -> Result<String, String> {
    let trimmed = value.trim();
    if trimmed.is_empty() {
        return Err(format!("{what} is empty"));
    }
    if trimmed.chars().count() > max {
        return Err(format!("{what} is longer than {max} characters"));
    }
    if trimmed.chars().any(char::is_control) {
        return Err(format!("{what} contains control characters"));
    }
    Ok(trimmed.to_owned())
}

/// Cuts what goes into an error.
pub(super) fn short(text: &str) -> String {
    text.chars().take(60).collect()
}

const LOG_LEVEL_BYTES_MAX: usize = 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_refused_with_what_to_write() {
        for (text, expected) in [
            ("0.0.0.0:443", true),
            ("[::]:443", true),
            ("127.0.0.1:0", true),
            ("443", false),
            (":443", false),
            ("localhost:443", false),
            ("[::ffff:10.0.0.1]:443", false),
            ("[fe80::1%2]:443", false),
            ("224.0.0.1:443", false),
            ("0.0.0.0:65536", false),
        ] {
            assert_eq!(listen(text).is_ok(), expected, "{text}");
        }
        assert_eq!(dns_listen("auto:1053", 53), Ok(DnsListen::Auto(1053)));
        assert_eq!(dns_listen("auto", 53), Ok(DnsListen::Auto(53)));
        assert!(dns_listen("auto:x", 53).is_err() && dns_listen("automatic", 53).is_err());
    }

    #[test]
    fn networks_take_the_short_form() {
        assert_eq!(network("10.1.2.3/8").map(|n| n.to_string()), Ok("10.0.0.0/8".into()));
        assert_eq!(network("10.1.2.3").map(|n| n.to_string()), Ok("10.1.2.3/32".into()));
        assert!(network("10.0.0.0/33").is_err());
    }
}
