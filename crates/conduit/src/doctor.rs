//! A look at everything that the gateway stands on, each finding with its mend.
//!
//! One file for each thing that is looked at: a pure judgement over facts, and what reads the facts.
//! The command line uses those that need no gateway by themselves.
//!
//! **Invariant:** all things are looked at at once, each within [`LOOK_TIMEOUT`], and what does not
//! answer by then is a finding of its own. One look goes on at a time; who asks meanwhile shares it.
//! **Invariant:** nothing is changed by looking.

mod answers;
pub(crate) mod aside;
mod certificates;
mod channels;
pub(crate) mod clock;
pub(crate) mod config;
mod containers;
mod descriptors;
pub(crate) mod disk;
mod forwarders;
mod lists;
mod machines;
mod mdns;
mod ports;
mod record;
mod shared;
pub(crate) mod state;
pub(crate) mod stopped;
mod upstreams;

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use conduit_admin::finding::{Check, Diagnosis, Finding};
use conduit_admin::limits::DOCTOR_TIMEOUT;
use conduit_core::clock::Timestamp;
use conduit_core::live;
use conduit_dns::access::Policy;
use conduit_dns::mdns::status::Status as MdnsStatus;
use conduit_proxy::health::board::HealthBoard;
use conduit_proxy::table::RouteTable;
use conduit_registry::Registry;
use conduit_tls::authority::Authority;
use futures_util::future::join_all;
use tokio::time::timeout;

use self::aside::Aside;
use self::shared::Shared;
use crate::app::Addresses;
use crate::config::Config;
use crate::monitor::SiteMonitor;
use crate::reload::Attached;
use crate::selfcheck::SelfCheck;

/// What is looked at.
#[derive(Debug)]
pub(crate) struct Given {
    pub(crate) config: Config,
    pub(crate) addresses: Addresses,
    pub(crate) authority: Option<live::Reader<Authority>>,
    pub(crate) routes: live::Reader<RouteTable>,
    pub(crate) board: HealthBoard,
    pub(crate) check: Arc<SelfCheck>,
    pub(crate) reloader: Option<Arc<Attached>>,
    pub(crate) monitor: Option<Arc<SiteMonitor>>,
    /// `None` when multicast DNS is off.
    pub(crate) mdns: Option<live::Reader<MdnsStatus>>,
    pub(crate) policy: live::Reader<Policy>,
    pub(crate) registry: Registry,
}

/// Looks at a running gateway from within.
#[derive(Debug)]
pub(crate) struct Doctor {
    given: Given,
    aside: Aside,
    last: Shared<Diagnosis>,
}

impl Doctor {
    pub(crate) fn new(given: Given) -> Self {
        Self { given, aside: Aside::default(), last: Shared::default() }
    }

    /// Looks at everything, or takes what somebody else's look found since we asked.
    pub(crate) async fn look(&self) -> Arc<Diagnosis> {
        let looked = async {
            let at = Timestamp::now();
            Diagnosis { at, findings: gather(self.given.looks(&self.aside, at)).await }
        };
        self.last.get(looked).await
    }
}

impl Given {
    /// Everything that is looked at; each by itself, so that none waits for another.
    fn looks<'a>(&'a self, aside: &'a Aside, now: Timestamp) -> Vec<Look<'a>> {
        let config = self.reloader.as_ref().map_or_else(|| self.config.clone(), |r| r.config());
        let state_dir = &self.config.gateway.state_dir;
        let socket = self.config.monitor.enabled.then_some(&*self.config.monitor.docker_socket);
        vec![
            Look::new(Check::Config, config::of_gateway(self.reloader.as_ref(), aside)),
            Look::new(Check::Ports, ports::of_gateway(&self.config, &self.addresses, aside)),
            Look::new(Check::Dns, self.dns()),
            Look::new(Check::Https, answers::https(&self.config, &self.check)),
            Look::new(Check::Forwarders, async move { forwarders::look(&config).await }),
            Look::new(Check::Upstreams, async move {
                upstreams::judge(&upstreams::read(&self.registry, &self.board, now))
            }),
            Look::new(Check::Certificates, self.certificates(now)),
            Look::new(Check::Clock, self.clock(now)),
            Look::new(Check::State, state::look(state_dir, aside)),
            Look::new(Check::Disk, disk::look(state_dir, aside)),
            Look::new(Check::Descriptors, async move {
                let proxy = &self.config.proxy;
                let wanted = proxy.enabled.then_some(proxy.limits.connections);
                descriptors::judge(wanted, descriptors::limit())
            }),
            Look::new(Check::Containers, containers::look(socket)),
            Look::new(Check::Gpu, async move { machines::gpus(self.monitor.as_deref()) }),
            Look::new(Check::Nodes, async move { machines::others(self.monitor.as_deref()) }),
            Look::new(Check::Channels, async move { channels::look(self.monitor.as_deref()) }),
            Look::new(Check::Record, record::look(&self.registry, now)),
        ]
    }

