//! What multicast DNS does on each link, for people and for scrapes.
//!
//! **Invariant:** counters exist from the start; counting takes no lock.

use std::fmt;
use std::sync::Arc;

use conduit_core::live;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric as _};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Registry;

/// How multicast DNS does.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Status {
    /// The links, by interface.
    pub links: Vec<LinkStatus>,
    /// Interfaces that were asked for and are not served, each with the reason.
    pub missing: Vec<(String, String)>,
}

/// One link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LinkStatus {
    /// The interface.
    pub interface: String,
    /// How many names are answered for.
    pub answered: usize,
    /// Names that do not fit.
    pub left_out: usize,
    /// Names that others have.
    pub conflicts: Vec<Conflict>,
}

/// A name of ours that another machine on the link has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conflict {
    /// The name, without the final dot.
    pub name: String,
    /// Where the other machine speaks from.
    pub from: String,
    /// What it says of the name, such as `A 10.0.0.9`.
    pub says: String,
}

impl Status {
    /// Each conflict with its interface.
    pub fn conflicts(&self) -> impl Iterator<Item = (&str, &Conflict)> {
        let each = self.links.iter();
        each.flat_map(|link| link.conflicts.iter().map(|c| (link.interface.as_str(), c)))
    }
}

/// What is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sent {
    Probe,
    Announcement,
    Goodbye,
    /// To the group.
    Answer,
    /// To one machine.
    Single,
}

/// Why something that was heard is passed over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Dropped {
    Malformed,
    /// From off the link, or from a port that no responder has.
    Source,
    /// Too much at once.
    Flood,
}

/// What all links count; cheap to clone.
#[derive(Debug, Clone)]
pub struct Counts(Arc<Counters>);

#[derive(Debug)]
struct Counters {
    sent: [Counter; SENT.len()],
    dropped: [Counter; DROPPED.len()],
    sent_family: Family<KindLabels, Counter>,
    dropped_family: Family<ReasonLabels, Counter>,
}

impl Counts {
    /// Registers them as `dns_mdns_…`, with the gauges of the status as it is at each scrape.
    pub fn register(&self, registry: &mut Registry, status: live::Reader<Status>) {
        let sent = "Packets of multicast DNS sent, by kind";
        registry.register("dns_mdns_sent", sent, self.0.sent_family.clone());
        let dropped = "Packets of multicast DNS passed over, by reason";
        registry.register("dns_mdns_dropped", dropped, self.0.dropped_family.clone());
        registry.register_collector(Box::new(Scraped(status)));
    }

    pub(crate) fn sent(&self, kind: Sent) {
        self.0.sent[kind as usize].inc();
    }

    pub(crate) fn dropped(&self, reason: Dropped) {
        self.0.dropped[reason as usize].inc();
    }
}

impl Default for Counts {
    fn default() -> Self {
        let sent_family = Family::<KindLabels, Counter>::default();
        let dropped_family = Family::<ReasonLabels, Counter>::default();
        let sent = SENT.map(|kind| sent_family.get_or_create(&KindLabels { kind }).clone());
        let dropped =
            DROPPED.map(|reason| dropped_family.get_or_create(&ReasonLabels { reason }).clone());
        Self(Arc::new(Counters { sent, dropped, sent_family, dropped_family }))
    }
}

/// Reads the status at each scrape.
struct Scraped(live::Reader<Status>);

impl fmt::Debug for Scraped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Scraped")
    }
}

impl Collector for Scraped {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let status = self.0.load_full();
        for (name, help, read) in GAUGES {
            let mut metric = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
            for link in &status.links {
                let labels = LinkLabels { interface: link.interface.clone() };
                let value = i64::try_from(read(link)).unwrap_or(i64::MAX);
                ConstGauge::new(value).encode(metric.encode_family(&labels)?)?;
            }
        }
        Ok(())
    }
}

/// A name, what it says, and where it is read.
type Gauge = (&'static str, &'static str, fn(&LinkStatus) -> usize);

const GAUGES: [Gauge; 2] = [
    ("dns_mdns_names", "Names answered for on multicast DNS, by interface", |link| link.answered),
    ("dns_mdns_conflicts", "Names that another machine on the link has, by interface", |link| {
        link.conflicts.len()
    }),
];

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct KindLabels {
    kind: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ReasonLabels {
    reason: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct LinkLabels {
    interface: String,
}

/// In the order of [`Sent`].
const SENT: [&str; 5] = ["probe", "announcement", "goodbye", "answer", "single"];
/// In the order of [`Dropped`].
const DROPPED: [&str; 3] = ["malformed", "source", "flood"];
