//! The recorder: facts in flight become entries.
//!
//! **Invariant:** observations are recorded after they happened, through the registry's bounded
//! queue; what is lost on the way is written down as a `gap` with its count.

mod coalesce;

use std::time::Duration;

use conduit_audit::{Action, Draft, Status};
use conduit_core::actor::Actor;
use conduit_core::clock::Timestamp;
use conduit_core::event::{Event, EventStream};
use conduit_registry::Registry;
use serde_json::{Map, Value, json};
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use self::coalesce::{Coalesce, Coalesced};

/// Turns events into entries of the record.
#[derive(Debug)]
pub(crate) struct Recorder {
    registry: Registry,
    coalesce: Coalesce<String, Event>,
}

impl Recorder {
    /// A recorder that writes through this registry.
    pub(crate) fn new(registry: Registry) -> Self {
        Self { registry, coalesce: Coalesce::new(COALESCE_WINDOW, COALESCE_KINDS_MAX) }
    }

    /// Records until `stop`, then what is still in the queue.
    pub(crate) async fn run(mut self, mut events: EventStream, stop: CancellationToken) {
        let mut tick = interval(TICK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Skip);
        loop {
            tokio::select! {
                () = stop.cancelled() => break,
                event = events.next() => match event {
                    Some(event) => self.take(event),
                    None => break,
                },
                _ = tick.tick() => self.flush(events.take_lost()),
            }
        }
        while let Some(event) = events.ready() {
            self.take(event);
        }
        for coalesced in self.coalesce.drain() {
            self.write(&coalesced);
        }
        self.flush(events.take_lost());
    }

    fn take(&mut self, event: Event) {
        let now = Timestamp::now();
        if let Some(coalesced) = self.coalesce.take(kind_of(&event), event, now) {
            self.write(&coalesced);
        }
    }

    fn flush(&mut self, lost: u64) {
        let now = Timestamp::now();
        for coalesced in self.coalesce.due(now) {
            self.write(&coalesced);
        }
        if lost > 0 {
            self.registry.observe(gap(lost, now));
        }
    }

    fn write(&self, coalesced: &Coalesced<Event>) {
        if let Some(draft) = draft_of(coalesced) {
            self.registry.observe(draft);
        }
    }
}

/// What counts as a repetition of what.
fn kind_of(event: &Event) -> String {
    match event {
        // What is raised and what is cleared are two things; a flapping one is damped by its rule.
        Event::AlertChanged { about, is_raised, .. } => format!("alert {is_raised} {about}"),
        Event::AuthFailed { peer, .. } => format!("auth {peer}"),
        Event::HealthChanged { service, .. } => format!("health {service}"),
        _ => String::new(),
    }
}

fn draft_of(coalesced: &Coalesced<Event>) -> Option<Draft> {
    let count = coalesced.count;
    let (at, action, status, message, mut details, part) = match &coalesced.fact {
        Event::AlertChanged { at, message, details, .. } => (
            *at,
            Action::MonitorAlert,
            Status::Success,
            message.clone(),
            Value::Object(Map::clone(details)),
            "monitor",
        ),
        Event::AuthFailed { at, peer, request } => (
            *at,
            Action::AuthFailure,
            Status::Failure,
            format!("No valid credentials from {peer} for {request}"),
            json!({ "peer": peer, "request": request }),
            "admin",
        ),
        Event::HealthChanged { at, service, previous, current, upstream, reason } => (
            *at,
            Action::HealthChange,
            Status::Success,
            format!("{service} went from {previous} to {current}: {reason}"),
            json!({
                "name": service.as_str(),
                "previous": previous.as_str(),
                "current": current.as_str(),
                "checked_at": at.to_string(),
                "upstream": upstream.to_string(),
                "reason": reason,
            }),
            "prober",
        ),
        _ => return None,
    };
    if count > 1 {
        details["count"] = json!(count);
    }
    let message = if count > 1 { format!("{message} ({count} changes)") } else { message };
    let details = match details {
        Value::Object(map) => map,
        _ => Map::new(),
    };
    Some(Draft { at, actor: Actor::System(part), action, status, message, details })
}

fn gap(lost: u64, now: Timestamp) -> Draft {
    let mut details = Map::new();
    details.insert("lost".into(), json!(lost));
    Draft {
        at: now,
        actor: Actor::System("recorder"),
        action: Action::Gap,
        status: Status::Failure,
        message: format!("{lost} observations were lost because the queue was full"),
        details,
    }
}

/// How long repetitions are held back.
const COALESCE_WINDOW: Duration = Duration::from_secs(60);
/// How many kinds of repetition are remembered.
const COALESCE_KINDS_MAX: usize = 10_000;
/// How often what was held back is looked at.
const TICK: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;
    use conduit_core::health::Health;
    use conduit_core::name::ServiceName;
    use conduit_core::upstream::UpstreamAddr;

    #[test]
    fn a_health_change_has_the_fixtures_shape() {
        let event = Event::HealthChanged {
            at: Timestamp::from_seconds(1_775_304_000),
            service: ServiceName::parse("grafana").expect("valid"),
            previous: Health::Healthy,
            current: Health::Down,
            upstream: UpstreamAddr::parse("10.0.1.50:3000").expect("valid"),
            reason: "connection refused".into(),
        };
        let draft = draft_of(&Coalesced { fact: event, count: 3 }).expect("a draft");
        assert_eq!(
            draft.message,
            "grafana went from healthy to down: connection refused (3 changes)"
        );
        let keys: Vec<&str> = draft.details.keys().map(String::as_str).collect();
        assert_eq!(
            keys,
            ["checked_at", "count", "current", "name", "previous", "reason", "upstream"]
        );
    }
}
