//! Whether this machine's own resolver leads to the gateway, and how to point it there.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use conduit_admin::finding::{Check, Finding};
use conduit_api::v1::status::GatewayStatus;
use conduit_core::name::ServiceName;
use conduit_dns::interfaces::Interfaces;
use tokio::net::lookup_host;

use crate::cli::resolvers;

/// Resolves the gateway's own host as every program of this machine does.
pub(super) async fn look(status: &GatewayStatus) -> Vec<Finding> {
    let Some(domain) = status.domains.first() else {
        return vec![Finding::skipped(CHECK, "the gateway has no domain")];
    };
    let listens: Vec<SocketAddr> =
        status.listen.dns.iter().filter_map(|address| address.parse().ok()).collect();
    if listens.is_empty() {
        return vec![Finding::skipped(CHECK, "DNS is off (dns.enabled = false)")];
    }
    let host = format!("{}.{domain}", ServiceName::conduit());
    let resolved = lookup_host((host.as_str(), 0)).await;
    let resolved = resolved.map(|all| all.map(|at| at.ip()).collect::<Vec<_>>());
    let facts = Facts {
        domain,
        host: &host,
        resolved: resolved.unwrap_or_default(),
        ours: ours(status, &listens),
        resolvers: resolvers::listed(),
        listens,
    };
    vec![facts.judge()]
}

/// What names may answer with: what is configured, else every address of this machine.
fn ours(status: &GatewayStatus, listens: &[SocketAddr]) -> Vec<IpAddr> {
    let configured: Vec<IpAddr> =
        status.addresses.iter().filter_map(|address| address.parse().ok()).collect();
    if !configured.is_empty() {
        return configured;
    }
    let here = Interfaces::read().map(|all| all.addresses()).unwrap_or_default();
    here.into_iter().chain(listens.iter().map(SocketAddr::ip)).collect()
}

struct Facts<'a> {
    domain: &'a str,
    host: &'a str,
    /// What this machine resolves it to; nothing when it does not.
    resolved: Vec<IpAddr>,
    ours: Vec<IpAddr>,
    /// Those that this machine asks, in their order.
    resolvers: Vec<IpAddr>,
    /// Where the gateway answers DNS.
    listens: Vec<SocketAddr>,
}

impl Facts<'_> {
    fn judge(&self) -> Finding {
        let strange: Vec<String> = self
            .resolved
            .iter()
            .filter(|ip| !self.ours.contains(ip))
            .map(|ip| ip.to_string())
            .collect();
        let finding = if self.resolved.is_empty() {
            Finding::warn(CHECK, "this machine does not resolve it").hint(self.mend())
        } else if strange.is_empty() {
            Finding::ok(CHECK, "this machine resolves it to the gateway")
        } else {
            let message = format!(
                "this machine resolves it to {}, which is not the gateway",
                strange.join(", ")
            );
            let mend = self.mend();
            Finding::fail(CHECK, message)
                .hint(format!("somebody else answers for {}: {mend}", self.domain))
        };
        finding.about(self.host)
    }

    /// How to point this machine at the gateway, by what it asks now.
    fn mend(&self) -> String {
        let domain = self.domain;
        let address = self.address();
        let listed = || {
            let all: Vec<String> = self.resolvers.iter().map(ToString::to_string).collect();
            all.join(", ")
        };
        if self.resolvers.contains(&SYSTEMD_RESOLVED) {
            return format!(
                "systemd-resolved answers here: write [Resolve], DNS={address} and \
                 Domains=~{domain} into /etc/systemd/resolved.conf.d/conduit.conf, then \
                 `systemctl restart systemd-resolved`"
            );
        }
        if address.port() != DNS_PORT {
            let who = if self.resolvers.is_empty() { "its DNS server".into() } else { listed() };
            return format!(
                "resolvers ask port {DNS_PORT} only, and the gateway answers on {address}: set \
                 dns.listen, or have {who} forward {domain} there"
            );
        }
        let first = format!("put `nameserver {}` first in /etc/resolv.conf", address.ip());
        match self.resolvers.is_empty() {
            true => first,
            false => format!("{first}, or have {} forward {domain} to it", listed()),
        }
    }

    /// The address to name: one that others can use too, when there is one.
    fn address(&self) -> SocketAddr {
        let is_open =
            |address: &&SocketAddr| !address.ip().is_loopback() && !address.ip().is_unspecified();
        let chosen = self.listens.iter().find(is_open).or_else(|| self.listens.first());
        let chosen = chosen.copied().unwrap_or(SocketAddr::new(LOOPBACK, DNS_PORT));
        crate::selfcheck::reachable(chosen)
    }
}

const CHECK: Check = Check::DnsPath;
/// Where systemd-resolved answers the programs of its machine.
const SYSTEMD_RESOLVED: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 53));
const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
/// Where resolvers ask.
const DNS_PORT: u16 = 53;

#[cfg(test)]
mod tests {
    use conduit_admin::finding::Verdict;

    use super::*;

    fn judged(resolved: &[&str], resolvers: &[&str], listens: &str) -> Finding {
        let ips = |texts: &[&str]| texts.iter().map(|ip| ip.parse().expect("valid")).collect();
        let facts = Facts {
            domain: "internal",
            host: "conduit.internal",
            resolved: ips(resolved),
            ours: ips(&["10.0.0.1", "127.0.0.1"]),
            resolvers: ips(resolvers),
            listens: vec![listens.parse().expect("valid")],
        };
        facts.judge()
    }

    #[test]
    fn the_mend_is_by_who_answers_here() {
        let good = judged(&["10.0.0.1"], &["10.0.0.1"], "10.0.0.1:53");
        assert_eq!((good.verdict, good.hint), (Verdict::Ok, None));
        let elsewhere = judged(&["192.0.2.1"], &["192.0.2.53"], "10.0.0.1:53");
        assert_eq!(elsewhere.verdict, Verdict::Fail);
        assert!(elsewhere.message.contains("192.0.2.1"), "{}", elsewhere.message);
        for (resolvers, listens, part) in [
            (&["127.0.0.53"][..], "10.0.0.1:53", "DNS=10.0.0.1:53 and Domains=~internal"),
            (&["127.0.0.53"], "127.0.0.1:1053", "DNS=127.0.0.1:1053"),
            (&["192.0.2.53"], "10.0.0.1:53", "put `nameserver 10.0.0.1` first"),
            (&["192.0.2.53"], "10.0.0.1:53", "have 192.0.2.53 forward internal"),
            (&["192.0.2.53"], "127.0.0.1:1053", "resolvers ask port 53 only"),
            (&[], "10.0.0.1:53", "put `nameserver 10.0.0.1` first"),
        ] {
            let found = judged(&[], resolvers, listens);
            let hint = found.hint.expect("a hint");
            assert!(hint.contains(part), "{hint}");
            assert_eq!(found.verdict, Verdict::Warn);
        }
    }
}
