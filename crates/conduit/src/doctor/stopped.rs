//! What is in the way of a gateway that does not run: ports that somebody else has.
//!
//! Each address is bound for a moment and let go: only the system knows whether it can be had.

use std::io;
use std::net::{SocketAddr, TcpListener, UdpSocket};

use conduit_admin::finding::{Check, Finding};
use conduit_dns::handler::Transport;
use conduit_dns::interfaces::Interfaces;

use super::aside::Aside;
use super::ports::named;
use crate::config::{Config, DnsListen};
use crate::holder::Holder;

/// Tries every address that a start would bind.
pub(crate) async fn look(config: &Config, aside: &Aside) -> Vec<Finding> {
    let wanted = wanted(config);
    let tried = aside.run(move || wanted.into_iter().map(Tried::of).collect::<Vec<_>>()).await;
    match tried {
        None => vec![Finding::skipped(CHECK, "an earlier look at them still hangs")],
        Some(tried) => judge(&tried),
    }
}

/// One address that a start would bind.
#[derive(Debug, Clone, Copy)]
struct Wanted {
    key: &'static str,
    address: SocketAddr,
    transport: Transport,
    /// Whether it was asked for by itself; `auto` takes what is free.
    is_named: bool,
}

/// What came of trying to have it for a moment.
#[derive(Debug)]
struct Tried {
    wanted: Wanted,
    failure: Option<io::ErrorKind>,
    holder: Option<Holder>,
}

impl Tried {
    fn of(wanted: Wanted) -> Self {
        let bound = match wanted.transport {
            Transport::Udp => UdpSocket::bind(wanted.address).map(drop),
            Transport::Tcp | Transport::Tls | Transport::Https => {
                TcpListener::bind(wanted.address).map(drop)
            }
        };
        let failure = bound.err().map(|error| error.kind());
        let holder = match failure {
            Some(io::ErrorKind::AddrInUse) => Holder::find(wanted.address, wanted.transport),
            _ => None,
        };
        Self { wanted, failure, holder }
    }
}

fn wanted(config: &Config) -> Vec<Wanted> {
    let mut all = Vec::new();
    let mut add = |key, address, transports: &[Transport], is_named| {
        let each = transports.iter();
        all.extend(each.map(|&transport| Wanted { key, address, transport, is_named }));
    };
    if config.dns.enabled {
        let both = [Transport::Udp, Transport::Tcp];
        let tls = if config.tls.enabled { &*config.dns.tls_listen } else { &[] };
        let plain = config.dns.listen.iter().map(|listen| ("dns.listen", &both[..], listen));
        let tls = tls.iter().map(|listen| ("dns.tls_listen", &[Transport::Tls][..], listen));
        for (key, transports, listen) in plain.chain(tls) {
            match *listen {
                DnsListen::At(address) => add(key, address, transports, true),
                DnsListen::Auto(port) => {
                    let here = Interfaces::read().map(|all| all.automatic()).unwrap_or_default();
                    for ip in here {
                        add(key, SocketAddr::new(ip, port), transports, false);
                    }
                }
            }
        }
    }
    if config.proxy.enabled {
        let udp: &[Transport] = if config.proxy.http3 { &[Transport::Udp] } else { &[] };
        let https = if config.tls.enabled { &*config.proxy.https_listen } else { &[] };
        for &address in https {
            add("proxy.https_listen", address, &[&[Transport::Tcp], udp].concat(), true);
        }
        for &address in &config.proxy.http_listen {
            add("proxy.http_listen", address, &[Transport::Tcp], true);
        }
    }
    add("admin.listen", config.admin.listen, &[Transport::Tcp], true);
    all
}

fn judge(tried: &[Tried]) -> Vec<Finding> {
    let has_dns = |tried: &Tried| tried.wanted.key == "dns.listen" && tried.failure.is_none();
    let dns_left = tried.iter().any(has_dns);
    let mut findings: Vec<Finding> =
        tried.iter().filter_map(|tried| of_tried(tried, dns_left)).collect();
    if findings.is_empty() {
        findings.push(Finding::ok(CHECK, "all of them are free"));
    }
    findings
}

