//! What DNS counts.
//!
//! **Invariant:** every counter exists from the start, so that counting is one atomic addition and
//! takes no lock.

use std::fmt;
use std::sync::Arc;

use conduit_core::live;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;

use crate::access::Policy;
use crate::forward::status::Scraped;
use crate::handler::Transport;
use crate::lists::status::Scraped as ListsScraped;
use crate::reply::{Drop, Outcome, counted};

/// The counters of this crate; cheap to clone.
#[derive(Debug, Clone)]
pub struct Metrics(Arc<Counters>);

impl Metrics {
    /// Makes the counters and registers them as `dns_…`, behind whatever prefix the registry has.
    pub fn register(registry: &mut Registry) -> Self {
        let counters = Counters::default();
        registry.register(
            "dns_queries",
            "Queries answered, by transport and outcome",
            counters.queries_family.clone(),
        );
        registry.register(
            "dns_forwarded",
            "Queries sent to a forwarder, by outcome",
            counters.forwarded_family.clone(),
        );
        registry.register(
            "dns_dropped",
            "Messages and connections that got no reply, by reason",
            counters.dropped_family.clone(),
        );
        registry.register(
            "dns_notifies",
            "Changes that secondaries were told of, by whether they heard",
            counters.notices_family.clone(),
        );
        Self(Arc::new(counters))
    }

    /// Registers what forwarding counts, as `policy` has it at each scrape.
    pub fn register_forwarding(registry: &mut Registry, policy: live::Reader<Policy>) {
        registry.register_collector(Box::new(ListsScraped(policy.clone())));
        registry.register_collector(Box::new(Scraped(policy)));
    }

    /// How many queries of this transport had this outcome.
    pub fn queries(&self, transport: Transport, outcome: Outcome) -> u64 {
        self.0.queries[transport as usize][outcome as usize].get()
    }

    /// How many messages or connections got no reply for this reason.
    pub fn dropped(&self, reason: Drop) -> u64 {
        self.0.dropped[reason as usize].get()
    }

    pub(crate) fn count(&self, transport: Transport, outcome: Outcome) {
        self.0.queries[transport as usize][outcome as usize].inc();
    }

    /// Counts what was counted apart.
    pub(crate) fn count_all(&self, transport: Transport, tally: &Tally) {
        for (counter, count) in self.0.queries[transport as usize].iter().zip(tally.0) {
            if count > 0 {
                counter.inc_by(count);
            }
        }
    }

    pub(crate) fn count_forwarded(&self, outcome: Outcome) {
        self.0.forwarded[outcome as usize].inc();
    }

    pub(crate) fn count_notice(&self, notice: Notice) {
        self.0.notices[notice as usize].inc();
    }

    pub(crate) fn count_dropped(&self, reason: Drop) {
        self.0.dropped[reason as usize].inc();
    }
}

/// Outcomes that are counted together, so that what all workers share is touched once for a batch.
#[derive(Debug, Default)]
pub(crate) struct Tally([u64; Outcome::ALL.len()]);

impl Tally {
    /// Counts one reply.
    pub(crate) fn count(&mut self, outcome: Outcome) {
        self.0[outcome as usize] += 1;
    }
}

impl Default for Metrics {
    /// Counters that are exposed nowhere.
    fn default() -> Self {
        Self(Arc::new(Counters::default()))
    }
}

counted! {
    /// What became of telling a secondary of a change.
    Notice {
        /// It answered.
        Heard = "heard",
        /// It did not, for as long as it was tried.
        Unheard = "unheard",
    }
}

#[derive(Debug)]
struct Counters {
    queries: [[Counter; Outcome::ALL.len()]; Transport::ALL.len()],
    forwarded: [Counter; Outcome::ALL.len()],
    dropped: [Counter; Drop::ALL.len()],
    notices: [Counter; Notice::ALL.len()],
    queries_family: Family<QueryLabels, Counter>,
    forwarded_family: Family<OutcomeLabels, Counter>,
    dropped_family: Family<DropLabels, Counter>,
    notices_family: Family<OutcomeLabels, Counter>,
}

impl Default for Counters {
    fn default() -> Self {
        let queries_family = Family::<QueryLabels, Counter>::default();
        let forwarded_family = Family::<OutcomeLabels, Counter>::default();
        let dropped_family = Family::<DropLabels, Counter>::default();
        let queries = Transport::ALL.map(|transport| {
            Outcome::ALL.map(|outcome| {
                let labels =
                    QueryLabels { transport: transport.as_str(), outcome: outcome.as_str() };
                queries_family.get_or_create(&labels).clone()
            })
        });
        let forwarded = Outcome::ALL.map(|outcome| {
            let outcome = outcome.as_str();
            let counter = forwarded_family.get_or_create(&OutcomeLabels { outcome });
            counter.clone()
        });
        let dropped = Drop::ALL.map(|reason| {
            let reason = reason.as_str();
            dropped_family.get_or_create(&DropLabels { reason }).clone()
        });
        let notices_family = Family::<OutcomeLabels, Counter>::default();
        let notices = Notice::ALL.map(|notice| {
            let outcome = notice.as_str();
            notices_family.get_or_create(&OutcomeLabels { outcome }).clone()
        });
        Self {
            queries,
            forwarded,
            dropped,
            notices,
            queries_family,
            forwarded_family,
            dropped_family,
            notices_family,
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct QueryLabels {
    transport: &'static str,
    outcome: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OutcomeLabels {
    outcome: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct DropLabels {
    reason: &'static str,
}

impl fmt::Display for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_counted_is_exposed() {
        let mut registry = Registry::with_prefix("conduit");
        let metrics = Metrics::register(&mut registry);
        metrics.count(Transport::Tcp, Outcome::NxDomain);
        metrics.count_dropped(Drop::Short);
        metrics.count_forwarded(Outcome::Failed);
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &registry).expect("encodes");
        for line in [
            "conduit_dns_queries_total{transport=\"tcp\",outcome=\"nxdomain\"} 1",
            "conduit_dns_queries_total{transport=\"udp\",outcome=\"records\"} 0",
            "conduit_dns_dropped_total{reason=\"short\"} 1",
            "conduit_dns_forwarded_total{outcome=\"servfail\"} 1",
        ] {
            assert!(text.lines().any(|exposed| exposed == line), "{line} in {text}");
        }
        assert_eq!(metrics.queries(Transport::Tcp, Outcome::NxDomain), 1);
        assert_eq!(metrics.dropped(Drop::Short), 1);
    }
}
