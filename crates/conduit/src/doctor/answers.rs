//! Whether our own listeners really answer: a query to each, a handshake, both for a host of ours.

use std::net::SocketAddr;

use conduit_admin::control::CheckOutcome;
use conduit_admin::finding::{Check, Finding};
use conduit_core::error::Chain;
use conduit_core::name::ServiceName;
use conduit_dns::client::ask;
use futures_util::future::join_all;

use crate::app::Addresses;
use crate::config::Config;
use crate::selfcheck::{PATIENCE, SelfCheck, reachable};

/// The host that every gateway serves: its own dashboard.
pub(crate) fn own_host(config: &Config) -> String {
    format!("{}.{}", ServiceName::conduit(), config.gateway.domains.default_suffix())
}

/// Asks each DNS listener for our own host.
pub(crate) async fn dns(config: &Config, addresses: &Addresses) -> Vec<Finding> {
    if !config.dns.enabled {
        return vec![Finding::skipped(Check::Dns, "DNS is off (dns.enabled = false)")];
    }
    let host = own_host(config);
    let one = |address: SocketAddr| {
        let host = &host;
        async move {
            let kind = if address.is_ipv4() { "A" } else { "AAAA" };
            let failure = match ask(reachable(address), host, kind, PATIENCE).await {
                Ok(reply) if reply.status == "NOERROR" => None,
                Ok(reply) => Some(format!("answers {}", reply.status)),
                Err(error) => Some(Chain(&error).to_string()),
            };
            judge_dns(address, host, failure)
        }
    };
    join_all(addresses.dns.iter().copied().map(one)).await
}

/// Tries our own HTTPS, judged by our own roots.
pub(crate) async fn https(config: &Config, check: &SelfCheck) -> Vec<Finding> {
    if !(config.tls.enabled && config.proxy.enabled) {
        let message = "HTTPS is off (tls.enabled or proxy.enabled is false)";
        return vec![Finding::skipped(Check::Https, message)];
    }
    let tried = check.run(&ServiceName::conduit()).await.tls;
    vec![judge_https(&own_host(config), tried.as_ref())]
}

fn judge_dns(address: SocketAddr, host: &str, failure: Option<String>) -> Finding {
    let finding = match failure {
        None => Finding::ok(Check::Dns, format!("answers for {host}")),
        Some(reason) => Finding::fail(Check::Dns, format!("{host}: {reason}"))
            .hint("see whether a firewall drops port 53 here, and the gateway's log"),
    };
    finding.about(address.to_string())
}

fn judge_https(host: &str, tried: Option<&CheckOutcome>) -> Finding {
    let finding = match tried {
        None => Finding::skipped(Check::Https, "no listener to try"),
        Some(CheckOutcome { failure: None, .. }) => {
            Finding::ok(Check::Https, "its certificate verifies against our roots")
        }
        Some(CheckOutcome { failure: Some(reason), .. }) => {
            Finding::fail(Check::Https, reason.clone())
                .hint("`conduit certs` shows what is served; the gateway's log has the reason")
        }
    };
    finding.about(host)
}

#[cfg(test)]
mod tests {
    use conduit_admin::finding::Verdict;
    use conduit_core::clock::Timestamp;

    use super::*;

    #[test]
    fn only_an_answer_is_good() {
        let address: SocketAddr = "127.0.0.1:53".parse().expect("valid");
        for (failure, verdict, message) in [
            (None, Verdict::Ok, "answers for conduit.lan"),
            (Some("answers SERVFAIL"), Verdict::Fail, "conduit.lan: answers SERVFAIL"),
        ] {
            let found = judge_dns(address, "conduit.lan", failure.map(str::to_owned));
            assert_eq!((found.verdict, &*found.message), (verdict, message));
            assert_eq!(found.hint.is_some(), verdict == Verdict::Fail);
        }
    }

    #[test]
    fn a_handshake_that_fails_says_why() {
        let outcome = |failure: Option<&str>| CheckOutcome {
            at: Timestamp::from_seconds(0),
            failure: failure.map(str::to_owned),
        };
        for (tried, verdict) in [
            (None, Verdict::Skipped),
            (Some(outcome(None)), Verdict::Ok),
            (Some(outcome(Some("invalid peer certificate: Expired"))), Verdict::Fail),
        ] {
            let found = judge_https("conduit.lan", tried.as_ref());
            assert_eq!(found.verdict, verdict, "{found:?}");
        }
    }
}
