//! How lists do, for people and for scrapes.

use std::fmt;
use std::sync::atomic::Ordering;

use conduit_core::clock::Timestamp;
use conduit_core::live;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric as _};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;

use super::settings::Place;
use super::table::Slot;
use crate::access::Policy;

/// How one list does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListStatus {
    /// What it is called.
    pub name: String,
    /// `hosts`, `block` or `allow`.
    pub kind: &'static str,
    /// Its file; none when its lines are in the configuration.
    pub file: Option<String>,
    /// How it is read.
    pub format: &'static str,
    /// Names and networks in it.
    pub entries: usize,
    /// Of ours, which the zone answers.
    pub own: usize,
    /// What it takes in memory, data beside names not counted.
    pub bytes: usize,
    /// Questions and answers that it had a say in.
    pub hits: u64,
    /// Lines that could not be read.
    pub skipped: Skipped,
    /// When it was read.
    pub loaded_at: Option<Timestamp>,
    /// Why it is not what the file holds now.
    pub error: Option<String>,
}

/// Lines that could not be read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Skipped {
    /// How many.
    pub count: usize,
    /// The first of them.
    pub first: Vec<SkippedLine>,
}

/// A line that could not be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SkippedLine {
    /// Its number.
    pub line: u32,
    /// What it says, shortened.
    pub text: String,
    /// What is wrong with it.
    pub reason: &'static str,
}

impl Skipped {
    pub(crate) fn add(&mut self, line: u32, text: &[u8], reason: &'static str) {
        self.count += 1;
        if self.first.len() < SKIPPED_TOLD_MAX {
            let text = String::from_utf8_lossy(text.get(..TEXT_BYTES_MAX).unwrap_or(text));
            let text = text.trim().chars().filter(|c| !c.is_control()).collect();
            self.first.push(SkippedLine { line, text, reason });
        }
    }
}

impl ListStatus {
    pub(super) fn of(slot: &Slot) -> Self {
        let list = &slot.list;
        Self {
            name: list.source.name.clone(),
            kind: list.source.kind.as_str(),
            file: match &list.source.place {
                Place::File(path) => Some(path.display().to_string()),
                Place::Lines(_) => None,
            },
            format: list.source.format.as_str(),
            entries: list.entries.len() + list.nets.len(),
            own: list.own_count,
            bytes: list.entries.bytes(),
            hits: list.hits.load(Ordering::Relaxed),
            skipped: list.skipped.clone(),
            loaded_at: list.loaded_at,
            error: slot.error.clone(),
        }
    }
}

/// Reads the lists in force at each scrape.
pub(crate) struct Scraped(pub(crate) live::Reader<Policy>);

impl fmt::Debug for Scraped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Scraped")
    }
}

impl Collector for Scraped {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let all = self.0.load_full().lists.status();
        let (name, help) = HITS;
        let mut hits = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
        for list in &all {
            let labels = [("list", list.name.as_str())];
            ConstCounter::new(list.hits).encode(hits.encode_family(&labels)?)?;
        }
        for (name, help, read) in GAUGES {
            let mut metric = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
            for list in &all {
                let labels = [("list", list.name.as_str())];
                let value = i64::try_from(read(list)).unwrap_or(i64::MAX);
                ConstGauge::new(value).encode(metric.encode_family(&labels)?)?;
            }
        }
        Ok(())
    }
}

type Gauge = (&'static str, &'static str, fn(&ListStatus) -> usize);

const HITS: (&str, &str) = ("dns_list_hits", "Questions and answers that the list had a say in");
const GAUGES: [Gauge; 4] = [
    ("dns_list_entries", "Names and networks in the list", |list| list.entries),
    ("dns_list_bytes", "What its names take", |list| list.bytes),
    ("dns_list_skipped_lines", "Lines that could not be read", |list| list.skipped.count),
    (
        "dns_list_up_to_date",
        "1 is what its file held when it was last read, 0 is what it held before",
        |list| usize::from(list.error.is_none()),
    ),
];
/// Of one list; the count goes on.
const SKIPPED_TOLD_MAX: usize = 20;
/// Of a line that is told.
const TEXT_BYTES_MAX: usize = 120;