fn of_tried(tried: &Tried, dns_left: bool) -> Option<Finding> {
    let Wanted { key, address, transport, is_named } = tried.wanted;
    let finding = match tried.failure? {
        io::ErrorKind::AddrInUse => {
            let holder = named(tried.holder.as_ref());
            let message = format!("{transport}: taken by {holder}");
            match is_named || (key == "dns.listen" && !dns_left) {
                true => Finding::fail(CHECK, message)
                    .hint(format!("stop that, or change {key} in the configuration")),
                false => Finding::warn(CHECK, message).hint(
                    "clients that ask there will not reach us: stop that, or name the addresses \
                     in dns.listen and dns.tls_listen",
                ),
            }
        }
        io::ErrorKind::PermissionDenied => {
            Finding::skipped(CHECK, format!("{transport}: ports below 1024 are not for this user"))
                .hint("look again with sudo; the gateway needs CAP_NET_BIND_SERVICE there")
        }
        // No IPv6 here, or an address that `auto` lost meanwhile: a start leaves these out.
        _ if address.ip().is_unspecified() || !is_named => return None,
        kind => Finding::fail(CHECK, format!("{transport}: {kind}"))
            .hint(format!("correct {key} in the configuration")),
    };
    Some(finding.about(address.to_string()))
}

const CHECK: Check = Check::Ports;

#[cfg(test)]
mod tests {
    use conduit_admin::finding::Verdict;

    use super::*;

    fn tried(is_named: bool, transport: Transport, failure: Option<io::ErrorKind>) -> Tried {
        let holder = Holder { pid: 7, command: "dnsmasq".into() };
        Tried {
            wanted: Wanted {
                key: "dns.listen",
                address: "10.0.0.1:53".parse().expect("valid"),
                transport,
                is_named,
            },
            holder: (failure == Some(io::ErrorKind::AddrInUse)).then_some(holder),
            failure,
        }
    }

    #[test]
    fn a_port_that_was_named_must_be_had() {
        use Transport::{Tcp, Udp};
        use io::ErrorKind::{AddrInUse, AddrNotAvailable, PermissionDenied};
        for (all, expected) in [
            (vec![tried(true, Udp, None)], vec![(Verdict::Ok, "all of them are free")]),
            (
                vec![tried(true, Udp, Some(AddrInUse)), tried(true, Tcp, None)],
                vec![(Verdict::Fail, "UDP: taken by dnsmasq (pid 7)")],
            ),
            (
                vec![tried(false, Udp, Some(AddrInUse)), tried(false, Tcp, None)],
                vec![(Verdict::Warn, "UDP: taken by dnsmasq (pid 7)")],
            ),
            (
                vec![tried(false, Udp, Some(AddrInUse))],
                vec![(Verdict::Fail, "UDP: taken by dnsmasq (pid 7)")],
            ),
            (
                vec![tried(true, Tcp, Some(PermissionDenied))],
                vec![(Verdict::Skipped, "TCP: ports below 1024 are not for this user")],
            ),
            (
                vec![tried(true, Tcp, Some(AddrNotAvailable))],
                vec![(Verdict::Fail, "TCP: address not available")],
            ),
            (
                vec![tried(false, Tcp, Some(AddrNotAvailable))],
                vec![(Verdict::Ok, "all of them are free")],
            ),
        ] {
            let found = judge(&all);
            let told: Vec<_> = found.iter().map(|f| (f.verdict, f.message.clone())).collect();
            let expected: Vec<_> =
                expected.into_iter().map(|(verdict, text)| (verdict, text.to_owned())).collect();
            let lower = |all: Vec<(Verdict, String)>| {
                all.into_iter().map(|(v, t)| (v, t.to_lowercase())).collect::<Vec<_>>()
            };
            assert_eq!(lower(told), lower(expected));
        }
    }

    #[test]
    fn a_socket_of_ours_is_seen_and_named() {
        let held = TcpListener::bind("127.0.0.1:0").expect("bound");
        let wanted = Wanted {
            key: "admin.listen",
            address: held.local_addr().expect("an address"),
            transport: Transport::Tcp,
            is_named: true,
        };
        let tried = Tried::of(wanted);
        assert_eq!(tried.failure, Some(io::ErrorKind::AddrInUse));
        assert_eq!(tried.holder.map(|holder| holder.pid), Some(std::process::id()));
    }
}