    async fn dns(&self) -> Vec<Finding> {
        let mut findings = answers::dns(&self.config, &self.addresses).await;
        let status = self.mdns.as_ref().map(live::Reader::load_full);
        findings.extend(status.iter().flat_map(|status| mdns::judge(status)));
        findings.extend(lists::judge(&self.policy.load_full().lists.status()));
        findings
    }

    async fn certificates(&self, now: Timestamp) -> Vec<Finding> {
        let authority = self.authority.as_ref().map(live::Reader::load_full);
        let leaves = certificates::leaves(&self.routes.load_full(), now);
        certificates::judge(authority.as_deref(), &leaves, now)
    }

    async fn clock(&self, now: Timestamp) -> Vec<Finding> {
        let authority = self.authority.as_ref().map(live::Reader::load_full);
        let roots = authority.iter().flat_map(|authority| authority.roots());
        let newest = self.registry.entries(1, None).await.unwrap_or_default();
        clock::judge(&clock::Facts {
            now,
            roots_from: roots.map(|root| root.not_before).max(),
            newest_entry: newest.first().map(|entry| entry.at),
            is_synchronised: clock::is_synchronised().await,
        })
    }
}

/// One thing to look at.
pub(crate) struct Look<'a> {
    check: Check,
    findings: Pin<Box<dyn Future<Output = Vec<Finding>> + Send + 'a>>,
}

impl<'a> Look<'a> {
    pub(crate) fn new(
        check: Check,
        findings: impl Future<Output = Vec<Finding>> + Send + 'a,
    ) -> Self {
        Self { check, findings: Box::pin(findings) }
    }

    async fn within(self, limit: Duration) -> Vec<Finding> {
        match timeout(limit, self.findings).await {
            Ok(findings) => bounded(self.check, findings),
            Err(_) => {
                let message = format!("no answer within {} s", limit.as_secs());
                vec![Finding::warn(self.check, message).hint("look again; something hangs there")]
            }
        }
    }
}

/// Looks at all of them at once; what was found, sorted.
pub(crate) async fn gather(looks: Vec<Look<'_>>) -> Vec<Finding> {
    let found = join_all(looks.into_iter().map(|look| look.within(LOOK_TIMEOUT))).await;
    let mut findings: Vec<Finding> = found.into_iter().flatten().collect();
    findings.sort_by(Finding::order);
    findings
}

/// The gravest of one check; a thousand services that are down are told in a screenful.
fn bounded(check: Check, mut findings: Vec<Finding>) -> Vec<Finding> {
    findings.sort_by(Finding::order);
    if findings.len() > FINDINGS_EACH_MAX {
        let left_out = findings.split_off(FINDINGS_EACH_MAX - 1);
        let message = format!("{} more findings of this kind", left_out.len());
        let gravest = left_out.first().map(|finding| finding.verdict);
        let more = Finding::skipped(check, message).hint("mend these first, and look again");
        findings.extend(gravest.map(|verdict| Finding { verdict, ..more }));
    }
    findings
}

/// How long looking at one thing may take.
pub(crate) const LOOK_TIMEOUT: Duration = Duration::from_secs(5);
/// How many findings of one check are told.
const FINDINGS_EACH_MAX: usize = 25;
// What is asked at once has to end before whoever asked stops waiting.
const _: () = assert!(LOOK_TIMEOUT.as_secs() < DOCTOR_TIMEOUT.as_secs());

#[cfg(test)]
mod tests {
    use conduit_admin::finding::Verdict;
    use tokio::time::Instant;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn what_hangs_is_said_so_and_holds_nobody_up() {
        let began = Instant::now();
        let found = gather(vec![
            Look::new(Check::State, std::future::pending()),
            Look::new(Check::Dns, async { vec![Finding::ok(Check::Dns, "it answers")] }),
            Look::new(Check::Disk, std::future::pending()),
        ])
        .await;
        assert_eq!(began.elapsed(), LOOK_TIMEOUT);
        let told: Vec<_> = found.iter().map(|f| (f.check, f.verdict)).collect();
        assert_eq!(
            told,
            [
                (Check::Dns, Verdict::Ok),
                (Check::State, Verdict::Warn),
                (Check::Disk, Verdict::Warn)
            ]
        );
        assert_eq!(found[1].message, "no answer within 5 s");
    }

    #[test]
    fn a_screenful_is_enough() {
        let down = |n: usize| Finding::fail(Check::Upstreams, "down").about(format!("s{n:04}"));
        let found = bounded(Check::Upstreams, (0..1_000).map(down).collect());
        assert_eq!(found.len(), FINDINGS_EACH_MAX);
        let last = found.last().expect("some");
        assert_eq!(
            (last.verdict, &*last.message),
            (Verdict::Fail, "976 more findings of this kind")
        );
        assert_eq!(bounded(Check::Upstreams, vec![down(1)]), [down(1)]);
    }
}
