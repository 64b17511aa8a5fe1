//! What changed from one look at the gateway to the next, as events.
//!
//! **Invariant:** pure. Two looks are compared, so nothing piles up: what came and went in between
//! is not told, and what holds now is.

mod nodes;
mod services;
mod traffic;

use std::sync::Arc;
use std::time::Duration;

use conduit_audit::Head;
use conduit_core::catalog::Catalog;
use conduit_core::clock::Timestamp;
use conduit_monitor::view::NodesView;
use conduit_proxy::table::RouteTable;
use serde_json::{Value, json};

pub(crate) use self::services::{Outlooks, outlooks};
pub(crate) use self::traffic::counts;
use crate::limits::EVENTS_AT_ONCE_MAX;

/// What there was to see at one moment.
#[derive(Debug, Clone)]
pub(crate) struct Look {
    pub(crate) catalog: Arc<Catalog>,
    pub(crate) table: Arc<RouteTable>,
    pub(crate) outlooks: Arc<Outlooks>,
    pub(crate) head: Arc<Head>,
    /// None when the monitor is off.
    pub(crate) nodes: Option<Arc<NodesView>>,
}

/// What is new, for those who ask about nodes and for the others.
#[derive(Debug, Default)]
pub(crate) struct News {
    /// Of nodes and alerts.
    pub(crate) nodes: Vec<Event>,
    /// Of everything else.
    pub(crate) rest: Vec<Event>,
}

/// One event of a stream.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Event {
    /// Its kind.
    pub(crate) kind: &'static str,
    /// What is told, as JSON.
    pub(crate) data: Value,
}

/// What is new since the last look; `interval` is from one reading of a node to the next. A last
/// event says so when there is more than can be told.
pub(crate) fn between(old: &Look, new: &Look, now: Timestamp, interval: Duration) -> News {
    let nodes = match (&old.nodes, &new.nodes) {
        (Some(old), Some(new)) if !Arc::ptr_eq(old, new) => nodes::between(old, new, now, interval),
        _ => Vec::new(),
    };
    let mut rest = services::between(old, new, now);
    if old.head.count != new.head.count {
        let (entries, hash) = (new.head.count, new.head.hash.as_deref());
        let data = json!({ "at": now.to_string(), "entries": entries, "hash": hash });
        rest.push(event("audit_written", data));
    }
    News { nodes: bounded(nodes), rest: bounded(rest) }
}

fn bounded(mut events: Vec<Event>) -> Vec<Event> {
    if events.len() > EVENTS_AT_ONCE_MAX {
        let left_out = events.len() - EVENTS_AT_ONCE_MAX;
        events.truncate(EVENTS_AT_ONCE_MAX);
        events.push(event("left_out", json!({ "events": left_out })));
    }
    events
}

/// Tells a client that is too slow that it has missed so many batches of events.
pub(crate) fn missed(batches: u64) -> Event {
    event("left_out", json!({ "batches": batches }))
}

fn event(kind: &'static str, data: Value) -> Event {
    Event { kind, data }
}

impl Event {
    /// As server-sent events have it.
    pub(crate) fn text(&self) -> String {
        // JSON of serde has no line breaks, so the data is one line.
        format!("event: {}\ndata: {}\n\n", self.kind, self.data)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_is_told_as_one() {
        let many = |count: usize| vec![event("alert_raised", json!({})); count];
        assert_eq!(bounded(many(EVENTS_AT_ONCE_MAX)).len(), EVENTS_AT_ONCE_MAX);
        let told = bounded(many(EVENTS_AT_ONCE_MAX + 5));
        assert_eq!(told.len(), EVENTS_AT_ONCE_MAX + 1);
        assert_eq!(
            told.last().map(Event::text).as_deref(),
            Some("event: left_out\ndata: {\"events\":5}\n\n")
        );
    }
}
