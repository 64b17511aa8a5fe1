//! What changed among services: which there are, how they are doing, and their leaves.

use std::collections::HashMap;
use std::sync::Arc;

use conduit_core::catalog::Catalog;
use conduit_core::clock::Timestamp;
use conduit_core::health::{Health, UpstreamState};
use conduit_core::name::ServiceName;
use conduit_proxy::health::board::{HealthBoard, ServiceHealth, UpstreamHealth};
use conduit_proxy::table::RouteTable;
use serde_json::json;

use super::{Event, Look, event};
use crate::convert::health::{state, status};

/// How every service is doing, as far as a change of it is worth an event.
pub(crate) type Outlooks = HashMap<ServiceName, Outlook>;

/// How one service is doing: times and counts are left out, as they change all the time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Outlook {
    health: Health,
    reason: Option<String>,
    upstreams: Vec<(UpstreamState, bool)>,
}

impl Outlook {
    fn of(health: &ServiceHealth) -> Self {
        let state = |upstream: &UpstreamHealth| (upstream.state, upstream.hold.is_some());
        Self {
            health: health.health,
            reason: health.reason.clone(),
            upstreams: health.upstreams.iter().map(state).collect(),
        }
    }
}

/// How the services of a catalog are doing.
pub(crate) fn outlooks(catalog: &Catalog, board: &HealthBoard, now: Timestamp) -> Outlooks {
    let known = |name: &ServiceName| {
        let health = board.service(name, now)?;
        Some((name.clone(), Outlook::of(&health)))
    };
    catalog.iter().filter_map(|service| known(&service.name)).collect()
}

/// The events between two looks, by kind and then by name.
pub(super) fn between(old: &Look, new: &Look, now: Timestamp) -> Vec<Event> {
    let at = now.to_string();
    let mut events = Vec::new();
    if !Arc::ptr_eq(&old.catalog, &new.catalog) {
        services(&old.catalog, &new.catalog, &at, &mut events);
    }
    if !Arc::ptr_eq(&old.outlooks, &new.outlooks) {
        healths(&old.outlooks, &new.outlooks, &at, &mut events);
    }
    if !Arc::ptr_eq(&old.table, &new.table) {
        leaves(old, &new.table, &at, &mut events);
    }
    events
}

fn services(old: &Catalog, new: &Catalog, at: &str, events: &mut Vec<Event>) {
    let generation = new.generation().0;
    let mut tell = |kind, mut names: Vec<&ServiceName>| {
        names.sort_unstable();
        events.extend(names.into_iter().map(|name| {
            event(kind, json!({ "at": at, "generation": generation, "name": name.as_str() }))
        }));
    };
    let names = new.changed_since(old).map(|service| &service.name);
    let (changed, registered) = names.partition(|name| old.get(name).is_some());
    tell("service_registered", registered);
    tell("service_changed", changed);
    let gone = old.changed_since(new).map(|s| &s.name).filter(|name| new.get(name).is_none());
    tell("service_deregistered", gone.collect());
}

/// A service that has just come was unknown before; one that has gone is told as such.
fn healths(old: &Outlooks, new: &Outlooks, at: &str, events: &mut Vec<Event>) {
    let mut changed: Vec<_> = new
        .iter()
        .map(|(name, now)| (name, old.get(name), now))
        .filter(|(_, before, now)| match before {
            Some(before) => before != now,
            None => now.health != Health::Unknown,
        })
        .collect();
    changed.sort_unstable_by_key(|(name, ..)| *name);
    events.extend(changed.into_iter().map(|(name, before, now)| {
        let states: Vec<_> = now.upstreams.iter().map(|(one, _)| state(*one)).collect();
        let data = json!({
            "at": at,
            "name": name.as_str(),
            "previous": status(before.map_or(Health::Unknown, |before| before.health)),
            "status": status(now.health),
            "reason": now.reason,
            "upstreams": states,
        });
        event("health_changed", data)
    }));
}

fn leaves(old: &Look, new: &RouteTable, at: &str, events: &mut Vec<Event>) {
    let of = |table: &RouteTable, name: &ServiceName| table.route(name)?.leaves.clone();
    let is_new = |name: &&ServiceName| {
        let pair = of(&old.table, name).zip(of(new, name));
        pair.is_some_and(|(before, now)| !Arc::ptr_eq(&before, &now))
    };
    let mut names: Vec<_> =
        old.catalog.iter().map(|service| &service.name).filter(is_new).collect();
    names.sort_unstable();
    events.extend(
        names
            .into_iter()
            .map(|name| event("leaf_changed", json!({ "at": at, "name": name.as_str() }))),
    );
}
