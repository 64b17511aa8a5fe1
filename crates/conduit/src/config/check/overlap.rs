//! What is wrong only in combination: two listeners on one address, a plane with nothing to do,
//! a forwarder that is ourselves.

use std::net::{IpAddr, SocketAddr};

use conduit_dns::forward::address::{ForwarderAddr, Over};

use super::super::file::File;
use super::super::value::{GivenList, Origin};
use super::super::{Config, DnsListen};
use super::judge::Judge;

/// Judges the whole.
pub(super) fn check(judge: &mut Judge, file: &File, config: &Config) {
    let claims = claims(file, config);
    for (index, claim) in claims.iter().enumerate() {
        let earlier = claims[..index].iter().find(|other| other.collides(claim));
        if let Some(earlier) = earlier {
            let reason = format!(
                "{} is taken by {} ({}); give one of them another port",
                claim.shown, earlier.key, earlier.shown
            );
            judge.refuse(claim.key, &claim.origin, reason);
        }
    }
    forwarders(judge, file, config);
    if config.dns.enabled && config.dns.listen.is_empty() {
        let reason = "is empty; give an address, or set dns.enabled = false".to_owned();
        judge.refuse("dns.listen", &origin(&file.dns.listen), reason);
    }
    let proxy = &config.proxy;
    if proxy.enabled && proxy.https_listen.is_empty() && proxy.http_listen.is_empty() {
        let reason = "is empty, and http_listen too; give an address, or set proxy.enabled = false";
        judge.refuse("proxy.https_listen", &origin(&file.proxy.https_listen), reason.to_owned());
    }
    if let Some(given) = &file.proxy.http3
        && given.value
        && (!config.tls.enabled || proxy.https_listen.is_empty())
    {
        let reason = "needs HTTPS; set tls.enabled = true and proxy.https_listen, or http3 = false";
        judge.refuse("proxy.http3", &given.origin, reason.to_owned());
    }
}

/// One address that one key wants.
struct Claim {
    key: &'static str,
    origin: Origin,
    shown: String,
    /// `None` for every loopback and private address (`auto`).
    ip: Option<IpAddr>,
    port: u16,
}

impl Claim {
    fn collides(&self, other: &Self) -> bool {
        if self.port != other.port || self.port == 0 {
            return false;
        }
        match (self.ip, other.ip) {
            // `auto` leaves out what is listed beside it, but not what another plane wants.
            (None, None) => true,
            (None, Some(_)) | (Some(_), None) => self.key != other.key,
            (Some(a), Some(b)) => {
                a == b || (a.is_ipv4() == b.is_ipv4() && (a.is_unspecified() || b.is_unspecified()))
            }
        }
    }
}

fn claims(file: &File, config: &Config) -> Vec<Claim> {
    let mut claims = Vec::new();
    let mut claim = |key, given: &GivenList, index: usize, address: SocketAddr| {
        claims.push(Claim {
            key,
            origin: element_origin(given, index),
            shown: address.to_string(),
            ip: Some(address.ip()),
            port: address.port(),
        });
    };
    if config.proxy.enabled {
        if config.tls.enabled {
            for (index, address) in config.proxy.https_listen.iter().enumerate() {
                claim("proxy.https_listen", &file.proxy.https_listen, index, *address);
            }
        }
        for (index, address) in config.proxy.http_listen.iter().enumerate() {
            claim("proxy.http_listen", &file.proxy.http_listen, index, *address);
        }
    }
    for (key, given, listening) in names(file, config) {
        for (index, listen) in listening.iter().enumerate() {
            if let DnsListen::At(address) = listen {
                claim(key, given, index, *address);
            }
        }
    }
    let admin = config.admin.listen;
    claims.push(Claim {
        key: "admin.listen",
        origin: file.admin.listen.as_ref().map_or(Origin::Default, |given| given.origin.clone()),
        shown: admin.to_string(),
        ip: Some(admin.ip()),
        port: admin.port(),
    });
    for (key, given, listening) in names(file, config) {
        for (index, listen) in listening.iter().enumerate() {
            if let DnsListen::Auto(port) = listen {
                claims.push(Claim {
                    key,
                    origin: element_origin(given, index),
                    shown: listen.to_string(),
                    ip: None,
                    port: *port,
                });
            }
        }
    }
    claims
}

