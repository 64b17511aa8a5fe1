//! DNS: where answers come from before anybody else is asked.

use std::collections::HashMap;

use axum::Json;
use axum::extract::State;
use conduit_api::v1::sources as wire;
use conduit_core::record::Record;
use conduit_dns::mdns::status::{LinkStatus, Status};
use conduit_dns::peers::Peers;
use conduit_dns::zone::{Zone, ZoneInfo};

use super::{Admin, dns_lists};
use crate::state::AdminState;

/// Tells where answers come from: zones of ours, hosts files and lists, multicast DNS, and who copies and changes zones.
#[utoipa::path(
    get,
    path = "/dns/sources",
    operation_id = "dns_sources",
    tag = "dns",
    responses(
        (status = 200, body = wire::DnsSourcesReply, description = "as it is now"),
    ),
)]
pub(crate) async fn sources(State(state): Admin) -> Json<wire::DnsSourcesReply> {
    let zone = state.zone.load_full();
    let lists = dns_lists::told(&state);
    let policy = state.control.dns_policy();
    let peers = policy.map(|policy| policy.peers.clone()).unwrap_or_default();
    Json(wire::DnsSourcesReply {
        zones: zones(&state, &zone),
        lists: lists.lists,
        passed_over: lists.passed_over,
        mdns: mdns(state.control.is_mdns_on(), &state.control.mdns()),
        secondaries: secondaries(&peers),
    })
}

/// Each zone with its figures, counted in one pass over each source.
fn zones(state: &AdminState, zone: &Zone) -> Vec<wire::DnsZone> {
    let mut zones: Vec<wire::DnsZone> = zone
        .zones()
        .map(|ZoneInfo { name, addresses }| wire::DnsZone {
            name,
            kind: if addresses.is_some() { "reverse" } else { "domain" }.to_owned(),
            serial: zone.serial(),
            services: addresses.map_or(0, |n| u64::try_from(n).unwrap_or(u64::MAX)),
            records: 0,
            config: 0,
            hosts: 0,
        })
        .collect();
    let places: HashMap<String, usize> =
        zones.iter().enumerate().map(|(place, zone)| (zone.name.clone(), place)).collect();
    let mut count = |name: &str, figure: fn(&mut wire::DnsZone) -> &mut u64| {
        if let Some(place) = innermost(&places, name) {
            *figure(&mut zones[place]) += 1;
        }
    };
    let catalog = state.registry.catalog().load_full();
    for host in catalog.iter().flat_map(|service| &service.hosts) {
        count(host.as_str(), |zone| &mut zone.services);
    }
    for record in catalog.records().filter_map(|records| records.first()) {
        count(record.name.as_str(), |zone| &mut zone.records);
    }
    let fixed = state.control.fixed_records();
    let mut names: Vec<&str> = fixed.iter().map(|record: &Record| record.name.as_str()).collect();
    names.sort_unstable();
    names.dedup();
    for name in names {
        count(name, |zone| &mut zone.config);
    }
    let passed_over: Vec<&str> = zone.hosts_passed_over().map(|name| name.as_str()).collect();
    for name in zone.hosts().records().names().map(|name| name.as_str()) {
        if passed_over.binary_search(&name).is_err() {
            count(name, |zone| &mut zone.hosts);
        }
    }
    zones
}

/// The place of the innermost zone that a name is in.
fn innermost(places: &HashMap<String, usize>, name: &str) -> Option<usize> {
    let mut rest = name;
    loop {
        if let Some(place) = places.get(rest) {
            return Some(*place);
        }
        (_, rest) = rest.split_once('.')?;
    }
}

fn mdns(enabled: bool, status: &Status) -> wire::DnsMdns {
    let count = |n: usize| u64::try_from(n).unwrap_or(u64::MAX);
    let link = |link: &LinkStatus| wire::DnsMdnsLink {
        interface: link.interface.clone(),
        names: count(link.answered),
        left_out: count(link.left_out),
        conflicts: link
            .conflicts
            .iter()
            .map(|conflict| wire::DnsMdnsConflict {
                name: conflict.name.clone(),
                from: conflict.from.clone(),
                says: conflict.says.clone(),
            })
            .collect(),
    };
    let missing = |(interface, reason): &(String, String)| wire::DnsMdnsMissing {
        interface: interface.clone(),
        reason: reason.clone(),
    };
    wire::DnsMdns {
        enabled,
        links: status.links.iter().map(link).collect(),
        missing: status.missing.iter().map(missing).collect(),
    }
}

fn secondaries(peers: &Peers) -> wire::DnsSecondaries {
    let notified = peers.notify.iter().map(|notified| wire::DnsNotified {
        address: notified.address.to_string(),
        key: notified.key.as_ref().map(ToString::to_string),
    });
    let keys = peers.keys.iter().map(|holder| wire::DnsKey {
        name: holder.key.name().to_string(),
        transfer: holder.transfer,
        update: holder.update.iter().map(ToString::to_string).collect(),
    });
    wire::DnsSecondaries {
        notify: notified.collect(),
        transfer_to: peers.transfer_to.iter().map(ToString::to_string).collect(),
        keys: keys.collect(),
    }
}
