//! Names, certificates, routes, upstreams and probes.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use conduit_core::domains::Domains;
use conduit_core::service::ProbePath;
use conduit_dns::access::AccessList;
use ipnet::IpNet;

use super::super::file;
use super::super::value::{Given, GivenList, Text};
use super::super::{Dns, DnsListen, Health, Proxy, Surroundings, Tls, Upstreams};
use super::judge::Judge;
use super::{
    dnssec, encrypted, forward, limits, lists, mdns, parse, peers, query_log, records, reverse,
    strangers, views,
};

pub(super) fn dns(
    judge: &mut Judge,
    given: &file::Dns,
    domains: &Domains,
    surroundings: &Surroundings,
) -> Dns {
    let mut listen = judge.list(
        "dns.listen",
        &given.listen,
        vec![DnsListen::Auto(DNS_PORT)],
        LISTEN_MAX,
        |text| parse::dns_listen(text, DNS_PORT),
    );
    if let Some(port) = judge.take("dns.listen", &given.port, None, |t| parse::port(t).map(Some)) {
        for address in &mut listen {
            match address {
                DnsListen::At(at) => at.set_port(port),
                DnsListen::Auto(auto) => *auto = port,
            }
        }
    }
    let forward = forward::forward(judge, given);
    Dns {
        enabled: judge.switch(&given.enabled, true),
        tls_listen: encrypted::listen(judge, given, &listen),
        listen,
        workers: judge.take("dns.workers", &given.workers, 0, |text| {
            parse::number(text, 0, DNS_WORKERS_MAX).map(|n| n as usize)
        }),
        reverse_zones: reverse::zones(judge, given, &forward),
        forward,
        forward_ca: encrypted::forward_ca(judge, given, surroundings),
        dnssec: dnssec::dnssec(judge, given),
        lists: lists::lists(judge, given, domains, surroundings),
        allow: judge.list("dns.allow", &given.allow, private(), NETWORKS_MAX, parse::network),
        rate_limit: strangers::rate_limit(judge, &given.rate_limit),
        ttl: judge.take("dns.ttl", &given.ttl, TTL, |text| {
            whole_seconds(parse::duration(text, Duration::ZERO, DAY)?)
        }),
        records: records::records(judge, &given.records, domains),
        views: views::views(judge, &given.views),
        query_log: query_log::settings(judge, given),
        peers: peers::peers(judge, given),
        mdns: mdns::mdns(judge, given, domains),
    }
}

pub(super) fn tls(judge: &mut Judge, given: &file::Tls) -> Tls {
    judge.take("tls.min_version", &given.min_version, (), |text| match text {
        "1.3" => Ok(()),
        "1.2" => Err("TLS 1.2 is not offered by this build; use \"1.3\"".to_owned()),
        _ => Err(format!("{:?} is not a TLS version; use \"1.3\"", parse::short(text))),
    });
    Tls {
        enabled: judge.switch(&given.enabled, true),
        leaf_validity: judge.take("tls.leaf_validity", &given.leaf_validity, 365 * DAY, |text| {
            whole_seconds(parse::duration(text, HOUR, LEAF_VALIDITY_MAX)?)
        }),
        organization: judge.take(
            "tls.organization",
            &given.organization,
            "Conduit".to_owned(),
            |text| parse::text(text, ORGANIZATION_CHARS_MAX, "the organization"),
        ),
    }
}

pub(super) fn proxy(judge: &mut Judge, given: &file::Proxy) -> Proxy {
    Proxy {
        enabled: judge.switch(&given.enabled, true),
        https_listen: web(judge, "proxy.https_listen", &given.https_listen, &given.https_port, 443),
        http3: judge.switch(&given.http3, false),
        http_listen: web(judge, "proxy.http_listen", &given.http_listen, &given.http_port, 80),
        workers: judge.take("proxy.workers", &given.workers, 0, |text| {
            parse::number(text, 0, WORKERS_MAX).map(|n| n as usize)
        }),
        access_log: judge.switch(&given.access_log, false),
        trusted_proxies: judge.list(
            "proxy.trusted_proxies",
            &given.trusted_proxies,
            Vec::new(),
            NETWORKS_MAX,
            parse::network,
        ),
        limits: limits::limits(judge, &given.limits),
    }
}

