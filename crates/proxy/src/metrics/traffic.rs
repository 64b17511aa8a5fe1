//! What went through, per service: for people, as the scrape is for Prometheus.

use std::collections::HashMap;
use std::iter::Sum;
use std::ops::AddAssign;

use conduit_core::name::ServiceName;
use foldhash::fast::RandomState;

use super::counters::{SERVER_ERRORS, ServiceCounters};
use super::{ProxyMetrics, lock};

/// What went through for one service or several, since each one's first request. Services of byte
/// streams count connections where others count requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Traffic {
    /// Requests that ended, and connections that were opened.
    pub requests: u64,
    /// Of them, those that were answered with a status of 500 or more.
    pub errors: u64,
    /// Requests under way, and connections that are open.
    pub in_flight: u64,
    /// Bytes that came from clients: bodies, and what tunnels and byte streams carried.
    pub received_bytes: u64,
    /// Bytes that went to clients.
    pub sent_bytes: u64,
    /// How long the requests that ended took together, in microseconds.
    pub took_us: u64,
}

/// What went through, by service.
pub type TrafficByService = HashMap<ServiceName, Traffic, RandomState>;

impl ProxyMetrics {
    /// What went through, of every registered service that was asked for at all.
    pub fn traffic(&self) -> TrafficByService {
        let mut all = TrafficByService::default();
        for shard in lock(&self.0.shards).iter() {
            for (service, counters) in lock(shard).iter() {
                // Most are in the map already, but for one shard.
                let one = Traffic::of(counters);
                match all.get_mut(service) {
                    Some(sum) => *sum += one,
                    None => drop(all.insert(service.clone(), one)),
                }
            }
        }
        all
    }
}

impl Traffic {
    fn of(counters: &ServiceCounters) -> Self {
        let requests: u64 = counters.classes.iter().map(|class| class.read()).sum();
        let streams = counters.streams.get().map(|streams| streams.sum()).unwrap_or_default();
        Self {
            requests: requests + streams.total,
            errors: counters.classes[SERVER_ERRORS].read(),
            in_flight: counters.in_flight.read() + streams.open,
            received_bytes: counters.bytes_in.read()
                + counters.tunnel_received.read()
                + streams.received,
            sent_bytes: counters.bytes_out.read() + counters.tunnel_sent.read() + streams.sent,
            took_us: counters.duration.sum_us(),
        }
    }
}

impl AddAssign for Traffic {
    fn add_assign(&mut self, other: Self) {
        self.requests += other.requests;
        self.errors += other.errors;
        self.in_flight += other.in_flight;
        self.received_bytes += other.received_bytes;
        self.sent_bytes += other.sent_bytes;
        self.took_us += other.took_us;
    }
}

impl<'a> Sum<&'a Self> for Traffic {
    fn sum<I: Iterator<Item = &'a Self>>(all: I) -> Self {
        all.fold(Self::default(), |mut sum, one| {
            sum += *one;
            sum
        })
    }
}