/// Where names are answered, by key.
fn names<'a>(
    file: &'a File,
    config: &'a Config,
) -> impl Iterator<Item = (&'static str, &'a GivenList, &'a [DnsListen])> {
    let dns = &config.dns;
    let plain = ("dns.listen", &file.dns.listen, &*dns.listen, dns.enabled);
    let is_encrypted = dns.enabled && config.tls.enabled;
    let tls = ("dns.tls_listen", &file.dns.tls_listen, &*dns.tls_listen, is_encrypted);
    let all = [plain, tls].into_iter().filter(|(.., is_on)| *is_on);
    all.map(|(key, given, listening, _)| (key, given, listening))
}

/// An address of ours is never a forwarder: every unknown name would go round in a circle.
fn forwarders(judge: &mut Judge, file: &File, config: &Config) {
    let reason = |forwarder: &ForwarderAddr| {
        format!("{forwarder} is this gateway itself; name another DNS server")
    };
    for (index, forwarder) in config.dns.forward.forwarders.iter().enumerate() {
        if is_ours(config, forwarder) {
            let origin = element_origin(&file.dns.forwarders, index);
            judge.refuse("dns.forwarders", &origin, reason(forwarder));
        }
    }
    let written = file.dns.forward.iter().flat_map(|given| &given.value);
    for (given, written) in config.dns.forward.conditional.iter().zip(written) {
        for (forwarder, element) in given.to.iter().zip(&written.value.to) {
            if is_ours(config, forwarder) {
                judge.refuse("dns.forward", &element.origin, reason(forwarder));
            }
        }
        for (suffix, element) in given.domains.iter().zip(&written.value.domains) {
            let mut domains = config.gateway.domains.iter();
            if let Some(domain) = domains.find(|domain| suffix.is_under(domain.as_str())) {
                let reason = format!(
                    "{suffix} is under the internal domain {domain}, whose names are never forwarded"
                );
                judge.refuse("dns.forward", &element.origin, reason);
            }
        }
    }
}

fn is_ours(config: &Config, forwarder: &ForwarderAddr) -> bool {
    let https: Vec<DnsListen> =
        config.proxy.https_listen.iter().copied().map(DnsListen::At).collect();
    let listening = match forwarder.over() {
        Over::Plain => &config.dns.listen,
        Over::Tls { .. } => &config.dns.tls_listen,
        Over::Https { .. } => &https,
    };
    let forwarder = forwarder.socket();
    let listens = listening.iter().any(|listen| match listen {
        DnsListen::At(at) => {
            *at == forwarder
                || (at.port() == forwarder.port()
                    && at.ip().is_unspecified()
                    && forwarder.ip().is_loopback())
        }
        DnsListen::Auto(port) => {
            *port == forwarder.port() && RESOLVED != forwarder.ip() && forwarder.ip().is_loopback()
        }
    });
    // Another server on this machine is told apart by its port.
    let is_port_of_ours = listening.iter().any(|listen| match listen {
        DnsListen::At(at) => at.port() == forwarder.port(),
        DnsListen::Auto(port) => *port == forwarder.port(),
    });
    listens || (is_port_of_ours && config.gateway.addresses.contains(&forwarder.ip()))
}

fn origin(given: &GivenList) -> Origin {
    given.as_ref().map_or(Origin::Default, |given| given.origin.clone())
}

fn element_origin(given: &GivenList, index: usize) -> Origin {
    let element = given.as_ref().and_then(|given| given.value.get(index));
    element.map_or_else(|| origin(given), |element| element.origin.clone())
}

/// Where systemd-resolved listens; `auto` leaves it alone.
const RESOLVED: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(127, 0, 0, 53));