pub(super) fn upstreams(judge: &mut Judge, given: &file::Upstreams) -> Upstreams {
    Upstreams {
        allow: judge.list(
            "upstreams.allow",
            &given.allow,
            Vec::new(),
            NETWORKS_MAX,
            parse::network,
        ),
        allow_link_local: judge.switch(&given.allow_link_local, false),
    }
}

pub(super) fn health(judge: &mut Judge, given: &file::Health) -> Health {
    let interval = judge.take("health.interval", &given.interval, PROBE_INTERVAL, |text| {
        parse::duration(text, SECOND, HOUR)
    });
    // Nobody who shortens the interval should have to shorten the timeout as well.
    let timeout_default = PROBE_TIMEOUT.min(interval);
    let timeout = judge.take("health.timeout", &given.timeout, timeout_default, |text| {
        let timeout = parse::duration(text, TIMEOUT_MIN, 60 * SECOND)?;
        if timeout > interval {
            return Err("is longer than health.interval; probes would overlap".to_owned());
        }
        Ok(timeout)
    });
    let times = |judge: &mut Judge, key, given: &Given<Text>, default| {
        judge.take(key, given, default, |text| parse::number(text, 1, TIMES_MAX))
    };
    Health {
        interval,
        timeout,
        path: judge.take("health.path", &given.path, default_path(), |text| {
            ProbePath::parse(text).map_err(|error| error.to_string())
        }),
        unhealthy_after: times(judge, "health.unhealthy_after", &given.unhealthy_after, 2),
        healthy_after: times(judge, "health.healthy_after", &given.healthy_after, 1),
    }
}

fn web(
    judge: &mut Judge,
    key: &'static str,
    given: &GivenList,
    port: &Given<Text>,
    default_port: u16,
) -> Vec<SocketAddr> {
    let both = [IpAddr::V4(Ipv4Addr::UNSPECIFIED), IpAddr::V6(Ipv6Addr::UNSPECIFIED)];
    let defaults = both.map(|ip| SocketAddr::new(ip, default_port)).to_vec();
    let mut listen = judge.list(key, given, defaults, LISTEN_MAX, parse::listen);
    if let Some(port) = judge.take(key, port, None, |text| parse::port(text).map(Some)) {
        for address in &mut listen {
            address.set_port(port);
        }
    }
    listen
}

fn default_path() -> ProbePath {
    // Invariant: the constant is a legal path; a test resolves the defaults.
    ProbePath::parse(PROBE_PATH).unwrap_or_else(|_| unreachable!("{PROBE_PATH} is a path"))
}

/// Networks whose members may ask for other people's names.
fn private() -> Vec<IpNet> {
    AccessList::private().networks().to_vec()
}

pub(super) fn whole_seconds(duration: Duration) -> Result<Duration, String> {
    if duration.subsec_nanos() == 0 {
        Ok(duration)
    } else {
        Err("must be whole seconds".to_owned())
    }
}

const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_secs(3_600);
const DAY: Duration = Duration::from_secs(86_400);
const DNS_PORT: u16 = 53;
const TTL: Duration = Duration::from_secs(30);
/// What Apple's clients accept at most.
const LEAF_VALIDITY_MAX: Duration = Duration::from_secs(825 * 86_400);
const PROBE_INTERVAL: Duration = Duration::from_secs(30);
const PROBE_TIMEOUT: Duration = Duration::from_secs(5);
const TIMEOUT_MIN: Duration = Duration::from_millis(100);
const PROBE_PATH: &str = "/health";
pub(super) const LISTEN_MAX: usize = 32;
const NETWORKS_MAX: usize = 256;
const WORKERS_MAX: u32 = 1_024;
const DNS_WORKERS_MAX: u32 = 64;
const TIMES_MAX: u32 = 100;
/// X.520's upper bound for an organization's name.
const ORGANIZATION_CHARS_MAX: usize = 64;
