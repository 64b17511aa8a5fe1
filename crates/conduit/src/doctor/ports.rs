//! Whether every listener of a running gateway has its address, and who has what `auto` left out.

use std::net::SocketAddr;

use conduit_admin::finding::{Check, Finding};

use super::aside::Aside;
use crate::app::Addresses;
use crate::config::Config;
use crate::holder::Holder;

/// Where it listens, and what `auto` could not have.
pub(crate) async fn of_gateway(
    config: &Config,
    addresses: &Addresses,
    aside: &Aside,
) -> Vec<Finding> {
    let mut findings = vec![
        bound("dns.listen", config.dns.enabled, config.dns.listen.len(), &addresses.dns),
        bound(
            "dns.tls_listen",
            config.dns.enabled && config.tls.enabled,
            // `auto` may have found nothing, and that is no matter.
            config.dns.tls_listen.len().min(addresses.dns_tls.len()),
            &addresses.dns_tls,
        ),
        bound(
            "proxy.https_listen",
            config.proxy.enabled && config.tls.enabled,
            config.proxy.https_listen.len(),
            &addresses.https,
        ),
        bound(
            "proxy.http_listen",
            config.proxy.enabled,
            config.proxy.http_listen.len(),
            &addresses.http,
        ),
        bound("admin.listen", true, 1, addresses.admin.as_slice()),
    ];
    let skipped = addresses.dns_taken.clone();
    let held = move || {
        let each = skipped.into_iter();
        each.map(|(address, transport)| (address, transport, Holder::find(address, transport)))
            .collect::<Vec<_>>()
    };
    let held =
        if addresses.dns_taken.is_empty() { Some(Vec::new()) } else { aside.run(held).await };
    let held = held.unwrap_or_default();
    findings.extend(held.iter().map(|(address, transport, holder)| {
        let holder = named(holder.as_ref());
        let message = format!("left out ({transport}): {holder} has it");
        Finding::warn(CHECK, message).about(address.to_string()).hint(
            "clients that ask there do not reach us: stop that and restart the gateway, or name \
             the addresses in dns.listen and dns.tls_listen",
        )
    }));
    findings
}

fn bound(key: &str, is_on: bool, wanted: usize, addresses: &[SocketAddr]) -> Finding {
    let finding = match (is_on && wanted > 0, addresses) {
        (false, _) => Finding::skipped(CHECK, "off"),
        (true, []) => Finding::fail(CHECK, "bound nowhere")
            .hint("the gateway's log of its start has the reason"),
        (true, addresses) => {
            let listed: Vec<String> = addresses.iter().map(ToString::to_string).collect();
            Finding::ok(CHECK, listed.join(", "))
        }
    };
    finding.about(key)
}

/// How a holder is called in messages.
pub(super) fn named(holder: Option<&Holder>) -> String {
    holder.map_or_else(|| "another program".to_owned(), ToString::to_string)
}

const CHECK: Check = Check::Ports;

#[cfg(test)]
mod tests {
    use conduit_admin::finding::Verdict;

    use super::*;

    #[test]
    fn a_listener_that_is_nowhere_fails() {
        let address: SocketAddr = "127.0.0.1:9999".parse().expect("valid");
        for (is_on, wanted, addresses, verdict) in [
            (true, 1, vec![address], Verdict::Ok),
            (true, 1, vec![], Verdict::Fail),
            (true, 0, vec![], Verdict::Skipped),
            (false, 1, vec![], Verdict::Skipped),
        ] {
            assert_eq!(bound("admin.listen", is_on, wanted, &addresses).verdict, verdict);
        }
    }
}
